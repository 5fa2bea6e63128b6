"""Label propagation against dense algebra written from the paper, and what it must do at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from textssl.functional import certainty, class_balance_weights, graph, nearest_neighbors, propagate_labels


Neighbors = list[list[tuple[float, int]]]


def clouds(count: int, copies: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Signed features in float64 of three classes that overlap; the last ``copies`` repeat the first."""
    classes, size, seed = 3, 8, 0
    rng = np.random.default_rng(seed)
    ids = np.arange(count) % classes
    features = rng.normal(size=(classes, size))[ids] + 1.2 * rng.normal(size=(count, size))
    if copies:
        features[-copies:], ids[-copies:] = features[:copies], ids[:copies]
    return features, ids


def known(ids: np.ndarray, per_class: int) -> np.ndarray:
    """The first of each class keep their labels."""
    labels = np.full(len(ids), -1)
    for c in np.unique(ids):
        first = np.flatnonzero(ids == c)[:per_class]
        labels[first] = c
    return labels


def naive_neighbors(features: np.ndarray, k: int) -> Neighbors:
    unit = [row / math.sqrt(float(row @ row)) for row in features]
    found = []
    for i, row in enumerate(unit):
        others = [(float(row @ other), j) for j, other in enumerate(unit) if j != i]
        found.append(sorted(others, reverse=True)[:k])
    return found


def naive_diffusion(neighbors: Neighbors, labels: np.ndarray, classes: int, gamma: float, alpha: float) -> np.ndarray:
    """F of the paper as its dense solution, with edges added one at a time."""
    count = len(labels)
    a = np.zeros((count, count))
    for i, nearest in enumerate(neighbors):
        for similarity, j in nearest:
            a[i, j] = max(similarity, 0.0) ** gamma
    w = a + a.T
    degrees = w.sum(1)
    s = np.zeros_like(w)
    for i, j in zip(*np.nonzero(w), strict=True):
        s[i, j] = w[i, j] / math.sqrt(degrees[i] * degrees[j])
    y = np.zeros((count, classes))
    for i, c in enumerate(labels):
        if c >= 0:
            y[i, c] = 1 / (labels == c).sum()
    return np.linalg.solve(np.eye(count) - alpha * s, y)


def naive_outcome(f: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    classes = f.shape[1]
    probs, weights = np.full(f.shape, 1 / classes), np.zeros(len(f))
    for i, row in enumerate(np.maximum(f, 0)):
        if row.sum() > 0:
            probs[i] = row / row.sum()
            weights[i] = 1 + sum(p * math.log(p) for p in probs[i] if p > 0) / math.log(classes)
    weights /= weights.max()
    for i, c in enumerate(labels):
        if c >= 0:
            probs[i], weights[i] = np.eye(classes)[c], 1
    return probs, weights


@pytest.mark.slow
@pytest.mark.parametrize(
    ("k", "gamma", "alpha", "per_class", "tolerance"),
    # With little diffusion what is far from a label has little of it, which a loose tolerance loses.
    [(50, 3.0, 0.99, 5, 1e-6), (10, 4.0, 0.9, 20, 1e-6), (5, 1.0, 0.5, 1, 1e-12)],
)
def test_diffusion_equals_the_dense_solution(
    k: int, gamma: float, alpha: float, per_class: int, tolerance: float
) -> None:
    """500 points; similarities of both signs, five neighbours and fifty."""
    features, ids = clouds(500)
    labels = known(ids, per_class)
    probs, weight = propagate_labels(
        torch.tensor(features), torch.tensor(labels), 3, k, gamma, alpha, tolerance=tolerance
    )
    dense = naive_diffusion(naive_neighbors(features, k), labels, 3, gamma, alpha)
    expected, weights = naive_outcome(dense, labels)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    np.testing.assert_allclose(weight, weights, atol=1e-5)
    # Not what any answer would give.
    assert np.ptp(weights[labels < 0]) > 0.1


def test_copies_are_each_others_neighbours_and_nothing_else_changes() -> None:
    """Of two copies that are equally near either may be taken: the dense graph is that of the same search."""
    features, ids = clouds(200, copies=60)
    labels = known(ids, 4)
    values, indices = nearest_neighbors(torch.tensor(features), 15)
    for i in range(60):
        assert 140 + i in indices[i]
        assert i in indices[140 + i]
    found = [
        list(zip(row, numbers, strict=True)) for row, numbers in zip(values.tolist(), indices.tolist(), strict=True)
    ]
    probs, weight = propagate_labels(torch.tensor(features), torch.tensor(labels), 3, k=15)
    expected, weights = naive_outcome(naive_diffusion(found, labels, 3, 3.0, 0.99), labels)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    np.testing.assert_allclose(weight, weights, atol=1e-5)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-4), (torch.bfloat16, 1e-4), (torch.float16, 1e-4)])
