"""Splits of a labeled data set into few labeled, many unlabeled and some validation examples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import atomic_path


__all__ = ["Split", "few_labels", "hold_out", "stratified_rows"]

FORMAT = "textssl split 1"
PARTS = ("labeled", "unlabeled", "validation")
# The generators of labeled and held-out examples differ, so that equal seeds do not tie them
# together.
FEW_LABELS, HOLD_OUT = 0, 1


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of a data set, in three disjoint parts that cover it.

    Attributes:
        labeled: [L] sorted int64 rows whose labels are used.
        unlabeled: [U] sorted int64 rows whose labels are not looked at; the labeled rows are not
            among them (a method that also wants those concatenates the two).
        validation: [V] sorted int64 rows to choose a model by.
        seed: What the split was drawn with.
        num_rows: N = L + U + V.
        checksum: `content_checksum` of the data set, or "" if it was not given.
        source: Where the data are from, in words.
    """

    labeled: np.ndarray
    unlabeled: np.ndarray
    validation: np.ndarray
    seed: int
    num_rows: int
    checksum: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for name in PARTS:
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        rows = np.concatenate([getattr(self, name) for name in PARTS])
        if not np.array_equal(np.sort(rows), np.arange(self.num_rows)):
            raise UserError(
                f"split: its parts {', '.join(PARTS)} do not hold each of the rows 0 to {self.num_rows - 1} once"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Split):
            return NotImplemented
        return self._content() == other._content()

    __hash__ = None  # type: ignore[assignment]

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "source": self.source,
            "seed": self.seed,
            "num_rows": self.num_rows,
            "checksum": self.checksum,
            **{name: getattr(self, name).tolist() for name in PARTS},
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the split as JSON; the file appears whole or not at all.

        Args:
            path: The file; its folder exists.
        """
        content = self._content()
        with atomic_path(Path(path)) as temporary:
            text = json.dumps({**content, "digest": _digest(content)})
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, checksum: str | None = None) -> Split:
        """Read a split that `save` wrote.

        Args:
            path: The file.
            checksum: `content_checksum` of the data set that the split will be used with; `None`
                does not compare.

        Returns:
            The split.

        Raises:
            UserError: The file is missing, cut off, changed by hand or of another format, or the
                split was made for other data.
        """
        where = f"split {str(path)!r}"
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{where}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise UserError(f"{where}: not whole JSON ({error})") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UserError(f"{where}: not a file of format {FORMAT!r}")
        digest = content.pop("digest", None)
        if digest != _digest(content):
            raise UserError(f"{where}: its contents do not match its digest; it was changed or damaged")
        del content["format"]
        split = cls(**content)
        if checksum is not None and checksum != split.checksum:
            raise UserError(
                f"{where}: made for other data (checksum {split.checksum[:12] or 'none'}..., "
                f"these data have {checksum[:12]}...)"
            )
        return split


def few_labels(
    labels: Sequence[int] | np.ndarray,
    *,
    seed: int,
    per_class: int | None = None,
    total: int | None = None,
    validation: int = 0,
    label_names: Sequence[str] | None = None,
    checksum: str = "",
    source: str = "",
) -> Split:
    """Keep the labels of a few examples, balanced over the classes.

    A pure function of (`labels`, `seed`, sizes). With one seed a smaller labeled set is part of
    each larger one, and the labeled set does not depend on `validation` nor the validation set on
    the number of labels, so runs with 20 and 100 labels are comparable.

    Args:
        labels: [N] class ids; -1 is an unknown label, and its row is always unlabeled.
        seed: 0 or larger.
        per_class: Labeled examples of each class; give this or `total`.
        total: Labeled examples of all classes; the first `total % C` classes get one more than the
            rest.
        validation: Rows held out to choose a model by, in the proportions of the classes.
        label_names: [C] names for the messages; also says that classes without a row exist.
        checksum: Kept in the split: `content_checksum` of the data set.
        source: Kept in the split: where the data are from.

    Returns:
        The three parts.

    Raises:
        UserError: Both or neither of `per_class` and `total`; a size that is not positive; a total
            smaller than C; a class with too few examples, which is named with its count.
    """
    ids = _class_ids(labels)
    num_classes = len(label_names) if label_names is not None else int(ids.max(initial=-1)) + 1
    if num_classes == 0 or ids.max(initial=-1) >= num_classes:
        raise UserError(f"labels: the largest id is {ids.max(initial=-1)}, and there are {num_classes} classes")
    _check_size("seed", seed, 0)
    _check_size("validation", validation, 0)
    counts = np.bincount(ids[ids >= 0], minlength=num_classes)
    wanted = _labels_per_class(per_class, total, num_classes)
    held = _proportional(counts, validation, "validation")
    for c in np.flatnonzero(wanted + held > counts).tolist():
        name = label_names[c] if label_names is not None else str(c)
        size = "per_class" if per_class is not None else "total"
        raise UserError(
            f"{size}: class {name!r} has {counts[c]} examples, fewer than the {wanted[c]} labeled "
            f"and {held[c]} validation ones asked for"
        )
    orders = [_order(ids, c, seed, FEW_LABELS) for c in range(num_classes)]
    # Labeled rows come from the front of a class and validation rows from its back, so neither
    # number moves the other part.
    labeled = np.sort(np.concatenate([order[:n] for order, n in zip(orders, wanted, strict=True)]))
    kept = np.concatenate([order[len(order) - n :] for order, n in zip(orders, held, strict=True)])
    rest = np.setdiff1d(np.arange(len(ids)), np.concatenate([labeled, kept]))
    return Split(labeled, rest, np.sort(kept), int(seed), len(ids), checksum, source)


def hold_out(labels: Sequence[int] | np.ndarray, size: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hold out rows in the proportions of the classes.

    Args:
        labels: [N] class ids, none unknown.
        size: How many rows to hold out, 1 to N - 1.
        seed: 0 or larger.

    Returns:
        The rows kept, [N - size], and the rows held out, [size]; both sorted.

    Raises:
        UserError: A size or a label out of range.
    """
    ids = _class_ids(labels)
    _check_size("size", size, 1)
    if ids.min(initial=0) < 0:
        raise UserError(f"labels: row {int(np.argmax(ids < 0))} has no label (-1)")
    if size >= len(ids):
        raise UserError(f"size: {size} of {len(ids)} rows leaves none")
    counts = np.bincount(ids)
    shares = _proportional(counts, size, "size")
    held = np.sort(np.concatenate([_order(ids, c, seed, HOLD_OUT)[:n] for c, n in enumerate(shares)]))
    return np.setdiff1d(np.arange(len(ids)), held), held


