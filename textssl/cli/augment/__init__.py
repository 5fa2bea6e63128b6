"""``textssl augment``: the views that training would draw, side by side with the examples."""
