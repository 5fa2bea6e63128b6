"""What is installed on this machine, what it can do, and what is missing."""
