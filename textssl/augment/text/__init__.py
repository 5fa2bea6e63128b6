"""Augmentations of text, each a pure function of ``(example, rng)``."""

from .apertium import ApertiumEngine
from .back_translation import BackTranslation, TranslationEngine
from .nlpaug import Nlpaug
from .seq2seq import Seq2SeqEngine
from .tfidf import TfIdfReplacement, UniformReplacement
from .word_statistics import WordStatistics
from .words import SplitText, split_words


__all__ = [
    "ApertiumEngine",
    "BackTranslation",
    "Nlpaug",
    "Seq2SeqEngine",
    "SplitText",
    "TfIdfReplacement",
    "TranslationEngine",
    "UniformReplacement",
    "WordStatistics",
    "split_words",
]
