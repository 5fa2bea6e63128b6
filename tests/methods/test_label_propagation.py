"""Label propagation against a naive loss, a dense diffusion, and its limits."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.contract.cases import build, first_batch, state_of
from tests.methods.naive import cross_entropy, logits_of
from textssl import UserError
from textssl.functional import nearest_neighbors
from textssl.methods import label_propagation as module
from textssl.methods.label_propagation import LabelPropagation, LabelPropagationConfig
from textssl.objective import Scores, Task
from textssl.training.dataset_scores import score


CONTRACT_VARIANTS = [{"refresh_steps": 2, "num_neighbors": 5, "diffusion": 0.8, "warm_start_steps": 1}]
CONTRACT_FIELDS: dict[str, Any] = {
    "diffusion": (0.2, 0.99),
    "gamma": (1.0, 3.0),
    "num_neighbors": (2, 50),
    "refresh_steps": (None, 2),
}
CONTRACT_ELSEWHERE = {
    "graph": "tests/methods/test_label_propagation.py::test_many_examples_are_searched_by_faiss_and_few_exactly"
}


def naive_labels(features: np.ndarray, labels: np.ndarray, k: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights of all, by a dense graph and a dense solution."""
    count, classes = len(features), labels.max() + 1
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    a = np.zeros((count, count))
    for i in range(count):
        s = unit @ unit[i]
        s[i] = -np.inf
        for j in np.argsort(-s)[:k]:
            a[i, j] = max(s[j], 0) ** 3
    w = a + a.T
    root = np.diag(1 / np.sqrt(w.sum(1)))
    y = np.stack([(labels == c) / (labels == c).sum() for c in range(classes)], axis=1)
    f = np.maximum(np.linalg.solve(np.eye(count) - alpha * root @ w @ root, y), 0)
    q = f / f.sum(1, keepdims=True)
    weights = 1 + (q * np.log(np.maximum(q, 1e-300))).sum(1) / np.log(classes)
    weights /= weights.max()
    known = labels >= 0
    return np.where(known, labels, q.argmax(1)), np.where(known, 1, weights)


