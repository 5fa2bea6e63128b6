"""Contrastive fine-tuning on pairs of the labeled examples, then a probe on the tuned encoder.

SetFit (Tunstall et al., 2022, arXiv:2209.11055) draws pairs of texts and brings the cosine of the two vectors to 1 if
they are of one class and to 0 if not, as many pairs of one kind as of the other. Here a step takes the vectors of a
few examples and all pairs among them: sixteen texts make 120 pairs, for which pairs drawn one by one would run 240.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import get_linear_schedule_with_warmup

from ..data import FitData
from ..probe import LinearHead, fit_probe
from .networks import NetworkCandidate, Runner, TrainedNetwork, model_with, seconds_per_row


__all__ = ["Contrastive", "pair_loss"]

BATCH = 16
# Times that each labeled example is run, and bounds of the number of steps.
VISITS = 8
LEAST_STEPS, MOST_STEPS = 20, 150
LEARNING_RATE = 2e-5
WARMUP = 0.1
# Loading the encoder and fitting the probe.
OVERHEAD = 2.0


def pair_loss(vectors: Tensor, labels: Tensor) -> Tensor:
    """Mean squared distance of cosines from 1 within a class and from 0 across, both kinds of pairs weighing alike.

    Args:
        vectors: ``[B, D]``.
        labels: class numbers ``[B]``.

    Returns:
        A scalar. If there are pairs of one kind alone, it is their mean; without any pair, 0.
    """
    unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
    first, second = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    same = (labels[first] == labels[second]).float()
    errors = ((unit[first] * unit[second]).sum(-1) - same).square()
    counts = torch.stack([same.sum(), (1 - same).sum()])
    means = torch.stack([(same * errors).sum(), ((1 - same) * errors).sum()]) / counts.clamp_min(1)
    return means.sum() / (counts > 0).sum().clamp_min(1)


class Contrastive(NetworkCandidate):
    """SetFit's contrastive fine-tuning, and a logistic regression on the vectors of the tuned encoder."""

    name = "contrastive"
    level = "balanced"
    supervised = True

    def __init__(self, learning_rate: float = LEARNING_RATE, visits: int = VISITS) -> None:
        self.learning_rate = learning_rate
        self.visits = visits

    def steps(self, data: FitData) -> int:
        """Optimizer steps."""
        return int(np.clip(self.visits * len(data.labels) // BATCH, LEAST_STEPS, MOST_STEPS))

    def train(self, data: FitData, folder: Path, teacher: np.ndarray | None = None) -> TrainedNetwork:
        """Tune the encoder, then fit the head."""
        start = fit_probe(data.labeled.features, data.labels, data.num_labels)
        model: Any = model_with(start, data, to_train=True)
        runner = Runner(model, data)
        devices = [] if runner.device.type == "cpu" else [runner.device]
        with torch.random.fork_rng(devices, device_type=runner.device.type if devices else "cuda"):
            torch.manual_seed(data.seed)
            self._tune(runner, data)
        head = self._probe(runner, data)
        model.set_linear_head(head.weight, head.bias)
        return TrainedNetwork(model, data)

    def _tune(self, runner: Runner, data: FitData) -> None:
        model: Any = runner.model
        model.train()
        steps = self.steps(data)
        parameters = [p for name, p in model.named_parameters() if p.requires_grad and not name.startswith("head.")]
        optimizer = torch.optim.AdamW(parameters, lr=self.learning_rate, weight_decay=0.01)
        schedule = get_linear_schedule_with_warmup(optimizer, round(WARMUP * steps), steps)
        labels = torch.from_numpy(data.labels)
        for rows in _batches(data.labels, steps, np.random.default_rng(data.seed)):
            loss = pair_loss(self._vectors(runner, data, rows), labels[rows].to(runner.device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()

    def _vectors(self, runner: Runner, data: FitData, rows: np.ndarray) -> Tensor:
        model: Any = runner.model
        inputs = runner.inputs(data.labeled.rows.select(rows))
        with runner.autocast():
            vectors: Tensor = model.embed(**runner.forward.backend.tensors(inputs))
        return vectors

    @torch.no_grad()
    def _probe(self, runner: Runner, data: FitData) -> LinearHead:
        runner.model.eval()
        vectors = np.empty_like(data.labeled.features)
        for rows in runner.batches(data.labeled.rows):
            vectors[rows] = self._vectors(runner, data, rows).float().cpu().numpy()
        return fit_probe(vectors, data.labels, data.num_labels)

    def seconds(self, data: FitData) -> float:
        """Steps, by the time that one takes here."""
        return OVERHEAD + self.steps(data) * BATCH * seconds_per_row(data)


def _batches(labels: np.ndarray, steps: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of each step: all classes alike, two or more of a class where it has them, no row twice in a step."""
    members = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    size = min(BATCH, len(labels))
    queues: list[list[int]] = [[] for _ in members]
    batches = []
    for _ in range(steps):
        rows: list[int] = []
        for place in _classes(members, size, rng):
            for _ in range(2):
                if not queues[place]:
                    queues[place] = rng.permutation(members[place]).tolist()
                row = queues[place].pop()
                if row not in rows:
                    rows.append(row)
        batches.append(np.array(rows[:size]))
    return batches


def _classes(members: list[np.ndarray], size: int, rng: np.random.Generator) -> list[int]:
    """Classes from which a step draws two rows each; a class comes again when all have come."""
    wanted = -(-size // 2)
    passes = [rng.permutation(len(members)) for _ in range(-(-wanted // len(members)))]
    return np.concatenate(passes)[:wanted].tolist()
