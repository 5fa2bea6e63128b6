"""Images: image processors, shifts, RandAugment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import datasets
from transformers import PreTrainedModel

from ..augment import Augmentation
from ..augment.image import strong_view, weak_view
from ..backends.rows import ImageBackend
from ..data.image_encoding import ImageEncoder
from ..data.image_validation import check_images
from ..errors import UserError
from .base import Modality


if TYPE_CHECKING:
    from ..config import SSLConfig


__all__ = ["ImageModality"]


class ImageModality(Modality):
    """Image classifiers; the processing class is an image processor."""

    name = "image"
    main_input = "pixel_values"
    column_setting = "image_column"
    settings = ("image_column", "horizontal_flip", "skip_corrupt_images")

    def __init__(self, model: PreTrainedModel, processing_class: Any) -> None:
        if not hasattr(processing_class, "image_mean"):
            raise UserError(
                f"processing_class: got {type(processing_class).__name__}; {type(model).__name__} takes images, "
                "so expected an image processor"
            )
        super().__init__(model, processing_class)
        self.num_channels = int(getattr(model.config, "num_channels", None) or 3)

    def check_inputs(self, dataset: datasets.Dataset, args: SSLConfig, argument: str) -> datasets.Dataset:
        """Decode every image once; raise UserError for those that the model cannot see, or drop them if asked."""
        return check_images(
            dataset,
            args.image_column,
            argument=argument,
            num_channels=self.num_channels,
            fixed_size=self.encoder(args).fixed_size is not None,
            skip_corrupt=args.skip_corrupt_images,
        )

    def encoder(self, args: SSLConfig) -> ImageEncoder:
        """Pixels, as the image processor makes them."""
        return ImageEncoder(self.processing_class, "L" if self.num_channels == 1 else "RGB")

    def backend(self, args: SSLConfig) -> ImageBackend:
        """Pixels need no padding."""
        return ImageBackend()

    def default_view(self, stem: str, args: SSLConfig, unlabeled: datasets.Dataset | None) -> Augmentation | None:
        """``"weak"`` shifts, and flips if asked; ``"strong"`` adds RandAugment and Cutout."""
        if stem == "weak":
            return weak_view(flip=args.horizontal_flip, column=args.image_column)
        if stem == "strong":
            return strong_view(flip=args.horizontal_flip, column=args.image_column)
        return None