@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_labels_and_terms_equal_the_formula(modality: str, tmp_path: Path) -> None:
    """On 9 labeled and 40 unlabeled examples of the tiny problem, as a network at its start sees them."""
    trainer = build(
        "label_propagation", tmp_path, modality, num_neighbors=6, diffusion=0.9, label_smoothing_factor=0.0
    )
    objective: Any = trainer.objective
    scores = score(trainer)
    objective.before_epoch(scores, 0.0)
    given = np.concatenate([scores.labels.numpy(), np.full(40, -1)])
    features = torch.cat([scores.labeled, scores.unlabeled]).double().numpy()
    found, weights = naive_labels(features, given, 6, 0.9)
    assert objective.pseudo_labels.tolist() == found[9:].tolist()
    np.testing.assert_allclose(objective.weights, weights[9:], atol=1e-5)
    zeta = [49 / 3 / (found == c).sum() for c in range(3)]
    np.testing.assert_allclose(objective.class_weights, zeta, rtol=1e-6)

    batch = first_batch(trainer)
    trainer.model.train()
    supervised = unsupervised = 0.0
    index = batch["unlabeled"]["index"].tolist()
    for z, y in zip(logits_of(trainer, batch["labeled"]["weak"]), batch["labeled"]["labels"].tolist(), strict=True):
        supervised += zeta[y] * cross_entropy(z, y) / 12
    for z, i in zip(logits_of(trainer, batch["unlabeled"]["weak"]), index, strict=True):
        y = int(found[9 + i])
        unsupervised += weights[9 + i] * zeta[y] * cross_entropy(z, y) / 12
    terms = objective.loss(trainer.forward_for(trainer.model), batch, 0.5)
    assert terms["supervised"].item() == pytest.approx(supervised, rel=1e-4)
    assert terms["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-4)
    assert terms["loss"].item() == pytest.approx(supervised + unsupervised, rel=1e-4)
    assert terms["certainty"].item() == pytest.approx(weights[[9 + i for i in index]].mean(), rel=1e-4)


def by_hand(tmp_path: Path, labeled: int, unlabeled: int, classes: int = 2, **settings: Any) -> LabelPropagation:
    config = LabelPropagationConfig(output_dir=str(tmp_path), use_cpu=True, **settings)
    return LabelPropagation(config, Task(classes, labeled, unlabeled, (1 / classes,) * classes))


def corners(counts: list[int]) -> Tensor:
    """As many rows as told near each axis: classes that no neighbour joins."""
    axes = torch.eye(len(counts)).repeat_interleave(torch.tensor(counts), dim=0)
    return axes + 1e-3 * torch.rand(axes.shape, generator=torch.Generator().manual_seed(0))


def test_rows_of_three_classes_by_hand(tmp_path: Path) -> None:
    """Each class has its own corner: 2, 4 and 6 of 12 unlabeled ones, and one labeled each; 15 in all."""
    objective = by_hand(tmp_path, 3, 12, classes=3, num_neighbors=2)
    objective.before_epoch(Scores(corners([1, 1, 1]), corners([2, 4, 6]), torch.arange(3)), 0.0)
    assert objective.pseudo_labels.tolist() == [0] * 2 + [1] * 4 + [2] * 6
    torch.testing.assert_close(objective.weights, torch.ones(12))
    torch.testing.assert_close(objective.class_weights, torch.tensor([5 / 3, 5 / 5, 5 / 7]))


def test_each_class_weighs_alike_in_a_pass_over_all(tmp_path: Path) -> None:
    objective = by_hand(tmp_path, 3, 12, classes=3, num_neighbors=2)
    objective.before_epoch(Scores(corners([1, 1, 1]), corners([2, 4, 6]), torch.arange(3)), 0.0)
    logits = torch.zeros(15, 3, requires_grad=True)
    batch = {
        "labeled": {"weak": logits[:3], "labels": torch.arange(3)},
        "unlabeled": {"weak": logits[3:], "index": torch.arange(12)},
    }
    terms = objective.loss(lambda *views: list(views), batch, 0.5)  # type: ignore[arg-type]
    # Every example costs log 3, and weights are 1 on average.
    assert terms["loss"].item() == pytest.approx(np.log(3), rel=1e-5)
    (gradient,) = torch.autograd.grad(terms["loss"], logits)
    # Uniform predictions and equal masses of classes: nothing to learn on the whole.
    torch.testing.assert_close(gradient.sum(0), torch.zeros(3), atol=1e-6, rtol=0)


def test_before_the_first_graph_no_unlabeled_example_counts(tmp_path: Path) -> None:
    trainer = build("label_propagation", tmp_path, "features")
    batch = first_batch(trainer)
    terms = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.0)
    assert terms["unsupervised"].item() == 0
    assert terms["certainty"].item() == 0
    logits = logits_of(trainer, batch["labeled"]["weak"])
    labels = batch["labeled"]["labels"].tolist()
    expected = sum(cross_entropy(z, y) for z, y in zip(logits, labels, strict=True)) / 12
    assert terms["supervised"].item() == pytest.approx(expected, rel=1e-5)


def test_an_example_near_nothing_weighs_nothing(tmp_path: Path) -> None:
    objective = by_hand(tmp_path, 2, 4, num_neighbors=1)
    features = torch.tensor([[1.0, 0.1, 0], [0.1, 1.0, 0], [-1.0, -1.0, 0], [0.0, 0.0, 0.0]])
    objective.before_epoch(Scores(torch.eye(3)[:2], features, torch.arange(2)), 0.0)
    assert objective.pseudo_labels[:2].tolist() == [0, 1]
    torch.testing.assert_close(objective.weights, torch.tensor([1.0, 1.0, 0.0, 0.0]))


def test_labels_are_made_anew_each_epoch_or_as_often_as_asked(tmp_path: Path) -> None:
    assert by_hand(tmp_path, 2, 4).score_every(30) == 30
    assert by_hand(tmp_path, 2, 4, refresh_steps=7).score_every(30) == 7
    once, often = (
        build("label_propagation", tmp_path, "features", max_steps=9, refresh_steps=n, save_strategy="no")
        for n in (100, 1)
    )
    states = []
    for trainer in (once, often):
        trainer.train()
        states.append(state_of(trainer)["objective.weights"])
    assert not torch.equal(*states)


