"""Named data sets, splits, two-stream batches and views."""
