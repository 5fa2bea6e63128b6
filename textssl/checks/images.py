"""What is odd about images: files that cannot be read, sizes, modes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..data.image_tables import stored_images
from ..modalities.image.validation import CHANGED, seen_image
from .finding import KEPT, REFUSED, Finding
from .part import Part


__all__ = ["image_findings"]

BATCH = 64
# Images whose sides differ by more than this factor among them.
SIZES = 4
SMALL = 16


def image_findings(part: Part) -> Iterator[Finding]:
    """All of them of one part; each image is decoded once."""
    broken, deep, small, sizes, modes = [], [], [], [], Counter[str]()
    reason = ""
    for start, images in stored_images(part.data.rows, part.data.column, BATCH):
        for row, stored in enumerate(images, start):
            seen = seen_image(stored, row)
            if seen.fault:
                broken.append(row)
                reason = reason or seen.fault
                continue
            modes[seen.mode] += 1
            sizes.append(seen.size)
            if seen.changed > CHANGED:
                deep.append(row)
            if min(seen.size) < SMALL:
                small.append(row)
    total, refused = len(part), f"{REFUSED}; --skip_corrupt_images leaves them out"
    if broken:
        yield Finding(
            "unreadable images", part.name, f"{len(broken):,} of {total:,} images cannot be read: {reason}", REFUSED,
            refused, "replace or remove these files", len(broken), total, part.examples(broken),
        )  # fmt: skip
    if deep:
        yield Finding(
            "deep images", part.name, f"{len(deep):,} of {total:,} images have more than 8 bits a channel", REFUSED,
            refused, "save them with 8 bits", len(deep), total, part.examples(deep),
        )  # fmt: skip
    if small:
        kept = f"{KEPT}, enlarged where the image processor resizes"
        yield Finding(
            "small images", part.name, f"{len(small):,} of {total:,} images are smaller than {SMALL} pixels", kept,
            kept, "see whether they are meant to be", len(small), total, part.examples(small),
        )  # fmt: skip
    yield from _mixtures(part, sizes, modes)


def _mixtures(part: Part, sizes: list[tuple[int, int]], modes: Counter[str]) -> Iterator[Finding]:
    if len({*sizes}) > 1:
        sides = np.array(sizes)
        low, high = sides.min(0), sides.max(0)
        kept = f"{KEPT} where the image processor resizes, else refused"
        yield Finding(
            "sizes", part.name, f"images are from {low[0]}x{low[1]} to {high[0]}x{high[1]} pixels", kept, kept,
            "crop or pad them to one shape if their proportions matter", len(sizes), len(part),
        )  # fmt: skip
    if len(modes) > 1:
        kept = f"{KEPT}, turned into the mode that the model reads"
        listed = ", ".join(f"{mode} {count:,}" for mode, count in modes.most_common())
        yield Finding("modes", part.name, f"images have several modes: {listed}", kept, kept, "", 0, len(part))
