"""One method on any data, as a program: which method, which files, help."""
