"""``textssl check``: whether training would take the data, and the findings as lines."""
