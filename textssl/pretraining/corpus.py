"""The corpus of in-domain pretraining: texts, cut into windows of tokens, in one memory-mapped file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from transformers import PreTrainedTokenizerBase

from ..data.validation import check_texts
from ..errors import UserError


__all__ = ["joined_texts", "special_ids", "split_texts", "texts_of", "windows_of"]

WINDOWS = datasets.Features({"input_ids": datasets.Sequence(datasets.Value("int32"))})


def joined_texts(parts: datasets.Dataset | Sequence[datasets.Dataset], column: str) -> datasets.Dataset:
    """The texts of one or several data sets, in their order, as one data set of the column ``column``.

    Raises:
        UserError: no data sets, no rows, no such column, or a value that is no string.
    """
    parts = [parts] if isinstance(parts, datasets.Dataset) else list(parts)
    for part in parts:
        check_texts(part, column, "dataset")
    texts = [part.with_format(None).select_columns([column]) for part in parts]
    if not sum(map(len, texts)):
        raise UserError("dataset: got no rows; expected at least one text")
    # Arrow has several types of strings.
    features = texts[0].features
    texts = [part if part.features == features else part.cast(features) for part in texts]
    return datasets.concatenate_datasets(texts)


def texts_of(parts: Sequence[datasets.Dataset], columns: Sequence[str]) -> list[datasets.Dataset]:
    """Data sets whose column ``columns[0]`` has all texts: of pairs the second ones follow, as texts of their own.

    Raises:
        UserError: a column of second texts that is missing.
    """
    found = list(parts)
    for column in columns[1:]:
        for part in parts:
            check_texts(part, column, "dataset", "text_pair_column")
            found.append(part.with_format(None).select_columns([column]).rename_column(column, columns[0]))
    return found


def split_texts(texts: datasets.Dataset, share: float, seed: int) -> tuple[datasets.Dataset, datasets.Dataset]:
    """Texts to train on and held-out ones, a function of the seed: whole texts, so no review is in both.

    Args:
        texts: N rows.
        share: of the held-out ones; above 0 at least one text is held out.
        seed: of the choice.

    Raises:
        UserError: no text would be left to train on.
    """
    count = max(1, round(share * len(texts))) if share else 0
    if count >= len(texts):
        raise UserError(f"validation_share: got {share}; of {len(texts)} texts none would be left to train on")
    chosen = np.random.default_rng(seed).permutation(len(texts))[:count]
    held_out = np.zeros(len(texts), dtype=bool)
    held_out[chosen] = True
    return texts.select(np.flatnonzero(~held_out)), texts.select(np.flatnonzero(held_out))


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Ids that are never predicted. An unknown word is a word."""
    return set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}


def windows_of(
    texts: datasets.Dataset, column: str, tokenizer: PreTrainedTokenizerBase, max_length: int, path: Path
) -> datasets.Dataset:
    """Cut each text into windows of at most ``max_length`` tokens, special ones included; nothing is lost.

    Texts without any token give no window, nor do special tokens alone.

    Args:
        texts: N rows.
        column: of the texts.
        tokenizer: a fast tokenizer.
        max_length: most tokens of a window.
        path: the Arrow file of the windows. One that is there is taken as it is; it appears whole or not at all.

    Returns:
        A memory-mapped data set of ``input_ids``, one row a window.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    special = special_ids(tokenizer)

    def cut(batch: dict[str, list[str]]) -> dict[str, Any]:
        encoded = tokenizer(
            batch[column], truncation=True, max_length=max_length, return_overflowing_tokens=True, stride=0
        )
        return {"input_ids": [ids for ids in encoded["input_ids"] if not special.issuperset(ids)]}

    return texts.map(
        cut,
        batched=True,
        remove_columns=[column],
        features=WINDOWS,
        cache_file_name=str(path),
        load_from_cache_file=True,
        # The caller's name of the file says what is in it: no need to hash the tokenizer.
        new_fingerprint=path.stem,
        desc="Windows",
    )