def stratified_rows(labels: Sequence[int] | np.ndarray, size: int, *, seed: int) -> np.ndarray:
    """Draw rows in the proportions of the classes, at least one of each.

    Args:
        labels: [N] class ids, none unknown.
        size: How many rows, from the number of classes that have rows to N.
        seed: 0 or larger.

    Returns:
        The rows, [size], sorted.

    Raises:
        UserError: A size or a label out of range.
    """
    ids = _class_ids(labels)
    if ids.min(initial=0) < 0:
        raise UserError(f"labels: row {int(np.argmax(ids < 0))} has no label (-1)")
    counts = np.bincount(ids)
    _check_size("size", size, int(np.count_nonzero(counts)))
    shares = _proportional(counts, size, "size")
    for c in np.flatnonzero((shares == 0) & (counts > 0)):
        shares[np.argmax(shares)] -= 1
        shares[c] += 1
    return np.sort(np.concatenate([_order(ids, c, seed, FEW_LABELS)[:n] for c, n in enumerate(shares)]))


def _class_ids(labels: Sequence[int] | np.ndarray) -> np.ndarray:
    ids = np.asarray(labels)
    if ids.ndim != 1 or (len(ids) and not np.issubdtype(ids.dtype, np.integer)):
        raise UserError(f"labels: expected N integers, got shape {ids.shape} of {ids.dtype}")
    if len(ids) == 0:
        raise UserError("labels: there are none")
    if ids.min() < -1:
        raise UserError(f"labels: {ids.min()} in row {int(np.argmin(ids))}; ids are 0 or larger, or -1")
    return ids.astype(np.int64, copy=False)


def _order(ids: np.ndarray, c: int, seed: int, purpose: int) -> np.ndarray:
    """The rows of one class in an order that depends on nothing but that class and the seed."""
    return np.random.default_rng([seed, purpose, c]).permutation(np.flatnonzero(ids == c))


def _labels_per_class(per_class: int | None, total: int | None, num_classes: int) -> np.ndarray:
    if per_class is not None and total is None:
        _check_size("per_class", per_class, 1)
        return np.full(num_classes, per_class)
    if total is None or per_class is not None:
        raise UserError(f"per_class and total: give one of them, got per_class={per_class}, total={total}")
    _check_size("total", total, num_classes)
    return total // num_classes + (np.arange(num_classes) < total % num_classes)


def _proportional(counts: np.ndarray, size: int, name: str) -> np.ndarray:
    """Share out `size` by largest remainders; of equal remainders the smaller class id wins."""
    if size > counts.sum():
        raise UserError(f"{name}: {size} asked for, and {counts.sum()} examples have a label")
    product = counts.astype(np.int64) * size
    shares, remainders = np.divmod(product, max(int(counts.sum()), 1))
    shares[np.argsort(-remainders, kind="stable")[: size - shares.sum()]] += 1
    return shares


def _check_size(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UserError(f"{name}: expected an integer of at least {least}, got {value!r}")


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
