"""Which unlabeled examples are worth labeling next, and a table of them for the person who labels."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textssl.files import write_atomically


__all__ = ["LABEL_NEXT", "most_uncertain", "write_label_next"]

LABEL_NEXT = "label_next.csv"
# Examples that the classes take turns in, for each that is chosen.
POOL = 5


def most_uncertain(probs: np.ndarray, count: int, keys: Sequence[Any] | None = None) -> np.ndarray:
    """The examples whose two most probable classes are nearest each other, of all predicted classes.

    Of the examples with the smallest margins, five for each that is wanted, the predicted classes take turns, each
    with its least certain example first: otherwise one muddled class would fill the list.

    Args:
        probs: probabilities ``[N, C]``.
        count: at most so many.
        keys: of the contents of the examples ``[N]``; of equal ones the first is taken. ``None``: all differ.

    Returns:
        Places ``[n]``, the smallest margin first.
    """
    top = np.sort(probs, axis=1)[:, -2:]
    margins = top[:, 1] - top[:, 0]
    order, seen = [], set()
    for place in np.argsort(margins, kind="stable"):
        key = place if keys is None else keys[place]
        if key in seen:
            continue
        seen.add(key)
        order.append(int(place))
        if len(order) == POOL * count:
            break
    turns: dict[int, int] = {}
    ranked = []
    for place in order:
        predicted = int(probs[place].argmax())
        ranked.append((turns.get(predicted, 0), place))
        turns[predicted] = turns.get(predicted, 0) + 1
    # In equal turns the smaller margin, since sorting is stable.
    chosen = [place for _, place in sorted(ranked, key=lambda pair: pair[0])][:count]
    return np.array(sorted(chosen, key=lambda place: margins[place]), dtype=np.int64)


def write_label_next(
    folder: str | os.PathLike[str], columns: Mapping[str, Sequence[Any]], labels: Sequence[str], confidence: np.ndarray
) -> Path:
    """Write ``label_next.csv``: a person's columns, and a suggested ``label`` with its ``confidence``.

    A column that has one of these names stays, and the suggestion is ``predicted_label``, ``predicted_confidence``.

    Args:
        folder: of the run.
        columns: of the examples, by name, each ``[n]``.
        labels: suggested class names ``[n]``.
        confidence: of the suggestions ``[n]``.
    """
    names = [name if name not in columns else f"predicted_{name}" for name in ("label", "confidence")]
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow([*columns, *names])
    for row, label, share in zip(zip(*columns.values(), strict=True), labels, confidence, strict=True):
        writer.writerow([*("" if value is None else value for value in row), label, f"{share:.6f}"])
    # Half of a surrogate pair is no character.
    return write_atomically(Path(folder) / LABEL_NEXT, content.getvalue().encode(errors="replace"))
