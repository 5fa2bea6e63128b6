"""Each operation against loops over pixels written from its definition, and against Pillow's slower own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from textssl.augment.image.operations import FIXMATCH, UDA, Operation


MODES = ["L", "RGB"]
PLUS, MINUS = (0.9, 0.9), (0.1, 0.9)
FILL = 127


def noise(mode: str = "RGB", size: tuple[int, int] = (12, 9), low: int = 0, high: int = 256) -> Image.Image:
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(3).integers(low, high, shape, dtype=np.uint8))


def bands(image: Image.Image) -> np.ndarray:
    """[H, W, C] of ints."""
    return np.asarray(image).astype(int).reshape(image.height, image.width, -1)


def at(operation: Operation, value: float, image: Image.Image) -> Image.Image:
    """The operation at a value of its own scale."""
    return operation.change(image, value, FILL)


def each(image: Image.Image, rule: object) -> np.ndarray:
    pixels = bands(image)
    out = np.empty_like(pixels)
    for place in np.ndindex(*pixels.shape):
        out[place] = rule(int(pixels[place]))  # type: ignore[operator]
    return out


def gray(image: Image.Image) -> np.ndarray:
    """ITU-R 601-2 luma, as Pillow documents it, rounded."""
    if image.mode == "L":
        return bands(image)[..., 0]
    return np.floor(bands(image) @ np.array([299, 587, 114]) / 1000 + 0.5).astype(int)


def near(image: Image.Image, expected: np.ndarray) -> None:
    """Equal but for the rounding of a byte."""
    assert np.abs(bands(image) - np.clip(expected, 0, 255)).max() < 1 + 1e-9


@pytest.mark.parametrize("mode", MODES)
def test_solarize_posterize_and_invert_are_exact(mode: str) -> None:
    image = noise(mode)
    for threshold in (0, 1, 99.5, 128, 256):
        expected = each(image, lambda v, t=threshold: 255 - v if v >= t else v)
        assert np.array_equal(bands(at(FIXMATCH["solarize"], threshold, image)), expected)
    for bits in (0, 1, 4, 7, 8):
        expected = each(image, lambda v, b=bits: v // 2 ** (8 - b) * 2 ** (8 - b))
        assert np.array_equal(bands(at(FIXMATCH["posterize"], bits, image)), expected)
    assert np.array_equal(bands(at(UDA["invert"], 0, image)), each(image, lambda v: 255 - v))


@pytest.mark.parametrize("mode", MODES)
def test_autocontrast_spreads_each_band_over_all_values(mode: str) -> None:
    image = noise(mode, low=40, high=170)
    pixels = bands(image)
    low, high = pixels.min((0, 1)), pixels.max((0, 1))
    changed = at(FIXMATCH["autocontrast"], 0, image)
    near(changed, (pixels - low) * 255 / (high - low))
    assert bands(changed).min((0, 1)).tolist() == [0] * len(mode)
    assert bands(changed).max((0, 1)).tolist() == [255] * len(mode)


def naive_equalize(band: np.ndarray) -> np.ndarray:
    """The table that ImageOps documents: values spread so that each is about as frequent."""
    counts = [int((band == v).sum()) for v in range(256)]
    present = [c for c in counts if c]
    step = (sum(present) - present[-1]) // 255
    if not step:
        return band
    table, seen = [], step // 2
    for count in counts:
        table.append(min(seen // step, 255))
        seen += count
    return np.array(table)[band]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(5, 4), (40, 31)])
def test_equalize_is_exact(mode: str, size: tuple[int, int]) -> None:
    image = noise(mode, size, 60, 140)
    expected = np.stack([naive_equalize(band) for band in np.moveaxis(bands(image), -1, 0)], -1)
    changed = at(FIXMATCH["equalize"], 0, image)
    assert np.array_equal(bands(changed), expected)
    assert (size == (5, 4)) == np.array_equal(bands(changed), bands(image))


@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_one_value_has_nothing_to_stretch(mode: str) -> None:
    image = Image.new(mode, (20, 20), 90 if mode == "L" else (90, 3, 255))
    for name in ("autocontrast", "equalize"):
        assert at(FIXMATCH[name], 0, image).tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("factor", [0.0, 0.05, 0.5, 1.0, 1.9])
def test_enhancements_blend_with_black_mean_gray_and_smoothed(mode: str, factor: float) -> None:
    image = noise(mode)
    pixels = bands(image)

    def blend(other: np.ndarray) -> np.ndarray:
        return other + factor * (pixels - other)

    near(at(FIXMATCH["brightness"], factor, image), blend(np.zeros_like(pixels)))
    mean = math.floor(gray(image).mean() + 0.5)
    near(at(FIXMATCH["contrast"], factor, image), blend(np.full_like(pixels, mean)))
    smooth = pixels.astype(float)
    for y in range(1, image.height - 1):
        for x in range(1, image.width - 1):
            # The middle counts 5, each of its eight neighbours 1.
            smooth[y, x] = (pixels[y - 1 : y + 2, x - 1 : x + 2].sum((0, 1)) + 4 * pixels[y, x]) / 13
    near(at(FIXMATCH["sharpness"], factor, image), blend(np.floor(smooth + 0.5)))
    if mode == "RGB":
        near(at(FIXMATCH["color"], factor, image), blend(gray(image)[..., None]))


def test_the_ends_of_the_enhancements() -> None:
    image = noise()
    assert not bands(at(FIXMATCH["brightness"], 0, image)).any()
    colorless = bands(at(FIXMATCH["color"], 0, image))
    assert (colorless[..., 0] == colorless[..., 1]).all()
    assert (colorless[..., 0] == colorless[..., 2]).all()
    assert len(np.unique(bands(at(FIXMATCH["contrast"], 0, image)))) == 1
    for name in ("brightness", "color", "contrast", "sharpness"):
        assert at(FIXMATCH[name], 1, image).tobytes() == image.tobytes()
    assert at(UDA["color"], 1.9, noise("L")).tobytes() == noise("L").tobytes()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(32, 32), (28, 17)])
def test_results_are_those_of_pillow(mode: str, size: tuple[int, int]) -> None:
    for low, high in ((0, 256), (17, 233)):
        image = noise(mode, size, low, high)
        peers = {
            "autocontrast": (0, ImageOps.autocontrast(image)),
            "equalize": (0, ImageOps.equalize(image)),
            "solarize": (77, ImageOps.solarize(image, 77)),
            "posterize": (3, ImageOps.posterize(image, 3)),
            "brightness": (0.3, ImageEnhance.Brightness(image).enhance(0.3)),
            "contrast": (0.3, ImageEnhance.Contrast(image).enhance(0.3)),
            "color": (1.7, ImageEnhance.Color(image).enhance(1.7)),
            "sharpness": (1.7, ImageEnhance.Sharpness(image).enhance(1.7)),
        }
        for name, (value, expected) in peers.items():
            assert at(FIXMATCH[name], value, image).tobytes() == expected.tobytes(), name


def looked_up(image: Image.Image, source: object) -> np.ndarray:
    """Nearest neighbour: the pixel that holds where the middle of each pixel comes from, else gray."""
    pixels = bands(image)
    out = np.full_like(pixels, FILL)
    for y in range(image.height):
        for x in range(image.width):
            u, v = source(x + 0.5, y + 0.5)  # type: ignore[operator]
            if 0 <= u < image.width and 0 <= v < image.height:
                out[y, x] = pixels[math.floor(v), math.floor(u)]
    return out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("slope", [-0.3, -0.07, 0.0, 0.21])
def test_shears_slide_rows_and_columns(mode: str, slope: float) -> None:
    image = noise(mode)
    across = bands(at(FIXMATCH["shear_x"], slope, image))
    assert np.array_equal(across, looked_up(image, lambda x, y: (x + slope * y, y)))
    down = bands(at(FIXMATCH["shear_y"], slope, image))
    assert np.array_equal(down, looked_up(image, lambda x, y: (x, y + slope * x)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("degrees", [-30.0, -7.0, 0.0, 13.7, 30.0])
def test_rotation_turns_about_the_middle_counterclockwise(mode: str, degrees: float) -> None:
    image = noise(mode, (21, 15))
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def source(x: float, y: float) -> tuple[float, float]:
        # Rows count downwards: what is seen at (x, y) was turned there from a clockwise turn of it.
        a, b = x - 10.5, y - 7.5
        return 10.5 + cos * a - sin * b, 7.5 + sin * a + cos * b

    turned = bands(at(FIXMATCH["rotate"], degrees, image))
    # Pillow rounds the matrix, so that a border case may fall to the neighbour.
    assert (turned != looked_up(image, source)).any(-1).mean() <= 0.01
    if degrees == 0:
        assert np.array_equal(turned, bands(image))


def test_a_pixel_to_the_upper_right_falls_to_the_left_when_turned() -> None:
    image = Image.new("L", (21, 21))
    image.putpixel((20, 10), 255)
    turned = np.asarray(at(FIXMATCH["rotate"], 30, image))
    y, x = np.argwhere(turned == 255)[0]
    # 10 to the right of the middle, turned by 30 degrees: 8.7 to the right and 5 up.
    assert (x, y) == (19, 5)


@pytest.mark.parametrize("mode", MODES)
def test_translation_is_by_a_share_of_the_side_and_leaves_gray(mode: str) -> None:
    image = Image.new(mode, (20, 10))
    image.putpixel((9, 4), 255 if mode == "L" else (255, 255, 255))
    for name, place, to in (
        ("translate_x", PLUS, (15, 4)),
        ("translate_x", MINUS, (3, 4)),
        ("translate_y", PLUS, (9, 7)),
        ("translate_y", MINUS, (9, 1)),
    ):
        out = bands(FIXMATCH[name](image, 1.0, place, FILL))
        assert (out[to[1], to[0]] == 255).all()
        # 0.3 of 20 columns of 10, or of 10 rows of 20: 60 pixels either way.
        assert (out == FILL).all(-1).sum() == 60
        assert (out == 255).all(-1).sum() == 1


def test_values_at_each_magnitude_of_uda() -> None:
    """``level`` of the authors' code is 1..9, ``PARAMETER_MAX`` 10; a posterized value keeps 4 bits less int(.4 M)."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    for m in range(1, 10):
        strength = m / 10
        bits = 4 - int(m * 4 / 10)
        kept = UDA["posterize"](ramp, strength, PLUS, FILL)
        assert np.array_equal(bands(kept), each(ramp, lambda v, b=bits: v >> (8 - b) << (8 - b)))
        threshold = 256 - int(m * 256 / 10)
        inverted = UDA["solarize"](ramp, strength, PLUS, FILL)
        assert np.array_equal(bands(inverted), each(ramp, lambda v, t=threshold: 255 - v if v >= t else v))
        brighter = UDA["brightness"](ramp, strength, PLUS, FILL)
        near(brighter, bands(ramp) * (0.1 + 1.8 * m / 10))
        # On CIFAR's side of 32 a magnitude is a pixel, and two of the square.
        dot = Image.new("L", (32, 32))
        dot.putpixel((16, 16), 255)
        assert UDA["translate_x"](dot, strength, PLUS, FILL).getpixel((16 + m, 16)) == 255
        assert UDA["translate_y"](dot, strength, MINUS, FILL).getpixel((16, 16 - m)) == 255
        square = UDA["cutout"](Image.new("L", (32, 32)), strength, (0.5, 0.5), FILL)
        assert (np.asarray(square) == FILL).sum() == (2 * m) ** 2


