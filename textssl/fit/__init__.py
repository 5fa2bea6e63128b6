"""The choice among classifiers: candidates, folds, calibration, priors and a time budget."""

from .classifier import fit_classifier
from .result import FitResult


__all__ = ["FitResult", "fit_classifier"]
