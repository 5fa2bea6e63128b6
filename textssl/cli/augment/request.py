"""What a person asks ``textssl augment`` for."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = ["ViewRequest"]


@dataclass(frozen=True)
class ViewRequest:
    """Which views of which rows.

    Attributes:
        file: texts or images, taken as the unlabeled examples of a training.
        method: whose views are made, and whose preset they follow.
        view: the only one to make; ``None`` for all views of the method.
        rows: how many of the first rows.
        strong: the strong view; ``None`` for that of the preset.
        replace: share of words that are replaced; ``None`` for that of the preset.
        seed: of the views; ``None`` for that of the preset.
        epoch: which visit to each example, from 0.
        text_column: of texts; ``None`` where it is to be found.
        image_column: of images; likewise.
        run: folder of a run whose strengths CTAugment takes.
    """

    file: str
    method: str = "uda"
    view: str | None = None
    rows: int = 10
    strong: str | None = None
    replace: float | None = None
    seed: int | None = None
    epoch: int = 0
    text_column: str | None = None
    image_column: str | None = None
    run: str | None = None
