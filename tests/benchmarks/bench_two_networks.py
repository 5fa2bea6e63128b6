"""DivideMix and Meta Pseudo Labels against two plain networks: a PyTorch loop of the same forwards and backwards.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_two_networks.py [time] [memory] [--methods NAME ...]

``time`` is that of ``bench_methods.py``: a BERT of 4 layers of 256, reviews of 48 tokens, 8 labeled and 24 unlabeled a
step (16 labeled for DivideMix), the trainer's step and the bare one in turn on the same batches, CPU seconds of one
thread, medians. ``memory`` trains the embedded encoder of 22M weights on 128 tokens, each side in a process of its
own: the peak of its resident memory less what was resident before the networks were made. A trainer of a tiny model
has run by then on both sides, so that modules that are loaded late count on neither. It takes ten minutes of one core
for three processes of each; ``--rounds 1`` a third.

Feedback by ``jvp`` has more passes and one more copy of the weights by its nature. It stands beside a loop that has
them too, and beside the plain one, whose teacher hears by ``sampled``. What DivideMix does once an epoch, the losses
of all examples and their division, is in neither side's figures.
"""

from __future__ import annotations

import argparse
import copy
import gc
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import torch
import torch.nn.functional as F
from bare_steps import Batch, Inputs, Loop, cold, join, mixed, one_hot, view
from bench_methods import BUSY, InTurn, Setting, build, feed, load, text
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification, PrinterCallback

from textssl.cli.task_setups.model_loading import label_settings
from textssl.cli.task_setups.text_models import load_classifier


NAMES = ("negative", "positive")
# The first step makes the optimizers' state, so that the second has the peak.
MEMORY_STEPS = 2
MEBIBYTE = 1024
PROBE = 0.01


def dividemix(run: Loop, peer: Loop, batch: Batch) -> None:
    """Labels made better by the predictions of both; then each network learns from its own mix of them."""
    views = [view(batch, "labeled"), view(batch, "labeled", "weak_2")]
    labels, index = one_hot(run, batch), batch["labeled"]["index"]
    with torch.no_grad():
        probs = [network(join(*views)).softmax(-1).view(2, *labels.shape).mean(0) for network in (run, peer)]
        for network in (run, peer):
            network.model.eval()
        fixed = [network(join(*views)).softmax(-1).view(2, *labels.shape).mean(0) for network in (peer, run)]
        for network in (run, peer):
            network.model.train()
    for network, other, own, told in zip((run, peer), (peer, run), probs, fixed, strict=True):
        # No mixture was fitted: the memory of the other network is all zeros, and half of the batch is called clean.
        likely = other.memory["labeled"][index].mean(-1, keepdim=True)
        clean = (torch.arange(len(labels)) % 2 == 0)[:, None]
        targets = cold(torch.where(clean, likely * labels + (1 - likely) * own, (own + told) / 2))
        network.step(partial(divided, views=views, targets=targets, clean=clean), batch)


def divided(run: Loop, batch: Batch, views: list[Inputs], targets: Tensor, clean: Tensor) -> Tensor:
    """One network's loss on all views: cross entropy of the clean rows, squares of the others, even predictions."""
    logits, goals = mixed(run, views, targets.repeat(2, 1), fold=True)
    rows, log_probs = clean.repeat(2, 1).float(), logits.log_softmax(-1)
    supervised = -(rows * goals * log_probs).sum(-1).mean() / 0.5
    unsupervised = ((1 - rows) * (log_probs.exp() - goals).square()).mean() / 0.5
    even = torch.full_like(goals[0], 1 / goals.shape[-1])
    return supervised + 2 * unsupervised + (even * (even / log_probs.exp().mean(0)).log()).sum()


def sampled(run: Loop, teacher: Loop, batch: Batch) -> None:
    """The student learns from drawn labels, and the teacher from what they did to the student."""
    strong = view(batch, "unlabeled", "strong")
    told = teacher(strong)
    drawn = torch.distributions.Categorical(logits=told.detach()).sample()
    loss = F.cross_entropy(run(strong), drawn)
    noise = torch.get_rng_state()
    with torch.no_grad():
        before = labeled_loss(run, batch)
    run.step(lambda *_: loss, batch)
    with torch.no_grad(), torch.random.fork_rng():
        torch.set_rng_state(noise)
        gain = before - labeled_loss(run, batch)
    taught(teacher, batch, told, gain * F.cross_entropy(told, drawn))


