"""Rows of the methods: each trained as its recipe trains it on a person's own files, with the ``cpu`` preset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from scipy.special import softmax
from transformers import TrainingArguments

from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions
from textssl.cli.presets import presets_for
from textssl.cli.recipe import trainer_factory
from textssl.cli.run.folder import RunFolder
from textssl.cli.run.resolved import resolve_run
from textssl.methods import METHODS

from .data import Problem, Task


__all__ = ["recipe_settings", "trained_by_recipe"]


def _arguments(backend: str, method: str, files: list[str]) -> tuple[RecipeOptions, Any]:
    argv = [
        "--preset",
        "cpu",
        "--backend",
        backend,
        "--report_to",
        "none",
        "--disable_tqdm",
        "true",
        "--logging_strategy",
        "no",
    ]
    argv += files
    return parse_arguments([RecipeOptions, METHODS[method].config_class], presets_for(method), "cpu", argv)  # type: ignore[return-value]


def recipe_settings(backend: str, method: str) -> dict[str, Any]:
    """All that the preset and the method's config decide: a cell of other settings is another cell."""
    options, config = _arguments(backend, method, ["--train_file", "train.parquet"])
    own = {f.name for f in fields(config)} - {f.name for f in fields(TrainingArguments)}
    names = [*own, "max_steps", "num_train_epochs", "learning_rate", "per_device_train_batch_size", "weight_decay"]
    options_too = ("strong", "replace", "num_unlabeled", "head", "min_steps", "step_limit", "warm_start_share")
    settings = {name: getattr(config, name) for name in sorted(names)}
    told = {name: getattr(options, name) for name in (*options_too, "relative_threshold")}
    return {"backend": backend, **settings, **told}


def trained_by_recipe(problem: Problem, backend: str, method: str, folder: Path, cache_dir: Path) -> np.ndarray:
    """Probabilities [n, C] of the test examples after the recipe's training."""
    task = problem.task
    files = _write_files(problem, folder)
    flags = ["--output_dir", str(folder / "run"), "--seed", str(problem.draw.seed), "--save_strategy", "no"]
    flags += ["--embedding_cache", str(cache_dir), "--data_check", "off", "--label_column", "label"]
    flags += [f"--{'text' if task.modality == 'text' else 'image'}_column", task.column]
    options, config = _arguments(backend, method, [*files, *flags])
    run = RunFolder(config.output_dir, [options, config])
    trainer_class = METHODS[method]
    resolved = resolve_run(method, trainer_class, options, config, "imdb", run)
    config, data = resolved.config, resolved.data
    kind = resolved.setup_class(resolved.options, config, data, set(resolved.views))
    kind.prepare(run.path)
    trainer = trainer_factory(trainer_class, config, kind)(run.path / method)
    trainer.train()
    test = replace(data, labeled=_with_labels(task), unlabeled=None, validation=None)
    if backend == "features":
        kind.data, kind.wants_strong_view = test, False
        kind.prepare(run.path)
        test = kind.data
    logits = torch.as_tensor(trainer.predict(test.labeled).predictions)
    order = [data.label_names.index(name) if name in data.label_names else -1 for name in task.label_names]
    return _by_class(softmax(logits.double().numpy(), axis=1), order)


def _with_labels(task: Task) -> datasets.Dataset:
    """The test inputs with a label that says nothing: the loop of evaluation wants one."""
    feature = task.train.features["label"]
    return task.test.add_column("label", [0] * len(task.test), feature=feature)


def _by_class(probs: np.ndarray, order: list[int]) -> np.ndarray:
    """Columns in the order of the task's classes; one that no label was of gets nothing."""
    padded = np.concatenate([probs, np.zeros((len(probs), 1))], axis=1)
    return padded[:, order]


def _write_files(problem: Problem, folder: Path) -> list[str]:
    """Flags that name files of the labeled and the unlabeled examples; images are a folder of PNG files."""
    task = problem.task
    labeled = task.train.select(problem.labeled).flatten_indices()
    unlabeled = task.train.select(problem.unlabeled).select_columns([task.column]).flatten_indices()
    if task.modality == "text":
        train, more = str(folder / "train.parquet"), str(folder / "unlabeled.parquet")
        labeled.to_parquet(train)
        unlabeled.to_parquet(more)
    else:
        train, more = str(folder / "train"), str(folder / "unlabeled")
        _write_images(labeled[task.column], [task.label_names[c] for c in labeled["label"]], folder / "train")
        _write_images(unlabeled[task.column], ["all"] * len(unlabeled), folder / "unlabeled")
    return ["--train_file", train, "--unlabeled_file", more]


def _write_images(images: Iterable[Any], folders: list[str], folder: Path) -> None:
    for name in set(folders):
        (folder / name).mkdir(parents=True)
    for number, (image, name) in enumerate(zip(images, folders, strict=True)):
        image.save(folder / name / f"{number}.png")