def test_narrow_features_are_computed_in_float32(dtype: torch.dtype, within: float) -> None:
    """Equal to the dense solution of the same, rounded, features."""
    features, ids = clouds(300)
    rounded = torch.tensor(features).to(dtype)
    labels = known(ids, 4)
    probs, weight = propagate_labels(rounded, torch.tensor(labels), 3, k=20)
    assert probs.dtype == weight.dtype == torch.float32
    # Rounded features may tie, and then the order of a search decides: ours is given to both.
    values, indices = nearest_neighbors(rounded, 20)
    assert values.dtype == torch.float32
    again, _ = propagate_labels(rounded, torch.tensor(labels), 3, neighbors=(values, indices))
    assert torch.equal(probs, again)
    close = [[value for value, _ in row] for row in naive_neighbors(rounded.double().numpy(), 20)]
    np.testing.assert_allclose(values, close, atol=within)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_moons_are_told_apart_from_six_labels(seed: int) -> None:
    """By a graph of Euclidean neighbours with similarities in [0, 1], as methods on other distances would bring."""
    points, ids = make_moons(1000, noise=0.1, random_state=seed)
    rng = np.random.default_rng(seed)
    distances, indices = NearestNeighbors(n_neighbors=11).fit(points).kneighbors(points)
    similarities = np.exp(-((distances / distances[:, 1:].mean()) ** 2) / 2)
    labels = np.full(1000, -1)
    for c in (0, 1):
        labels[rng.choice(np.flatnonzero(ids == c), 3, replace=False)] = c
    neighbors = (torch.tensor(similarities), torch.tensor(indices))
    probs, weight = propagate_labels(torch.tensor(points), torch.tensor(labels), 2, neighbors=neighbors)
    right = probs.argmax(1).numpy() == ids
    assert right.mean() >= 0.99
    # What is wrong is known to be less sure.
    assert right.all() or weight[~right].mean() < weight[right].mean()


def test_certainty_by_hand() -> None:
    """H(.7, .2, .1) = .8018 of log 3 = 1.0986."""
    rows = torch.tensor([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(certainty(rows), torch.tensor([0.2702, 1.0, 0.0]), atol=1e-4, rtol=0)
    # Divided by the largest: alone, the first row is as sure as any.
    torch.testing.assert_close(certainty(rows[[0, 2]]), torch.tensor([1.0, 0.0]))
    assert certainty(rows[2:].expand(4, 3)).tolist() == [0.0] * 4
    assert certainty(torch.full((2, 1000), 0.001)).tolist() == [0.0] * 2
    assert certainty(rows.bfloat16()).dtype == torch.float32
    assert certainty(rows[:0]).shape == (0,)


@pytest.mark.parametrize("block", [1, 64, 2**24])
def test_neighbors_are_those_of_a_loop_whatever_the_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "_BLOCK", block)
    features, _ = clouds(60)
    values, indices = nearest_neighbors(torch.tensor(features[:50]), 7)
    expected = naive_neighbors(features[:50], 7)
    assert indices.tolist() == [[j for _, j in row] for row in expected]
    np.testing.assert_allclose(values, [[s for s, _ in row] for row in expected], atol=1e-12)


def test_self_is_left_out_by_its_number_not_its_place() -> None:
    """Of five equal rows each has the other four, never itself."""
    features = torch.cat([torch.ones(5, 3), torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])])
    values, indices = nearest_neighbors(features, 4)
    for row in range(5):
        assert sorted(indices[row].tolist()) == sorted(set(range(5)) - {row})
    torch.testing.assert_close(values[:5], torch.ones(5, 4))


def chain(similarities: list[float], labels: list[int], **settings: float) -> tuple[Tensor, Tensor]:
    """Examples in a row, each the neighbour of the next; the last has none."""
    count = len(labels)
    numbers = torch.tensor([*range(1, count), -1])[:, None]
    values = torch.tensor([*similarities, -3e38])[:, None]
    return propagate_labels(torch.zeros(count, 1), torch.tensor(labels), 2, neighbors=(values, numbers), **settings)


