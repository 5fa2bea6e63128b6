"""Saved classifiers put to use: loaded from a folder or the Hub, run over files, measured on labeled ones."""

from .classifier import Classifier
from .loading import load_classifier


__all__ = ["Classifier", "load_classifier"]
