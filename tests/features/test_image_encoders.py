"""Vectors of images: against the network itself, kept by image, in batches, and refusals in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    CLIPConfig,
    CLIPModel,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from textssl import UserError
from textssl.features import VisionEncoder, embed_images


TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
SIZED = {**TINY, "image_size": 16, "patch_size": 8}


def saved(network: PreTrainedModel, folder: Path) -> str:
    network.save_pretrained(folder)
    half = [0.5] * 3
    ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=half, image_std=half).save_pretrained(folder)
    return str(folder)


def vit(kind: type[PreTrainedModel] = ViTModel) -> PreTrainedModel:
    torch.manual_seed(0)
    return kind(ViTConfig(**SIZED, num_labels=2))


def pictures(count: int, size: tuple[int, int] = (20, 12)) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)) for _ in range(count)]


def column(images: list[Image.Image]) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"image": images}).cast_column("image", datasets.Image())


def pixels_of(folder: str, images: list[Image.Image]) -> torch.Tensor:
    return AutoImageProcessor.from_pretrained(folder)(images, return_tensors="pt")["pixel_values"]


def test_the_pooled_output_is_that_of_the_network(tmp_path: Path) -> None:
    network, images = vit().eval(), pictures(5)
    folder = saved(network, tmp_path)
    encoder = VisionEncoder(folder, batch_size=2)
    with torch.no_grad():
        expected = network(pixel_values=pixels_of(folder, images)).pooler_output
    assert encoder.pooling == "pooled output"
    np.testing.assert_allclose(encoder(images), expected, atol=1e-5)


def test_a_pooler_that_the_weights_lack_is_not_drawn_at_random(tmp_path: Path) -> None:
    """As that of a ViT classifier: the vectors are the mean of its tokens, whatever torch's generator says."""
    network, images = vit(ViTForImageClassification).eval(), pictures(3)
    folder = saved(network, tmp_path)
    state = torch.get_rng_state()
    encoder = VisionEncoder(folder)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        expected = network.vit(pixel_values=pixels_of(folder, images)).last_hidden_state.mean(1)
    assert encoder.pooling == "mean of tokens"
    np.testing.assert_allclose(encoder(images), expected, atol=1e-5)


def test_other_kinds_of_vision_models(tmp_path: Path) -> None:
    """A convolution network, whose pooled output is [B, D, 1, 1], and the image side of CLIP."""
    images = pictures(2)
    shape = {"num_channels": 3, "embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1]}
    resnet = ResNetForImageClassification(ResNetConfig(**shape, layer_type="basic")).eval()
    folder = saved(resnet, tmp_path / "resnet")
    with torch.no_grad():
        maps = resnet.resnet(pixel_values=pixels_of(folder, images)).last_hidden_state
    np.testing.assert_allclose(VisionEncoder(folder)(images), maps.mean((2, 3)), atol=1e-5)
    clip = CLIPModel(CLIPConfig(text_config={**TINY, "vocab_size": 99}, vision_config=SIZED, projection_dim=12))
    encoder = VisionEncoder(saved(clip.eval(), tmp_path / "clip"))
    with torch.no_grad():
        pooled = clip.vision_model(pixel_values=pixels_of(str(tmp_path / "clip"), images)).pooler_output
        expected = clip.visual_projection(pooled)
    assert encoder.pooling == "image features"
    np.testing.assert_allclose(encoder(images), expected, atol=1e-5)


def test_a_model_that_draws_at_random_or_lacks_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gives one image different vectors"):
        VisionEncoder(saved(ViTMAEModel(ViTMAEConfig(**{**SIZED, "patch_size": 4})), tmp_path / "mae"))
    network = vit()
    folder = saved(network, tmp_path / "cut")
    state = network.state_dict()
    cut = {name: value for name, value in state.items() if "layer.0" not in name and "layers.0" not in name}
    assert len(cut) < len(state)
    network.save_pretrained(folder, state_dict=cut)
    with pytest.raises(UserError, match=r"encoder: the weights of .* lack .* of its parameters, such as"):
        VisionEncoder(folder)


class Counting:
    """Mean color of each image, and how many images it was given at a time."""

    name, batch_size = "mean color", 3

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, images: list[Image.Image]) -> np.ndarray:
        self.given.append(len(images))
        return np.stack([np.asarray(image, np.float32).mean((0, 1)) for image in images])


def test_equal_images_are_encoded_once_in_batches_and_kept(tmp_path: Path) -> None:
    images, encoder = pictures(7), Counting()
    rows = column([*images, images[2], images[0]])
    made = embed_images(rows, "image", encoder, tmp_path, progress=False)
    assert encoder.given == [3, 3, 1]
    expected = [np.asarray(image, np.float32).mean((0, 1)) for image in [*images, images[2], images[0]]]
    np.testing.assert_allclose(np.array(made["features"][:]), expected)
    again = embed_images(rows.select([8, 1]), "image", encoder, tmp_path, progress=False)
    assert encoder.given == [3, 3, 1]
    np.testing.assert_allclose(np.array(again["features"][:]), [expected[8], expected[1]])


@pytest.mark.parametrize("answer", [np.zeros((1, 2)), np.zeros(3), np.full((3, 2), np.nan)])
def test_an_encoder_that_gives_no_vectors_is_refused(answer: np.ndarray, tmp_path: Path) -> None:
    encoder: Any = Counting()
    encoder.__class__ = type("Wrong", (Counting,), {"__call__": lambda self, images: answer})
    with pytest.raises(UserError, match="encoder: 'mean color' gave"):
        embed_images(column(pictures(3)), "image", encoder, tmp_path, progress=False)


def test_a_model_is_named_by_its_content_or_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(vit(), tmp_path / "model")
    assert VisionEncoder(folder).name.startswith("sha256:")
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--some--model" / "snapshots" / commit
    shutil.copytree(folder, snapshot)
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert VisionEncoder("some/model", local_files_only=True).name == f"some/model@{commit}"
