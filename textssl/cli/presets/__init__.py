"""Settings by name: ``cpu`` ends in minutes on two cores, ``paper`` holds what papers publish."""

from .base import cpu_precision, fitting_preset
from .choice import presets_for
from .features import feature_presets
from .image import image_presets
from .text import text_presets


__all__ = [
    "cpu_precision",
    "feature_presets",
    "fitting_preset",
    "image_presets",
    "presets_for",
    "text_presets",
]
