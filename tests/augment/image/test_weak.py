"""Flips and shifts against numpy's padding, and how often each comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from textssl import UserError
from textssl.augment.image import HorizontalFlip, Shift, weak_view


def picture(mode: str = "L", size: tuple[int, int] = (12, 10)) -> Image.Image:
    """Every pixel has a value of its own."""
    values = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[1], size[0])
    return Image.fromarray(values if mode == "L" else np.stack([values, 255 - values, values ^ 85], -1))


def seen(view: Any, image: Image.Image, seed: int) -> np.ndarray:
    return np.asarray(view({"image": image}, np.random.default_rng(seed))["image"])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_flip_mirrors_left_and_right(mode: str) -> None:
    image = picture(mode)
    assert np.array_equal(seen(HorizontalFlip(1.0), image, 0), np.asarray(image)[:, ::-1])
    assert np.array_equal(seen(HorizontalFlip(0.0), image, 0), np.asarray(image))


def test_a_flip_comes_with_probability_p() -> None:
    image = Image.fromarray(np.array([[0, 9]], dtype=np.uint8))
    count = sum(int(seen(HorizontalFlip(0.3), image, seed)[0, 0] == 9) for seed in range(2000))
    assert abs(count - 600) < 5 * np.sqrt(2000 * 0.3 * 0.7)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("fill", "padding"), [("reflect", {}), ("edge", {}), (77, {"constant_values": 77})])
def test_a_shift_is_a_crop_of_the_padded_image_and_each_is_as_likely(mode: str, fill: Any, padding: Any) -> None:
    """A share of 0.2 is 2 of 12 columns and 2 of 10 rows: 25 crops."""
    image = picture(mode)
    before = image.tobytes()
    width = ((2, 2), (2, 2)) + ((0, 0),) * (mode == "RGB")
    padded = np.pad(np.asarray(image), width, mode="constant" if padding else fill, **padding)
    crops = {padded[y : y + 10, x : x + 12].tobytes(): (x, y) for x in range(5) for y in range(5)}
    assert len(crops) == 25
    counts = dict.fromkeys(crops.values(), 0)
    view = Shift(0.2, fill)
    for seed in range(1250):
        counts[crops[seen(view, image, seed).tobytes()]] += 1
    assert max(abs(count - 50) for count in counts.values()) < 5 * np.sqrt(50)
    assert image.tobytes() == before


def test_a_move_by_pixels_and_none_at_all() -> None:
    image = picture()
    moves = {seen(Shift(fill=0, pixels=1), image, seed).tobytes() for seed in range(200)}
    assert len(moves) == 9
    assert np.array_equal(seen(Shift(0.0), image, 3), np.asarray(image))
    # An eighth of 28 is half-way between 3 and 4; FixMatch moves by 4.
    side = picture(size=(28, 9))
    rows = {seen(Shift(0.125, fill=255), side, seed)[4].tobytes() for seed in range(300)}
    assert len(rows) > 7


def test_reflection_reaches_up_to_the_far_side() -> None:
    image = picture(size=(5, 1))
    rows = {tuple(seen(Shift(pixels=4), picture(size=(5, 5)), seed)[0] % 5) for seed in range(300)}
    padded = np.pad(np.asarray(image)[0], 4, mode="reflect")
    assert rows == {tuple(padded[at : at + 5] % 5) for at in range(9)}
    with pytest.raises(UserError, match=r"^pixels: got 5, a move by 5 of 5 pixels; expected"):
        seen(Shift(pixels=5), picture(size=(5, 5)), 0)


def test_the_weak_view_flips_only_where_asked() -> None:
    assert [type(step) for step in weak_view().steps] == [Shift]
    assert [type(step) for step in weak_view(flip=True, column="picture").steps] == [HorizontalFlip, Shift]
    image = picture("RGB")
    made = weak_view(True, column="p")({"p": image, "label": 1}, np.random.default_rng(0))
    assert made["label"] == 1
    assert made["p"].size == image.size
    again = weak_view(True, column="p")({"p": image, "label": 1}, np.random.default_rng(0))
    assert made["p"].tobytes() == again["p"].tobytes()


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "CMYK"])
def test_other_modes_of_eight_bits_are_converted(mode: str) -> None:
    image = picture("RGB").convert(mode)
    expected = "L" if mode in ("1", "LA") else "RGB"
    made = weak_view(True)({"image": image}, np.random.default_rng(0))["image"]
    assert made.mode == expected
    assert np.array_equal(seen(HorizontalFlip(0.0), image, 0), np.asarray(image.convert(expected)))


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ({"picture": 1}, r"column: got 'image'; the data have \['picture'\]"),
        ({"image": "cat.png"}, "column: 'image' holds str; expected PIL.Image.Image"),
        ({"image": Image.new("La", (2, 2))}, "image: got mode 'La', which Pillow cannot read as RGB"),
    ],
)
def test_what_is_no_image_that_can_be_read_is_refused(example: dict[str, Any], words: str) -> None:
    for view in (HorizontalFlip(), Shift()):
        with pytest.raises(UserError, match=f"^{words}"):
            view(example, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HorizontalFlip(-0.1), "p: got -0.1"),
        (lambda: Shift(1.5), "share: got 1.5"),
        (lambda: Shift(fill="wrap"), "fill: got 'wrap'"),
        (lambda: Shift(fill=300), "fill: got 300"),
        (lambda: Shift(pixels=-2), "pixels: got -2"),
    ],
)
def test_bad_arguments_are_named(make: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}.*expected"):
        make()
