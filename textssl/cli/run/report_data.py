"""Gathers what the report of a recipe's run says: while it trains, and from its results at the end."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...config import SSLConfig
from ...hub import changed_hyperparameters
from ...report.contents import RunReport
from ...report.from_history import curves_of, pseudo_label_quality_of, shares_of
from ...report.from_predictions import candidates_of, evaluation_of, mistakes_of
from ...report.items import item_of
from ...report.parts import ClassShares, Uncertain, ViewExample
from ...report.strict_json import parsed, plain
from ...report.uncertain import LABEL_NEXT
from ...secrets import redacted, secrets_of
from ...training.trainer import SSLTrainer
from ...training.unlabeled_record import UnlabeledRecord
from ..data.task_data import OWN_FILES, TaskData
from ..options import RecipeOptions
from ..task_setups import TaskSetup
from .findings import BASELINES, PARTS, RunFindings, counted, labeled_shares, measured_on, measured_stages
from .measured_predictions import MeasuredPredictions
from .unlabeled_report import label_next, predict_unlabeled
from .view_examples import view_examples


__all__ = ["report_parts", "run_command", "train_report", "watch_unlabeled"]

EXAMPLES = 20
LEVEL = 0.95


def watch_unlabeled(trainer: SSLTrainer, data: TaskData) -> None:
    """Have a trainer record what becomes of its unlabeled examples, if it has any.

    Args:
        trainer: of a stage, before training.
        data: of the task, which may tell the hidden classes of unlabeled examples.
    """
    unlabeled = trainer.train_dataset.unlabeled
    if unlabeled is None:
        return
    # Retrieved sentences, say, are others than those whose classes are known.
    known = data.unlabeled
    same = known is not None and len(unlabeled) == len(known)
    if known is not None and same and data.column in unlabeled.column_names:
        same = all(unlabeled[row][data.column] == known[row][data.column] for row in (0, len(known) - 1))
    trainer.add_callback(UnlabeledRecord(trainer, data.unlabeled_truth if same else None))


def report_parts(trainer: SSLTrainer, kind: TaskSetup, options: RecipeOptions, folder: Path) -> dict[str, Any]:
    """What only the trained method can tell: predictions for unlabeled examples, and its views.

    Every process must call it; ``label_next.csv`` is written by the first.

    Args:
        trainer: after training.
        kind: how the data were trained on.
        options: the recipe's.
        folder: of the run.

    Returns:
        ``unlabeled``, ``uncertain``, ``examples`` and ``confidences``, as JSON holds them.
    """
    data = kind.given
    found = predict_unlabeled(trainer, kind.data)
    if not trainer.is_world_process_zero():
        return {}
    parts: dict[str, Any] = {"examples": plain(view_examples(trainer, kind, EXAMPLES), "examples")}
    if found is not None:
        numbered = options.unlabeled_file is not None and options.num_unlabeled is None
        parts["unlabeled"] = found.to_dict(len(data.label_names))
        parts["uncertain"] = plain(label_next(found, data, folder, numbered), "uncertain")
        parts["confidences"] = found.probs.max(1).tolist()
        if found.truth is not None and (found.truth >= 0).all():
            parts["right"] = (found.probs.argmax(1) == found.truth).tolist()
    return parts


def train_report(
    method: str,
    results: Mapping[str, Any],
    kind: TaskSetup,
    options: RecipeOptions,
    config: SSLConfig,
    folder: Path,
    found: RunFindings,
    command: str,
    warnings: Sequence[str] = (),
) -> RunReport:
    """The report of a run.

    Args:
        method: name of the last stage.
        results: of all stages, the method's with what :func:`report_parts` returned.
        kind: how the data were trained on.
        options: the recipe's.
        config: the run's.
        folder: of the run.
        found: see :func:`findings_of`.
        command: that repeats the run.
        warnings: that were logged meanwhile.
    """
    data, names, parts = kind.data, kind.data.label_names, results[method].get(PARTS, {})
    measured = measured_stages(results, folder)
    own = measured.get(method)
    baseline = next((name for name in BASELINES if name in measured and name != method), None)
    uncertain = parsed(tuple[Uncertain, ...], parts.get("uncertain", []), "uncertain")
    return RunReport(
        kind="train",
        title=f"{method} on {data.data_facts.name}",
        facts=tuple(_facts(method, results, kind, options, config)),
        command=command,
        findings=found.findings,
        warnings=tuple(dict.fromkeys([*found.warnings, *warnings])),
        classes=names,
        candidates=() if own is None else candidates_of(
            own.labels, {name: part.probs for name, part in measured.items()}, method, baseline,
            {name: result["seconds"] for name, result in results.items()}, LEVEL,
        ),
        candidate_measured_on="" if own is None else counted(own),
        candidate_level=LEVEL,
        curves=tuple(
            curve
            for name, result in results.items() if result["history"]
            for curve in curves_of(result["history"], name, names, _threshold(config) if name == method else None)
        ),
        class_shares=tuple(_class_shares(results[method], parts, data, config)),
        pseudo_labels=pseudo_label_quality_of(results[method]["history"]),
        evaluation=None if own is None else evaluation_of(own.labels, own.probs, names, measured_on(own)),
        examples=parsed(tuple[ViewExample, ...], parts.get("examples", []), "examples"),
        mistakes=() if own is None else _mistakes(own, kind.given, options),
        uncertain=uncertain,
        uncertain_file=LABEL_NEXT if uncertain else None,
    )  # fmt: skip


def run_command(program: Sequence[str], argv: Sequence[str] | None, config: SSLConfig) -> str:
    """The command that repeats a run, without its tokens.

    Args:
        program: what takes the flags.
        argv: the flags; ``None``: this process was started as a script with them.
        config: the run's, which may hold tokens.
    """
    words = ["python", *sys.argv] if argv is None else [*program, *argv]
    # A run from the start needs neither, and to delete what is there is for a person to say.
    kept = [word for word in words if not re.match(r"--(overwrite|resume[-_]from[-_]checkpoint)(=|$)", word)]
    return shlex.join(redacted(kept, secrets_of(config)))


def _class_shares(
    result: Mapping[str, Any], parts: Mapping[str, Any], data: TaskData, config: SSLConfig
) -> list[ClassShares]:
    found = [ClassShares("labels", (tuple(labeled_shares(data, config).tolist()),))]
    unlabeled, over_time = parts.get("unlabeled"), shares_of(result["history"], data.label_names)
    if unlabeled is not None:
        if "true_shares" in unlabeled:
            found.append(ClassShares("unlabeled truth", (tuple(unlabeled["true_shares"]),)))
        if not any(shares.name == "predictions" for shares in over_time):
            over_time.insert(0, ClassShares("predictions", (tuple(unlabeled["shares"]),)))
    return found + over_time


def _mistakes(own: MeasuredPredictions, data: TaskData, options: RecipeOptions) -> Any:
    examples = data.test if own.part == "test" else data.validation
    if examples is None or len(examples) != len(own.labels):
        return ()
    whole = options.num_test is None if own.part == "test" else options.validation_split is None
    rows = range(len(examples)) if whole and data.data_facts.origin == OWN_FILES else None

    def shown(place: int) -> Any:
        parts = [examples[place][column] for column in data.columns]
        return item_of(parts[0] if len(parts) == 1 else tuple(parts))

    return mistakes_of(own.labels, own.probs, data.label_names, shown, rows)


def _threshold(config: SSLConfig) -> float | None:
    threshold = getattr(config, "threshold", None)
    return threshold if isinstance(threshold, float | int) and threshold > 0 else None


def _facts(
    method: str, results: Mapping[str, Any], kind: TaskSetup, options: RecipeOptions, config: SSLConfig
) -> list[tuple[str, str]]:
    data, seconds = kind.data, results[method]["seconds"]
    counts = (
        ("labeled examples", data.labeled), ("unlabeled examples", data.unlabeled),
        ("validation examples", data.validation), ("held-out examples", data.test),
    )  # fmt: skip
    history = results[method]["history"]
    steps = max((entry["step"] for entry in history), default=0)
    facts = [
        ("method", method),
        ("data", f"{data.data_facts.name} ({data.data_facts.origin})"),
        *((name, f"{len(part):,}") for name, part in counts if part is not None),
        ("classes", f"{len(data.label_names)}: {', '.join(data.label_names[:20])}"),
        ("model", kind.model_name),
        ("strong view", kind.strong),
        ("preset", options.preset),
        ("steps", f"{steps:,}"),
        ("seed", str(config.seed)),
        ("device", _device(config, results[method]["processes"])),
        ("seconds of training", "unknown: it was resumed" if seconds is None else f"{seconds:,.0f}"),
        ("settings", ", ".join(f"{name}={value}" for name, value in changed_hyperparameters(config).items())),
        ("versions", ", ".join(_versions())),
    ]
    return [(name, value) for name, value in facts if value and value != "none"]


def _device(config: SSLConfig, processes: int) -> str:
    import torch

    device = config.device
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{device.type}, {torch.get_num_threads()} threads"
    )
    return name if processes == 1 else f"{name}, {processes} processes"


def _versions() -> list[str]:
    names = ("textssl", "transformers", "torch", "datasets")
    return [*(f"{name} {version(name)}" for name in names), f"Python {platform.python_version()}"]
