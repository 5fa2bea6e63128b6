"""Two rounds of Noisy Student on the tiny texts, as a process of its own that may be killed.

usage: rounds_run.py OUT PER_DEVICE_BATCH [resume]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.contract import tiny_texts
from textssl import NoisyStudentConfig, NoisyStudentTrainer
from textssl.cli.program import run_program
from textssl.self_training import trainer as rounds


def make(out: Path | str, batch: int = 4, dropout: float = 0.1, **changes: Any) -> NoisyStudentTrainer:
    rounds.SHARD_ROWS = 16
    settings = {
        "output_dir": str(out),
        "rounds": 2,
        "threshold": 0.0,
        "balance": "none",
        "max_steps": 4,
        "per_device_train_batch_size": batch,
        "mu": 2,
        "learning_rate": 0.01,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_length": 16,
        "save_steps": 2,
        "logging_steps": 1,
        "use_cpu": True,
        "report_to": [],
        "ddp_backend": "gloo" if "LOCAL_RANK" in os.environ else None,
    }
    held = changes.pop("eval_dataset", tiny_texts.labeled(12, 3))
    others = ("model", "teacher_model", "make_student", "unlabeled")
    given = {name: changes.pop(name) for name in others if name in changes}
    return NoisyStudentTrainer(
        given.get("model") or tiny_texts.model(dropout=dropout),
        NoisyStudentConfig(**{**settings, **changes}),
        tiny_texts.labeled(),
        given.get("unlabeled", tiny_texts.unlabeled()),
        eval_dataset=held,
        processing_class=tiny_texts.tokenizer(),
        augmentations={"strong": tiny_texts.swap_words},
        teacher=given.get("teacher_model"),
        make_student=given.get("make_student"),
    )


def train_without_dropout(out: str) -> None:
    """As two processes do, whose draws differ, and one with the batch of both."""
    trainer = make(out, dropout=0.0)
    trainer.train()
    trainer.save_model()


def main() -> None:
    trainer = make(sys.argv[1], int(sys.argv[2]))
    trainer.train(resume_from_checkpoint="resume" in sys.argv[3:] or None)
    trainer.save_model()


if __name__ == "__main__":
    run_program(main)
