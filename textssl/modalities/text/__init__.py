"""Texts: how they are checked, encoded, cut, augmented and run."""
