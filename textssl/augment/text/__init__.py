"""Augmentations of text, each a pure function of ``(example, rng)``."""

from .nlpaug import Nlpaug
from .tfidf import TfIdfReplacement, UniformReplacement
from .word_statistics import WordStatistics
from .words import SplitText, split_words


__all__ = [
    "Nlpaug",
    "SplitText",
    "TfIdfReplacement",
    "UniformReplacement",
    "WordStatistics",
    "split_words",
]
