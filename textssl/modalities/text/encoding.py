"""From a text, or a pair of texts, to token ids, and from many of them to a padded batch."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow.compute as pc
import torch
from transformers import PreTrainedTokenizerBase

from ...augment.text.words import SplitText
from ...errors import UserError
from .truncation import as_trained, head_and_tail, special_tokens_of
from .word_pieces import WordPieceCache


__all__ = ["TextEncoder", "contents_of", "gives_token_types", "text_lengths"]

# Enough for every review of IMDb; more rows than this are tokenised again at each visit.
CACHED_ROWS = 100_000
TYPES = "token_type_ids"


def contents_of(rows: Mapping[str, Sequence[Any]], columns: Sequence[str]) -> list[Any]:
    """What a :class:`TextEncoder` takes, of columns of texts: the texts of one column, or the pairs of two."""
    if len(columns) == 1:
        return list(rows[columns[0]])
    return list(zip(*(rows[column] for column in columns), strict=True))


def gives_token_types(tokenizer: Any, pairs: bool) -> bool:
    """Whether the tokenizer makes token types that say something: of pairs, or of single texts as XLNet's does."""
    return TYPES in tokenizer.model_input_names and (pairs or any(tokenizer("a").get(TYPES) or ()))


def text_lengths(dataset: datasets.Dataset, *columns: str) -> np.ndarray:
    """Characters of each text, counted by Arrow; of both texts of a pair together."""
    table = dataset.with_format("arrow")
    return np.sum([np.asarray(pc.utf8_length(table[column])) for column in columns], axis=0)


