"""The strong view that a recipe was asked for, with what it needs prepared."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import datasets
from accelerate import PartialState

from ...augment import Augmentation, Chain, Column, OneOf
from ...augment.text import (
    ApertiumEngine,
    BackTranslation,
    Seq2SeqEngine,
    TextCTAugment,
    TfIdfReplacement,
    TranslationEngine,
    UniformReplacement,
    for_pairs,
)
from ...config import SSLConfig
from ...modalities.text.truncation import head_size
from ..console import is_terminal
from ..options import RecipeOptions


__all__ = ["choose_strong", "strong_view"]

# Of the first texts, and of the second ones where there are pairs.
TRANSLATED = ("back_translation", "back_translation_pair")


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
    corpus: datasets.Dataset | None = None,
) -> tuple[datasets.Dataset, Augmentation]:
    """Prepare the strong view of ``unlabeled``.

    Translations are kept in ``folder`` and survive a kill. ``special_tokens`` of the tokenizer stay in every text. The
    words of ``corpus`` are counted, where ``unlabeled`` are but some of its rows.

    Returns:
        The data set, with a column of translations where there are any, and the view.

    Raises:
        UserError: a translator that is not installed or cannot be loaded.
    """
    # A word has at least one token: earlier words are cut off anyway.
    keep_last = config.max_length if config.truncation == "start" else None
    first, second = config.text_column, config.text_pair_column
    columns = [first] if second is None else [first, second]
    # Words are counted within seconds, which a log need not tell.
    progress = PartialState().is_main_process and is_terminal()
    counted = unlabeled if corpus is None else corpus
    texts = [text for column in columns for text in counted[column]]
    if options.strong == "ctaugment":
        ctaugment = TextCTAugment.fit(
            texts, column=first, keep_last=keep_last, progress=progress, special_tokens=special_tokens
        )
        return unlabeled, _on(columns, ctaugment)
    views: list[Augmentation] = []
    for part in choose_strong(options.strong).split("+"):
        if part in ("tfidf", "uniform"):
            kind = TfIdfReplacement if part == "tfidf" else UniformReplacement
            augmentation = kind.fit(
                texts,
                p=options.replace,
                column=first,
                progress=progress,
                keep_last=keep_last,
                remember=len(texts),
                special_tokens=special_tokens,
            )
            views.append(_on(columns, augmentation))
            continue
        engine = _engine(part, options)
        for name, column in zip(TRANSLATED, columns, strict=False):
            unlabeled = _translated(engine, config, unlabeled, folder, column, name)
        # Each text's own translation.
        columns_read = [Column(name, column) for name, column in zip(TRANSLATED, columns, strict=False)]
        views.append(columns_read[0] if len(columns) == 1 else Chain(columns_read))
    return unlabeled, views[0] if len(views) == 1 else OneOf(views)


def _on(columns: list[str], augmentation: Augmentation) -> Augmentation:
    return augmentation if len(columns) == 1 else for_pairs(augmentation, columns)


def _engine(name: str, options: RecipeOptions) -> TranslationEngine:
    if name == "apertium":
        return ApertiumEngine(processes=2)
    return Seq2SeqEngine(
        options.forward_translator,
        options.backward_translator,
        temperature=options.translation_temperature,
    )


def _translated(
    engine: TranslationEngine, config: SSLConfig, unlabeled: datasets.Dataset, folder: Path, column: str, name: str
) -> datasets.Dataset:
    """Add the column ``name`` of translations; one process translates, the others then read what it stored."""
    shown = "shown"
    cut = unlabeled.map(lambda text: {shown: _seen_by_model(text, config)}, input_columns=column)
    with PartialState().main_process_first():
        translation = BackTranslation(engine, folder, column=shown, seed=config.seed)
        return translation.add_column(cut, name).remove_columns(shown)


def _seen_by_model(text: str, config: SSLConfig) -> str:
    """The words that the model has room for, with their line breaks, which the translator sees."""
    words, length = [found.span() for found in re.finditer(r"\S+", text)], config.max_length
    if len(words) <= length:
        return text
    head = {"start": 0, "head_tail": head_size(length)}.get(config.truncation, length)
    parts = [text[: words[head - 1][1]]] if head else []
    if head < length:
        parts.append(text[words[head - length][0] :])
    return "\n".join(parts)
