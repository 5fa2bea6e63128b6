"""A method that differs from FixMatch in its threshold alone takes a policy: FlexMatch and SoftMatch, written here."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from tests.contract.cases import build, state_of
from tests.methods.naive import cross_entropy, logits_of, softmax
from textssl import functional as F
from textssl.config import check_decay
from textssl.methods import METHODS
from textssl.methods.fixmatch import FixMatch, FixMatchConfig
from textssl.state import AdaptiveThresholds
from textssl.training.trainer import SSLTrainer


# --- FlexMatch (Zhang et al., 2021, arXiv:2110.08263)


class CurriculumThresholds(AdaptiveThresholds):
    """tau M(beta_c) with M(x) = x / (2 - x), and beta the learning status of each class, warmed up."""

    labels: Tensor

    def __init__(self, threshold: float, num_unlabeled: int, num_labels: int) -> None:
        super().__init__()
        self.threshold, self.num_labels = threshold, num_labels
        # The last class that each example was sure of; -1 of one that never was.
        self.register_buffer("labels", torch.full((num_unlabeled,), -1))

    def compute_weights(self, probs: Tensor, index: Tensor) -> Tensor:
        counts = probs.new_zeros(self.num_labels + 1)
        counts.scatter_add_(0, self.labels + 1, torch.ones_like(self.labels, dtype=counts.dtype))
        beta = counts[1:] / counts.amax()
        return F.confidence_mask(probs, self.threshold * (beta / (2 - beta))[probs.argmax(-1)])

    def update(self, probs: Tensor, index: Tensor) -> None:
        sure = torch.where(probs.amax(-1) >= self.threshold, probs.argmax(-1), -1)
        new = torch.full_like(self.labels, -1).scatter_reduce_(0, index, sure, "amax")
        self.labels.copy_(torch.where(new >= 0, new, self.labels))


class FlexMatch(FixMatch):
    def threshold_policy(self) -> CurriculumThresholds:
        return CurriculumThresholds(self.config.threshold, self.task.num_unlabeled, self.task.num_labels)


class FlexMatchTrainer(SSLTrainer):
    objective_class = FlexMatch
    config_class = FixMatchConfig


# --- SoftMatch (Chen et al., 2023, arXiv:2301.10921)


@dataclass
class SoftMatchConfig(FixMatchConfig):
    threshold: ClassVar[None] = None  # it has none: no field, no flag
    moment_decay: float = field(default=0.999, metadata={"help": "m, decay of the moments of confidence."})

    def __post_init__(self) -> None:
        check_decay("moment_decay", self.moment_decay)
        super().__post_init__()


class GaussianWeights(AdaptiveThresholds):
    """A Gaussian of the confidence, after uniform alignment, truncated above its mean."""

    mean: Tensor
    variance: Tensor
    shares: Tensor

    def __init__(self, num_labels: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("mean", torch.tensor(1 / num_labels))
        self.register_buffer("variance", torch.tensor(1.0))
        self.register_buffer("shares", torch.full((num_labels,), 1 / num_labels))

    def confidence(self, probs: Tensor) -> Tensor:
        uniform = torch.full_like(self.shares, 1 / len(self.shares))
        return F.align_distribution(probs, self.shares, uniform).amax(-1)

    def compute_weights(self, probs: Tensor, index: Tensor) -> Tensor:
        below = (self.confidence(probs) - self.mean).clamp_max(0)
        return torch.exp(-(below**2) / (2 * self.variance))

    def update(self, probs: Tensor, index: Tensor) -> None:
        confidence = self.confidence(probs)
        self.mean.lerp_(confidence.mean(), 1 - self.rate)
        self.variance.lerp_(confidence.var(), 1 - self.rate)
        self.shares.lerp_(probs.mean(0), 1 - self.rate)


class SoftMatch(FixMatch):
    def threshold_policy(self) -> GaussianWeights:
        return GaussianWeights(self.task.num_labels, self.config.moment_decay)


class SoftMatchTrainer(SSLTrainer):
    objective_class = SoftMatch
    config_class = SoftMatchConfig


# --- the same by naive loops


class NaiveFlexMatch:
    """Algorithm 1 of the paper, in Python's own numbers."""

    def __init__(self, threshold: float, num_unlabeled: int, num_labels: int) -> None:
        self.threshold, self.classes = threshold, range(num_labels)
        self.used = [-1] * num_unlabeled

    def weights(self, probs: list[list[float]]) -> list[float]:
        sigma = [sum(label == c for label in self.used) for c in self.classes]
        unused = sum(label == -1 for label in self.used)
        # While most examples are unused, they are what is divided by: the threshold warms up.
        most = max(sigma) if max(sigma) >= unused else max(*sigma, unused)
        beta = [count / most for count in sigma]
        limits = [self.threshold * b / (2 - b) for b in beta]
        return [float(max(p) >= limits[p.index(max(p))]) for p in probs]

    def update(self, probs: list[list[float]], index: list[int]) -> None:
        for p, n in zip(probs, index, strict=True):
            if max(p) >= self.threshold:
                self.used[n] = p.index(max(p))


