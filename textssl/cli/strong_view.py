"""The strong view that a recipe was asked for, with what it needs prepared."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import datasets
from accelerate import PartialState

from ..augment import Augmentation, Column, OneOf
from ..augment.text import (
    ApertiumEngine,
    BackTranslation,
    Seq2SeqEngine,
    TextCTAugment,
    TfIdfReplacement,
    TranslationEngine,
    UniformReplacement,
)
from ..config import SSLConfig
from ..data.truncation import head_size
from .options import RecipeOptions


__all__ = ["choose_strong", "strong_view"]

TRANSLATED = "back_translation"


def choose_strong(strong: str) -> str:
    """Resolve ``auto``: TF-IDF replacement, joined by back-translation where Apertium is installed."""
    if strong != "auto":
        return strong
    return "tfidf+apertium" if shutil.which("apertium") else "tfidf"


def strong_view(
    options: RecipeOptions,
    config: SSLConfig,
    unlabeled: datasets.Dataset,
    folder: Path,
    special_tokens: Sequence[str] = (),
) -> tuple[datasets.Dataset, Augmentation]:
    """Prepare the strong view of ``unlabeled``.

    Translations are kept in ``folder`` and survive a kill. ``special_tokens`` of the tokenizer stay in every text.

    Returns:
        The data set, with a column of translations where there are any, and the view.

    Raises:
        UserError: a translator that is not installed or cannot be loaded.
    """
    # A word has at least one token: earlier words are cut off anyway.
    keep_last = config.max_length if config.truncation == "start" else None
    texts, progress = unlabeled[config.text_column], PartialState().is_main_process
    if options.strong == "ctaugment":
        way = TextCTAugment.fit(
            texts, column=config.text_column, keep_last=keep_last, progress=progress, special_tokens=special_tokens
        )
        return unlabeled, way
    views: list[Augmentation] = []
    for part in choose_strong(options.strong).split("+"):
        if part in ("tfidf", "uniform"):
            kind = TfIdfReplacement if part == "tfidf" else UniformReplacement
            views.append(
                kind.fit(
                    texts,
                    p=options.replace,
                    column=config.text_column,
                    progress=progress,
                    keep_last=keep_last,
                    remember=len(unlabeled),
                    special_tokens=special_tokens,
                )
            )
            continue
        unlabeled = _translated(_engine(part, options), config, unlabeled, folder)
        views.append(Column(TRANSLATED, config.text_column))
    return unlabeled, views[0] if len(views) == 1 else OneOf(views)


def _engine(name: str, options: RecipeOptions) -> TranslationEngine:
    if name == "apertium":
        return ApertiumEngine(processes=2)
    return Seq2SeqEngine(
        options.forward_translator,
        options.backward_translator,
        temperature=options.translation_temperature,
    )


def _translated(
    engine: TranslationEngine, config: SSLConfig, unlabeled: datasets.Dataset, folder: Path
) -> datasets.Dataset:
    """Add the column; one process translates, the others then read what it stored."""
    shown = "shown"
    cut = unlabeled.map(lambda text: {shown: _seen_by_model(text, config)}, input_columns=config.text_column)
    with PartialState().main_process_first():
        translation = BackTranslation(engine, folder, column=shown, seed=config.seed)
        return translation.add_column(cut, TRANSLATED).remove_columns(shown)


def _seen_by_model(text: str, config: SSLConfig) -> str:
    words, length = text.split(), config.max_length
    if config.truncation == "head_tail":
        return (
            text
            if len(words) <= length
            else " ".join([*words[: head_size(length)], *words[head_size(length) - length :]])
        )
    return " ".join(words[-length:] if config.truncation == "start" else words[:length])
