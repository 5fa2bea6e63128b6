"""Presets of text classifiers, and what the ``cpu`` preset gives single methods beside the common settings."""

from __future__ import annotations

from typing import Any

from .base import Presets, cpu_precision, with_tuned_settings


__all__ = ["text_presets"]

PASSES = {"num_train_epochs": 8.0, "min_steps": 10, "step_limit": 300, "warm_start_share": 0.0}
# Aligned half-way, to the geometric mean of the labeled shares and the model's own: without, two classes became one;
# to the labeled shares alone, which were drawn balanced, unbalanced topics lost.
CONSISTENT = {"relative_threshold": 0.5, "distribution_alignment": "sqrt"}
LABELED_ALONE = {"max_steps": 120, "learning_rate": 1e-4, "warm_start_share": 0.0}
# What some methods need beside the common settings, found on validation data; a method that is not named takes its
# own defaults. With a head from a probe.
TUNED: dict[str, dict[str, Any]] = {
    "supervised": PASSES,
    "adversarial": PASSES,
    # It counts its own warm-up, in epochs.
    "dividemix": {"warm_start_share": None},
    "fixmatch": CONSISTENT | {"ema_decay": 0.97},
    "ict": {"teacher_decay": 0.97},
    "in_domain_pretraining": PASSES | {"pretraining_steps": 75, "pretraining_batch_size": 32},
    "mean_teacher": {"teacher_decay": 0.97, "unlabeled_weight": 0.5, "second_view": "same"},
    "mixtext": {"mu": 2, "ema_decay": 0.97},
    "mixup": PASSES,
    "noisy_student": {"rounds": 1, "unlabeled_weight": 1.0, "warm_start_share": 0.0},
    "uda": CONSISTENT | {"teacher_decay": 0.97, "tsa": "none", "temperature": 0.5},
}
# The same with a new head.
TUNED_FRESH: dict[str, dict[str, Any]] = {
    "supervised": LABELED_ALONE,
    "adversarial": LABELED_ALONE,
    "fixmatch": {"ema_decay": 0.97, "threshold": 0.9},
    "ict": {"teacher_decay": 0.97},
    "in_domain_pretraining": LABELED_ALONE | {"pretraining_steps": 75, "pretraining_batch_size": 32},
    "mean_teacher": {
        "teacher_decay": 0.97,
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
        "warm_start_share": 0.0,
    },
    "uda": {
        "tsa": "none",
        "teacher_decay": 0.97,
        "distribution_alignment": "labeled",
        "threshold": 0.9,
        "temperature": 1.0,
    },
}


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
    start, tuned = (probed, TUNED) if head == "probe" else (fresh, TUNED_FRESH)
    cpu = cpu_precision() | shared | cpu | start
    return with_tuned_settings(tuned, method, {"cpu": cpu, "paper": shared | paper})
