"""Views of an example: pure functions of (example, rng)."""

from .each_side import EachSide
from .views import Augmentation, Chain, Column, Identity, OneOf


__all__ = ["Augmentation", "Chain", "Column", "EachSide", "Identity", "OneOf"]
