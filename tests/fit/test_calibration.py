"""Temperature scaling against known temperatures, a grid and scikit-learn; calibration errors against loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from textssl.fit.calibration import cross_fitted, expected_calibration_error, fit_temperature, log_losses


def drawn(count: int, classes: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too large by ``temperature``: labels are drawn from the softmax of the right ones."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(count, classes))
    labels = np.array([rng.choice(classes, p=p) for p in softmax(logits, axis=1)])
    return logits * temperature, labels


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.2, 1.0, 6.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits, labels = drawn(20_000, 4, temperature, 0)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.03)


def test_of_many_temperatures_it_has_the_least_loss_and_prior() -> None:
    logits, labels = drawn(15, 3, 3.0, 1)
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 4001))
    # A seventeenth of each label is spread over the three classes.
    smooth = 16 / 17 * np.eye(3)[labels] + 1 / 17 / 3
    penalised = [-(smooth * np.log(softmax(logits / t, axis=1))).sum() + np.log(t) ** 2 / (2 * 1.15**2) for t in grid]
    assert fit_temperature(logits, labels) == pytest.approx(grid[np.argmin(penalised)], rel=2e-3)


def test_ten_examples_that_are_all_right_do_not_make_it_certain() -> None:
    labels = np.arange(10) % 2
    logits = np.where(np.eye(2)[labels] > 0, 0.5, -0.5)
    temperature = fit_temperature(logits, labels)
    assert 0.2 < temperature < 1
    assert softmax(logits / temperature, axis=1).max() < 0.999


def test_ten_examples_that_are_all_wrong_do_not_make_it_blind() -> None:
    labels = np.arange(10) % 2
    logits = np.where(np.eye(2)[labels] > 0, -2.0, 2.0)
    assert 2 < fit_temperature(logits, labels) < 50


def test_weights_count_examples() -> None:
    logits, labels = drawn(12, 3, 2.0, 3)
    twice = fit_temperature(np.concatenate([logits, logits[:4]]), np.concatenate([labels, labels[:4]]))
    weights = np.where(np.arange(12) < 4, 2.0, 1.0)
    assert fit_temperature(logits, labels, weights) == pytest.approx(twice, rel=1e-3)


def test_no_examples() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0)) == 1.0


def test_a_group_is_scaled_by_the_others() -> None:
    logits, labels = drawn(60, 3, 4.0, 5)
    groups = np.arange(60) % 3
    scaled = cross_fitted(logits, labels, groups)
    for group in range(3):
        own = groups == group
        np.testing.assert_allclose(scaled[own], logits[own] / fit_temperature(logits[~own], labels[~own]))


def test_log_losses_are_those_of_scikit_learn() -> None:
    logits, labels = drawn(50, 5, 1.0, 6)
    assert log_losses(logits, labels).mean() == pytest.approx(log_loss(labels, softmax(logits, axis=1)))
    assert np.isfinite(log_losses(np.array([[0.0, -1e4]]), np.array([1]))).all()


@pytest.mark.parametrize("equal_mass", [False, True])
def test_the_calibration_error_by_a_loop(equal_mass: bool) -> None:
    logits, labels = drawn(300, 3, 3.0, 7)
    probs = softmax(logits, axis=1)
    examples = sorted((p.max(), float(p.argmax() == label)) for p, label in zip(probs, labels, strict=True))
    bins: list[list[tuple[float, float]]] = [[] for _ in range(10)]
    for place, (confidence, right) in enumerate(examples):
        bins[place // 30 if equal_mass else min(9, int(confidence * 10))].append((confidence, right))
    expected = 0.0
    for members in filter(None, bins):
        confidence, accuracy = (sum(values) / len(members) for values in zip(*members, strict=True))
        expected += len(members) / 300 * abs(accuracy - confidence)
    assert expected_calibration_error(logits, labels, 10, equal_mass) == pytest.approx(expected)
    assert expected > 0.05


def test_scaling_lowers_the_calibration_error() -> None:
    logits, labels = drawn(2000, 4, 4.0, 8)
    other, held_out = drawn(2000, 4, 4.0, 9)
    before = expected_calibration_error(other, held_out)
    after = expected_calibration_error(other / fit_temperature(logits, labels), held_out)
    assert after < 0.04 < before
