"""CPU time of the views of an image, and of its pixel values.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_images.py``. The rivals of a table take turns within each
round, so a busy machine slows all of them; medians over the rounds are compared. A view is made as the collator
makes it, from a generator of its own, so that the making of the generator counts too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from textssl.augment.image import Cutout, RandAugment, strong_view, weak_view
from textssl.augment.views import Augmentation, Chain
from textssl.data.sampler import Key
from textssl.data.views import view_rng
from textssl.modalities.image.encoding import ImageEncoder


def race(rivals: dict[str, Callable[[], object]], count: int, rounds: int) -> dict[str, float]:
    """Median images per CPU second of each rival, which does ``count`` of them."""
    spent: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, work in rivals.items():
            start = time.process_time()
            work()
            spent[name].append(time.process_time() - start)
    return {name: count / median(times) for name, times in spent.items()}


def show(title: str, rates: dict[str, float]) -> None:
    base = next(iter(rates.values()))
    print(f"\n{title}")
    for name, rate in rates.items():
        print(f"  {name:<44}{rate:12,.0f} images/s{rate / base:10,.1f} x")


def images_of(count: int, side: int, mode: str) -> list[Image.Image]:
    shape = (count, side, side, 3) if mode == "RGB" else (count, side, side)
    return [Image.fromarray(a) for a in np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)]


def viewed(view: Augmentation, images: list[Image.Image]) -> Callable[[], object]:
    def work() -> list[Image.Image]:
        return [
            view({"image": image}, view_rng(0, Key(1, index, 0), "strong"))["image"]
            for index, image in enumerate(images)
        ]

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    count, rounds = arguments.count, arguments.rounds
    for side, mode in ((32, "RGB"), (28, "L")):
        images = images_of(count, side, mode)
        views: dict[str, Augmentation] = {
            "RandAugment N=2, p=0.5, and Cutout": Chain([RandAugment(), Cutout()]),
            "RandAugment N=2, p=1, and Cutout": Chain([RandAugment(p=1.0), Cutout()]),
            "the same of UDA, p=1": Chain([RandAugment(p=1.0, operations="uda"), Cutout()]),
            "weak view, with flips": weak_view(flip=True),
            "strong view, with flips": strong_view(flip=True),
            "the generator alone": Chain([]),
        }
        title = f"views of {side} x {side} {mode}, one core, generator included"
        show(title, race({name: viewed(view, images) for name, view in views.items()}, count, rounds))
    images = images_of(count, 32, "RGB")
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    encoder = ImageEncoder(processor)
    encoder(images)
    rivals: dict[str, Callable[[], object]] = {
        "the processor": lambda: processor(images, return_tensors="pt"),
        "the encoder": lambda: encoder(images),
    }
    show("pixel values of 32 x 32 RGB, one core", race(rivals, count, rounds))


if __name__ == "__main__":
    main()
