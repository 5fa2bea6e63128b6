"""What the report of a choice among classifiers says: candidates, out-of-fold evaluation, what to label next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
from scipy.special import softmax

from ..data.hidden_labels import hidden_labels
from ..data.plain_rows import content_keys, csv_columns
from ..report.contents import RunReport
from ..report.from_predictions import evaluation_of, mistakes_of
from ..report.html import write_page
from ..report.items import item_of
from ..report.parts import Candidate, ClassShares, Evaluation, Mistake, Uncertain
from ..report.uncertain import LABEL_NEXT, most_uncertain, write_label_next
from .candidate_result import Result
from .choose import Choice
from .data import Examples, FitData
from .estimates import Estimate
from .out_of_fold import Difference, OutOfFold, compare


if TYPE_CHECKING:
    from .search import Search


__all__ = ["FitReport", "fit_report", "report_without_labels"]

WANTED, SHOWN = 50, 20
LEVEL = 0.9


@dataclass(frozen=True, eq=False)
class FitReport:
    """The report of a choice, and the unlabeled examples that are worth labeling next.

    Attributes:
        contents: of the report.
        unlabeled: the unlabeled examples.
        predicted: class number of each of them ``[M]``.
        rows: places of those to label next ``[n]``.
        suggested: a class name for each of them.
        confidence: probability of that class ``[n]``.
    """

    contents: RunReport
    unlabeled: datasets.Dataset
    predicted: np.ndarray
    rows: np.ndarray
    suggested: tuple[str, ...]
    confidence: np.ndarray

    def write(
        self,
        folder: str | os.PathLike[str],
        *,
        source: datasets.Dataset | None = None,
        label_column: str | None = None,
        **changes: Any,
    ) -> Path:
        """Write ``report.json``, ``report.html`` and ``label_next.csv``.

        Args:
            folder: where the files go; made if missing.
            source: the unlabeled examples with all columns of a person's file, row for row.
            label_column: of ``source``, where it tells hidden classes, which no training saw.
            **changes: of the contents, such as ``command``.

        Returns:
            The page.
        """
        contents = replace(self.contents, **changes)
        if source is None or len(source) != len(self.unlabeled):
            source = self.unlabeled
        if label_column is not None:
            truth = hidden_labels(source, label_column, contents.classes)
            contents = contents if truth is None else _with_truth(contents, truth, self.predicted)
        if len(self.rows):
            # Images without a path are known by their place alone.
            columns = csv_columns(source.select(self.rows)) or {"row": self.rows.tolist()}
            write_label_next(folder, columns, self.suggested, self.confidence)
        contents.write(folder)
        return write_page(contents, folder)


def fit_report(
    search: Search,
    choice: Choice,
    probs: np.ndarray,
    expected: Estimate | None,
    warnings: Sequence[str] = (),
    **facts: str,
) -> FitReport:
    """The report of a search that has chosen.

    Args:
        search: all of whose candidates were tried.
        choice: what was chosen.
        probs: calibrated probabilities ``[M, C]`` of the unlabeled examples.
        expected: accuracy on new examples.
        warnings: what a person should know.
        **facts: further ones, in words.
    """
    data = search.data
    names, scores = data.label_names, choice.out_of_fold
    evaluation, mistakes = _out_of_fold(data, scores)
    chosen = ", ".join(choice.weights)
    contents = RunReport(
        kind="fit",
        title=f"fit: {chosen}" if len(choice.weights) == 1 else f"fit: the average of {chosen}",
        facts=(
            ("chosen", chosen),
            ("labeled examples", f"{len(data.labels):,}"),
            ("unlabeled examples", f"{len(data.unlabeled):,}"),
            ("classes", f"{len(names)}: {', '.join(names[:20])}"),
            *((name.replace("_", " "), value) for name, value in facts.items()),
            ("seed", str(data.seed)),
            ("versions", ", ".join(f"{name} {version(name)}" for name in ("textssl", "transformers", "torch"))),
        ),
        findings=tuple(_findings(search, choice, expected)),
        warnings=tuple(warnings),
        classes=names,
        candidates=tuple(_candidate(result, choice) for result in _baseline_first(search, choice)),
        candidate_metric="log-loss",
        candidate_measured_on=f"{len(data.labels):,} labeled examples, by cross-validation",
        candidate_level=LEVEL,
        class_shares=tuple(_shares(data, probs)),
        evaluation=evaluation,
        mistakes=mistakes,
    )
    return _with_next(contents, data.unlabeled.rows, data.column, probs, data.labeled)


def report_without_labels(
    unlabeled: datasets.Dataset, column: str, probs: np.ndarray, label_names: Sequence[str], findings: Sequence[str]
) -> FitReport:
    """The report of a classifier that was made of names of classes.

    Args:
        unlabeled: texts.
        column: of the texts.
        probs: probabilities ``[M, C]``.
        label_names: of the classes.
        findings: sentences.
    """
    shares = np.bincount(probs.argmax(1), minlength=len(label_names)) / len(probs)
    contents = RunReport(
        kind="fit",
        title="fit: names and descriptions of classes",
        facts=(("unlabeled examples", f"{len(probs):,}"), ("classes", ", ".join(label_names[:20]))),
        findings=tuple(findings),
        classes=tuple(label_names),
        class_shares=(ClassShares("predictions", (tuple(shares.tolist()),)),),
    )
    return _with_next(contents, unlabeled, column, probs, None)


def _findings(search: Search, choice: Choice, expected: Estimate | None) -> list[str]:
    found = [] if expected is None else [f"expected accuracy on new examples: {expected}, with an interval of 90 %"]
    base, own = search.results[choice.baseline].out_of_fold, choice.out_of_fold
    if own is None or base is None:
        return [*found, "no label could be held out, so that nothing was compared"]
    if [*choice.weights] == [choice.baseline]:
        others = "; unlabeled data did not help" if len(search.scores) > 1 else ""
        return [*found, f"no candidate was better than {choice.baseline}, which learns from labels alone{others}"]
    gap = compare(own, base)
    low, high = gap.interval
    found.append(
        f"log-loss of held-out labels {np.nanmean(own.losses):.3f} against {np.nanmean(base.losses):.3f} of "
        f"{choice.baseline}, which learns from labels alone: {_told(gap, low, high)}"
    )
    return found


def _told(gap: Difference, low: float, high: float) -> str:
    if high < 0:
        return f"lower by {-gap.mean:.3f} ({-high:.3f} to {-low:.3f})"
    if low > 0:
        return f"higher by {gap.mean:.3f} ({low:.3f} to {high:.3f}): it lost"
    return f"they cannot be told apart ({low:+.3f} to {high:+.3f})"


def _baseline_first(search: Search, choice: Choice) -> list[Result]:
    return sorted(search.results.values(), key=lambda result: result.candidate.name != choice.baseline)


def _candidate(result: Result, choice: Choice) -> Candidate:
    name, scores = result.candidate.name, result.out_of_fold
    seconds, chosen = result.seconds or None, name in choice.weights
    if scores is None:
        return Candidate(name, seconds=seconds, chosen=chosen, note=f"not scored: {result.skipped}".rstrip(": "))
    rows = scores.scored.any(0)
    each = np.nanmean(scores.losses[:, rows], axis=0)
    loss = float(each.mean())
    error = 1.645 * float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None
    gap = choice.differences.get(name)
    right = np.nanmean(scores.right()[:, rows])
    notes = [f"accuracy {100 * right:.1f} %", *([result.skipped] if result.skipped else [])]
    return Candidate(
        name=name,
        scores=tuple(_fold_losses(scores)),
        mean=loss,
        low=None if error is None else max(0.0, loss - error),
        high=None if error is None else loss + error,
        difference=None if gap is None else gap.mean,
        difference_low=None if gap is None else gap.interval[0],
        difference_high=None if gap is None else gap.interval[1],
        log_loss=loss,
        seconds=seconds,
        chosen=chosen,
        note="; ".join(notes),
    )


def _fold_losses(scores: OutOfFold) -> list[float]:
    return [
        float(np.nanmean(scores.losses[division][numbers == number]))
        for division, numbers in enumerate(scores.folds)
        for number in np.unique(numbers[scores.scored[division]])
    ]


def _out_of_fold(data: FitData, scores: OutOfFold | None) -> tuple[Evaluation | None, tuple[Mistake, ...]]:
    """Each labeled example is judged by the mean of what the folds that held it out said of it."""
    if scores is None:
        return None, ()
    rows = np.flatnonzero(scores.scored.any(0))
    probs = np.nanmean(softmax(scores.calibrated()[:, rows], axis=2), axis=0)
    labels = scores.labels[rows]

    def shown(place: int) -> Any:
        return item_of(data.labeled.rows[int(rows[place])][data.column])

    return (
        evaluation_of(labels, probs, data.label_names, "labeled examples, each predicted by folds without it"),
        mistakes_of(labels, probs, data.label_names, shown, rows),
    )


def _shares(data: FitData, probs: np.ndarray) -> list[ClassShares]:
    found = []
    for name, numbers in (("labels", data.labels), ("predictions", probs.argmax(1) if len(probs) else ())):
        if len(numbers):
            counts = np.bincount(numbers, minlength=data.num_labels)
            found.append(ClassShares(name, (tuple((counts / counts.sum()).tolist()),)))
    return found


def _with_next(
    contents: RunReport, unlabeled: datasets.Dataset, column: str, probs: np.ndarray, labeled: Examples | None
) -> FitReport:
    """Choose what to label next: neither what is labeled nor copies."""
    predicted = probs.argmax(1)
    nothing = FitReport(contents, unlabeled, predicted, np.zeros(0, np.int64), (), np.zeros(0))
    if not len(probs):
        return nothing
    keys = content_keys(unlabeled, [column])
    known = set() if labeled is None else set(content_keys(labeled.rows, [column]))
    fresh = np.array([row for row, key in enumerate(keys) if key not in known], dtype=np.int64)
    if not len(fresh):
        return nothing
    rows = fresh[most_uncertain(probs[fresh], WANTED, [keys[row] for row in fresh])]
    chosen = probs[rows]
    suggested = tuple(contents.classes[number] for number in chosen.argmax(1))
    confidence = chosen.max(1)
    listed = tuple(
        Uncertain(item_of(unlabeled[int(row)][column]), label, float(share))
        for row, label, share in list(zip(rows, suggested, confidence, strict=True))[:SHOWN]
    )
    contents = replace(contents, uncertain=listed, uncertain_file=LABEL_NEXT)
    return FitReport(contents, unlabeled, predicted, rows, suggested, confidence)


def _with_truth(contents: RunReport, truth: np.ndarray, predicted: np.ndarray) -> RunReport:
    known = truth >= 0
    counts = np.bincount(truth[known], minlength=len(contents.classes))
    shares = ClassShares("unlabeled truth", (tuple((counts / counts.sum()).tolist()),))
    right = 100 * float((predicted == truth)[known].mean())
    found = f"{right:.1f} % of {known.sum():,} unlabeled examples are predicted right, by labels that no training saw"
    return replace(
        contents,
        findings=(*contents.findings, found),
        class_shares=(*contents.class_shares[:1], shares, *contents.class_shares[1:]),
    )
