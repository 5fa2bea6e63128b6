"""How texts, and pairs of them, become the inputs of a classifier, as in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..data.validation import check_characters
from ..errors import UserError
from ..modalities.text.encoding import TextEncoder
from ..modalities.text.truncation import trained_with, truncation_of
from ..models.inspection import position_limit
from ..models.padding import align_special_tokens, check_padding_token, right_padded
from ..models.pairs import check_pairs, takes_token_types
from .readers import Reader


__all__ = ["TextReader"]

# Of a tokenizer that knows no limit and a model that has none.
NO_LIMIT = 1_000_000


class TextReader(Reader):
    """Texts, or pairs of them, cut as in training.

    Args:
        model: the classifier; its config learns the tokenizer's padding token.
        tokenizer: as it was saved.
        max_length: of a training that the tokenizer does not remember.
        pairs: whether each input is a pair of texts.

    Raises:
        UserError: a tokenizer without a padding token.
    """

    modality = "text"
    by_length = True

    def __init__(self, model: Any, tokenizer: Any, max_length: int | None = None, pairs: bool = False) -> None:
        check_padding_token(model, tokenizer)
        align_special_tokens(model, tokenizer)
        tokenizer = right_padded(model, tokenizer)
        most = min(tokenizer.model_max_length, position_limit(model) or NO_LIMIT, NO_LIMIT)
        length, truncation = trained_with(tokenizer) or (min(max_length or most, most), truncation_of(tokenizer))
        if pairs:
            check_pairs(tokenizer, length)
        self._kind = {"pairs": pairs, "token_types": takes_token_types(model)}
        self.encode = TextEncoder(tokenizer, length, truncation, **self._kind)
        self.pairs = pairs

    def cut(self, max_length: int | None, truncation: str | None) -> None:
        """Read texts otherwise than in training.

        Args:
            max_length: most tokens of a text; ``None`` for as many as before.
            truncation: what a longer text loses; ``None`` for the same as before.

        Raises:
            UserError: ``"head_tail"`` where the tokenizer does not allow it.
        """
        old = self.encode
        self.encode = TextEncoder(
            old.tokenizer, max_length or old.max_length, truncation or old.truncation, **self._kind
        )

    @classmethod
    def from_encoder(cls, encode: TextEncoder, pairs: bool) -> TextReader:
        """A reader that needs no model to know how texts are cut."""
        reader = cls.__new__(cls)
        reader.encode, reader.pairs = encode, pairs
        reader._kind = {"pairs": pairs, "token_types": "token_type_ids" in encode.tokenizer.model_input_names}
        return reader

    def settings(self) -> dict[str, Any]:
        """Length and truncation of texts."""
        return {"max_length": self.encode.max_length, "truncation": self.encode.truncation}

    def saved_with(self) -> Any:
        """The tokenizer, which cuts as the reader does."""
        return self.encode.tokenizer

    def checked(self, inputs: Sequence[Any]) -> list[Any]:
        """Strings, or tuples of two."""
        if isinstance(inputs, str):
            raise UserError("inputs: got a string; expected a list of texts")
        if self.pairs:
            return [_pair(one, row) for row, one in enumerate(inputs)]
        found = list(inputs)
        for row, one in enumerate(found):
            if not isinstance(one, str):
                raise UserError(f"inputs: got {one!r:.80} in row {row}; expected a text")
            check_characters(one, "inputs", row)
        return found

    def prepared(self, inputs: list[Any]) -> list[Any]:
        """The ids of each text."""
        return self.encode.token_ids(inputs)

    def sizes(self, prepared: list[Any]) -> np.ndarray:
        """Tokens of each text."""
        return np.array([ids.shape[1] for ids in prepared], dtype=np.int64)

    def batch(self, prepared: list[Any]) -> Mapping[str, torch.Tensor]:
        """Padded to the longest."""
        made = self.encode.padded(prepared)
        return {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}


def _pair(one: Any, row: int) -> tuple[str, str]:
    both = (one.get("text"), one.get("text_pair")) if isinstance(one, Mapping) else one
    if isinstance(both, str) or not isinstance(both, Sequence) or len(both) != 2:
        raise UserError(
            f"inputs: got {one!r:.80} in row {row}; expected a pair of texts: the model was trained on them"
        )
    for text in both:
        if not isinstance(text, str):
            raise UserError(f"inputs: got {text!r:.80} in row {row}; expected a text")
        check_characters(text, "inputs", row)
    return both[0], both[1]