def jvp(run: Loop, teacher: Loop, batch: Batch) -> None:
    """As :func:`sampled`, with soft labels, and their derivative by two more passes of the student where it was."""
    strong = view(batch, "unlabeled", "strong")
    told = teacher(strong)
    weights = list(run.model.parameters())
    origin = [weight.detach().clone() for weight in weights]
    before_strong = torch.get_rng_state()
    loss = F.cross_entropy(run(strong), told.detach().softmax(-1))
    noise = torch.get_rng_state()
    with torch.no_grad():
        labeled_loss(run, batch)
    run.step(lambda *_: loss, batch)
    with torch.random.fork_rng():
        torch.set_rng_state(noise)
        slope = torch.autograd.grad(labeled_loss(run, batch), weights)
    size = PROBE / torch.stack(torch._foreach_norm(slope)).norm()
    ends, after = [], [weight.data for weight in weights]
    with torch.no_grad(), torch.random.fork_rng():
        for sign in (1, -1):
            for weight, start, direction in zip(weights, origin, slope, strict=True):
                weight.data = torch.addcmul(start, direction, sign * size)
            torch.set_rng_state(before_strong)
            ends.append(run(strong, full_precision=True).log_softmax(-1))
    for weight, data in zip(weights, after, strict=True):
        weight.data = data
    del origin, slope, after
    response = (ends[0] - ends[1]) / (2 * size)
    taught(teacher, batch, told, 5e-5 * (told.softmax(-1) * response).sum(-1).mean())


def labeled_loss(run: Loop, batch: Batch) -> Tensor:
    # A difference of two such losses is small: too small for bfloat16.
    return F.cross_entropy(run(view(batch, "labeled"), full_precision=True), batch["labeled"]["labels"])


def taught(teacher: Loop, batch: Batch, told: Tensor, feedback: Tensor) -> None:
    """The teacher's step: feedback, labels, and UDA's consistency."""
    supervised = F.cross_entropy(teacher(view(batch, "labeled")), batch["labeled"]["labels"])
    with torch.no_grad():
        targets = teacher(view(batch, "unlabeled")).softmax(-1)
    consistency = F.kl_div(told.log_softmax(-1), targets, reduction="batchmean")
    teacher.step(lambda *_: feedback + supervised + consistency, batch)


@dataclass(frozen=True)
class Variant:
    """A method with its settings, and its step written out."""

    method: str
    config: dict[str, Any]
    step: Callable[[Loop, Loop, Batch], None]

    def fitted(self, setting: Setting) -> Setting:
        return replace(setting, config={**setting.config, **self.config})


# Neither side has a warm-up or a fine-tuning, and UDA's rows all count.
TAUGHT = {"finetune_steps": 0, "threshold": 0.0}
VARIANTS = {
    "dividemix": Variant("dividemix", {"warm_start_epochs": 0.0, "per_device_train_batch_size": 16}, dividemix),
    "sampled": Variant("meta_pseudo_labels", {"feedback": "sampled", **TAUGHT}, sampled),
    "jvp": Variant("meta_pseudo_labels", {"feedback": "jvp", **TAUGHT}, jvp),
}
# The trainer's variant, and the bare loop's.
PAIRS = [("dividemix", "dividemix"), ("sampled", "sampled"), ("jvp", "jvp"), ("jvp", "sampled")]


def plain(setting: Setting) -> tuple[Loop, Loop]:
    """Two networks, each with its optimizer."""
    model, bf16 = setting.model(), bool(setting.config.get("bf16"))
    examples = (len(setting.labeled), len(setting.unlabeled))
    return Loop(model, 0.0, bf16, examples), Loop(copy.deepcopy(model), 0.0, bf16, examples)


def race(own: Variant, bare: Variant, setting: Setting, rounds: int) -> tuple[list[float], list[float]]:
    """CPU seconds of the trainer's steps and of the bare ones, without the first of each round."""
    mine, others = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            trainer = build(own.method, own.fitted(setting), folder, setting.steps)
            batches, _ = load(trainer, setting.steps)
            feed(trainer, batches)
            loops = plain(setting)
            clock = InTurn(lambda number, loops=loops, batches=batches: bare.step(*loops, batches[number]))
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(clock)
            trainer.train()
        mine += clock.own[1:]
        others += clock.others[1:]
    return mine, others


