"""The commands of ``textssl``, one module each: it parses, calls the library and prints."""
