"""How a recipe trains on its data, one module for each backend: text, image, features."""

from __future__ import annotations

from ...errors import UserError
from ..data.task_data import TaskData
from ..options import RecipeOptions
from .base import TaskSetup
from .features import FeatureTaskSetup
from .image import ImageTaskSetup
from .text import TextTaskSetup


__all__ = ["FeatureTaskSetup", "ImageTaskSetup", "TaskSetup", "TextTaskSetup", "task_setup_class"]


def task_setup_class(options: RecipeOptions, data: TaskData) -> type[TaskSetup]:
    """How the data will be trained on.

    Raises:
        UserError: text as images, or the reverse.
    """
    kinds: dict[str, type[TaskSetup]] = {"text": TextTaskSetup, "image": ImageTaskSetup, "features": FeatureTaskSetup}
    if options.backend in ("auto", data.modality):
        return kinds[data.modality]
    if options.backend != "features":
        message = f"{data.data_facts.name} holds {data.modality}; allowed: auto, {data.modality}, features"
        raise UserError(f"backend: got {options.backend!r}; {message}")
    return kinds["features"]
