"""What a recipe prepares to train a network on images: processor, views and model."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel

from ...augment.image import CTAugment, weak_view
from ...config import SSLConfig
from ...errors import UserError
from ...modalities.image.modality import ImageModality
from ..data.task_data import TaskData
from ..options import RecipeOptions
from .base import TaskSetup
from .image_models import load_image_classifier, load_image_processor


__all__ = ["ImageTaskSetup"]


class ImageTaskSetup(TaskSetup):
    """Training or fine-tuning a network on images."""

    modality = ImageModality
    strong_views = ("randaugment", "ctaugment")
    pipeline = "image-classification"

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        super().__init__(options, config, data, views)
        if options.head == "probe":
            raise UserError(
                f"head: got {options.head!r}; it is for text and features, image networks start with a new head"
            )
        self.processing_class = load_image_processor(options.model, data.labeled[0][data.column].size)

    def prepare(self, folder: Path) -> None:
        """Choose the strong view; the trainer's own is RandAugment."""
        if self.strong == "ctaugment":
            weak = weak_view(flip=self.config.horizontal_flip, column=self.config.image_column)
            self.augmentations["strong"] = CTAugment(weak=weak, column=self.config.image_column)

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """The named model with a fresh head, or a small ResNet."""
        return load_image_classifier(self.options.model, self.data.label_names, self._seed(of))
