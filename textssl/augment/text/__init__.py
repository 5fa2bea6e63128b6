"""Augmentations of text, each a pure function of ``(example, rng)``."""

from .apertium import ApertiumEngine
from .back_translation import BackTranslation, TranslationEngine
from .ctaugment import TextCTAugment
from .eda import WordDeletion, WordInsertion, WordSwap
from .nlpaug import Nlpaug
from .pairs import for_pairs
from .seq2seq import Seq2SeqEngine
from .tfidf import TfIdfReplacement, UniformReplacement
from .translation_job import TranslationJob
from .word_statistics import WordStatistics
from .words import SplitText, split_words


__all__ = [
    "ApertiumEngine",
    "BackTranslation",
    "Nlpaug",
    "Seq2SeqEngine",
    "SplitText",
    "TextCTAugment",
    "TfIdfReplacement",
    "TranslationEngine",
    "TranslationJob",
    "UniformReplacement",
    "WordDeletion",
    "WordInsertion",
    "WordStatistics",
    "WordSwap",
    "for_pairs",
    "split_words",
]
