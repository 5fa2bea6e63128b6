"""The drawn shapes: the same on every machine, each of its outline, and not to be told by colour or place."""

from __future__ import annotations

import numpy as np
import pytest

from textssl.errors import UserError
from textssl.sources import packaged_images
from textssl.sources.drawn_shapes import OUTLINES, SHAPES, draw_shapes
from textssl.sources.named import load_source


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    return draw_shapes(800, seed=3)


@pytest.mark.slow
def test_pictures_are_a_function_of_the_seed(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, labels = drawn
    assert (pixels.shape, pixels.dtype, labels.dtype) == ((800, 32, 32, 3), np.uint8, np.int64)
    again = draw_shapes(800, seed=3)
    np.testing.assert_array_equal(again[0], pixels)
    np.testing.assert_array_equal(again[1], labels)
    assert not np.array_equal(draw_shapes(800, seed=4)[0], pixels)
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    draw_shapes(5, seed=1)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_areas_are_those_of_geometry() -> None:
    """Each outline on a fine grid, against the area that a formula gives."""
    side = np.linspace(-1, 1, 1201)
    u, v = np.meshgrid(side, side)
    cell = (side[1] - side[0]) ** 2
    # Two discs of radii R and r, d apart, overlap in a lens.
    big, small, apart = 0.95, 0.75, 0.45
    first = np.arccos((apart**2 + big**2 - small**2) / (2 * apart * big))
    second = np.arccos((apart**2 + small**2 - big**2) / (2 * apart * small))
    kite = np.sqrt((-apart + big + small) * (apart + big - small) * (apart - big + small) * (apart + big + small)) / 2
    lens = big**2 * first + small**2 * second - kite
    tenth = np.pi / 5
    # Ten triangles from the centre to a point and to the next inner corner.
    inner = np.cos(2 * tenth) / np.cos(tenth)
    areas = {
        "circle": np.pi * 0.85**2,
        "ring": np.pi * (0.95**2 - 0.55**2),
        "crescent": np.pi * big**2 - lens,
        "triangle": 3 * np.sqrt(3) / 4,
        "square": 1.4**2,
        "bar": 1.9 * 0.6,
        "cross": 2 * 1.9 * 0.5 - 0.5**2,
        "star": 10 * inner * np.sin(tenth) / 2,
    }
    assert set(areas) == set(SHAPES) == set(OUTLINES)
    for name, area in areas.items():
        inside = OUTLINES[name](u, v)
        assert inside.sum() * cell == pytest.approx(area, rel=0.01), name
        assert (u * u + v * v)[inside].max() <= 1 + 1e-4, name
        # A picture may be mirrored: each outline is its own mirror image.
        mirrored = OUTLINES[name](u, -v) if name in ("crescent", "bar") else OUTLINES[name](-u, v)
        np.testing.assert_array_equal(mirrored, inside)


def test_neither_colour_nor_place_tells_the_class(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, labels = drawn
    counts = np.bincount(labels, minlength=8)
    assert counts.min() > 60
    colour = pixels.reshape(800, -1, 3).mean(axis=1)
    spread = np.abs(pixels.astype(int) - pixels.mean(axis=-1, keepdims=True)).mean(axis=(1, 2, 3))
    # Not grey: channels differ.
    assert np.median(spread) > 30
    for c in range(8):
        assert np.abs(colour[labels == c].mean(axis=0) - colour.mean(axis=0)).max() < 25
    # Mean pictures of two classes are nearly the same: no pixel is of one class.
    means = np.stack([pixels[labels == c].mean(axis=(0, 3)) for c in range(8)])
    assert np.abs(means - means.mean(axis=0)).max() < 60


def test_the_source_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw_shapes(30, seed=0)
    monkeypatch.setattr(packaged_images, "draw_shapes", lambda count, seed: drawn)
    with pytest.raises(UserError, match=r"the drawn shapes have the SHA-256 \w{12}\.\.\., not e7f75c35e26a"):
        load_source("shapes")


@pytest.mark.slow
def test_the_source_has_its_parts() -> None:
    source = load_source("shapes")
    assert (len(source.train), len(source.test), source.modality, source.flip) == (5000, 1000, "image", True)
    assert source.train.features["label"].names == list(SHAPES)
    assert (source.train[0]["image"].mode, source.train[0]["image"].size) == ("RGB", (32, 32))
