"""Self-training: what a round of it is made of, and what it leaves."""
