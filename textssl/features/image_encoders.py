"""Frozen encoders of images: from images to vectors of a fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import huggingface_hub
import numpy as np
import torch
from accelerate import PartialState
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel

from ..augment.image.pixels import eight_bit
from ..errors import UserError
from ..models.load_report import quiet_load_report
from .encoders import folder_checksum
from .settings import EncoderSettings


__all__ = ["POOLINGS", "ImageEncoder", "VisionEncoder"]

# A model whose answer is that of text and image together has its own way to the image alone.
IMAGE_ALONE = "get_image_features"
POOLER = "pooler"
POOLED, IMAGE_FEATURES, TOKEN_MEAN = "pooled output", "image features", "mean of tokens"
POOLINGS = (POOLED, IMAGE_FEATURES, TOKEN_MEAN)
PROBE = Image.linear_gradient("L")


class ImageEncoder(Protocol):
    """Anything that turns images into vectors.

    Attributes:
        name: what the vectors depend on besides the image, such as model and revision: vectors are kept under it.
        batch_size: most images that it is given at once.
    """

    batch_size: int

    @property
    def name(self) -> str:
        """Two encoders of one name give one image one vector."""
        ...

    def __call__(self, images: list[Image.Image]) -> np.ndarray:
        """Vectors [n, D] of n images."""
        ...


class VisionEncoder:
    """A vision model of transformers with its image processor, in evaluation mode and in float32.

    The vector of an image is the model's own pooled output, for CLIP and its like that of the image alone; where the
    weights hold no pooler, as those of many ViT classifiers do, it is the mean of the last layer over all tokens.

    Args:
        model: a folder, or the ``owner/name`` of a model on the Hub.
        revision: of a model on the Hub: branch, tag or commit.
        batch_size: images per pass.
        device: such as ``"cuda:0"``; the one of this process by default.
        local_files_only: do not ask the Hub.

    Attributes:
        pooling: how the vector is made: ``"pooled output"``, ``"image features"`` or ``"mean of tokens"``.

    Raises:
        UserError: a size out of range; a model with weights that are missing, or that gives no vectors.
        OSError: no such model. As from ``from_pretrained``.
        ValueError: a model that is none of images. As from ``from_pretrained``.
    """

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        batch_size: int = 32,
        device: str | None = None,
        local_files_only: bool = False,
    ) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size: got {batch_size}; expected at least 1")
        self.model = model
        self.revision = revision
        self.batch_size = batch_size
        hub_options: dict[str, Any] = {"revision": revision} if revision is not None else {}
        hub_options["local_files_only"] = local_files_only
        self.processor = AutoImageProcessor.from_pretrained(model, **hub_options)
        # A pooler that the weights do not have is drawn at random, and thrown away again.
        with torch.random.fork_rng(devices=[]), quiet_load_report() as loading:
            network, report = AutoModel.from_pretrained(
                model, dtype=torch.float32, output_loading_info=True, **hub_options
            )
            loading.encoder = network
        missing = sorted(report["missing_keys"])
        if lost := [name for name in missing if POOLER not in name]:
            raise UserError(
                f"encoder: the weights of {model!r} lack {len(lost)} of its parameters, such as {lost[0]!r}"
            )
        self._network = network.to(PartialState().device if device is None else device).eval()
        self.pooling = IMAGE_FEATURES if hasattr(network, IMAGE_ALONE) else POOLED
        if missing or (self.pooling == POOLED and self._outputs([PROBE]).get("pooler_output") is None):
            self.pooling = TOKEN_MEAN
        if not np.array_equal(self([PROBE]), self([PROBE])):
            raise UserError(f"encoder: {model!r} gives one image different vectors; it draws at random")

    @cached_property
    def name(self) -> str:
        """The model with the commit, or for a folder with the checksum, of its files."""
        folder = Path(self.model)
        if folder.is_dir():
            return f"sha256:{folder_checksum(folder)}"
        return f"{self.model}@{self.commit}"

    @property
    def settings(self) -> EncoderSettings:
        """What its vectors depend on."""
        return EncoderSettings(self.name, pooling=self.pooling, normalize=False, precision="float32")

    @property
    def commit(self) -> str | None:
        """Of a model on the Hub; ``None`` of a folder."""
        if Path(self.model).is_dir():
            return None
        config = huggingface_hub.try_to_load_from_cache(self.model, "config.json", revision=self.revision)
        if not isinstance(config, str):
            raise UserError(f"encoder: {self.model!r} is not in the cache of the Hub, so its commit is not known")
        return Path(config).parent.name

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Vectors [n, D] of n images, float32."""
        batches = [images[start : start + self.batch_size] for start in range(0, len(images), self.batch_size)]
        return np.concatenate([self._vectors(batch).float().cpu().numpy() for batch in batches])

    def _vectors(self, images: Sequence[Image.Image]) -> Tensor:
        outputs = self._outputs(images)
        if self.pooling == TOKEN_MEAN:
            last = outputs.get("last_hidden_state")
            if last is None or last.dim() not in (3, 4):
                raise UserError(f"encoder: {self.model!r} has no pooled output and no last hidden state of images")
            # [B, T, D] of a transformer, [B, D, H, W] of a convolution network.
            return last.mean(1) if last.dim() == 3 else last.mean((2, 3))
        vectors: Tensor = outputs["pooler_output"]
        return vectors.flatten(1)

    @torch.inference_mode()
    def _outputs(self, images: Sequence[Image.Image]) -> dict[str, Any]:
        mode = "L" if getattr(self._network.config, "num_channels", 3) == 1 else "RGB"
        converted = [eight_bit(image).convert(mode) for image in images]
        try:
            pixels = self.processor(converted, return_tensors="pt")["pixel_values"].to(self._network.device)
            if hasattr(self._network, IMAGE_ALONE):
                features = self._network.get_image_features(pixel_values=pixels)
                return {"pooler_output": features} if isinstance(features, Tensor) else dict(features)
            return dict(self._network(pixel_values=pixels))
        except (TypeError, KeyError, AttributeError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"encoder: {self.model!r} cannot be run on images alone ({reason[:200]})") from error
