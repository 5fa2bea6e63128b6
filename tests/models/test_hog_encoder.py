"""Histograms of oriented gradients against a loop over pixels, and what light and place change of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, pipeline

from textssl.features import VisionEncoder
from textssl.models import HogEncoder, HogEncoderConfig, PooledImageClassifier
from textssl.models.modeling_hog_encoder import CLIP, SHARPNESS, SMALL, save_hog_encoder


CONFIG = HogEncoderConfig(image_size=16, cell_size=4, orientations=4, color_cells=2)


def naive(image: np.ndarray, config: HogEncoderConfig) -> np.ndarray:
    """The vector of one image [3, S, S], pixel by pixel."""
    side, cell, kinds = image.shape[1], config.cell_size, config.orientations
    gray = image.mean(0)
    count = side // cell
    cells = np.zeros((kinds, count, count))
    for y in range(side):
        for x in range(side):
            across = gray[y, min(x + 1, side - 1)] - gray[y, max(x - 1, 0)]
            down = gray[min(y + 1, side - 1), x] - gray[max(y - 1, 0), x]
            strength = max(math.hypot(across, down), SMALL)
            for kind in range(kinds):
                angle = math.pi * kind / kinds
                cosine = abs(across * math.cos(angle) + down * math.sin(angle)) / strength
                cells[kind, y // cell, x // cell] += strength * cosine**SHARPNESS / cell**2
    blocks = []
    for y in range(count - 1):
        for x in range(count - 1):
            block = cells[:, y : y + 2, x : x + 2].ravel()
            blocks.append(np.minimum(block / max(np.linalg.norm(block), SMALL), CLIP))
    # Of unfold: all blocks of an entry, then those of the next.
    shapes = np.array(blocks).T.ravel()
    size = side // config.color_cells
    colors = [
        image[channel, y : y + size, x : x + size].mean()
        for channel in range(3)
        for y in range(0, side, size)
        for x in range(0, side, size)
    ]
    return np.concatenate([shapes / np.linalg.norm(shapes), config.color_weight * np.array(colors)])


def test_it_is_what_a_loop_over_pixels_gives() -> None:
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = HogEncoder(CONFIG)(images).pooler_output
    expected = np.stack([naive(image.double().numpy(), CONFIG) for image in images])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_light_and_contrast_change_the_colors_alone() -> None:
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    encoder = HogEncoder(HogEncoderConfig())
    plain, dark = (encoder(pixels).pooler_output[0] for pixels in (image, 0.2 + 0.5 * image))
    colors = 3 * HogEncoderConfig().color_cells ** 2
    torch.testing.assert_close(plain[:-colors], dark[:-colors], atol=1e-4, rtol=0)
    assert not torch.allclose(plain[-colors:], dark[-colors:])
    # A blank image has no shape, and no nan.
    blank = encoder(torch.zeros(1, 3, 48, 48)).pooler_output
    assert blank.abs().max() < 1e-3


def test_it_is_saved_loaded_and_classifies_in_a_pipeline(tmp_path: Path) -> None:
    folder = save_hog_encoder(tmp_path / "encoder")
    images = [Image.linear_gradient("L"), Image.radial_gradient("L").resize((30, 50))]
    pixels = AutoImageProcessor.from_pretrained(folder)(
        [image.convert("RGB") for image in images], return_tensors="pt"
    )
    loaded = AutoModel.from_pretrained(folder)
    expected = HogEncoder(HogEncoderConfig())(pixels["pixel_values"]).pooler_output
    torch.testing.assert_close(loaded(pixels["pixel_values"]).pooler_output, expected)
    np.testing.assert_allclose(VisionEncoder(str(folder))(images), expected.numpy(), atol=1e-6)
    model = PooledImageClassifier.from_encoder(str(folder), ["a", "b"])
    model.save_pretrained(tmp_path / "model")
    AutoImageProcessor.from_pretrained(folder).save_pretrained(tmp_path / "model")
    told = pipeline("image-classification", model=str(tmp_path / "model"))(images[0].convert("RGB"))
    logits = model.eval()(pixels["pixel_values"][:1]).logits.softmax(-1).max().item()
    assert told[0]["score"] == pytest.approx(logits, abs=1e-5)
