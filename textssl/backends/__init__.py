"""The only seam between text and images."""
