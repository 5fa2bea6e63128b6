"""What is odd about labels: missing, few, unbalanced, names that nearly agree, numbers and ids in their place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ..data.class_labels import MAX_CLASS_ID
from ..data.class_names import folded, format_names
from ..own_data.reading import MAYBE_NO_LABEL
from .finding import KEPT, REFUSED, Finding, counted
from .part import Part


__all__ = ["class_counts", "label_findings"]

# Fewer labels of a class make scores of folds rough.
FEW = 5
# Labels of the largest class for each of the smallest.
UNBALANCED = 10
# More different labels than this share of the rows are hardly classes.
DISTINCT = 0.5
MANY_NUMBERS = 20
SHOWN = 10


def class_counts(part: Part) -> dict[str, int]:
    """How many rows have each label, the most frequent first."""
    counts = Counter(label for label in part.labels if label is not None)
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def label_findings(part: Part, known: Sequence[str] | None = None) -> Iterator[Finding]:
    """All of them of one part.

    Args:
        part: with labels.
        known: classes of the labeled part, where this is a held-out one.
    """
    counts = class_counts(part)
    yield from _missing(part)
    if not counts:
        return
    if known is not None:
        yield from _unknown(part, counts, known)
        return
    unusable = list(_unusable(part, counts))
    yield from unusable
    if not unusable:
        yield from _no_classes(part, counts)
        yield from _stand_ins(part, counts)
        yield from _names(part, counts)
        yield from _sizes(part, counts)


def _missing(part: Part) -> Iterator[Finding]:
    rows = [row for row, label in enumerate(part.labels) if label is None]
    if not rows:
        return
    if len(rows) == len(part):
        column = part.data.label_column
        what = f"no row has a label in column {column!r}" if column else "there is no column of labels"
        advice = "name the column by --label-column" if column is None else "label some rows"
        yield Finding("no labels", part.name, what, REFUSED, REFUSED, advice, len(rows), len(part))
        return
    fit = f"{KEPT}, as unlabeled examples" if part.name == "labeled" else "left out"
    words = {value.strip() if isinstance(value := part.stored_labels[row], str) else "" for row in rows}
    train = REFUSED if "" in words else f"{KEPT}: {format_names(sorted(words))} is a class"
    yield Finding(
        "missing labels", part.name, f"{counted(len(rows), len(part), 'row')} have no label",
        fit if part.name != "validation" else "", train, "for textssl train, move them to the unlabeled file",
        len(rows), len(part), part.examples(rows),
    )  # fmt: skip


def _unknown(part: Part, counts: dict[str, int], known: Sequence[str]) -> Iterator[Finding]:
    """Labels that training does not know, and classes that are not measured."""
    strange = [name for name in counts if name not in known]
    if strange:
        rows = [row for row, label in enumerate(part.labels) if label in strange]
        near = [name for name in known if folded(name) == folded(strange[0])]
        advice = f"did you mean {near[0]!r}?" if near else "add such rows to the labeled data, or leave these out"
        fit = REFUSED if part.name == "test" else ""
        yield Finding(
            "unknown labels", part.name, f"{len(rows):,} rows have labels that no labeled row has: "
            f"{format_names(strange)}", fit, REFUSED, advice, len(rows), len(part), part.examples(rows),
        )  # fmt: skip
    absent = [name for name in known if name not in counts]
    if absent:
        kept = f"{KEPT}: nothing is measured of {'it' if len(absent) == 1 else 'them'}"
        yield Finding(
            "absent classes", part.name, f"no row has the label {format_names(absent)}", kept, kept, "add such rows",
            0, len(part),
        )  # fmt: skip


def _unusable(part: Part, counts: dict[str, int]) -> Iterator[Finding]:
    """Labels that no program takes: fractions, lists, dates, one class alone."""
    total, written = len(part), part.written_labels
    lists = [row for row, label in enumerate(written) if isinstance(label, list | dict)]
    fractions = [row for row, label in enumerate(written) if isinstance(label, float) and not label.is_integer()]
    others = [row for row, label in enumerate(written) if not isinstance(label, str | int | float | None)]
    if lists:
        yield Finding(
            "several labels", part.name, f"{counted(len(lists), total, 'row')} have several labels", REFUSED, REFUSED,
            "give each row one label", len(lists), total, part.examples(lists),
        )  # fmt: skip
    elif fractions:
        yield Finding(
            "regression", part.name, f"{counted(len(fractions), total, 'label')} are fractions, which are no classes",
            REFUSED, REFUSED, "turn ranges of numbers into classes with names", len(fractions), total,
            part.examples(fractions),
        )  # fmt: skip
    elif others:
        yield Finding(
            "no classes", part.name, f"{counted(len(others), total, 'label')} are dates, times or other values that "
            "are no classes", REFUSED, REFUSED, "write the name of a class in each row, or name another column by "
            "--label-column", len(others), total, part.examples(others),
        )  # fmt: skip
    elif len(counts) == 1:
        yield Finding(
            "one class", part.name, f"all labels are {next(iter(counts))!r}", REFUSED, REFUSED,
            "add rows of another class", total, total,
        )  # fmt: skip


def _no_classes(part: Part, counts: dict[str, int]) -> Iterator[Finding]:
    """Labels that are hardly classes: ids, numbers to predict; class numbers with gaps."""
    written = [label for label in part.written_labels if label is not None]
    as_classes = f"{KEPT}: each of the {len(counts):,} values is a class"
    if len(counts) > max(2, DISTINCT * len(written)) and len(written) >= SHOWN:
        yield Finding(
            "ids", part.name, f"{len(written):,} rows have {len(counts):,} different labels: they look like ids or "
            "free text", as_classes, as_classes, "name the column of labels by --label-column", len(written),
            len(part), part.examples(range(len(part))),
        )  # fmt: skip
    elif len(counts) > MANY_NUMBERS and all(isinstance(label, int) for label in written):
        yield Finding(
            "numbers", part.name, f"the labels are {len(counts):,} different whole numbers: they look like numbers to "
            "predict", as_classes, as_classes, "turn ranges of numbers into classes with names", len(written),
            len(part), part.examples(range(len(part))),
        )  # fmt: skip
    integers = {label for label in written if isinstance(label, int) and not isinstance(label, bool)}
    gaps = sorted({*range(max(integers, default=0))} - integers) if len(integers) == len({*written}) else []
    if 0 in integers and gaps and max(integers) < MAX_CLASS_ID:
        listed = ", ".join(map(str, gaps[:SHOWN]))
        yield Finding(
            "gaps", part.name, f"classes are numbered from 0 to {max(integers)}, and none is {listed}",
            f"{KEPT}: classes are the numbers that there are", REFUSED, "write names in place of numbers",
            len(written), len(part),
        )  # fmt: skip


def _stand_ins(part: Part, counts: dict[str, int]) -> Iterator[Finding]:
    """Labels that may stand for a missing one."""
    odd = [name for name in counts if folded(name) in MAYBE_NO_LABEL]
    if odd:
        rows = [row for row, label in enumerate(part.labels) if label in odd]
        kept = f"{KEPT}: {'it is a class' if len(odd) == 1 else 'each is a class'}"
        yield Finding(
            "words for no label", part.name, f"{counted(len(rows), len(part), 'row')} have a label that may stand for "
            f"a missing one: {format_names(odd)}", kept, kept, "leave the field empty where there is no label",
            len(rows), len(part), part.examples(rows),
        )  # fmt: skip


def _names(part: Part, counts: dict[str, int]) -> Iterator[Finding]:
    """White space around labels, and classes whose names nearly agree."""
    spaced = [
        row for row, label in enumerate(part.written_labels) if isinstance(label, str) and label != label.strip()
    ]
    if spaced:
        merged = f"{KEPT}: the spaces are removed, so that labels that differ by them are one class"
        yield Finding(
            "spaces around labels", part.name, f"{counted(len(spaced), len(part), 'label')} have spaces around them",
            merged, merged, "", len(spaced), len(part), part.examples(spaced),
        )  # fmt: skip
    alike: dict[str, list[str]] = {}
    for name in counts:
        alike.setdefault(_stem(name), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            rows = [row for row, label in enumerate(part.labels) if label in names]
            kept = f"{KEPT} as {len(names)} classes"
            yield Finding(
                "similar names", part.name, f"the classes {format_names(names)} have nearly the same name", kept, kept,
                "write them alike if they are meant to be one class", len(rows), len(part),
                part.examples(part.labels.index(name) for name in names),
            )  # fmt: skip


def _sizes(part: Part, counts: dict[str, int]) -> Iterator[Finding]:
    if len(counts) < 2:
        return
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW]
    if few:
        more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
        yield Finding(
            "few labels", part.name, f"{len(few):,} of {len(counts):,} classes have fewer than {FEW} labels: "
            f"{', '.join(few[-SHOWN:])}{more}",
            f"{KEPT}: scores are rough, and the only label of a class is never held out", KEPT,
            f"label some more; {FEW} to 10 of each class go far", 0, len(part),
        )  # fmt: skip
    (largest, most), *_, (smallest, least) = counts.items()
    if most >= UNBALANCED * least:
        yield Finding(
            "unbalanced", part.name, f"{largest!r} has {most:,} labels, {smallest!r} has {least:,}",
            f"{KEPT}: classes count by their number of labels", f"{KEPT}: classes count by their number of labels",
            "textssl train --class_weights balanced lets all classes count alike", 0, len(part),
        )  # fmt: skip


def _stem(name: str) -> str:
    """A name without case, spaces, punctuation and the s of a plural."""
    plain = re.sub(r"[\W_]+", "", folded(name))
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain or name
