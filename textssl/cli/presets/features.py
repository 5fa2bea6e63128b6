"""Presets of heads on features, and what the ``cpu`` preset gives single methods beside the common settings."""

from __future__ import annotations

from typing import Any

from .base import Presets, with_tuned_settings


__all__ = ["feature_presets"]

PASSES = {"num_train_epochs": 50.0, "min_steps": 50}
FRESH_PASSES = {"num_train_epochs": 100.0, "min_steps": 100}
SLOWLY = {"learning_rate": 2e-5}
# Of methods: from a head that knows the task, and from a new one.
STEPS = {"num_train_epochs": 8.0, "min_steps": 300, "step_limit": 600}
FRESH_STEPS = {"num_train_epochs": 24.0, "min_steps": 500, "step_limit": 2000}
# What some methods need beside the common settings, found on validation data; a method that is not named takes its
# own defaults. With a head from a probe:
# what a logistic regression has learned of few labels is lost where they are trained on alone, and fast.
TUNED: dict[str, dict[str, Any]] = {
    "adversarial": PASSES | SLOWLY,
    "fixmatch": {"relative_threshold": 0.5, "distribution_alignment": "sqrt"},
    "mean_teacher": SLOWLY,
    "mixup": PASSES | SLOWLY,
    "noisy_student": {"learning_rate": 1e-4},
    "pseudo_label": {"relative_threshold": 0.5},
    # Balanced labels say nothing of the shares of the unlabeled examples.
    "self_training": {"balance": "none"},
    "supervised": PASSES | SLOWLY,
    "uda": {"teacher_decay": 0.99, "relative_threshold": 0.5},
}
# The same with a new head.
TUNED_FRESH: dict[str, dict[str, Any]] = {
    "adversarial": FRESH_PASSES,
    "mixup": FRESH_PASSES,
    "supervised": FRESH_PASSES,
}


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
        **(STEPS if head == "probe" else FRESH_STEPS),
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
    tuned = TUNED if head == "probe" else TUNED_FRESH
    return with_tuned_settings(tuned, method, {"cpu": settings, "paper": settings})
