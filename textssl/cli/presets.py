"""Settings by name: ``cpu`` ends in minutes on two cores, ``paper`` holds what papers publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..data.sources import SOURCES
from .options import BACKENDS, ORIGINS
from .task_data import modality_of_files


__all__ = [
    "cpu_precision",
    "feature_presets",
    "fitting_preset",
    "image_presets",
    "presets_for",
    "text_presets",
]

Presets = dict[str, dict[str, Any]]

# What some methods need beside the common settings, found on validation data; a method that is not named takes its
# own defaults. The first key is the backend.
LABELED_ALONE = {"max_steps": 120, "learning_rate": 1e-4, "warm_start_steps": 0}
TUNED: dict[str, dict[str, dict[str, Any]]] = {
    "text": {
        "supervised": LABELED_ALONE,
        "adversarial": LABELED_ALONE,
        "fixmatch": {"ema_decay": 0.97, "threshold": 0.9},
        "ict": {"ema_decay": 0.97},
        "in_domain_pretraining": LABELED_ALONE | {"pretraining_steps": 75, "pretraining_batch_size": 32},
        "mean_teacher": {
            "ema_decay": 0.97,
            "unlabeled_weight": 0.5,
            "learning_rate": 1e-4,
            "second_view": "same",
        },
        "mixtext": {"mu": 2, "ema_decay": 0.97},
        "noisy_student": {
            "rounds": 1,
            "unlabeled_weight": 1.0,
            "max_steps": 160,
            "num_unlabeled": 3000,
            "learning_rate": 1e-4,
            "warm_start_steps": 0,
        },
        "uda": {"tsa": "none", "ema_decay": 0.97, "align": True, "threshold": 0.9, "temperature": 1.0},
    },
    "image": {
        "mixmatch": {"mu": 2},
        "remixmatch": {"mu": 2, "num_strong": 2},
    },
    "features": {},
}


def fitting_preset() -> tuple[str, str]:
    """``paper`` where an accelerator is found, else ``cpu``; and the reason, for a person."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is not None and accelerator.type != "cpu":
        return "paper", f"an accelerator was found ({accelerator.type})"
    return "cpu", "no accelerator was found"


def cpu_precision() -> dict[str, Any]:
    """Settings of a run on the processor: bfloat16 where it computes in it."""
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return {"use_cpu": True, "bf16": bool(native)}


def text_presets(output_dir: str, method: str, **changes: Any) -> Presets:
    """Fine-tuning of a text classifier: the embedded encoder on a processor, BERT-base on an accelerator.

    Args:
        output_dir: of the runs.
        method: a key of ``METHODS``.
        **changes: of both presets.
    """
    shared = {"output_dir": output_dir, "max_length": 128, "truncation": "start", "logging_steps": 10, **changes}
    cpu = {
        "model": "embedded",
        "source": "embedded",
        "num_unlabeled": 5000,
        "num_validation": 300,
        "num_test": 1000,
        "baseline_steps": 120,
        "baseline_learning_rate": 1e-4,
        "max_steps": 250,
        "learning_rate": 6e-5,
        "warm_start_steps": 50,
        "warm_start_learning_rate": 1e-4,
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
    return _settled("text", method, {"cpu": cpu_precision() | shared | cpu, "paper": shared | paper})


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
        "baseline_steps": 600,
        "baseline_learning_rate": 2e-3,
        "max_steps": 3000,
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
    return _settled("image", method, {"cpu": shared | cpu, "paper": shared | paper})


def feature_presets(output_dir: str, method: str, **changes: Any) -> Presets:
    """A small head on the embeddings of a frozen encoder: the same on any machine.

    Args:
        output_dir: of the runs.
        method: a key of ``METHODS``.
        **changes: of both presets.
    """
    settings = {
        "output_dir": output_dir,
        "use_cpu": True,
        "source": "embedded",
        "num_unlabeled": 2000,
        "num_validation": 0,
        "num_test": 1000,
        "max_length": 128,
        "baseline_steps": 500,
        "baseline_learning_rate": 1e-3,
        "max_steps": 1500,
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
    return _settled("features", method, {"cpu": settings, "paper": settings})


def presets_for(method: str) -> Callable[[Mapping[str, Any]], Presets]:
    """Presets of a method for whatever the flags name: a source, own files, a backend."""

    def choose(flags: Mapping[str, Any]) -> Presets:
        name = str(flags.get("source", "imdb")).partition(":")[0]
        name = "imdb" if name in ORIGINS else name
        modality: str = SOURCES[name].modality if name in SOURCES else "text"
        backend, own = str(flags.get("backend", "auto")), flags.get("train_file")
        if own is not None:
            name, modality = Path(str(own)).stem, modality_of_files(str(own), backend)
        if backend not in BACKENDS or backend == "auto":
            backend = modality
        make = {"text": text_presets, "image": image_presets, "features": feature_presets}[backend]
        return make(f"outputs/{method}_{name}", method, num_labeled=100 if backend != "image" else 50)

    return choose


def _settled(backend: str, method: str, presets: Presets) -> Presets:
    """Presets, ``cpu`` with what the method needs beside them."""
    return {
        name: settings | (TUNED[backend].get(method, {}) if name == "cpu" else {})
        for name, settings in presets.items()
    }
