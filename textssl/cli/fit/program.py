"""The choice among classifiers as a program: facts of the data first, then the table, then held-out figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_atomically
from ...fit import FitResult, fit_classifier
from ...fit.budget import LEVEL_SECONDS
from ...fit.classifier import candidates_of
from ...fit.estimates import macro_f1_of
from ...models.embedded import EMBEDDED
from ...notices import recorded_warnings
from ..arguments import parse_flags
from ..console import next_step, print_json, result, say
from .options import FitOptions
from .report import write_fit_report
from .task import FitTask, load_fit_task


__all__ = ["fit_program", "run_fit", "test_scores"]


def fit_program(argv: Sequence[str] | None = None) -> None:
    """Choose, train, print; see ``--help`` of ``recipes/fit.py``.

    Args:
        argv: the command line; ``sys.argv[1:]`` by default.

    Raises:
        UserError: flags or data that cannot work, before any training.
    """
    options: FitOptions = parse_flags(FitOptions, argv)
    run_fit(options)


def run_fit(options: FitOptions, as_json: bool = False) -> FitResult:
    """Choose, train, print.

    Args:
        options: data, level and folders.
        as_json: print what is known of the result as one JSON document.

    Raises:
        UserError: data that cannot work, before any training.
    """
    with recorded_warnings() as warned:
        return _fitted(options, as_json, warned)


def _fitted(options: FitOptions, as_json: bool, warned: Sequence[str]) -> FitResult:
    described = options.descriptions()
    task = load_fit_task(options, described)
    parts = task.parts
    for line in [task.describe(), *parts.notes, *_plan(options, task, described)]:
        say(line)
    found = fit_classifier(
        parts.labeled,
        parts.unlabeled,
        encoder=options.encoder,
        level=options.level,
        output_dir=options.output_dir,
        time_budget=options.seconds,
        text_column=parts.column,
        image_column=parts.column if parts.modality == "image" else None,
        label_column=parts.label_column,
        max_length=options.max_length,
        label_names=task.label_names,
        label_descriptions=described,
        seed=options.seed,
        cache_dir=options.embedding_cache,
        overwrite=options.overwrite,
    )
    folder = Path(options.output_dir)
    probs = None if parts.test is None else found.predict_proba(parts.test[parts.column][:])
    scores = None if probs is None else test_scores(task, probs)
    if scores is not None:
        write_atomically(folder / "test.json", (json.dumps(scores, indent=2) + "\n").encode())
    page = write_fit_report(found, options, task, probs, warned)
    if as_json:
        print_json({"model": str(folder / "model"), "report": str(page), "test": scores, **found.to_dict()})
    else:
        result(_answer(found, scores, folder, page))
    next_step("textssl", "predict", folder / "model", _file_to_predict(options), "-o", "predictions.csv")
    return found


def test_scores(task: FitTask, probs: np.ndarray) -> dict[str, Any]:
    """Number of examples, accuracy, macro-F1 and log-loss on held-out examples.

    Args:
        task: with held-out examples.
        probs: predicted for them ``[n, C]``.
    """
    labels, classes = task.test_labels, probs.shape[1]
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, probs.argmax(1)), 1)
    losses = -np.log(np.maximum(probs[np.arange(len(labels)), labels], 1e-12))
    return {
        "examples": len(labels),
        "accuracy": float(np.trace(counts) / len(labels)),
        "macro_f1": macro_f1_of(counts),
        "log_loss": float(losses.mean()),
    }


def _plan(options: FitOptions, task: FitTask, described: Mapping[str, Any] | None) -> list[str]:
    """What was chosen for a person, before anything long."""
    limit = options.seconds if options.seconds is not None else LEVEL_SECONDS[options.level]
    seconds = "no limit of time" if limit is None else f"at most {limit:,.0f} s"
    if options.seconds is None and limit is not None:
        seconds += " once the embeddings are there"
    cut = f", texts cut at {options.max_length} tokens" if task.parts.modality == "text" else ""
    lines = [f"encoder: {options.encoder}{_kind_of_encoder(options, task)}{cut}; seed {options.seed}"]
    if task.parts.labeled is None:
        names = ", ".join(task.label_names or ())
        lines.append(f"no labels: classes {names} by their names and descriptions, the same at each level")
    else:
        tried = ", ".join(candidate.name for candidate in candidates_of(options.level))
        lines.append(f"level {options.level}, {seconds}: {tried}")
    if task.parts.modality == "text":
        origin = (
            "names of classes, made readable" if described is None else f"{options.label_descriptions}, then names"
        )
        believed = "" if task.parts.labeled is None else "; folds decide whether they are believed"
        lines.append(f"descriptions of classes: {origin}{believed}")
    return lines


def _kind_of_encoder(options: FitOptions, task: FitTask) -> str:
    """What ``embedded`` means for images."""
    if options.encoder != EMBEDDED or task.parts.modality == "text":
        return ""
    return (
        ", histograms of oriented gradients, which are not trained (for photographs name one of the Hub, such as "
        "facebook/dinov2-small, by --encoder)"
    )


def _answer(found: FitResult, scores: Mapping[str, Any] | None, folder: Path, page: Path) -> str:
    lines = [str(found)]
    if scores is not None:
        lines.append(
            f"on {scores['examples']:,} held-out examples: accuracy {100 * scores['accuracy']:.1f} %, "
            f"macro-F1 {100 * scores['macro_f1']:.1f} %, log-loss {scores['log_loss']:.3f}"
        )
    lines.append(f"{found.seconds:,.0f} s; the model is in {folder / 'model'}, the report is {page}")
    return "\n".join(lines)


def _file_to_predict(options: FitOptions) -> str:
    """One that is on the disk; of the Hub and of named sources there is none."""
    named = [path for path in (options.test_file, options.unlabeled_file, options.train_file) if path is not None]
    return next((path for path in named if Path(path).exists()), "FILE.csv")
