"""Views of an example: pure functions of (example, rng)."""

from .views import Augmentation, Chain, Column, Identity, OneOf


__all__ = ["Augmentation", "Chain", "Column", "Identity", "OneOf"]
