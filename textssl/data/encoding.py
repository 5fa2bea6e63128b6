"""From a text to token ids, and from many of them to a padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ..augment.text.words import SplitText
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
        keep_end: cut the beginning of a longer text, not its end.
        pad_to_multiple_of: pad the width up to a multiple, which tensor cores like.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        keep_end: bool = False,
        pad_to_multiple_of: int = 1,
    ) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.truncation_side: Literal["left", "right"] = "left" if keep_end else "right"
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

    def _tokenize(self, texts: list[str]) -> list[np.ndarray]:
        rows: list[np.ndarray | None] = [self._from_words(text) for text in texts]
        whole = [i for i, row in enumerate(rows) if row is None]
        if whole:
            self.tokenizer.truncation_side = self.truncation_side
            encoded = self.tokenizer([str(texts[i]) for i in whole], truncation=True, max_length=self.max_length)[
                "input_ids"
            ]
            for i, ids in zip(whole, encoded, strict=True):
                rows[i] = np.asarray(ids, dtype=np.int32)
        return [row for row in rows if row is not None]

    def _from_words(self, text: str) -> np.ndarray | None:
        if self._words is None or not isinstance(text, SplitText):
            return None
        room = self.max_length - self._words.num_special_tokens
        ids = self._words.encode(text, room, self.truncation_side)
        if ids is None:
            return None
        return np.asarray(self._words.add_special_tokens(ids), dtype=np.int32)

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
