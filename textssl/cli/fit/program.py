"""The choice among classifiers as a program: facts of the data first, then the table, then held-out figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from ...files import write_atomically
from ...fit import FitResult, fit_classifier
from ...fit.budget import LEVEL_SECONDS
from ...fit.classifier import candidates_of
from ...fit.estimates import macro_f1_of
from ..arguments import parse_flags
from .options import FitOptions
from .task import FitTask, load_fit_task


__all__ = ["fit_program", "test_scores"]


def fit_program(argv: Sequence[str] | None = None) -> None:
    """Choose, train, print; see ``--help`` of ``recipes/fit.py``.

    Args:
        argv: the command line; ``sys.argv[1:]`` by default.

    Raises:
        UserError: flags or data that cannot work, before any training.
    """
    options: FitOptions = parse_flags(FitOptions, argv)
    say = PartialState().print
    described = options.descriptions()
    task = load_fit_task(options, described)
    for line in [task.describe(), *_plan(options, task, described)]:
        say(line)
    result = fit_classifier(
        task.labeled,
        task.unlabeled,
        encoder=options.encoder,
        level=options.level,
        output_dir=options.output_dir,
        time_budget=options.time_budget,
        text_column=task.column,
        image_column=task.column if task.modality == "image" else None,
        label_column=task.label_column,
        max_length=options.max_length,
        label_names=task.label_names,
        label_descriptions=described,
        seed=options.seed,
        cache_dir=options.embedding_cache,
    )
    say(str(result))
    folder = Path(options.output_dir)
    if task.test is not None:
        scores = test_scores(result, task)
        write_atomically(folder / "test.json", (json.dumps(scores, indent=2) + "\n").encode())
        say(
            f"on {scores['examples']:,} held-out examples: accuracy {100 * scores['accuracy']:.1f} %, "
            f"macro-F1 {100 * scores['macro_f1']:.1f} %, log-loss {scores['log_loss']:.3f}"
        )
    kind = "text" if task.modality == "text" else "image"
    say(f"{result.seconds:,.0f} s; the model is in {folder / 'model'}:")
    say("    import textssl.models; from transformers import pipeline")
    say(f'    classify = pipeline("{kind}-classification", model={str(folder / "model")!r})')


def test_scores(result: FitResult, task: FitTask) -> dict[str, Any]:
    """Number of examples, accuracy, macro-F1 and log-loss on held-out examples.

    Args:
        result: what was chosen.
        task: with held-out examples.
    """
    assert task.test is not None
    names = task.test.features[task.label_column].names
    place = {name: number for number, name in enumerate(result.label_names)}
    labels = np.array([place[names[number]] for number in task.test[task.label_column]])
    probs = result.predict_proba(task.test[task.column][:])
    counts = np.zeros((len(place), len(place)))
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
    limit = options.time_budget if options.time_budget is not None else LEVEL_SECONDS[options.level]
    seconds = "no limit of time" if limit is None else f"at most {limit:,.0f} s"
    if options.time_budget is None and limit is not None:
        seconds += " once the embeddings are there"
    cut = f", texts cut at {options.max_length} tokens" if task.modality == "text" else ""
    lines = [f"encoder: {options.encoder}{cut}; seed {options.seed}"]
    if task.labeled is None:
        names = ", ".join(task.label_names or ())
        lines.append(f"no labels: classes {names} by their names and descriptions, the same at each level")
    else:
        tried = ", ".join(candidate.name for candidate in candidates_of(options.level))
        lines.append(f"level {options.level}, {seconds}: {tried}")
    if task.modality == "text":
        origin = (
            "names of classes, made readable" if described is None else f"{options.label_descriptions}, then names"
        )
        believed = "" if task.labeled is None else "; folds decide whether they are believed"
        lines.append(f"descriptions of classes: {origin}{believed}")
    return lines