def test_values_of_fixmatch_span_its_table() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    strengths = (np.arange(1000) + 0.5) / 1000
    bits = [len(np.unique(bands(FIXMATCH["posterize"](ramp, s, PLUS, FILL)))).bit_length() - 1 for s in strengths]
    assert np.bincount(bits).tolist() == [0, 0, 0, 0, 200, 200, 200, 200, 200]
    assert FIXMATCH["solarize"](ramp, 0, PLUS, FILL).tobytes() == ramp.tobytes()
    assert np.array_equal(np.asarray(FIXMATCH["solarize"](ramp, 1, PLUS, FILL)), 255 - np.asarray(ramp))
    assert len(np.unique(bands(FIXMATCH["posterize"](ramp, 0, PLUS, FILL)))) == 256
    assert len(np.unique(bands(FIXMATCH["posterize"](ramp, 1, PLUS, FILL)))) == 16
    for strength, factor in ((0, 0.95), (1, 0.05)):
        near(FIXMATCH["brightness"](ramp, strength, PLUS, FILL), bands(ramp) * factor)
    for place, degrees in ((PLUS, 30), (MINUS, -30)):
        expected = noise("L", (33, 33)).rotate(degrees, fillcolor=FILL)
        assert FIXMATCH["rotate"](noise("L", (33, 33)), 1, place, FILL).tobytes() == expected.tobytes()


def test_the_tables_name_what_the_papers_name() -> None:
    assert set(FIXMATCH) == {
        *("autocontrast", "brightness", "color", "contrast", "equalize", "identity", "posterize"),
        *("rotate", "sharpness", "shear_x", "shear_y", "solarize", "translate_x", "translate_y"),
    }
    assert set(UDA) == (set(FIXMATCH) - {"identity"}) | {"invert", "cutout"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(32, 32), (7, 13), (1, 1)])
def test_every_operation_keeps_mode_size_and_the_image_it_was_given(mode: str, size: tuple[int, int]) -> None:
    for table in (FIXMATCH, UDA):
        for name, operation in table.items():
            for strength in (0.0, 0.4, 1.0):
                image = noise(mode, size)
                before = image.tobytes()
                changed = operation(image, strength, MINUS, FILL)
                assert (changed.mode, changed.size) == (mode, size), name
                assert image.tobytes() == before, name
