"""Settings by name: ``cpu`` ends in minutes on two cores, ``paper`` holds what papers publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ...models.precision import computes_in_bfloat16
from ...sources.named import SOURCES
from ..arguments import Preset
from ..data.loading import modality_of_files
from ..options import BACKENDS, ORIGINS
from ..task_setups.probe_head import resolved_feature_head, resolved_head
from .tuned import FEATURE_STEPS, FRESH_FEATURE_STEPS, TUNED


__all__ = [
    "cpu_precision",
    "feature_presets",
    "fitting_preset",
    "image_presets",
    "presets_for",
    "text_presets",
]

Presets = dict[str, dict[str, Any]]


def fitting_preset() -> tuple[str, str]:
    """``paper`` where an accelerator is found, else ``cpu``; and the reason, for a person."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is not None and accelerator.type != "cpu":
        return "paper", f"an accelerator was found ({accelerator.type})"
    return "cpu", "no accelerator was found"


def cpu_precision() -> dict[str, Any]:
    """Settings of a run on the processor: bfloat16 where it computes in it."""
    return {"use_cpu": True, "bf16": computes_in_bfloat16(torch.device("cpu"))}


def text_presets(output_dir: str, method: str, head: str = "probe", **changes: Any) -> Presets:
    """Fine-tuning of a text classifier: the embedded encoder on a processor, BERT-base on an accelerator.

    Args:
        output_dir: of the runs.
        method: a key of ``METHODS``.
        head: what the classifier of ``cpu`` starts with, ``"probe"`` or ``"random"``; a fresh head needs more steps.
        **changes: of both presets.
    """
    shared = {"output_dir": output_dir, "max_length": 128, "logging_steps": 10, **changes}
    cpu = {
        "model": "embedded",
        "source": "embedded",
        "num_unlabeled": 5000,
        "num_validation": 300,
        "num_test": 1000,
        "mu": 3,
        "strong": "tfidf",
        "replace": 0.2,
        "pretrain_batch_size": 32,
        "second_view": "tfidf",
        "eval_strategy": "steps",
        "eval_steps": 50,
        "save_steps": 50,
        "save_total_limit": 2,
        "per_device_eval_batch_size": 32,
    }
    # From a head that knows the task, a pass over the data at a low rate is enough; the head may move faster.
    probed = {
        "baseline_epochs": 8.0,
        "baseline_learning_rate": 5e-5,
        "num_train_epochs": 1.0,
        "min_steps": 80,
        "step_limit": 200,
        "learning_rate": 5e-5,
        "head_learning_rate": 5e-4,
        "warmup_steps": 0.1,
        "warm_start_share": 0.3,
        "strong": "uniform",
        "replace": 0.15,
    }
    fresh = {
        "baseline_steps": 120,
        "baseline_learning_rate": 1e-4,
        "max_steps": 250,
        "learning_rate": 6e-5,
        "warm_start_share": 0.2,
        "warm_start_learning_rate": 1e-4,
    }
    paper = {
        "model": "google-bert/bert-base-uncased",
        "baseline_steps": 3000,
        "baseline_learning_rate": 3e-5,
        "max_steps": 10_000,
        "learning_rate": 2e-5,
        "warmup_steps": 1000,
        "mu": 3,
        "second_view": "tfidf",
        "bf16": True,
        "eval_strategy": "steps",
        "eval_steps": 500,
        "save_steps": 1000,
        "save_total_limit": 2,
        "per_device_eval_batch_size": 64,
    }
    kind, start = ("text", probed) if head == "probe" else ("fresh text", fresh)
    return _with_tuned_settings(kind, method, {"cpu": cpu_precision() | shared | cpu | start, "paper": shared | paper})


