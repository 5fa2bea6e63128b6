"""What augmentations of words share: reading the column, checking arguments."""

from __future__ import annotations

from typing import Any

from ...errors import UserError


__all__ = ["check_options", "text_of"]


def text_of(example: dict[str, Any], column: str) -> str:
    """The text of an example.

    Raises:
        UserError: the column is missing or holds no text.
    """
    if column not in example:
        raise UserError(f"column: got {column!r}; the example has {sorted(example)}")
    text = example[column]
    if not isinstance(text, str):
        row = f" of row {example['index']}" if "index" in example else ""
        raise UserError(f"column {column!r}{row}: got {text!r:.60} ({type(text).__name__}); expected str")
    return text


def check_options(p: float, keep_last: int | None) -> None:
    """Raise UserError unless ``p`` is a probability and ``keep_last`` a number of words, or None."""
    if not 0 <= p <= 1:
        raise UserError(f"p: got {p}; expected a probability in [0, 1]")
    if keep_last is not None and keep_last < 1:
        raise UserError(f"keep_last: got {keep_last}; expected at least 1, or None for all words")
