"""Small pictures of one coloured shape each, drawn by code: images that are neither grey nor centred."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


__all__ = ["SHAPES", "draw_shapes"]

SIZE = 32
SHAPES = ("circle", "ring", "crescent", "triangle", "square", "bar", "cross", "star")
# Each pixel is the mean of 2 x 2 samples.
SAMPLES = 2
STROKES = 5
NOISE = 24
CHUNK = 500
# Cosine and sine of 90 + 72 k degrees, written out: a mathematical library may round its own in another way.
PENTAGON = ((0.0, 1.0), (-0.95106, 0.30902), (-0.58779, -0.80902), (0.58779, -0.80902), (0.95106, 0.30902))


def draw_shapes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pictures of one shape each.

    Class, colour, size, place and rotation of the shape are random. Behind it is a gradient of two colours
    with some strokes, and one more stroke may cross it; noise covers all. Mirroring does not change the class.

    A pure function of its arguments: it uses the legacy generator, whose stream NumPy keeps, and arithmetic
    that is the same on every machine.

    Args:
        count: N.
        seed: 0 or larger.

    Returns:
        Pixels [N, 32, 32, 3], uint8, and labels [N], int64: places in `SHAPES`.
    """
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, len(SHAPES), count).astype(np.int64)
    size = rng.randint(600, 1201, count) / 100.0
    centre = size + (SIZE - 2 * size) * (rng.randint(0, 1001, (2, count)) / 1000.0)
    turn = _rotation(rng, count)
    ends = _gradient_ends(rng, count)
    colour = _contrasting_colour(rng, ends)
    strokes = [_Stroke(rng, count) for _ in range(STROKES)]
    noise = rng.randint(-NOISE, NOISE + 1, (count, SIZE, SIZE, 3), dtype=np.int16)

    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for start in range(0, count, CHUNK):
        rows = slice(start, start + CHUNK)
        picture = _gradient(ends[:, rows])
        for stroke in strokes[:-1]:
            picture = stroke.drawn(picture, rows)
        u, v = _own_axes(centre[:, rows], turn[:, rows], size[rows])
        picture = _painted(picture, _inside(labels[rows], u, v), colour[rows])
        picture = strokes[-1].drawn(picture, rows)
        pixels[rows] = np.clip(picture + noise[rows], 0, 255)
    return pixels, labels


class _Stroke:
    """A short thin line at a random place of each picture."""

    def __init__(self, rng: np.random.RandomState, count: int) -> None:
        self.centre = rng.randint(0, SIZE * 10 + 1, (2, count)) / 10.0
        self.turn = _rotation(rng, count)
        self.half_length = rng.randint(20, 71, count) / 10.0
        self.colour = rng.randint(0, 256, (count, 3)).astype(np.int16)

    def drawn(self, picture: np.ndarray, rows: slice) -> np.ndarray:
        u, v = _own_axes(self.centre[:, rows], self.turn[:, rows], np.ones(picture.shape[0]))
        inside = (np.abs(u) <= self.half_length[rows, None, None]) & (np.abs(v) <= 0.5)
        return _painted(picture, inside, self.colour[rows])


def _rotation(rng: np.random.RandomState, count: int) -> np.ndarray:
    """[2, N] cosines and sines: a point of the unit circle with rational coordinates, and quarter turns."""
    t = rng.randint(0, 1001, count) / 1000.0
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    quarters = rng.randint(0, 4, count)
    sign = np.where(quarters >= 2, -1.0, 1.0)
    odd = quarters % 2 == 1
    return np.stack([sign * np.where(odd, -sine, cosine), sign * np.where(odd, cosine, sine)])


def _gradient_ends(rng: np.random.RandomState, count: int) -> np.ndarray:
    """[2, N, 3] colours of the two corners, the second not far from the first."""
    first = rng.randint(0, 256, (count, 3))
    return np.stack([first, np.clip(first + rng.randint(-50, 51, (count, 3)), 0, 255)]).astype(np.int16)


def _contrasting_colour(rng: np.random.RandomState, ends: np.ndarray) -> np.ndarray:
    """[N, 3] random colours, one channel of which is far from the background's."""
    count = ends.shape[1]
    colour = rng.randint(0, 256, (count, 3))
    pictures, channel = np.arange(count), rng.randint(0, 3, count)
    middle = ends[:, pictures, channel].sum(axis=0) // 2
    colour[pictures, channel] = (middle + 128 + rng.randint(-25, 26, count)) % 256
    return colour.astype(np.int16)


def _gradient(ends: np.ndarray) -> np.ndarray:
    """[n, 32, 32, 3] from one corner to the opposite one."""
    along = (np.arange(SIZE)[:, None] + np.arange(SIZE)).astype(np.int16)
    first, second = ends[:, :, None, None, :]
    return first + (second - first) * along[None, :, :, None] // (2 * SIZE - 2)


def _own_axes(centre: np.ndarray, turn: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the samples of each picture lie in the axes of its shape, whose extent is 1: [n, 64, 64] each."""
    places = (np.arange(SIZE * SAMPLES) + 0.5) / SAMPLES
    x = places[None, None, :] - centre[0][:, None, None]
    y = places[None, :, None] - centre[1][:, None, None]
    cosine, sine = turn[:, :, None, None] / size[:, None, None]
    return x * cosine + y * sine, y * cosine - x * sine


def _painted(picture: np.ndarray, inside: np.ndarray, colour: np.ndarray) -> np.ndarray:
    cells = inside.reshape(-1, SIZE, SAMPLES, SIZE, SAMPLES)
    covered = cells.sum(axis=(2, 4), dtype=np.int16)[..., None]
    return picture + (colour[:, None, None, :] - picture) * covered // (SAMPLES * SAMPLES)


def _inside(labels: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    inside = np.zeros(u.shape, bool)
    for c, name in enumerate(SHAPES):
        rows = labels == c
        inside[rows] = OUTLINES[name](u[rows], v[rows])
    return inside


def _disc(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return u * u + v * v <= radius * radius


def _box(u: np.ndarray, v: np.ndarray, width: float, height: float) -> np.ndarray:
    return (np.abs(u) <= width) & (np.abs(v) <= height)


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Equilateral, within the unit circle."""
    return (v >= -0.5) & (1.73205 * np.abs(u) + v <= 1)


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A pentagram: inside all five lines, or all but the one that cuts a point off."""
    within = [u * a + v * b <= 0.30902 for a, b in PENTAGON]
    return np.sum(within, axis=0) >= 4


OUTLINES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda u, v: _disc(u, v, 0.85),
    "ring": lambda u, v: _disc(u, v, 0.95) & ~_disc(u, v, 0.55),
    "crescent": lambda u, v: _disc(u, v, 0.95) & ~_disc(u - 0.45, v, 0.75),
    "triangle": _triangle,
    "square": lambda u, v: _box(u, v, 0.7, 0.7),
    "bar": lambda u, v: _box(u, v, 0.95, 0.3),
    "cross": lambda u, v: _box(u, v, 0.95, 0.25) | _box(u, v, 0.25, 0.95),
    "star": _star,
}
