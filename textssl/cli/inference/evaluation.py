"""``textssl evaluate`` as a program: what was chosen is said first, then all scores are printed."""

from __future__ import annotations

from ...errors import UserError
from ...inference.evaluation import Evaluation, plan_evaluation
from ...own_data.opening import open_rows
from ...report.classification_scores import ClassificationScores
from ..console import print_json, progress, result, say, table
from .options import InferenceOptions, flags_in_errors, load_model


__all__ = ["run_evaluate", "score_lines"]

# Of more classes the confusions that occur most are shown, not a table of all.
CONFUSION_CLASSES = 12
CONFUSIONS = 20


def run_evaluate(options: InferenceOptions) -> None:
    """Measure a model on a labeled file.

    Raises:
        UserError: a model, a file, columns, labels or an output that cannot work.
    """
    if options.format is not None or options.file == "-":
        raise UserError("file: got '-'; evaluate reads a file, a folder or a data set of the Hub")
    rows = open_rows(options.file, text_column=options.text_column, labeled=True)
    classifier = load_model(options)
    with flags_in_errors(options):
        plan = plan_evaluation(
            classifier,
            rows,
            column=options.column,
            pair_column=options.text_pair_column,
            label_column=options.label_column,
            out=options.output,
            overwrite=options.overwrite,
        )
        for note in plan.notes:
            say(f"{rows.name}: {note.removeprefix(f'{rows.name}: ')}")
        for warning in plan.warnings:
            say(f"warning: {warning}")
        found = plan.run(progress)
    for line in _left_out(found, rows.name):
        say(line)
    if options.output is not None:
        say(f"{options.output}: {found.rows:,} rows with their predictions")
    if options.json:
        print_json({"model": classifier.place.name, "file": rows.name, **found.as_dict()})
    else:
        result("\n".join(score_lines(found.scores)))


def score_lines(scores: ClassificationScores) -> list[str]:
    """All scores, for a person."""
    accuracy, macro_f1 = (_interval(bounds) for bounds in (scores.accuracy_interval, scores.macro_f1_interval))
    lines = [
        f"examples              {scores.examples:,}",
        f"accuracy              {_percent(scores.accuracy)} ({accuracy}, 95 % interval)",
        f"macro-F1              {_percent(scores.macro_f1)} ({macro_f1})",
        f"log-loss              {scores.log_loss:.4f}",
        f"calibration error     {_percent(scores.calibration_error)} (expected calibration error)",
    ]
    classes = [
        (each.label, f"{100 * each.precision:.1f}", f"{100 * each.recall:.1f}", f"{100 * each.f1:.1f}", each.support,
         each.predicted)
        for each in scores.per_class
    ]  # fmt: skip
    lines += ["", table(["class", "precision %", "recall %", "F1 %", "examples", "predicted"], classes)]
    return [*lines, "", *_confusion(scores), "", *_reliability(scores)]


def _confusion(scores: ClassificationScores) -> list[str]:
    names = scores.label_names
    if len(names) <= CONFUSION_CLASSES:
        rows = [(name, *counts) for name, counts in zip(names, scores.confusion, strict=True)]
        return [table(["label \\ predicted", *names], rows, title="confusion: a row for each label")]
    wrong = [
        (count, names[label], names[predicted])
        for label, counts in enumerate(scores.confusion)
        for predicted, count in enumerate(counts)
        if count and label != predicted
    ]
    most = sorted(wrong, key=lambda one: -one[0])[:CONFUSIONS]
    if not most:
        return ["confusion: none"]
    rows = [(label, predicted, count) for count, label, predicted in most]
    return [table(["label", "predicted", "examples"], rows, title="most frequent confusions (all with --json)")]


def _reliability(scores: ClassificationScores) -> list[str]:
    rows = [
        (
            f"{part.low:.2f} to {part.high:.2f}",
            f"{100 * part.confidence:.1f}",
            f"{100 * part.accuracy:.1f}",
            part.count,
        )
        for part in scores.reliability
        if part.confidence is not None and part.accuracy is not None
    ]
    return [table(["confidence", "mean %", "accuracy %", "examples"], rows, title="calibration")]


def _left_out(found: Evaluation, name: str) -> list[str]:
    lines = []
    if found.unlabeled:
        lines.append(f"warning: {name}: {found.unlabeled:,} of {found.rows:,} rows have no label and are left out")
    if found.empty:
        lines.append(f"warning: {name}: {found.empty:,} labeled rows have nothing to classify and are left out")
    if found.absent:
        lines.append(f"{name}: no example of {', '.join(map(repr, found.absent))}")
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(bounds: tuple[float, float]) -> str:
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"
