"""A grid of methods, numbers of labels and seeds: each cell is a run of its own, all share data and baseline."""
