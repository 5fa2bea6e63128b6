"""What the library must know of a network of transformers, whatever is done with it."""
