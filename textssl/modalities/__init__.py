"""Modalities: text, images and precomputed features: their data, views and inputs."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from ..errors import UserError
from .base import Modality
from .features.modality import FeatureModality
from .image.modality import ImageModality
from .text.modality import TextModality


__all__ = ["MODALITIES", "Modality", "modality_of"]

MODALITIES: dict[str, type[Modality]] = {
    kind.main_input: kind for kind in (TextModality, ImageModality, FeatureModality)
}


def modality_of(model: PreTrainedModel, processing_class: Any) -> Modality:
    """The modality of a model, told by its main input.

    Args:
        model: a classifier of transformers.
        processing_class: the tokenizer or the image processor; features need none.

    Raises:
        UserError: a model of another modality, or a processing class that does not fit.
    """
    kind = MODALITIES.get(model.main_input_name)
    if kind is None:
        raise UserError(
            f"model: {type(model).__name__} takes {model.main_input_name!r}; expected a classifier of "
            f"{', '.join(MODALITIES)}"
        )
    return kind(model, processing_class)
