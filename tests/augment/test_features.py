"""Noise and dropout of feature vectors: their rates over many draws, and purity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from textssl.augment import Augmentation, Chain
from textssl.augment.features import FeatureDropout, GaussianNoise
from textssl.errors import UserError


VECTOR = np.array([3.0, -4.0, 0.0, 12.0], np.float32)
# sqrt((9 + 16 + 0 + 144) / 4)
RMS = 6.5


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def draws(augmentation: Augmentation, n: int = 20_000) -> np.ndarray:
    source = rng()
    return np.stack([augmentation({"features": VECTOR}, source)["features"] for _ in range(n)])


def test_noise_is_measured_by_the_vector_itself() -> None:
    noise = draws(GaussianNoise(0.1)) - VECTOR
    # 80,000 draws: the standard errors are 0.0023 of the mean and 0.25 % of the deviation.
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert math.sqrt((noise**2).mean()) == pytest.approx(0.1 * RMS, rel=0.012)
    # Each entry alike, whatever its value, and independent of the others.
    np.testing.assert_allclose(noise.std(0), 0.1 * RMS, rtol=0.03)
    assert np.abs(np.corrcoef(noise.T) - np.eye(4)).max() < 0.04
    # Normal: 68.3 % within one deviation, 95.4 % within two.
    assert (np.abs(noise) < 0.1 * RMS).mean() == pytest.approx(0.683, abs=0.01)
    assert (np.abs(noise) < 0.2 * RMS).mean() == pytest.approx(0.954, abs=0.005)


def test_a_vector_twice_as_long_gets_twice_the_noise() -> None:
    once = GaussianNoise(0.3)({"features": VECTOR}, rng())["features"]
    twice = GaussianNoise(0.3)({"features": 2 * VECTOR}, rng())["features"]
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)


def test_no_noise_at_scale_0_and_none_on_a_zero_vector() -> None:
    assert np.array_equal(GaussianNoise(0.0)({"features": VECTOR}, rng())["features"], VECTOR)
    assert not GaussianNoise(1.0)({"features": np.zeros(4)}, rng())["features"].any()


def test_dropout_drops_at_the_stated_rate_and_keeps_the_expectation() -> None:
    out = draws(FeatureDropout(0.2))
    # Where an entry is not 0 by itself, it is dropped or divided by 0.8.
    for place in (0, 1, 3):
        kept = out[:, place] != 0
        np.testing.assert_allclose(out[kept, place], VECTOR[place] / 0.8, rtol=1e-6)
        # 20,000 draws: the standard error is 0.0028.
        assert 1 - kept.mean() == pytest.approx(0.2, abs=0.012)
    assert not out[:, 2].any()
    np.testing.assert_allclose(out.mean(0), VECTOR, rtol=0.02)
    dropped = (out[:, [0, 1, 3]] == 0).astype(float)
    assert np.abs(np.corrcoef(dropped.T) - np.eye(3)).max() < 0.04


def test_a_dropped_entry_becomes_that_of_the_mean() -> None:
    mean = np.array([1.0, 2.0, 3.0, 4.0])
    out = draws(FeatureDropout(0.5, mean=mean))
    for place in range(4):
        far = mean[place] + (VECTOR[place] - mean[place]) * 2
        kept = np.isclose(out[:, place], far)
        assert np.isclose(out[~kept, place], mean[place]).all()
        assert kept.mean() == pytest.approx(0.5, abs=0.015)


def test_dropout_at_the_limits() -> None:
    mean = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    assert np.array_equal(FeatureDropout(0.0)({"features": VECTOR}, rng())["features"], VECTOR)
    assert not FeatureDropout(1.0)({"features": VECTOR}, rng())["features"].any()
    assert np.array_equal(FeatureDropout(1.0, mean=mean)({"features": VECTOR}, rng())["features"], mean)


@pytest.mark.parametrize("augmentation", [GaussianNoise(0.5), FeatureDropout(0.5)])
def test_pure_functions_of_example_and_rng(augmentation: Augmentation) -> None:
    example = {"features": VECTOR.copy(), "label": 1}
    first = augmentation(example, rng(3))
    assert np.array_equal(first["features"], augmentation(example, rng(3))["features"])
    assert not np.array_equal(first["features"], augmentation(example, rng(4))["features"])
    assert np.array_equal(example["features"], VECTOR)
    assert first["label"] == 1
    assert first["features"].dtype == np.float32
    as_list = augmentation({"features": VECTOR.tolist()}, rng(3))["features"]
    assert np.array_equal(as_list, first["features"])


@pytest.mark.parametrize("augmentation", [GaussianNoise(0.5), FeatureDropout(0.5)])
def test_a_row_that_must_not_be_written_to_is_not(augmentation: Augmentation) -> None:
    row = VECTOR.copy()
    row.flags.writeable = False
    out = augmentation({"features": row}, rng())["features"]
    out += 1
    assert np.array_equal(row, VECTOR)


def test_another_column_and_a_chain() -> None:
    both = Chain([GaussianNoise(0.1, column="a"), FeatureDropout(0.5, column="a")])
    out = both({"a": VECTOR, "features": VECTOR}, rng())
    assert np.array_equal(out["features"], VECTOR)
    assert not np.array_equal(out["a"], VECTOR)


@pytest.mark.parametrize("scale", [-0.1, math.inf, math.nan])
def test_a_scale_out_of_range_is_named(scale: float) -> None:
    with pytest.raises(UserError, match=f"scale: got {scale}; expected 0 or more"):
        GaussianNoise(scale)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_a_probability_out_of_range_is_named(p: float) -> None:
    with pytest.raises(UserError, match=rf"p: got {p}; expected a number in \[0, 1\]"):
        FeatureDropout(p)


@pytest.mark.parametrize(
    ("augmentation", "example", "message"),
    [
        (GaussianNoise(), {"text": "a"}, r"column: got 'features'; the data have \['text'\]"),
        (FeatureDropout(), {"features": [[1.0]]}, r"column: 'features' holds shape \[1, 1\]; expected one vector"),
        (FeatureDropout(mean=np.zeros(3)), {"features": VECTOR}, r"mean: got shape \[3\]; the vector has \[4\]"),
    ],
)
def test_examples_that_do_not_fit(augmentation: Augmentation, example: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        augmentation(example, rng())
