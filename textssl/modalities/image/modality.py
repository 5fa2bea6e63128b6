"""Images: image processors, shifts, RandAugment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import datasets
import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from ...augment import Augmentation
from ...augment.image import strong_view, weak_view
from ...augment.plans import DeviceAugmentation
from ...errors import UserError
from ...forward.rows import ImageBackend
from ..base import Modality
from .encoding import ImageEncoder
from .validation import check_images


if TYPE_CHECKING:
    from ...config import SSLConfig


__all__ = ["ImageModality"]


class ImageModality(Modality):
    """Image classifiers; the processing class is an image processor."""

    name = "image"
    main_input = "pixel_values"
    column_setting = "image_column"
    settings = ("image_column", "horizontal_flip", "skip_corrupt_images")
    tried_examples = 20

    def __init__(self, model: PreTrainedModel, processing_class: Any) -> None:
        if not hasattr(processing_class, "image_mean"):
            raise UserError(
                f"processing_class: got {type(processing_class).__name__}; {type(model).__name__} takes images, "
                "so expected an image processor"
            )
        super().__init__(model, processing_class)
        self.num_channels = int(getattr(model.config, "num_channels", None) or 3)
        self.mode: Literal["L", "RGB"] = "L" if self.num_channels == 1 else "RGB"
        self._scales: dict[torch.device, Tensor] = {}
        self._size: tuple[int, int] | None = None

    def check_inputs(self, dataset: datasets.Dataset, args: SSLConfig, argument: str) -> datasets.Dataset:
        """Decode every image once; raise UserError for those that the model cannot see, or drop them if asked."""
        encoder = self.encoder(args)
        fixed_size = encoder.fixed_size is not None
        checked = check_images(
            dataset,
            args.image_column,
            argument=argument,
            num_channels=self.num_channels,
            fixed_size=fixed_size,
            squeezed_to=encoder.fixed_size if encoder.squeezes else None,
            skip_corrupt=args.skip_corrupt_images,
        )
        if not fixed_size:
            self._check_size(checked[0][args.image_column].size, args.image_column, argument)
        return checked

    def _check_size(self, size: tuple[int, int], column: str, argument: str) -> None:
        """Data sets share batches, so all must have images of the size of the first."""
        self._size = self._size or size
        if size != self._size:
            raise UserError(
                f"{argument}: column {column!r} and the data set before hold images of several sizes, and the image "
                f"processor does not resize them: {size[0]}x{size[1]} and {self._size[0]}x{self._size[1]}"
            )

    def encoder(self, args: SSLConfig) -> ImageEncoder:
        """Pixels, as the image processor makes them."""
        return ImageEncoder(self.processing_class, self.mode)

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

    def apply_plans(
        self,
        inputs: dict[str, Any],
        view: str,
        plans: Sequence[Any],
        augmentation: Any,
        encoded: Any,
        device: torch.device,
    ) -> dict[str, Any]:
        """Change the pixels by the plans.

        Raises:
            UserError: plans of an augmentation that is but a part of its view.
        """
        pixels = inputs[self.main_input]
        if not isinstance(augmentation, DeviceAugmentation) or len(plans) != len(pixels):
            raise UserError(
                f"augmentations: got {type(augmentation).__name__} for {view!r}, a part of which acts on the device; "
                "expected that part alone, such as DeviceRandAugment(weak=...) with what goes before it"
            )
        if device not in self._scales:
            self._scales[device] = self._scale().to(device)
        black, span = self._scales[device]
        changed = augmentation.apply((pixels - black) / span, plans) * span + black
        return {**inputs, self.main_input: changed.to(pixels.dtype)}

    def _scale(self) -> Tensor:
        """What the processor makes of black, and how much more of white: [2, C, 1, 1].

        Asked rather than read from its settings: not all processors rescale and normalise, or in the same way.
        """
        grays = (0, 85, 255)
        images = [Image.new(self.mode, (64, 64), (gray,) * self.num_channels) for gray in grays]
        rows = ImageEncoder(self.processing_class, self.mode)(images)[self.main_input]
        black, dark, white = rows[..., rows.shape[2] // 2, rows.shape[3] // 2]
        if not torch.allclose(dark, black + (white - black) / 3, atol=1e-4) or (white == black).any():
            raise UserError(
                f"processing_class: {type(self.processing_class).__name__} makes no straight line of gray values; "
                "expected one that does, so that images can be changed on the device"
            )
        return torch.stack([black, white - black])[..., None, None]
