"""Augmentations of one text, CTAugment among them, on both texts of a pair."""

from __future__ import annotations

from collections.abc import Sequence

from ..each_side import EachSide
from ..views import Augmentation, Identity
from .ctaugment import TextCTAugment


__all__ = ["for_pairs"]


def for_pairs(augmentation: Augmentation, columns: Sequence[str]) -> Augmentation:
    """``augmentation`` on both texts of a pair: an :class:`EachSide`, or a CTAugment each operation of which is one.

    Args:
        augmentation: changes the first of ``columns``.
        columns: of the two texts.

    Raises:
        UserError: as :class:`EachSide`.
    """
    if not isinstance(augmentation, TextCTAugment):
        return EachSide(augmentation, columns)
    operations = {
        name: [bin_ if isinstance(bin_, Identity) else EachSide(bin_, columns) for bin_ in bins]
        for name, bins in augmentation.operations.items()
    }
    rates = augmentation.rates
    return TextCTAugment(operations, augmentation.depth, rates.decay, rates.threshold, augmentation.column)