def test_a_warm_start_ends_in_the_first_graph(tmp_path: Path) -> None:
    """Its labels are those of the network that the warm start has left, here as its checkpoint has it."""
    common: dict[str, Any] = {"warm_start_steps": 3, "refresh_steps": 100}
    trainer = build("label_propagation", tmp_path, "features", save_steps=3, **common)
    trainer.train()
    again = build("label_propagation", tmp_path, "features", **common)
    again.model.load_state_dict(load_file(tmp_path / "checkpoint-3" / "model.safetensors"))
    again.objective.before_epoch(score(again), 0.0)
    assert torch.equal(trainer.objective.pseudo_labels, again.objective.pseudo_labels)
    assert torch.equal(trainer.objective.weights, again.objective.weights)
    assert (trainer.objective.weights > 0).all()


def test_features_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    for settings in ({}, {"graph": "faiss"}):
        objective = by_hand(tmp_path, 2, 4, **settings)
        with pytest.raises(ValueError, match=r"features: got nan or infinity; expected finite numbers"):
            objective.before_epoch(Scores(torch.eye(2), torch.full((4, 2), torch.nan), torch.arange(2)), 0.0)


@pytest.mark.slow
def test_an_inverted_index_finds_the_neighbours_of_an_exact_search(tmp_path: Path) -> None:
    """Of 4,000 vectors in forty clouds, looking at half of the lists."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(40, 24, generator=rng)
    features = centres.repeat(100, 1) + 0.5 * torch.randn(4000, 24, generator=rng)
    values, indices = module._approximate_neighbors(features, 20)
    exact_values, exact = nearest_neighbors(features, 20)
    assert values.shape == indices.shape == (4000, 21)
    found = [len(set(a) & set(b)) / 20 for a, b in zip(exact.tolist(), indices.tolist(), strict=True)]
    assert sum(found) / len(found) > 0.95
    torch.testing.assert_close(values[:, 1:].median(), exact_values.median(), atol=0.01, rtol=0)

    labels = torch.arange(8) % 2
    scores = Scores(features[:8], features[8:], labels)
    states = []
    for graph in ("exact", "faiss"):
        objective = by_hand(tmp_path, 8, 3992, num_neighbors=20, graph=graph)
        objective.before_epoch(scores, 0.0)
        states.append(objective.pseudo_labels)
    assert (states[0] == states[1]).float().mean() > 0.97


def test_many_examples_are_searched_by_faiss_and_few_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXACT", 10)
    assert not by_hand(tmp_path, 2, 8).approximate
    assert by_hand(tmp_path, 2, 9).approximate
    assert not by_hand(tmp_path, 2, 9, graph="exact").approximate
    assert by_hand(tmp_path, 2, 4, graph="faiss").approximate
    find = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "faiss" else find(name))
    for count, settings in ((9, {}), (4, {"graph": "faiss"})):
        with pytest.raises(UserError, match=r"graph: got .*pip install 'textssl\[retrieval\]'"):
            by_hand(tmp_path, 2, count, **settings)
    assert not by_hand(tmp_path, 2, 8).approximate


def test_few_examples_do_not_trouble_faiss(tmp_path: Path) -> None:
    objective = by_hand(tmp_path, 3, 12, classes=3, num_neighbors=2, graph="faiss")
    objective.before_epoch(Scores(corners([1, 1, 1]), corners([2, 4, 6]), torch.arange(3)), 0.0)
    assert objective.pseudo_labels.tolist() == [0] * 2 + [1] * 4 + [2] * 6


def test_state_is_a_label_and_a_weight_each(tmp_path: Path) -> None:
    state = state_of(build("label_propagation", tmp_path, "features"))
    shapes = {name.removeprefix("objective."): list(x.shape) for name, x in state.items() if "objective" in name}
    assert shapes == {"pseudo_labels": [40], "weights": [40], "class_weights": [3]}


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    args: Any = build("label_propagation", tmp_path, "image").args
    assert (args.num_neighbors, args.gamma, args.diffusion, args.refresh_steps, args.graph) == (
        50,
        3,
        0.99,
        None,
        "auto",
    )
    assert (type(args)(output_dir=str(tmp_path)).mu, args.warm_start_steps) == (1, 0)


def test_a_model_that_will_be_compiled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="torch_compile: got True; the graph of its features"):
        build("label_propagation", tmp_path, "features", torch_compile=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_neighbors", 0),
        ("gamma", 0.0),
        ("diffusion", 1.0),
        ("diffusion", -0.1),
        ("refresh_steps", 0),
        ("graph", "kd-tree"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        LabelPropagationConfig(output_dir=str(tmp_path), **{field: value})
