"""The Pi model against a naive loop written from algorithm 1 of the paper, its gradient, and its limits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.cases import build, first_batch
from tests.methods.naive import cross_entropy, row_logits, softmax, squared_error
from textssl import UserError
from textssl.forward.base import Forward
from textssl.forward.rows import FeatureBackend
from textssl.methods.pi_model import PiModel, PiModelConfig
from textssl.objective import Task


CONTRACT_VARIANTS = [{"stop_grad": True, "unlabeled_weight": 5.0, "rampup": 0.0}]
CONTRACT_FIELDS = {"stop_grad": (True, False)}
MODALITIES = ["text", "image", "features"]
STREAMS = ("labeled", "unlabeled")


def ready(tmp_path: Path, modality: str = "text", **settings: Any) -> tuple[Any, dict[str, Any]]:
    """A trainer in training mode and a batch whose two views differ in each modality."""
    trainer = build("pi_model", tmp_path, modality, **settings)
    trainer.model.train()
    return trainer, first_batch(trainer)


def terms_of(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, Any]:
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def naive_pi(model: nn.Module, batch: dict[str, Any]) -> tuple[float, float]:
    labels = batch["labeled"]["labels"].tolist()
    total, squares, rows = 0.0, 0.0, 0
    for stream in STREAMS:
        first, second = (row_logits(model, batch[stream][view]) for view in ("weak", "weak_2"))
        rows += len(first)
        squares += sum(squared_error(softmax(a), softmax(b)) for a, b in zip(first, second, strict=True))
        if stream == "labeled":
            total = sum(cross_entropy(z, y) for z, y in zip(first, labels, strict=True))
    return total / len(labels), squares / rows


@pytest.mark.parametrize("stop_grad", [False, True])
@pytest.mark.parametrize("modality", MODALITIES)
def test_terms_equal_the_formula(modality: str, stop_grad: bool, tmp_path: Path) -> None:
    trainer, batch = ready(tmp_path, modality, stop_grad=stop_grad)
    supervised, unsupervised = naive_pi(trainer.model, batch)
    assert unsupervised > 1e-5
    terms = terms_of(trainer, batch)
    assert terms["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert terms["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-3, abs=1e-7)
    # The ramp of 80/300 is over at half of training.
    expected = supervised + 100 * unsupervised
    assert terms["loss"].item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 0.00674), (20 / 300, 0.06005), (40 / 300, 0.28650), (60 / 300, 0.73162), (1.0, 1.0)]
)
def test_the_weight_climbs(progress: float, share: float, tmp_path: Path) -> None:
    trainer, batch = ready(tmp_path, "features", unlabeled_weight=3.0)
    terms = terms_of(trainer, batch, progress)
    assert terms["weight"] == pytest.approx(3 * share, abs=2e-5)
    loss = terms["supervised"] + 3 * share * terms["unsupervised"]
    torch.testing.assert_close(terms["loss"], loss, atol=1e-4, rtol=1e-4)


def test_the_means_of_the_terms_stand_as_in_the_paper(tmp_path: Path) -> None:
    """4,000 of 50,000 images have labels: the paper's (1/N) sum CE + 8 (1/N) sum MSE, divided by the share 0.08."""
    config = PiModelConfig(output_dir=str(tmp_path))
    assert config.unlabeled_weight == pytest.approx(8 / 0.08)


