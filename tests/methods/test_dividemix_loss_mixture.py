"""The mixture of losses: against densities worked out by hand, groups that are known, and what cannot be fitted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from textssl.methods.dividemix.loss_mixture import divide, normalized


def two_groups(clean: int = 600, noisy: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    losses = np.concatenate([rng.gamma(2.0, 0.1, clean), rng.normal(2.3, 0.5, noisy)])
    return losses, np.arange(clean + noisy) < clean


def test_two_groups_are_told_apart() -> None:
    losses, clean = two_groups()
    found = divide(losses)
    assert roc_auc_score(clean, found.probs) > 0.999
    assert ((found.probs > 0.5) == clean).mean() > 0.99
    assert found.weights.tolist() == pytest.approx([0.6, 0.4], abs=0.02)
    low, high = losses.min(), losses.max()
    expected = [(losses[part].mean() - low) / (high - low) for part in (clean, ~clean)]
    assert found.means.tolist() == pytest.approx(expected, abs=0.02)


def test_probabilities_are_the_posterior_of_what_was_fitted() -> None:
    """Bayes' rule by hand, between the two means."""
    losses, _ = two_groups()
    found = divide(losses)
    x = (losses - losses.min()) / (losses.max() - losses.min())
    between = (x >= found.means[0]) & (x <= found.means[1])
    assert between.sum() > 100
    for value, prob in zip(x[between], found.probs[between], strict=True):
        likely = [
            w * math.exp(-((value - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
            for w, m, v in zip(found.weights, found.means, found.variances, strict=True)
        ]
        assert prob == pytest.approx(likely[0] / sum(likely), abs=1e-6)


def test_the_order_and_the_scale_of_losses_change_nothing() -> None:
    losses, _ = two_groups()
    order = np.random.default_rng(1).permutation(len(losses))
    assert divide(losses[order]).probs == pytest.approx(divide(losses).probs[order], abs=1e-3)
    assert divide(3 * losses + 5).probs == pytest.approx(divide(losses).probs, abs=1e-6)
    assert (divide(losses).probs == divide(losses).probs).all()


def test_the_largest_losses_are_never_the_clean_ones() -> None:
    """A wide component of small losses and a narrow one of large: beyond the latter the posterior rises again."""
    rng = np.random.default_rng(0)
    losses = np.concatenate([rng.normal(0.3, 0.15, 600), rng.normal(0.8, 0.01, 400), [1.2, 1.3]])
    found = divide(losses)
    assert found.variances[0] > 4 * found.variances[1]
    x = (losses - losses.min()) / (losses.max() - losses.min())
    nearest = np.abs(x - found.means[1]).argmin()
    assert (found.probs[-2:] <= found.probs[nearest] + 1e-4).all()
    assert (found.probs[-2:] < 0.5).all()
    order = np.argsort(losses)
    assert found.probs[order[0]] > 0.5


@pytest.mark.parametrize("losses", [[1.0] * 10, [2.0], [1.0, 2.0]])
def test_where_nothing_tells_labels_apart_all_are_right(losses: list[float]) -> None:
    found = divide(np.array(losses))
    assert found.probs.tolist() == [1.0] * len(losses)
    assert found.weights.tolist() == [1.0, 0.0]
    assert np.isfinite(found.means).all()


def test_one_normal_distribution_is_one_group() -> None:
    found = divide(np.random.default_rng(0).normal(size=2000))
    assert (found.probs == 1).all()


def test_a_loss_that_is_not_finite_is_no_clean_example_and_spoils_no_other() -> None:
    losses, clean = two_groups()
    spoiled = np.concatenate([losses, [np.nan, np.inf]])
    found = divide(spoiled)
    assert found.probs[-2:].tolist() == [0.0, 0.0]
    assert found.probs[:-2] == pytest.approx(divide(losses).probs)
    assert normalized(spoiled)[:-2].tolist() == normalized(losses).tolist()
    assert clean.any()


@pytest.mark.parametrize("losses", [np.full(4, np.nan), np.empty(0), np.ones((2, 2))])
def test_losses_without_a_number_are_refused(losses: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"losses must be \[N\], some of them finite"):
        divide(losses)


def test_normalized_losses_lie_between_zero_and_one() -> None:
    assert normalized(np.array([3.0, 1.0, 2.0])).tolist() == [1.0, 0.0, 0.5]
    assert normalized(np.array([2.0, 2.0])).tolist() == [0.0, 0.0]