class TextEncoder:
    """Tokenises with special tokens, cuts to ``max_length`` and pads to the longest of a batch.

    A text that remembers its cut (an online word replacement) is put together from the known ids of its words
    where the tokenizer allows it: the ids equal those of tokenising the whole text. Texts that come with a
    ``key`` are static and tokenised once. Pairs are what ``tokenizer(text, text_pair, truncation=True)`` makes of
    them: the longer text is cut until both fit.

    Args:
        tokenizer: any tokenizer of transformers.
        max_length: most tokens of a row, special ones included.
        truncation: what a longer text loses: ``"end"``, ``"start"``, or its middle with ``"head_tail"``.
        pad_to_multiple_of: pad the width up to a multiple, which tensor cores like.
        pairs: whether the rows are pairs of texts.
        token_types: whether the model takes ``token_type_ids``. They are made where the tokenizer does and they say
            something: of pairs always, of single texts where they are not all zeros.

    Attributes:
        tokenizer: a copy of the one given, which cuts as this encoder does; it is what to save beside the model.

    Raises:
        UserError: ``"head_tail"`` for pairs, or for a tokenizer whose special tokens are not around the text.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        truncation: str = "end",
        pad_to_multiple_of: int = 1,
        pairs: bool = False,
        token_types: bool = False,
    ) -> None:
        self.tokenizer = tokenizer = as_trained(tokenizer, max_length, truncation, token_types)
        self.max_length = max_length
        self.truncation = truncation
        self.pad_to_multiple_of = pad_to_multiple_of
        self.token_types = token_types and gives_token_types(tokenizer, pairs)
        if truncation == "head_tail" and (pairs or self.token_types):
            subject = (
                "pairs of texts are" if pairs else f"texts with the token types of {type(tokenizer).__name__} are"
            )
            raise UserError(f"truncation: got 'head_tail'; {subject} cut at one side; allowed: end, start")
        self._special = special_tokens_of(tokenizer) if truncation == "head_tail" else None
        self._known: dict[Any, np.ndarray] = {}
        by_words = not pairs and not self.token_types and WordPieceCache.supports(tokenizer)
        self._words = WordPieceCache(tokenizer) if by_words else None

    def __call__(self, texts: Sequence[Any], keys: Sequence[Any] | None = None) -> dict[str, Any]:
        """Encode ``texts``.

        Args:
            texts: B texts, or pairs of texts.
            keys: for each text, what identifies it for good, or ``None`` where it changes between visits.

        Returns:
            ``input_ids``, ``attention_mask`` and, where there are any, ``token_type_ids`` [B, T], and ``lengths``, a
            list of B ints.
        """
        rows: list[np.ndarray | None] = [None] * len(texts)
        if keys is not None:
            rows = [None if key is None else self._known.get(key) for key in keys]
        missing = [i for i, row in enumerate(rows) if row is None]
        for i, ids in zip(missing, self.token_ids([texts[i] for i in missing]), strict=True):
            rows[i] = ids
            if keys is not None and keys[i] is not None and len(self._known) < CACHED_ROWS:
                self._known[keys[i]] = ids
        return self.padded([row for row in rows if row is not None])

    def full_lengths(self, texts: Sequence[Any]) -> np.ndarray:
        """Tokens [B] of each text or pair, special ones included, if nothing is cut."""
        encoded = self._encoded(texts, truncation=False, verbose=False)["input_ids"] if len(texts) else []
        return np.array([len(ids) for ids in encoded], dtype=np.int64)

    def token_ids(self, texts: list[Any]) -> list[np.ndarray]:
        """Of each text or pair, cut, an array [1, T] of ids, or [2, T] of ids and token types."""
        rows: list[np.ndarray | None] = [self._from_words(text) for text in texts]
        whole = [i for i, row in enumerate(rows) if row is None]
        for i, ids in zip(whole, self._from_tokenizer([texts[i] for i in whole]), strict=True):
            rows[i] = ids
        return [row for row in rows if row is not None]

    def _from_tokenizer(self, texts: list[Any]) -> list[np.ndarray]:
        if not texts:
            return []
        if self._special is None:
            encoded = self._encoded(texts, truncation=True, max_length=self.max_length)
            parts = [encoded["input_ids"], encoded[TYPES]] if self.token_types else [encoded["input_ids"]]
            return [np.array(row, dtype=np.int32) for row in zip(*parts, strict=True)]
        before, after = self._special
        room = self.max_length - len(before) - len(after)
        inner = self._encoded(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return [np.concatenate([before, head_and_tail(ids, room), after]).astype(np.int32)[None] for ids in inner]

    def _encoded(self, texts: Sequence[Any], **options: Any) -> Any:
        # Plain strings: the tokenizer is given no subclass of them.
        if isinstance(texts[0], str):
            return self.tokenizer([str(text) for text in texts], **options)
        return self.tokenizer(*([str(text) for text in side] for side in zip(*texts, strict=True)), **options)

    def _from_words(self, text: Any) -> np.ndarray | None:
        if self._words is None or not isinstance(text, SplitText):
            return None
        room = self.max_length - self._words.num_special_tokens
        if self._special is None:
            ids: Any = self._words.encode(text, room, "left" if self.truncation == "start" else "right")
        else:
            ids = self._words.encode(text, sys.maxsize, "right")
            ids = None if ids is None else head_and_tail(ids, room).tolist()
        return None if ids is None else np.asarray([self._words.add_special_tokens(ids)], dtype=np.int32)

    def padded(self, rows: Sequence[np.ndarray]) -> dict[str, Any]:
        """A batch of what :meth:`token_ids` gave."""
        lengths = [row.shape[1] for row in rows]
        multiple, tokenizer = self.pad_to_multiple_of, self.tokenizer
        width = -(-max(lengths, default=0) // multiple) * multiple
        fills = {"input_ids": tokenizer.pad_token_id} | (
            {TYPES: tokenizer.pad_token_type_id} if self.token_types else {}
        )
        made = {name: np.full((len(rows), width), fill, dtype=np.int64) for name, fill in fills.items()}
        mask = np.zeros((len(rows), width), dtype=np.int64)
        left = tokenizer.padding_side == "left"
        for i, row in enumerate(rows):
            place = slice(width - row.shape[1], width) if left else slice(0, row.shape[1])
            for values, part in zip(made.values(), row, strict=True):
                values[i, place] = part
            mask[i, place] = 1
        tensors = {name: torch.from_numpy(values) for name, values in {**made, "attention_mask": mask}.items()}
        return {**tensors, "lengths": lengths}