def show_time(methods: list[str], rounds: int) -> None:
    setting = text()
    # An epoch longer than a round: the division falls into the first step, which does not count.
    labeled = datasets.concatenate_datasets([setting.labeled] * 8)
    setting = replace(setting, labeled=labeled, steps=6)
    print(f"{'ms of CPU a step':<14}{'bare loop':>12}{'bare':>10}{'trainer':>10}{'ratio':>8}{'quartiles':>16}")
    for own, bare in PAIRS:
        if VARIANTS[own].method in methods:
            mine, others = race(VARIANTS[own], VARIANTS[bare], setting, rounds)
            low, ratio, high = statistics.quantiles([a / b for a, b in zip(mine, others, strict=True)], n=4)
            step, plain_step = (1e3 * statistics.median(values) for values in (mine, others))
            print(
                f"{own:<16}{bare:>12}{plain_step:10.1f}{step:10.1f}{ratio:8.3f}{low:9.3f}-{high:.3f}",
                flush=True,
            )


def resident(what: str) -> float:
    """MiB: ``VmRSS``, now, or ``VmHWM``, the most so far of this process alone."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / MEBIBYTE


def tiny(setting: Setting) -> BertForSequenceClassification:
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return BertForSequenceClassification(
        BertConfig(vocab_size=len(setting.processor), attn_implementation="eager", **shape, **label_settings(NAMES))
    )


def peak(name: str, bare: bool) -> float:
    """MiB that one side needs in this process."""
    setting = text()
    longest = setting.unlabeled.filter(lambda example: len(example["text"].split()) > 140)
    labeled = longest.add_column("label", [row % 2 for row in range(len(longest))])
    config = {**setting.config, "max_length": 128}
    setting = replace(setting, labeled=labeled, unlabeled=longest, config=config)
    setting = VARIANTS[name].fitted(replace(setting, model=lambda: load_classifier("embedded", NAMES, 0)))
    with tempfile.TemporaryDirectory() as folder:
        method = VARIANTS[name].method
        trainer = build(method, replace(setting, model=lambda: tiny(setting)), folder, 1)
        batches, _ = load(trainer, MEMORY_STEPS)
        trainer.train()
        del trainer
        gc.collect()
        before = resident("VmRSS")
        if bare:
            loops = plain(setting)
            for batch in batches:
                VARIANTS[name].step(*loops, batch)
        else:
            trainer = build(method, setting, folder, MEMORY_STEPS)
            # The sampler, which the loader makes, says how long an epoch is.
            trainer.get_train_dataloader()
            feed(trainer, batches)
            trainer.train()
    return resident("VmHWM") - before


def measured(name: str, bare: bool) -> float:
    """:func:`peak` in a fresh process, where what is freed goes back at once: holes in a heap come as they like."""
    command = [sys.executable, __file__, "--peak", name, *(["--bare"] if bare else [])]
    steady = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(2**20), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, env={**os.environ, **steady}, check=True, capture_output=True, text=True)
    return float(told.stdout.split()[-1])


def show_memory(methods: list[str], repeats: int) -> None:
    found: dict[tuple[str, bool], list[float]] = {}
    print(f"{'MiB at the peak':<16}{'bare loop':>12}{'bare':>10}{'trainer':>10}{'ratio':>8}   ranges")
    for own, bare in PAIRS:
        if VARIANTS[own].method not in methods:
            continue
        for side in ((own, False), (bare, True)):
            if side not in found:
                found[side] = [measured(*side) for _ in range(repeats)]
        mine, others = found[own, False], found[bare, True]
        most, plain_most = statistics.median(mine), statistics.median(others)
        ranges = ", ".join(f"{min(values):.0f}-{max(values):.0f}" for values in (others, mine))
        print(f"{own:<16}{bare:>12}{plain_most:10.0f}{most:10.0f}{most / plain_most:8.3f}   {ranges}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted({variant.method for variant in VARIANTS.values()})
    parser.add_argument("figures", nargs="*", help="time, memory; by default both")
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=3, help="of time, and processes of each side for memory")
    parser.add_argument("--peak", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    if arguments.peak:
        print(peak(arguments.peak, arguments.bare))
        return
    for name in arguments.figures or ("time", "memory"):
        {"time": show_time, "memory": show_memory}[name](arguments.methods, arguments.rounds)
        load_average = os.getloadavg()[0]
        if load_average > BUSY:
            print(f"The load average is {load_average:.1f}: other work disturbs these figures.", file=sys.stderr)


if __name__ == "__main__":
    main()
