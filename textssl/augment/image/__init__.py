"""Augmentations of images, each a pure function of ``(example, rng)``."""

from .ctaugment import CTAugment
from .cutout import Cutout
from .on_device import DeviceRandAugment
from .randaugment import RandAugment, strong_view
from .weak import HorizontalFlip, Shift, weak_view


__all__ = [
    "CTAugment",
    "Cutout",
    "DeviceRandAugment",
    "HorizontalFlip",
    "RandAugment",
    "Shift",
    "strong_view",
    "weak_view",
]
