"""The square of Cutout, counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from textssl import UserError
from textssl.augment.image import Cutout


class At:
    """An rng that always draws the same place."""

    def __init__(self, x: float, y: float) -> None:
        self.place = x, y

    def random(self, size: int) -> np.ndarray:
        assert size == 2
        return np.array(self.place)


def covered(view: Cutout, size: tuple[int, int], rng: Any, mode: str = "L") -> np.ndarray:
    """Which pixels [H, W] of a black image are no longer black."""
    image = Image.new(mode, size)
    out = np.asarray(view({"image": image}, rng)["image"]).reshape(size[1], size[0], -1)
    assert not np.asarray(image).any()
    assert set(np.unique(out)) <= {0, 127}
    assert (out == out[..., :1]).all()
    return out[..., 0] > 0


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_area_at_the_corners_and_within(mode: str) -> None:
    view = Cutout(0.5)
    # 8 x 8: a square of 4, two pixels before its centre and the centre with one after.
    first = covered(view, (8, 8), At(0, 0), mode)
    assert first.sum() == 4
    assert first[:2, :2].all()
    last = covered(view, (8, 8), At(0.999, 0.999), mode)
    assert last.sum() == 9
    assert last[5:, 5:].all()
    side = covered(view, (8, 8), At(0.5, 0.999), mode)
    assert side.sum() == 12
    assert side[5:, 2:6].all()
    within = covered(view, (8, 8), At(0.5, 0.5), mode)
    assert within.sum() == 16
    assert within[2:6, 2:6].all()


def test_the_side_is_of_the_shorter_side_or_in_pixels() -> None:
    assert covered(Cutout(0.5), (20, 8), At(0.5, 0.5)).sum() == 16
    assert covered(Cutout(1.0), (20, 8), At(0.5, 0.5)).sum() == 64
    assert covered(Cutout(0.0), (20, 8), At(0.5, 0.5)).sum() == 0
    assert covered(Cutout(pixels=5), (20, 8), At(0.5, 0.5)).sum() == 25
    assert covered(Cutout(pixels=100), (20, 8), At(0.5, 0.5)).all()


def test_the_centre_is_uniform_over_the_pixels() -> None:
    view = Cutout(pixels=1)
    counts = np.sum([covered(view, (4, 3), np.random.default_rng(seed)) for seed in range(2400)], axis=0)
    assert counts.sum() == 2400
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200)


def test_column_and_fill() -> None:
    view = Cutout(1.0, fill=3, column="picture")
    made = view({"picture": Image.new("RGB", (4, 4))}, np.random.default_rng(0))
    assert np.asarray(made["picture"]).max() == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"share": 1.1}, "share: got 1.1"),
        ({"pixels": -1}, "pixels: got -1"),
        ({"fill": -1}, "fill: got -1"),
        ({"fill": 0.5}, "fill: got 0.5"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}.*expected"):
        Cutout(**arguments)