def image_presets(output_dir: str, method: str = "fixmatch", **changes: Any) -> Presets:
    """Image classifiers: a small ResNet from nothing on a processor; FixMatch's optimiser on an accelerator.

    Args:
        output_dir: of the runs.
        method: a key of ``METHODS``.
        **changes: of both presets.
    """
    shared = {"output_dir": output_dir, **changes}
    cpu = {
        "use_cpu": True,
        "num_validation": 0,
        "baseline_epochs": 150.0,
        "baseline_learning_rate": 2e-3,
        "num_train_epochs": 42.0,
        "min_steps": 2000,
        "step_limit": 3000,
        "learning_rate": 2e-3,
        "lr_scheduler_type": "cosine",
        "weight_decay": 0.01,
        "per_device_train_batch_size": 16,
        "mu": 4,
        "logging_steps": 50,
        "save_steps": 500,
        "save_total_limit": 2,
        "per_device_eval_batch_size": 250,
    }
    paper = {
        "optim": "sgd",
        "optim_args": "momentum=0.9,nesterov=True",
        "learning_rate": 0.03,
        "weight_decay": 5e-4,
        "lr_scheduler_type": "cosine",
        # The square of the paper's cos(7 pi t / 16), which transformers does not have.
        "lr_scheduler_kwargs": {"num_cycles": 7 / 16},
        "per_device_train_batch_size": 64,
        "baseline_steps": 20_000,
        "baseline_learning_rate": 0.03,
        "max_steps": 1_048_576,
        "bf16": True,
        "logging_steps": 500,
        "save_steps": 10_000,
        "save_total_limit": 2,
        "dataloader_num_workers": 8,
        "per_device_eval_batch_size": 500,
    }
    return _with_tuned_settings("image", method, {"cpu": shared | cpu, "paper": shared | paper})


def feature_presets(output_dir: str, method: str, head: str = "probe", **changes: Any) -> Presets:
    """A small head on the embeddings of a frozen encoder: the same on any machine.

    Args:
        output_dir: of the runs.
        method: a key of ``METHODS``.
        head: ``"probe"`` or ``"random"``; a fresh head needs more steps.
        **changes: of both presets.
    """
    settings = {
        "output_dir": output_dir,
        "use_cpu": True,
        "source": "embedded",
        "num_unlabeled": 5000,
        "num_validation": 0,
        "num_test": 1000,
        "max_length": 128,
        "baseline_epochs": 50.0 if head == "probe" else 100.0,
        "baseline_learning_rate": 2e-5 if head == "probe" else 1e-3,
        **(FEATURE_STEPS if head == "probe" else FRESH_FEATURE_STEPS),
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "per_device_train_batch_size": 16,
        "mu": 4,
        "logging_steps": 100,
        "save_steps": 1500,
        "save_total_limit": 1,
        "per_device_eval_batch_size": 500,
        **changes,
    }
    kind = "features" if head == "probe" else "fresh features"
    return _with_tuned_settings(kind, method, {"cpu": settings, "paper": settings})


def presets_for(
    method: str,
    source: str = "imdb",
    output_dir: str | None = None,
    cpu: Preset | None = None,
    paper: Preset | None = None,
    **changes: Any,
) -> Callable[[Mapping[str, Any]], Presets]:
    """Presets of a method for whatever the flags name: a source, own files, a backend, an encoder.

    Args:
        method: a key of ``METHODS``.
        source: the data set, where the flags name none.
        output_dir: of the runs; by default it is named by the method and the data.
        cpu: changes of the preset ``cpu`` alone.
        paper: changes of the preset ``paper`` alone.
        **changes: of both presets.
    """

    def choose(flags: Mapping[str, Any]) -> Presets:
        name = str(flags.get("source", source)).partition(":")[0]
        name = source if name in ORIGINS else name
        modality: str = SOURCES[name].modality if name in SOURCES else "text"
        backend, own = str(flags.get("backend", "auto")), flags.get("train_file")
        head, model = str(flags.get("head", "auto")), str(flags.get("model", "embedded"))
        if own is not None:
            name, modality = Path(str(own)).stem, modality_of_files(str(own), backend)
        if backend not in BACKENDS or backend == "auto":
            backend = modality
        shared = {"num_labeled": 50 if backend == "image" else 100, **changes}
        if backend == "text":
            shared["head"] = resolved_head(head, model)
        if backend == "features":
            shared["head"] = resolved_feature_head(head, model, modality)
        makers: dict[str, Callable[..., Presets]] = {
            "text": text_presets,
            "image": image_presets,
            "features": feature_presets,
        }
        presets = makers[backend](output_dir or f"outputs/{method}_{name}", method, **shared)
        own_changes = {"cpu": cpu or {}, "paper": paper or {}}
        return {preset: {**settings, **own_changes[preset]} for preset, settings in presets.items()}

    return choose


def _with_tuned_settings(backend: str, method: str, presets: Presets) -> Presets:
    """Presets, ``cpu`` with what the method needs beside them."""
    return {
        name: settings | (TUNED[backend].get(method, {}) if name == "cpu" else {})
        for name, settings in presets.items()
    }
