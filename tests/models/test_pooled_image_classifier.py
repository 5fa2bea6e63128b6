"""A classifier of images on an encoder's own vector, against the frozen encoder and scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from transformers import (
    AutoModelForImageClassification,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
    pipeline,
)

from textssl import UserError
from textssl.features import FeatureClassifier, FeatureClassifierConfig, VisionEncoder
from textssl.models import PooledImageClassifier


NAMES = ["round", "square"]
SIZE = {"image_size": 16, "patch_size": 4, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def network(kind: str) -> PreTrainedModel:
    torch.manual_seed(3)
    if kind == "resnet":
        return ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic"))
    if kind == "dinov2":
        return Dinov2Model(Dinov2Config(**SIZE))
    config = ViTConfig(intermediate_size=32, **SIZE)
    # The weights of a classifier hold no pooler.
    return ViTModel(config) if kind == "vit" else ViTForImageClassification(config)


def images() -> list[Image.Image]:
    rng = np.random.default_rng(1)
    return [Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "pooling"), [("vit", "pooled"), ("vit_classifier", "mean"), ("dinov2", "pooled"), ("resnet", "pooled")]
)
@torch.no_grad()
def test_step_0_is_the_logistic_regression_on_the_frozen_encoder(kind: str, pooling: str, tmp_path: Path) -> None:
    processor = ViTImageProcessor(size={"height": 16, "width": 16}, do_resize=True)
    network(kind).save_pretrained(tmp_path / "encoder")
    processor.save_pretrained(tmp_path / "encoder")
    vectors = VisionEncoder(str(tmp_path / "encoder"))(images())
    regression = LogisticRegression(C=100).fit(vectors, [0, 1, 0, 1, 1, 0])

    model = PooledImageClassifier.from_encoder(str(tmp_path / "encoder"), NAMES).eval()
    assert model.config.pooling == pooling
    logit = np.concatenate([-regression.coef_ / 2, regression.coef_ / 2])
    model.set_linear_head(logit, np.concatenate([-regression.intercept_ / 2, regression.intercept_ / 2]))
    pixels = processor(images(), return_tensors="pt")["pixel_values"]
    np.testing.assert_allclose(model.embed(pixels).numpy(), vectors, atol=1e-5)

    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    loaded = AutoModelForImageClassification.from_pretrained(tmp_path / "model").eval()
    assert type(loaded) is PooledImageClassifier
    assert torch.equal(loaded(pixels).logits, model(pixels).logits)
    assert not any("pooler" in name for name, _ in loaded.named_parameters()) or kind == "vit"
    answers: Any = pipeline("image-classification", model=str(tmp_path / "model"))(images())
    probs = regression.predict_proba(vectors)
    for answer, own in zip(answers, probs, strict=True):
        scores = {entry["label"]: entry["score"] for entry in answer}
        assert scores == pytest.approx(dict(zip(NAMES, own, strict=True)), abs=1e-4)


@torch.no_grad()
def test_a_classifier_of_features_becomes_one_of_images(tmp_path: Path) -> None:
    processor = ViTImageProcessor(size={"height": 16, "width": 16})
    network("resnet").save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    vectors = torch.from_numpy(VisionEncoder(str(tmp_path))(images()))
    features = FeatureClassifier(FeatureClassifierConfig(input_size=12, hidden_sizes=(5,), num_labels=3)).eval()
    features.fit_standardization(vectors)
    model = PooledImageClassifier.from_features(features, str(tmp_path))
    pixels = processor(images(), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(model(pixels).logits, features(vectors).logits, atol=1e-5, rtol=1e-5)


def test_a_way_of_pooling_that_the_encoder_does_not_have_is_refused(tmp_path: Path) -> None:
    network("resnet").save_pretrained(tmp_path)
    with pytest.raises(UserError, match="pooling: got 'cls', which ResNetModel has no states for"):
        PooledImageClassifier.from_encoder(str(tmp_path), NAMES, pooling="cls")
