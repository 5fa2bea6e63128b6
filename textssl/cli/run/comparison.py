"""The end of a recipe: train the method, and report it beside the supervised baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from ...config import SSLConfig
from ...hub import RunFacts, TextFacts, changed_hyperparameters
from ...report.confidence_plot import plot_confidence
from ...report.html import write_page
from ...report.plots import plot_run
from ...report.table import comparison_table, save_results
from ...training.trainer import SSLTrainer
from ..console import next_step, print_json, result, say
from ..data.task_data import TaskData
from ..options import RecipeOptions
from ..task_setups import TaskSetup
from ..task_setups.pixel_features import PIXELS
from .findings import PARTS, findings_of, labeled_shares
from .folder import RunFolder
from .label_quality import quality_line, write_label_quality
from .report_data import report_parts, train_report
from .stages import MEASURED, measured_line, row_of, run_stage


__all__ = ["report_comparison"]


def report_comparison(
    run: RunFolder,
    method: str,
    make_trainer: Callable[[Path], SSLTrainer],
    results: dict[str, dict[str, Any]],
    kind: TaskSetup,
    options: RecipeOptions,
    config: SSLConfig,
    command: str,
    warned: Sequence[str] = (),
    as_json: bool = False,
) -> dict[str, dict[str, Any]]:
    """Train ``method`` as the last stage, write card, plots, ``results.json`` and ``report.json``, print the table.

    Args:
        run: the run's folder.
        method: name of the method, and of its folder.
        make_trainer: given the folder, builds the trainer.
        results: of the stages before, ``supervised`` among them if there was one.
        kind: how the data are trained on.
        options: the recipe's.
        config: the run's; see :func:`run_config`.
        command: that repeats the run.
        warned: warnings that were logged so far, and that are being logged.
        as_json: print the results as JSON, and the table beside them to standard error.

    Returns:
        ``results`` with the method's own.
    """
    data = kind.data

    def after(trainer: SSLTrainer, found: dict[str, Any]) -> None:
        found.update(write_label_quality(trainer, data, config.label_column, run.path))
        found[PARTS] = report_parts(trainer, kind, options, run.path)
        trainer.facts = _facts(trainer, method, found, results, kind, options, config)
        if trainer.is_world_process_zero():
            trainer.create_model_card()
        if config.push_to_hub:
            trainer.push_to_hub()

    results = {**results, method: run_stage(run, method, make_trainer, data, after)}
    if not PartialState().is_main_process:
        return results
    baseline = results.get("supervised", {}).get("history")
    plots = plot_run(results[method]["history"], run.path / "plots", baseline)
    parts = results[method].get(PARTS, {})
    if parts.get("confidences"):
        plots.append(_plot_confidence(parts, data, config, run.path / "plots"))
    rows = [row_of(name, len(data.labeled), config, stage) for name, stage in results.items()]
    kept = {name: {k: v for k, v in stage.items() if k != PARTS} for name, stage in results.items()}
    save_results(run.path / "results.json", kept)
    found = findings_of(method, results, data, config, run.path)
    report = train_report(method, results, kind, options, config, run.path, found, command, warned)
    report.write(run.path)
    page = write_page(report, run.path)
    lines = [f"\n{comparison_table(rows)}\n", measured_line(data), *found.findings]
    lines += [f"warning: {line}" for line in found.warnings]
    quality = quality_line(results[method], run.path)
    lines += [quality] if quality else []
    tell = say if as_json else result
    tell("\n".join(lines))
    say(f"plots:  {run.path / 'plots'} ({', '.join(plot.name for plot in plots)})")
    say(f"report: {page}")
    if as_json:
        final = {name: {k: v for k, v in stage.items() if k != "history"} for name, stage in kept.items()}
        print_json(
            {"output_dir": str(run.path), "model": str(run.path / method), "report": str(page), "results": final}
        )
    _say_next(run.path, method, options, kind)
    return results


def _say_next(folder: Path, method: str, options: RecipeOptions, kind: TaskSetup) -> None:
    """Commands for the report of the run and, unless it takes features alone, for the trained model."""
    file = options.unlabeled_file or options.test_file or "FILE"
    next_step("textssl", "report", folder)
    if kind.features_alone is None:
        next_step("textssl", "predict", folder / method, file, "-o", "predictions.csv")


def _plot_confidence(parts: dict[str, Any], data: TaskData, config: SSLConfig, folder: Path) -> Path:
    """The histogram of confidences, beside the shares of the classes, so that sure is not mistaken for right."""
    correct = np.array(parts["right"]) if "right" in parts else None
    shares = {"labels": labeled_shares(data, config), "predictions": np.array(parts["unlabeled"]["shares"])}
    threshold = getattr(config, "threshold", None)
    return plot_confidence(
        np.array(parts["confidences"]), folder, threshold or None, correct, shares, data.label_names
    )


def _facts(
    trainer: SSLTrainer,
    method: str,
    result: dict[str, Any],
    results: dict[str, dict[str, Any]],
    kind: TaskSetup,
    options: RecipeOptions,
    config: SSLConfig,
) -> RunFacts:
    measured, data = MEASURED if kind.data.test is not None else (), kind.data
    baseline, frozen = results.get("supervised"), kind.frozen
    return RunFacts(
        method=method,
        citation=trainer.objective.citation,
        hub_model_id=config.hub_model_id,
        task=kind.pipeline,
        texts=trainer.facts.texts if frozen is None or frozen.max_length is None else TextFacts(frozen.max_length),
        pooled=trainer.facts.pooled or frozen is not None,
        frozen_encoder=None if frozen is None else frozen.describe(),
        features_alone=kind.features_alone,
        ensemble=trainer.facts.ensemble,
        base_model=_base_model(options, data.modality),
        language="en" if options.train_file is None and data.modality == "text" else None,
        label_names=data.label_names,
        data=data.data_facts,
        split=data.split_facts,
        hyperparameters=changed_hyperparameters(trainer.args),
        metrics={name: result[name] for name in measured},
        baseline={name: baseline[name] for name in measured} if baseline else {},
        versions={name: version(name) for name in ("textssl", "transformers", "torch", "datasets")},
    )


def _base_model(options: RecipeOptions, modality: str) -> str | None:
    if options.model not in ("embedded", PIXELS):
        return options.model
    # The small ResNet starts from nothing, and pixels come from no model.
    return "sentence-transformers/all-MiniLM-L6-v2" if modality == "text" else None
