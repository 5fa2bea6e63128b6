"""Saved classifiers put to use: loaded from a folder or the Hub, run over files, measured on labeled ones."""

from .classifier import Classifier
from .loading import load_classifier
from .onnx_export import export_onnx


__all__ = ["Classifier", "export_onnx", "load_classifier"]
