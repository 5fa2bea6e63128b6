"""Which part of a text that is too long is cut, and how a saved tokenizer keeps what training did."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from ...errors import UserError
from .word_pieces import special_ids


__all__ = [
    "TRUNCATIONS",
    "as_trained",
    "head_and_tail",
    "head_size",
    "special_tokens_of",
    "trained_with",
    "truncation_of",
    "truncation_side",
]

# What a text that is too long loses.
TRUNCATIONS = ("end", "start", "head_tail")

T = TypeVar("T")

# The key of tokenizer_config.json that marks a tokenizer as one that training saved: its ``model_max_length`` is then
# the length that was trained with, and not the most that the model could read.
MARK = "textssl_truncation"


def truncation_side(truncation: str) -> str:
    """The ``truncation_side`` of a tokenizer for ``"end"`` or ``"start"``; ``"right"`` for ``"head_tail"``."""
    return "left" if truncation == "start" else "right"


def as_trained(tokenizer: T, max_length: int, truncation: str, token_types: bool = True) -> T:
    """A copy of a tokenizer that cuts texts as training does: what is saved beside the model.

    ``tokenizer(text, truncation=True)``, which is what a pipeline calls, then gives the ids of training, unless
    ``truncation`` is ``"head_tail"``, which no tokenizer can do by itself.

    Args:
        tokenizer: any tokenizer of transformers; it stays as it is.
        max_length: most tokens of a text, special ones included.
        truncation: ``"end"``, ``"start"`` or ``"head_tail"``.
        token_types: whether the model takes ``token_type_ids``; else a pipeline must not be given any.
    """
    copied: Any = copy.deepcopy(tokenizer)
    copied.model_max_length = max_length
    copied.truncation_side = truncation_side(truncation)
    if not token_types:
        copied.model_input_names = [name for name in copied.model_input_names if name != "token_type_ids"]
    # Of its attributes a tokenizer saves those alone that it was made with.
    copied.init_kwargs |= {
        "model_max_length": max_length,
        "truncation_side": copied.truncation_side,
        "model_input_names": list(copied.model_input_names),
        MARK: truncation,
    }
    kept: T = copied
    return kept


def trained_with(tokenizer: Any) -> tuple[int, str] | None:
    """``max_length`` and ``truncation`` of the training that saved a tokenizer; ``None`` if none did."""
    truncation = getattr(tokenizer, "init_kwargs", {}).get(MARK)
    return None if truncation is None else (int(tokenizer.model_max_length), str(truncation))


def truncation_of(tokenizer: Any) -> str:
    """How a tokenizer's model was trained to read long texts, else what the tokenizer's own side says."""
    trained = trained_with(tokenizer)
    if trained is not None:
        return trained[1]
    return "start" if getattr(tokenizer, "truncation_side", "right") == "left" else "end"


def special_tokens_of(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special ids before and after a single text.

    Raises:
        UserError: the tokenizer does not put the same ids around each text.
    """
    found = special_ids(tokenizer)
    if found is None:
        raise UserError(
            f"truncation: got 'head_tail'; {type(tokenizer).__name__} does not put special tokens around a text only; "
            "allowed for it: end, start"
        )
    return found


def head_size(room: int) -> int:
    """How many of ``room`` tokens the head of a text has with ``"head_tail"``: a quarter, rounded."""
    return (room + 2) // 4


def head_and_tail(ids: Sequence[int] | np.ndarray, room: int) -> np.ndarray:
    """The first and the last of the ids of a text, without special tokens, so that ``room`` are left.

    Of 510 ids these are the first 128 and the last 382, as in Sun et al. (2019, arXiv:1905.05583).
    """
    whole = np.asarray(ids, dtype=np.int32)
    if len(whole) <= room:
        return whole
    head = head_size(room)
    return np.concatenate([whole[:head], whole[len(whole) - (room - head) :]])
