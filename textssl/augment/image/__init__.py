"""Augmentations of images, each a pure function of ``(example, rng)``."""

from .cutout import Cutout
from .randaugment import RandAugment, strong_view
from .weak import HorizontalFlip, Shift, weak_view


__all__ = ["Cutout", "HorizontalFlip", "RandAugment", "Shift", "strong_view", "weak_view"]
