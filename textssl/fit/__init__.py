"""The choice among classifiers: candidates, folds, calibration, priors and a time budget."""
