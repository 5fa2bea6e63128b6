"""Pixels as features."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from PIL import Image

from textssl import UserError
from textssl.cli.task_setups.pixel_features import with_pixel_features


def data(images: list[Image.Image]) -> datasets.Dataset:
    columns = {"image": images, "label": list(range(len(images)))}
    return datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())


def gray(values: list[list[int]]) -> Image.Image:
    return Image.fromarray(np.array(values, np.uint8))


def test_gray_pixels_row_by_row() -> None:
    given = data([gray([[0, 51, 102], [153, 204, 255]]), gray([[255, 0, 0], [0, 0, 51]])])
    made = with_pixel_features(given, "image", "features", (3, 2))
    assert made.column_names == ["label", "features"]
    expected = [[0, 0.2, 0.4, 0.6, 0.8, 1], [1, 0, 0, 0, 0, 0.2]]
    np.testing.assert_allclose(np.array(made["features"][:]), expected, rtol=1e-6)
    assert made["label"][:] == [0, 1]
    assert given.column_names == ["image", "label"]


def test_colors_become_their_luma() -> None:
    """ITU-R 601-2, which Pillow's documentation of mode L gives: 0.299 R + 0.587 G + 0.114 B."""
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    made = with_pixel_features(data([Image.fromarray(colors)]), "image", "x", (3, 1))
    np.testing.assert_allclose(made["x"][0], [0.299, 0.587, 0.114], atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("other", [(3, 3), (1, 4), (4, 1)])
def test_an_image_of_another_size_is_named(other: tuple[int, int]) -> None:
    """Also one of as many pixels."""
    images = [Image.new("L", (2, 2)), Image.new("L", other)]
    with pytest.raises(UserError, match=f"the first is 2x2, row 1 of column 'image' is {other[0]}x{other[1]}"):
        with_pixel_features(data(images), "image", "features", (2, 2))


def test_the_size_is_that_of_the_run_and_not_of_the_set() -> None:
    with pytest.raises(UserError, match=r"backend: got 'features', .* the first is 2x2, row 0 .* is 3x3"):
        with_pixel_features(data([Image.new("L", (3, 3))]), "image", "features", (2, 2))
