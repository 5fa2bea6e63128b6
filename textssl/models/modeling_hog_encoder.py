"""Histograms of oriented gradients as an encoder of images: no training, no download (Dalal and Triggs, 2005)."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, normalize, pad, unfold
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil


__all__ = ["HogEncoder", "HogEncoderConfig", "save_hog_encoder"]

# The most that one orientation may have of a normalised block, so that a single strong edge does not hide the others.
CLIP = 0.2
# How narrow an orientation is: the cosine between it and a gradient to this power is what the gradient gives it.
SHARPNESS = 8
SMALL = 1e-4


class HogEncoderConfig(PretrainedConfig):
    """The shape of a :class:`HogEncoder`.

    Args:
        image_size: height and width of an image, a multiple of ``cell_size``.
        cell_size: height and width of what a histogram is of.
        orientations: of a histogram.
        color_cells: the mean colour is taken of as many cells, in each direction.
        color_weight: of these means, against the histograms.
        num_channels: 3, red, green and blue.
        **kwargs: as for ``PretrainedConfig``.
    """

    model_type = "textssl-hog"

    image_size: int = 48
    cell_size: int = 8
    orientations: int = 9
    color_cells: int = 4
    color_weight: float = 0.1
    num_channels: int = 3


class HogEncoder(PreTrainedModel):
    """Histograms of the orientations of gradients in cells, normalised in blocks of 2x2 cells; and mean colours.

    Nothing of it is trained. It tells shapes apart where no pretrained encoder can be had; such an encoder is far
    better on photographs.

    Args:
        config: its shape.

    Attributes:
        directions: unit vectors of the orientations, [K, 2].
    """

    config_class = HogEncoderConfig
    base_model_prefix = "hog"
    main_input_name = "pixel_values"
    input_modalities = "image"

    def __init__(self, config: HogEncoderConfig) -> None:
        super().__init__(config)
        angles = torch.arange(config.orientations) * (math.pi / config.orientations)
        directions = torch.stack([angles.cos(), angles.sin()], 1)
        self.directions = nn.Parameter(directions, requires_grad=False)
        self.post_init()

    def forward(self, pixel_values: Tensor) -> BaseModelOutputWithPooling:
        """Encode.

        Args:
            pixel_values: [B, 3, S, S] in [0, 1].

        Returns:
            ``last_hidden_state`` [B, orientations, H, W] of the cells, ``pooler_output`` [B, D].
        """
        gray = pixel_values.mean(1, keepdim=True)
        cells = avg_pool2d(self._orientations(gray), self.config.cell_size)
        # Each block is normalised by itself: light and contrast are no shape. [B, 4 K, blocks]
        blocks = normalize(unfold(cells, 2), dim=1, eps=SMALL).clamp(max=CLIP)
        shapes = normalize(blocks.flatten(1), dim=1)
        colors = avg_pool2d(pixel_values, pixel_values.shape[-1] // self.config.color_cells).flatten(1)
        vectors = torch.cat([shapes, self.config.color_weight * colors], 1)
        return BaseModelOutputWithPooling(last_hidden_state=cells, pooler_output=vectors)

    def _orientations(self, gray: Tensor) -> Tensor:
        """How strong the gradient of each pixel is in each orientation, [B, K, S, S]."""
        around = pad(gray, (1, 1, 1, 1), mode="replicate")
        across = around[:, :, 1:-1, 2:] - around[:, :, 1:-1, :-2]
        down = around[:, :, 2:, 1:-1] - around[:, :, :-2, 1:-1]
        gradients = torch.cat([across, down], 1)
        # A minimum: the exporter to ONNX drops so small a summand, and flat places would be nan.
        strength = gradients.square().sum(1, keepdim=True).clamp(min=SMALL**2).sqrt()
        cosines = torch.einsum("kd,bdhw->bkhw", self.directions.to(gradients.dtype), gradients / strength)
        return strength * cosines.abs() ** SHARPNESS


def save_hog_encoder(folder: Path) -> Path:
    """Write the encoder with its image processor; the same files whenever it is called.

    Returns:
        ``folder``.
    """
    config = HogEncoderConfig()
    HogEncoder(config).save_pretrained(folder)
    side = {"height": config.image_size, "width": config.image_size}
    ViTImageProcessorPil(size=side, do_normalize=False).save_pretrained(folder)
    return folder


AutoConfig.register(HogEncoderConfig.model_type, HogEncoderConfig, exist_ok=True)
AutoModel.register(HogEncoderConfig, HogEncoder, exist_ok=True)