@pytest.mark.parametrize("stop_grad", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_of_equal_views_dropout_alone_makes_a_difference(dropout: float, stop_grad: bool, tmp_path: Path) -> None:
    trainer, batch = ready(tmp_path, dropout=dropout, stop_grad=stop_grad)
    same = {stream: {**views, "weak_2": views["weak"]} for stream, views in batch.items()}
    term = terms_of(trainer, same)["unsupervised"].item()
    assert term > 1e-4 if dropout else term == pytest.approx(0.0, abs=1e-12)


def test_the_second_labeled_view_is_not_in_the_cross_entropy(tmp_path: Path) -> None:
    trainer, batch = ready(tmp_path, "features")
    before = terms_of(trainer, batch)
    batch["labeled"]["weak_2"]["features"] += 5.0
    after = terms_of(trainer, batch)
    torch.testing.assert_close(before["supervised"], after["supervised"])
    # Labeled rows are in the consistency term.
    assert after["unsupervised"] > before["unsupervised"]


@pytest.mark.parametrize(("stop_grad", "rows"), [(False, [24]), (True, [12, 12])])
def test_one_pass_where_both_views_carry_gradient(stop_grad: bool, rows: list[int], tmp_path: Path) -> None:
    trainer, batch = ready(tmp_path, "image", stop_grad=stop_grad)
    seen: list[int] = []
    trainer.model.register_forward_hook(lambda module, args, out: seen.append(len(out.logits)))
    terms_of(trainer, batch)
    assert seen == rows


def grads(trainer: Any, batch: dict[str, Any]) -> dict[str, Tensor]:
    trainer.model.zero_grad()
    terms_of(trainer, batch)["unsupervised"].backward()
    return {name: p.grad.clone() for name, p in trainer.model.named_parameters()}


def swapped(batch: dict[str, Any]) -> dict[str, Any]:
    return {s: {**v, "weak": v["weak_2"], "weak_2": v["weak"]} for s, v in batch.items()}


@pytest.mark.parametrize("modality", ["text", "image"])
def test_both_views_carry_gradient_and_stop_grad_cuts_the_second(modality: str, tmp_path: Path) -> None:
    """d/dtheta of ||p - q||^2 is that with q held, plus that with p held."""
    trainer, batch = ready(tmp_path, modality)
    both = grads(trainer, batch)
    trainer.args.stop_grad = True
    second_held, first_held = grads(trainer, batch), grads(trainer, swapped(batch))
    for name, grad in both.items():
        torch.testing.assert_close(grad, second_held[name] + first_held[name], atol=1e-6, rtol=1e-3)
    # Neither half is nothing, and they are not equal.
    head = next(name for name in both if name.endswith("classifier.weight"))
    assert all((half[head] - both[head]).abs().max() > 1e-6 for half in (second_held, first_held))


class Line(nn.Module):
    """Logits of features [B, 2] as a linear map without bias, with more classes of no probability on demand."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.3, -0.2], [0.1, 0.5]]))
        self.classes = classes

    def forward(self, features: Tensor) -> SimpleNamespace:
        logits = features @ self.weight.T
        return SimpleNamespace(logits=nn.functional.pad(logits, (0, self.classes - 2), value=-1e4))


def on_line(net: nn.Module, first: Tensor, second: Tensor, stop_grad: bool, tmp_path: Path) -> Tensor:
    """The consistency term of one labeled and two unlabeled examples, given both views of the three."""
    config = PiModelConfig(output_dir=str(tmp_path), stop_grad=stop_grad)
    objective = PiModel(config, Task(net.classes, 1, 2, (1 / net.classes,) * net.classes))
    forward = Forward(net, net, FeatureBackend())

    def view(x: Tensor, stream: str) -> dict[str, Any]:
        return {"features": x, "lengths": [1] * len(x), "stream": stream}

    batch: dict[str, Any] = {}
    for stream, rows in (("labeled", slice(0, 1)), ("unlabeled", slice(1, 3))):
        batch[stream] = {"weak": view(first[rows], stream), "weak_2": view(second[rows], stream)}
    batch["labeled"]["labels"] = torch.tensor([0])
    return objective.loss(forward, batch, 1.0)["unsupervised"]


X = torch.tensor([[1.0, 2.0], [-0.5, 1.5], [2.0, 0.3]])


@pytest.mark.parametrize(("shift", "factor"), [("mirror", 2.0), ("none", 0.0)])
def test_how_stop_grad_changes_the_gradient(shift: str, factor: float, tmp_path: Path) -> None:
    """With g = d/dp of the term and J of either prediction in the weights: (J1 - J2)' g, and J1' g with ``stop_grad``.

    Two classes and logits that are odd in x give p(-x) = 1 - p(x), so J2 = -J1: twice as much. Equal views give none.
    """
    second = -X if shift == "mirror" else X
    gradients = []
    for stop_grad in (False, True):
        net = Line()
        on_line(net, X, second, stop_grad, tmp_path).backward()
        gradients.append(net.weight.grad)
    torch.testing.assert_close(gradients[0], factor * gradients[1])
    assert (gradients[1].abs().max() > 0.01) == (factor == 2)


def test_the_gradient_by_hand(tmp_path: Path) -> None:
    """dp_a/dz_b = p_a (1[a = b] - p_b), written out, of the mean over rows and classes."""
    second = X.flip(0) + 0.25
    net = Line()
    on_line(net, X, second, False, tmp_path).backward()
    expected = [[0.0, 0.0], [0.0, 0.0]]
    weight = net.weight.tolist()
    for x, y in zip(X.tolist(), second.tolist(), strict=True):
        p, q = (softmax([w[0] * v[0] + w[1] * v[1] for w in weight]) for v in (x, y))
        for probs, inputs, sign in ((p, x, 1), (q, y, -1)):
            for b in range(2):
                slope = sum(2 * (p[a] - q[a]) * probs[a] * ((a == b) - probs[b]) for a in range(2))
                for d in range(2):
                    expected[b][d] += sign * slope * inputs[d] / (3 * 2)
    torch.testing.assert_close(net.weight.grad, torch.tensor(expected))


def test_the_square_is_a_mean_over_classes(tmp_path: Path) -> None:
    """As many classes again, of no probability, halve it."""
    few, many = (on_line(Line(classes), X, -X, False, tmp_path).item() for classes in (2, 4))
    assert few > 0.01
    assert many == pytest.approx(few / 2)


@pytest.mark.parametrize(
    ("field", "value"), [("unlabeled_weight", -1.0), ("unlabeled_weight", float("nan")), ("rampup", 1.5)]
)
def test_settings_out_of_range_are_named(field: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value}"):
        PiModelConfig(output_dir=str(tmp_path), **{field: value})
