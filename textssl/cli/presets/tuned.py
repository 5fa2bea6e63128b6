"""What the ``cpu`` preset gives single methods beside the common settings, found on development tasks."""

from __future__ import annotations

from typing import Any


__all__ = ["FEATURE_STEPS", "FRESH_FEATURE_STEPS", "TUNED"]

# What some methods need beside the common settings, found on validation data; a method that is not named takes its
# own defaults. The first key is the backend; of text there are two: with a head from a probe, and with a fresh one.
PASSES = {"num_train_epochs": 8.0, "min_steps": 10, "step_limit": 300, "warm_start_share": 0.0}
IMAGE_PASSES = {"num_train_epochs": 150.0, "min_steps": 100}
FEATURE_PASSES = {"num_train_epochs": 50.0, "min_steps": 50}
FRESH_FEATURE_PASSES = {"num_train_epochs": 100.0, "min_steps": 100}
SLOWLY = {"learning_rate": 2e-5}
# Of methods, on features: from a head that knows the task, and from a fresh one.
FEATURE_STEPS = {"num_train_epochs": 8.0, "min_steps": 300, "step_limit": 600}
FRESH_FEATURE_STEPS = {"num_train_epochs": 24.0, "min_steps": 500, "step_limit": 2000}
# Aligned half-way, to the geometric mean of the labeled shares and the model's own: without, two classes became one;
# to the labeled shares alone, which were drawn balanced, unbalanced topics lost.
CONSISTENT = {"relative_threshold": 0.5, "distribution_alignment": "sqrt"}
LABELED_ALONE = {"max_steps": 120, "learning_rate": 1e-4, "warm_start_share": 0.0}
TUNED: dict[str, dict[str, dict[str, Any]]] = {
    "text": {
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
    },
    "fresh text": {
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
    },
    "image": {
        "adversarial": IMAGE_PASSES,
        "mixup": IMAGE_PASSES,
        "supervised": IMAGE_PASSES,
        "mixmatch": {"mu": 2},
        "remixmatch": {"mu": 2, "num_strong": 2},
    },
    # What a logistic regression has learned of few labels is lost where they are trained on alone, and fast.
    "features": {
        "adversarial": FEATURE_PASSES | SLOWLY,
        "fixmatch": {"relative_threshold": 0.5, "distribution_alignment": "sqrt"},
        "mean_teacher": SLOWLY,
        "mixup": FEATURE_PASSES | SLOWLY,
        "noisy_student": {"learning_rate": 1e-4},
        "pseudo_label": {"relative_threshold": 0.5},
        # Balanced labels say nothing of the shares of the unlabeled examples.
        "self_training": {"balance": "none"},
        "supervised": FEATURE_PASSES | SLOWLY,
        "uda": {"teacher_decay": 0.99, "relative_threshold": 0.5},
    },
    "fresh features": {
        "adversarial": FRESH_FEATURE_PASSES,
        "mixup": FRESH_FEATURE_PASSES,
        "supervised": FRESH_FEATURE_PASSES,
    },
}
