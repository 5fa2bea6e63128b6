"""A mixed forward and backward against an unmixed one of as many rows, of the same widths.

Both run in turn, so a busy machine slows both; the figures are CPU seconds of one thread, medians over rounds, the
ratio is the median over pairs, for forward and backward together. Texts have 48 tokens each, so that both sides pad
alike: where lengths differ, a mixed row is as long as the longer of its pair, which is a property of mixing.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_mixing.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification

from textssl.cli.task_setups.image_models import small_resnet
from textssl.forward.backend import Inputs
from textssl.forward.base import Forward
from textssl.forward.mix import Mix
from textssl.forward.rows import ImageBackend
from textssl.modalities.text.backend import TextBackend


BUSY = 1.2
ROWS = 40
TEN = tuple(str(digit) for digit in range(10))


def text() -> tuple[Forward, Inputs]:
    model = BertForSequenceClassification(
        BertConfig(
            hidden_size=256, num_hidden_layers=6, num_attention_heads=4, intermediate_size=1024, vocab_size=2000
        )
    )
    ids = torch.randint(5, 2000, (ROWS, 48))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "lengths": [48] * ROWS}
    return Forward(model, model, TextBackend(), pass_overhead=256), inputs


def image() -> tuple[Forward, Inputs]:
    model = small_resnet(TEN, 1)
    inputs = {"pixel_values": torch.randn(4 * ROWS, 1, 28, 28), "lengths": [1] * 4 * ROWS}
    return Forward(model, model, ImageBackend()), inputs


def seconds(run: Callable[[], Tensor]) -> float:
    begin = time.process_time()
    run().logsumexp(-1).mean().backward()
    return time.process_time() - begin


def race(forward: Forward, inputs: Inputs, at: str | int, rounds: int) -> tuple[float, float, float]:
    rows = len(inputs["lengths"])
    partners = torch.randperm(rows)
    mix = Mix(partners.tolist(), partners, torch.rand(rows), at)
    pairs = []
    for _ in range(rounds + 1):
        plain = seconds(lambda: forward(inputs)[0])
        forward.unwrapped.zero_grad()
        mixed = seconds(lambda: forward.mixed(inputs, mix=mix)[0])
        forward.unwrapped.zero_grad()
        pairs.append((plain, mixed))
    # The first round warms up.
    plain, mixed = (statistics.median(values) for values in zip(*pairs[1:], strict=True))
    return plain, mixed, statistics.median(b / a for a, b in pairs[1:])


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'':<22}{'plain ms':>9}{'mixed ms':>9}{'ratio':>8}")
    for name, build, places in (("text", text, ("input", 3, 6, "pooled")), ("image", image, ("input", "pooled"))):
        forward, inputs = build()
        for at in places:
            plain, mixed, ratio = race(forward, inputs, at, rounds)
            told = f"hidden layer {at}" if isinstance(at, int) else at
            print(f"{name + ' ' + told:<22}{1e3 * plain:9.1f}{1e3 * mixed:9.1f}{ratio:8.3f}", flush=True)
    if (load := os.getloadavg()[0]) > BUSY:
        print(f"The load average is {load:.1f}: other work disturbs these figures.", file=sys.stderr)


if __name__ == "__main__":
    main()
