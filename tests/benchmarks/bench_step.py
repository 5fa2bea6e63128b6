"""One training step of UDATrainer against a bare PyTorch loop doing the same passes on the same batches.

Both run the embedded 22M-parameter BERT on real reviews, 8 labeled + 24 unlabeled, 128 tokens, in turn, in one
process; the figures are ratios of medians of CPU seconds per step. ``full``: every strong row is kept.
``masked``: the trainer's threshold drops every strong row, which the bare loop still runs.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_step.py [STEPS]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from itertools import pairwise


os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import TrainerCallback, set_seed

from textssl.cli.presets import cpu_precision
from textssl.cli.task_setups.text_models import load_classifier, load_tokenizer
from textssl.methods.uda import UDAConfig, UDATrainer
from textssl.sources.named import load_source


class Clock(TrainerCallback):
    """CPU seconds of each optimizer step, the loading of its batch included."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.marks.append(time.process_time())

    def seconds(self) -> list[float]:
        return [b - a for a, b in pairwise(self.marks)]


def build(folder: str, steps: int, threshold: float) -> UDATrainer:
    train = load_source("imdb", "embedded").train.shuffle(seed=0)
    config = UDAConfig(
        output_dir=folder,
        max_steps=steps,
        truncation="start",
        threshold=threshold,
        save_strategy="no",
        logging_steps=5,
        report_to=[],
        disable_tqdm=True,
        **cpu_precision(),
    )
    names = ("negative", "positive")
    return UDATrainer(
        load_classifier("embedded", names, 0),
        config,
        train.select(range(20)),
        train.select(range(20, 1020)).remove_columns("label"),
        processing_class=load_tokenizer("embedded"),
    )


def bare_loop(trainer: UDATrainer, steps: int) -> list[float]:
    """The same passes written out: targets without gradient, labeled and strong rows together, AdamW."""
    set_seed(0)
    model = load_classifier("embedded", ("negative", "positive"), 0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, fused=True)
    bf16 = bool(cpu_precision()["bf16"])
    marks = []
    for _, batch in zip(range(steps), trainer.get_train_dataloader(), strict=False):
        weak, strong, labeled = batch["unlabeled"]["weak"], batch["unlabeled"]["strong"], batch["labeled"]["weak"]
        joined = trainer.backend.join([labeled, strong])
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            with torch.no_grad():
                target = model(weak["input_ids"], weak["attention_mask"]).logits.float().softmax(-1)
            logits = model(joined["input_ids"], joined["attention_mask"]).logits.float()
        supervised, agreed = logits[:8], logits[8:].log_softmax(-1)
        loss = torch.nn.functional.cross_entropy(supervised, batch["labeled"]["labels"])
        loss = loss + torch.nn.functional.kl_div(agreed, target, reduction="batchmean")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        marks.append(time.process_time())
    return [b - a for a, b in pairwise(marks)]


def trainer_steps(steps: int, threshold: float) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        trainer, clock = build(folder, steps, threshold), Clock()
        trainer.add_callback(clock)
        trainer.train()
    return clock.seconds()


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    with tempfile.TemporaryDirectory() as folder:
        source = build(folder, steps, 0.0)
        bare, full, masked = [], [], []
        for _ in range(3):
            bare += bare_loop(source, steps)
            full += trainer_steps(steps, 0.0)
            masked += trainer_steps(steps, 1.0)
    base = statistics.median(bare)
    print(f"bare loop {base:.2f} CPU-s a step ({len(bare)} steps)")
    print(f"full:   trainer / bare loop = {statistics.median(full) / base:.3f}")
    print(f"masked: trainer / bare loop = {statistics.median(masked) / base:.3f}")


if __name__ == "__main__":
    main()
