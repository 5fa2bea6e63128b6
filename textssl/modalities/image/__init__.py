"""Images: how they are read, checked, encoded and augmented."""
