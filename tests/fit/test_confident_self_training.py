"""Self-training in rounds on the most confident of each class."""

from __future__ import annotations

import numpy as np

from textssl.fit.confident_self_training import _most_confident, balanced, neighbour_agreement, neighbours, self_train


def blobs(sizes: list[int], seed: int = 0, dimensions: int = 12, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(dimensions, len(sizes))))[0].T
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = centres[labels] + noise * rng.normal(size=(len(labels), dimensions))
    return features / np.linalg.norm(features, axis=1, keepdims=True), labels


def noisy(labels: np.ndarray, classes: int, seed: int = 1) -> np.ndarray:
    """Probabilities of which about three in four have the right class on top, surer where it is right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += 1.5
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_balanced_probabilities_have_the_prior_as_mean_and_keep_their_odds_ratios() -> None:
    probs = np.random.default_rng(0).dirichlet([1, 2, 3], size=40)
    prior = np.array([0.5, 0.3, 0.2])
    scaled = balanced(probs, prior, steps=500)
    np.testing.assert_allclose(scaled.mean(0), prior, atol=1e-6)
    np.testing.assert_allclose(scaled.sum(1), 1)
    odds, before = scaled[:, 0] / scaled[:, 1], probs[:, 0] / probs[:, 1]
    np.testing.assert_allclose(odds / before, (odds / before)[0])


def test_the_most_confident_of_each_predicted_class_are_taken() -> None:
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8], [0.45, 0.55]])
    assert sorted(_most_confident(probs, 0.5)) == [0, 2, 3]
    assert sorted(_most_confident(probs, 0.1)) == [0, 3]
    assert sorted(_most_confident(probs, 1.0)) == [0, 1, 2, 3, 4]


def test_neighbours_are_those_of_the_largest_cosine() -> None:
    features = np.random.default_rng(0).normal(size=(30, 4))
    rows, near = neighbours(features, 3)
    for row, others in zip(rows, near, strict=True):
        cosine = [f @ features[row] / np.linalg.norm(f) if i != row else -np.inf for i, f in enumerate(features)]
        assert set(others) == set(np.argsort(cosine)[-3:])
    labels = (np.arange(30) % 2).astype(int)
    by_hand = np.mean([labels[o] == labels[r] for r, others in zip(rows, near, strict=True) for o in others])
    assert neighbour_agreement(labels, (rows, near)) == by_hand


def test_self_training_mends_noisy_beginnings_of_balanced_and_of_unbalanced_classes() -> None:
    for sizes, estimated in (([100, 100, 100], False), ([260, 30, 30], True)):
        features, labels = blobs(sizes)
        first = noisy(labels, 3)
        rounds = self_train(features, first)
        before, after = ((p.argmax(1) == labels).mean() for p in (first, rounds.probs))
        assert after > before + 0.1
        assert after > 0.95
        assert rounds.estimated is estimated
        assert len(rounds.history) == 9
        np.testing.assert_array_equal(rounds.history[-1], rounds.probs.argmax(1))
        np.testing.assert_array_equal(rounds.head.probs(features), rounds.probs)


def test_kept_examples_are_trained_on_in_every_round() -> None:
    features, labels = blobs([60, 60])
    # Names that were exchanged, and labels enough to say so.
    swapped = noisy(1 - labels, 2)
    many = np.repeat(features, 5, axis=0)
    told = self_train(features, swapped, many, np.eye(2)[np.repeat(labels, 5)], np.ones(len(many)))
    assert (told.probs.argmax(1) == labels).mean() > 0.95
    assert (self_train(features, swapped).probs.argmax(1) == labels).mean() < 0.05
