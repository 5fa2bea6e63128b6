"""From a text to token ids, and from many of them to a padded batch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ..augment.text.words import SplitText
from .truncation import as_trained, head_and_tail, special_tokens_of
from .word_pieces import WordPieceCache


__all__ = ["TextEncoder"]

# Enough for every review of IMDb; more rows than this are tokenised again at each visit.
CACHED_ROWS = 100_000


class TextEncoder:
    """Tokenises with special tokens, cuts to ``max_length`` and pads to the longest of a batch.

    A text that remembers its cut (an online word replacement) is put together from the known ids of its words
    where the tokenizer allows it: the ids equal those of tokenising the whole text. Texts that come with a
    ``key`` are static and tokenised once.

    Args:
        tokenizer: any tokenizer of transformers.
        max_length: most tokens of a row, special ones included.
        truncation: what a longer text loses: ``"end"``, ``"start"``, or its middle with ``"head_tail"``.
        pad_to_multiple_of: pad the width up to a multiple, which tensor cores like.

    Attributes:
        tokenizer: a copy of the one given, which cuts as this encoder does; it is what to save beside the model.

    Raises:
        UserError: ``"head_tail"`` for a tokenizer whose special tokens are not around the text.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        truncation: str = "end",
        pad_to_multiple_of: int = 1,
    ) -> None:
        self.tokenizer = tokenizer = as_trained(tokenizer, max_length, truncation)
        self.max_length = max_length
        self.truncation = truncation
        self._special = special_tokens_of(tokenizer) if truncation == "head_tail" else None
        self.pad_to_multiple_of = pad_to_multiple_of
        self._known: dict[Any, np.ndarray] = {}
        self._words = WordPieceCache(tokenizer) if WordPieceCache.supports(tokenizer) else None

    def __call__(self, texts: Sequence[str], keys: Sequence[Any] | None = None) -> dict[str, Any]:
        """Encode ``texts``.

        Args:
            texts: B texts.
            keys: for each text, what identifies it for good, or ``None`` where it changes between visits.

        Returns:
            ``input_ids`` and ``attention_mask`` [B, T], and ``lengths``, a list of B ints.
        """
        rows: list[np.ndarray | None] = [None] * len(texts)
        if keys is not None:
            rows = [None if key is None else self._known.get(key) for key in keys]
        missing = [i for i, row in enumerate(rows) if row is None]
        for i, ids in zip(missing, self._tokenize([texts[i] for i in missing]), strict=True):
            rows[i] = ids
            if keys is not None and keys[i] is not None and len(self._known) < CACHED_ROWS:
                self._known[keys[i]] = ids
        return self._pad([row for row in rows if row is not None])

    def full_lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Tokens [B] of each text, special ones included, if nothing is cut."""
        encoded = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"] if len(texts) else []
        return np.array([len(ids) for ids in encoded], dtype=np.int64)

    def _tokenize(self, texts: list[str]) -> list[np.ndarray]:
        rows: list[np.ndarray | None] = [self._from_words(text) for text in texts]
        whole = [i for i, row in enumerate(rows) if row is None]
        for i, ids in zip(whole, self._from_tokenizer([str(texts[i]) for i in whole]), strict=True):
            rows[i] = ids
        return [row for row in rows if row is not None]

    def _from_tokenizer(self, texts: list[str]) -> list[np.ndarray]:
        if not texts:
            return []
        if self._special is None:
            encoded = self.tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]
            return [np.asarray(ids, dtype=np.int32) for ids in encoded]
        before, after = self._special
        room = self.max_length - len(before) - len(after)
        encoded = self.tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return [np.concatenate([before, head_and_tail(ids, room), after]).astype(np.int32) for ids in encoded]

    def _from_words(self, text: str) -> np.ndarray | None:
        if self._words is None or not isinstance(text, SplitText):
            return None
        room = self.max_length - self._words.num_special_tokens
        if self._special is None:
            ids: Any = self._words.encode(text, room, "left" if self.truncation == "start" else "right")
        else:
            ids = self._words.encode(text, sys.maxsize, "right")
            ids = None if ids is None else head_and_tail(ids, room).tolist()
        return None if ids is None else np.asarray(self._words.add_special_tokens(ids), dtype=np.int32)

    def _pad(self, rows: Sequence[np.ndarray]) -> dict[str, Any]:
        lengths = [len(row) for row in rows]
        multiple = self.pad_to_multiple_of
        width = -(-max(lengths, default=0) // multiple) * multiple
        ids = np.full((len(rows), width), self.tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        left = self.tokenizer.padding_side == "left"
        for i, row in enumerate(rows):
            place = slice(width - len(row), width) if left else slice(0, len(row))
            ids[i, place] = row
            mask[i, place] = 1
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "lengths": lengths,
        }