class NaiveSoftMatch:
    """Equations 5 to 9 of the paper: the weight, both moments and uniform alignment."""

    def __init__(self, num_labels: int, rate: float) -> None:
        self.classes, self.rate = num_labels, rate
        self.mean, self.variance, self.shares = 1 / num_labels, 1.0, [1 / num_labels] * num_labels

    def aligned(self, p: list[float]) -> list[float]:
        scaled = [a / (self.classes * share) for a, share in zip(p, self.shares, strict=True)]
        return [a / sum(scaled) for a in scaled]

    def weights(self, probs: list[list[float]]) -> list[float]:
        weights = []
        for p in probs:
            top = max(self.aligned(p))
            weights.append(1.0 if top >= self.mean else math.exp(-((top - self.mean) ** 2) / (2 * self.variance)))
        return weights

    def update(self, probs: list[list[float]], index: list[int]) -> None:
        tops, m, count = [max(self.aligned(p)) for p in probs], self.rate, len(probs)
        mean = sum(tops) / count
        variance = sum((top - mean) ** 2 for top in tops) / count
        self.mean = m * self.mean + (1 - m) * mean
        self.variance = m * self.variance + (1 - m) * count / (count - 1) * variance
        column = [sum(p[c] for p in probs) / count for c in range(self.classes)]
        self.shares = [m * a + (1 - m) * b for a, b in zip(self.shares, column, strict=True)]


SIZE, CLASSES = 40, 3
PAIRS: dict[str, tuple[Any, Any]] = {
    "flexmatch": (
        lambda: CurriculumThresholds(0.7, SIZE, CLASSES),
        lambda: NaiveFlexMatch(0.7, SIZE, CLASSES),
    ),
    "softmatch": (lambda: GaussianWeights(CLASSES, 0.6), lambda: NaiveSoftMatch(CLASSES, 0.6)),
}
SETTINGS: dict[str, dict[str, Any]] = {"flexmatch": {"threshold": 0.4}, "softmatch": {"moment_decay": 0.6}}
both = pytest.mark.parametrize("method", PAIRS)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(METHODS, "flexmatch", FlexMatchTrainer)
    monkeypatch.setitem(METHODS, "softmatch", SoftMatchTrainer)


def batches(count: int) -> list[tuple[Tensor, Tensor]]:
    """Predictions, surer of the first class; examples of a batch are distinct."""
    made = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        logits = 2 * torch.randn(16, CLASSES, generator=generator, dtype=torch.float64)
        logits[:, 0] += 0.7
        made.append((logits.softmax(-1), torch.randperm(SIZE, generator=generator)[:16]))
    return made


@both
def test_weights_are_those_of_a_naive_loop(method: str) -> None:
    policy, naive = (make() for make in PAIRS[method])
    policy.double()
    seen: set[float] = set()
    for probs, index in batches(8):
        expected = naive.weights(probs.tolist())
        assert policy.weights(probs, index).tolist() == pytest.approx(expected, abs=1e-6)
        seen |= {round(weight, 3) for weight in expected}
        naive.update(probs.tolist(), index.tolist())
        policy.end_step()
    assert seen == {0.0, 1.0} if method == "flexmatch" else len(seen) > 20


def test_the_thresholds_of_flexmatch_by_hand() -> None:
    """Ten examples: four were sure of class 0, two of class 1, none of class 2; four are unused. beta 1, .5 and 0."""
    policy = CurriculumThresholds(0.9, 10, 3)
    policy.labels[:6] = torch.tensor([0, 0, 0, 0, 1, 1])
    rows = torch.tensor([[0.89, 0.1, 0.01], [0.91, 0.05, 0.04], [0.4, 0.6, 0.0], [0.3, 0.3, 0.4]])
    assert policy.compute_weights(rows, torch.arange(4)).tolist() == [0, 1, 1, 1]
    # Class 1: .9 * .5 / 1.5 = .3. With eight unused, class 0 has beta .25: .9 * .25 / 1.75 = .129.
    assert policy.compute_weights(torch.tensor([[0.34, 0.29, 0.37]]), torch.arange(1)).tolist() == [1]
    policy.labels[2:] = -1
    assert policy.compute_weights(rows, torch.arange(4)).tolist() == [1, 1, 1, 1]


