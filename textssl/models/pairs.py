"""Pairs of texts: what their columns, their tokenizer and their model must be."""

from __future__ import annotations

import inspect
import logging
from typing import Any

from ..errors import UserError


__all__ = ["check_pairs", "check_text_columns", "takes_token_types"]

logger = logging.getLogger(__name__)


def check_text_columns(text_column: Any, text_pair_column: Any) -> None:
    """Raise UserError unless one column is named, or two different ones."""
    if not isinstance(text_column, str):
        raise UserError(
            f"text_column: got {text_column!r}; expected one column; a second one, for pairs of texts, is "
            "text_pair_column"
        )
    if text_pair_column is None:
        return
    if not isinstance(text_pair_column, str):
        raise UserError(f"text_pair_column: got {text_pair_column!r}; expected one column, or None for single texts")
    if text_pair_column == text_column:
        raise UserError(
            f"text_pair_column: got {text_pair_column!r}, which is text_column too; expected another column"
        )


def check_pairs(tokenizer: Any, max_length: int) -> None:
    """Raise UserError where no token of a pair would be left; warn of a tokenizer that does not part its texts."""
    special = tokenizer.num_special_tokens_to_add(pair=True)
    if max_length < special + 2:
        raise UserError(
            f"max_length: got {max_length}; a pair has {special} special tokens; expected at least {special + 2}"
        )
    if special <= tokenizer.num_special_tokens_to_add(pair=False):
        logger.warning(
            "text_pair_column: %s puts no token between the two texts, so that the model cannot tell where the second "
            "one begins; a tokenizer may do so by its post_processor, or the texts themselves may hold a mark",
            type(tokenizer).__name__,
        )


def takes_token_types(model: Any) -> bool:
    """Whether the model's ``forward`` names ``token_type_ids``, and knows more than one."""
    # What peft wraps names only what it needs itself.
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    named = "token_type_ids" in inspect.signature(inner.forward).parameters
    return named and getattr(model.config, "type_vocab_size", None) != 1
