"""Presets of image classifiers, and what the ``cpu`` preset gives single methods beside the common settings."""

from __future__ import annotations

from typing import Any

from .base import Presets, with_tuned_settings


__all__ = ["image_presets"]

PASSES = {"num_train_epochs": 150.0, "min_steps": 100}
# What some methods need beside the common settings, found on validation data; a method that is not named takes its
# own defaults.
TUNED: dict[str, dict[str, Any]] = {
    "adversarial": PASSES,
    "mixup": PASSES,
    "supervised": PASSES,
    "mixmatch": {"mu": 2},
    "remixmatch": {"mu": 2, "num_strong": 2},
}


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
    return with_tuned_settings(TUNED, method, {"cpu": shared | cpu, "paper": shared | paper})