def test_an_example_that_is_no_longer_sure_keeps_its_label() -> None:
    policy = CurriculumThresholds(0.8, 3, 2)
    for probs in ([[0.9, 0.1], [0.6, 0.4], [0.1, 0.9]], [[0.3, 0.7], [0.1, 0.9], [0.85, 0.15]]):
        policy.weights(torch.tensor(probs), torch.arange(3))
        policy.end_step()
    assert policy.labels.tolist() == [0, 1, 0]


@both
def test_two_halves_of_a_batch_are_one_batch(method: str) -> None:
    whole, halves = (PAIRS[method][0]().double() for _ in range(2))
    for probs, index in batches(3):
        expected = whole.weights(probs, index)
        got = [halves.weights(*part) for part in zip(probs.chunk(2), index.chunk(2), strict=True)]
        assert torch.equal(torch.cat(got), expected)
        whole.end_step()
        halves.end_step()
    for name, value in whole.state_dict().items():
        assert torch.equal(halves.state_dict()[name], value), name


@both
def test_the_loss_is_weighted_and_divided_by_the_whole_batch(method: str, tmp_path: Path) -> None:
    """Some steps in, so that thresholds have moved; the naive policy saw the same predictions."""
    trainer = build(method, tmp_path, "features", **SETTINGS[method])
    naive: Any = NaiveFlexMatch(0.4, 40, 3) if method == "flexmatch" else NaiveSoftMatch(3, 0.6)
    forward = trainer.forward_for(trainer.model)
    trainer.model.train()
    with torch.no_grad():
        trainer.model.get_parameter(next(n for n, _ in trainer.model.named_parameters())).normal_()
    loader = iter(trainer.get_train_dataloader())
    for _ in range(3):
        batch = next(loader)
        got = trainer.objective.loss(forward, batch, 0.5)
        unlabeled = batch["unlabeled"]
        probs = [softmax(z) for z in logits_of(trainer, unlabeled["weak"])]
        weights, strong = naive.weights(probs), logits_of(trainer, unlabeled["strong"])
        losses = [cross_entropy(s, p.index(max(p))) for p, s in zip(probs, strong, strict=True)]
        total = sum(w * loss for w, loss in zip(weights, losses, strict=True))
        assert got["unsupervised"].item() == pytest.approx(total / 8, rel=1e-4)
        assert got["mask_rate"].item() == pytest.approx(sum(weights) / 8, rel=1e-5)
        naive.update(probs, unlabeled["index"].tolist())
        trainer.objective.after_step(forward, 0.5)


@pytest.mark.slow
@both
def test_thresholds_survive_a_resume_to_the_bit(method: str, tmp_path: Path) -> None:
    settings = {**SETTINGS[method], "dropout": 0.1}
    whole = build(method, tmp_path / "whole", "features", **settings)
    first = {name: value.clone() for name, value in whole.objective.thresholds.state_dict().items()}
    whole.train()
    for name, value in whole.objective.thresholds.state_dict().items():
        assert not torch.equal(first[name], value), name
    resumed = build(method, tmp_path / "resumed", "features", **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    ours, theirs = state_of(whole), state_of(resumed)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
@both
def test_accumulation_equals_the_large_batch(method: str, tmp_path: Path) -> None:
    large = build(method, tmp_path / "a", "features", per_device_train_batch_size=8, **SETTINGS[method])
    small = build(method, tmp_path / "b", "features", gradient_accumulation_steps=2, **SETTINGS[method])
    for trainer in (large, small):
        trainer.train()
    ours, theirs = state_of(large), state_of(small)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, atol=2e-5, rtol=1e-3)


def code_lines(parts: list[type]) -> int:
    """Lines of code, without docstrings, comments and blank lines."""
    count = 0
    for part in parts:
        tree = ast.parse(inspect.getsource(part))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                del node.body[0]
        count += len([line for line in ast.unparse(tree).splitlines() if line])
    return count


def test_a_method_is_a_module_of_under_forty_lines() -> None:
    assert code_lines([CurriculumThresholds, FlexMatch, FlexMatchTrainer]) < 40
    assert code_lines([SoftMatchConfig, GaussianWeights, SoftMatch, SoftMatchTrainer]) < 40


def test_a_setting_that_a_policy_has_no_use_for_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="threshold"):
        build("softmatch", tmp_path, "features", threshold=0.5)
