"""The labels of a file as class numbers of a model: by their names, whatever the order of classes in the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import ClassLabel

from ..data.class_names import are_defaults, folded, format_names
from ..errors import UserError


__all__ = ["Truth", "spoken_labels"]

NO_LABEL = ("", "nan")


class Truth:
    """Finds the class number of each label.

    Args:
        column: of the labels, for messages.
        names: of the model's classes, in order.
    """

    def __init__(self, column: str, names: Sequence[str]) -> None:
        self._column, self._names = column, list(names)
        self._known = {name.strip(): number for number, name in enumerate(names)}
        self._unnamed = are_defaults(self._names)

    def number(self, label: Any, row: int) -> int | None:
        """The class number of a label; ``None`` of a missing one.

        Args:
            label: a string, a boolean, a whole number, or nothing.
            row: where it stands, for messages.

        Raises:
            UserError: the model does not know the class.
        """
        if label is None or (isinstance(label, str) and label.strip().lower() in NO_LABEL) or label != label:
            return None
        spelled = _spelled(label)
        if spelled in self._known:
            return self._known[spelled]
        if self._unnamed and spelled.isdecimal() and int(spelled) < len(self._names):
            return int(spelled)
        if isinstance(label, bool) or spelled.isdecimal():
            alike = [name for name in self._known if name.lower() == spelled.lower()]
            if len(alike) == 1:
                return self._known[alike[0]]
        raise UserError(self._unknown(label, spelled, row))

    def _unknown(self, label: Any, spelled: str, row: int) -> str:
        if isinstance(label, int | float) and not isinstance(label, bool):
            return (
                f"label_column: column {self._column!r} holds numbers, such as {spelled} in row {row}, and the "
                f"model's classes have names: {format_names(self._names)}; write these"
            )
        near = [name for name in self._known if folded(name) == folded(spelled)]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return (
            f"label_column: label {spelled!r} in row {row} of column {self._column!r} is none of the model's classes "
            f"{format_names(self._names)}{hint}"
        )


def spoken_labels(values: list[Any], feature: Any) -> list[Any]:
    """Labels by their names.

    Args:
        values: as they are stored.
        feature: of the column, a ``ClassLabel`` whose numbers have names, or anything else.
    """
    if isinstance(feature, ClassLabel) and feature.names:
        return [None if value is None or value < 0 else feature.names[value] for value in values]
    return values


def _spelled(label: Any) -> str:
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label).strip()
