"""The choice among classifiers: candidates, folds, calibration, priors and a time budget."""

from .classifier import fit_classifier
from .from_names import fit_from_names
from .result import FitResult


__all__ = ["FitResult", "fit_classifier", "fit_from_names"]
