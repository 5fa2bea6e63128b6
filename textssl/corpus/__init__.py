"""Jobs over a person's own files, each one call from a file to a file: pseudo-labels, translations, retrieval."""