def test_a_chain_by_hand() -> None:
    """Labels at both ends of three: by symmetry the middle is between, and any is nearer to its own end."""
    probs, weight = chain([0.5, 0.5], [0, -1, 1])
    torch.testing.assert_close(probs, torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    torch.testing.assert_close(weight, torch.tensor([1.0, 0.0, 1.0]))
    # S = [[0, 1], [1, 0]] for a pair: (I - alpha S)^-1 = [[1, alpha], [alpha, 1]] / (1 - alpha^2).
    probs, _ = chain([0.5, 0.0, 0.5], [0, -1, -1, 1])
    torch.testing.assert_close(probs[1:3], torch.eye(2))


def test_negative_similarities_count_as_none() -> None:
    """An odd power would keep the sign, and an even one the size."""
    for gamma in (2.0, 3.0):
        probs, weight = chain([-0.9, 0.5], [0, -1, 1], gamma=gamma)
        assert probs[1].tolist() == [0.0, 1.0]
        assert weight[1] == 1
        probs, weight = chain([0.5, -0.9, 0.5], [0, -1, 1, -1], gamma=gamma)
        assert probs.argmax(1).tolist() == [0, 0, 1, 1]


def test_an_example_that_no_label_reaches_is_uniform_and_weighs_nothing() -> None:
    """Alone, or in a part of the graph without labels; and a row of zeros is near to nothing."""
    probs, weight = chain([0.9, 0.0, 0.8, 0.0], [0, 1, -1, -1, -1])
    assert probs[2:].tolist() == [[0.5, 0.5]] * 3
    assert weight.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    features, ids = clouds(60)
    features[7] = 0
    labels = known(ids, 3)
    labels[7] = -1
    probs, weight = propagate_labels(torch.tensor(features), torch.tensor(labels), 3)
    assert probs[7].tolist() == pytest.approx([1 / 3] * 3)
    assert weight[7] == 0
    assert probs.isfinite().all()
    assert weight.isfinite().all()
    torch.testing.assert_close(probs.sum(1), torch.ones(60, dtype=torch.float64))


def test_neighbors_may_come_from_a_search_that_finds_self_or_too_few() -> None:
    """An inverted index pads with -1, and does not leave an example's own number out."""
    features, ids = (torch.tensor(x) for x in clouds(80))
    labels = torch.tensor(known(ids.numpy(), 2))
    values, indices = nearest_neighbors(features, 6)
    padded = (
        torch.cat([torch.ones(80, 1), values, torch.full((80, 2), -3.4e38)], dim=1),
        torch.cat([torch.arange(80)[:, None], indices, torch.full((80, 2), -1)], dim=1),
    )
    for a, b in zip(
        propagate_labels(features, labels, 3, k=6),
        propagate_labels(features, labels, 3, neighbors=padded),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_at_most_a_quarter_of_all_are_neighbours() -> None:
    features, ids = (torch.tensor(x) for x in clouds(40))
    labels = torch.tensor(known(ids.numpy(), 2))
    wide, narrow = (propagate_labels(features, labels, 3, k=k)[0] for k in (50, 10))
    assert torch.equal(wide, narrow)
    assert not torch.equal(wide, propagate_labels(features, labels, 3, k=9)[0])
    # A quarter of three is none, but one there must be.
    probs, _ = propagate_labels(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]]), torch.tensor([0, 1, -1]), 2)
    assert probs[2, 1] > 0.9


def test_without_diffusion_only_the_labeled_have_labels() -> None:
    features, ids = clouds(50)
    labels = known(ids, 2)
    probs, weight = propagate_labels(torch.tensor(features), torch.tensor(labels), 3, alpha=0.0)
    assert weight.tolist() == (labels >= 0).astype(float).tolist()
    np.testing.assert_allclose(probs[torch.tensor(labels < 0)], 1 / 3)


def test_a_class_of_many_labels_is_no_stronger_than_one_of_few() -> None:
    """Y shares a mass of 1 among the labels of a class: the middle of a ring is at equal odds."""
    values = torch.full((5, 1), 0.5)
    neighbors = (values, torch.tensor([[1], [2], [3], [4], [0]]))
    probs, _ = propagate_labels(torch.zeros(5, 1), torch.tensor([0, 0, -1, 1, -1]), 2, neighbors=neighbors)
    seeds = torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    ring = torch.zeros(5, 5, dtype=torch.float64)
    for i in range(5):
        ring[i, (i + 1) % 5] = ring[(i + 1) % 5, i] = 0.5
    expected = torch.linalg.solve(torch.eye(5, dtype=torch.float64) - 0.99 * ring, seeds)
    torch.testing.assert_close(probs[2].double(), expected[2] / expected[2].sum(), atol=1e-5, rtol=0)


def test_class_balance_weights_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 3])
    # 6 examples of 4 classes: 1.5 on average; class 2 has none.
    torch.testing.assert_close(class_balance_weights(labels, 4), torch.tensor([0.5, 0.75, 0.0, 1.5]))
    torch.testing.assert_close(class_balance_weights(labels[:5], 2)[labels[:5]].mean(), torch.tensor(1.0))
    # Whose class is not known counts for N alone.
    torch.testing.assert_close(class_balance_weights(torch.tensor([0, 1, -1, -1]), 2), torch.tensor([2.0, 2.0]))
    assert class_balance_weights(labels[:0], 2).tolist() == [0.0, 0.0]
