"""Features of texts or images as one array."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

import datasets
import numpy as np

from ..data.vectors import feature_array
from ..models.embedded import EMBEDDED
from ..progress import ShowProgress
from .embedding import embed
from .encoders import Encoder
from .image_embedding import embed_images
from .image_encoders import ImageEncoder, VisionEncoder


__all__ = ["features_of"]


def features_of(
    examples: datasets.Dataset | Sequence[str],
    column: str = "text",
    encoder: str | os.PathLike[str] | Encoder | ImageEncoder = EMBEDDED,
    max_length: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    fallback_dir: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    progress: bool | ShowProgress = True,
) -> np.ndarray:
    """The vectors of texts or images, as :func:`textssl.features.embed` and ``embed_images`` make and keep them.

    Args:
        examples: N texts, or N rows with a column of texts or of images.
        column: of the rows.
        encoder: a folder, a name on the Hub, ``"embedded"`` for texts, or an encoder.
        max_length: most tokens of a text, for a named model; by default 128.
        cache_dir: as for :func:`textssl.features.embed`.
        fallback_dir: as for :func:`textssl.features.embed`.
        batch_size: texts per pass of a named model.
        progress: show a progress bar, or what shows it.

    Returns:
        ``[N, D]``, float32.

    Raises:
        UserError: as from :func:`textssl.features.embed`.
    """
    rows = examples if isinstance(examples, datasets.Dataset) else datasets.Dataset.from_dict({column: list(examples)})
    into = f"{column}_features"
    places: dict[str, Any] = {"cache_dir": cache_dir, "fallback_dir": fallback_dir, "into": into, "progress": progress}
    alone = rows.select_columns([column]) if column in rows.column_names else rows
    if isinstance(alone.features.get(column), datasets.Image):
        if isinstance(encoder, str | os.PathLike):
            encoder = VisionEncoder(os.fspath(encoder))
        return np.array(feature_array(embed_images(alone, column, cast(ImageEncoder, encoder), **places), into))
    known = cast("str | Encoder", encoder)
    made = embed(alone, column, known, batch_size=batch_size, max_length=max_length, **places)
    # A copy, for that of Arrow cannot be written.
    return np.array(feature_array(made, into))
