"""Named data sets: where they come from, how they are split, and which of their labels are made wrong."""
