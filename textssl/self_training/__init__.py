"""Self-training: teachers, what is chosen of their labels, and rounds of students."""
