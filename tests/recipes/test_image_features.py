"""Recipes on the embeddings of images by a frozen encoder, and on their pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_dataset
from PIL import Image
from transformers import AutoModelForImageClassification, pipeline

from tests.features.test_image_encoders import saved, vit
from tests.recipes.tiny_pictures import make_pictures, ran, run, save
from tests.recipes.tiny_task import error_line
from textssl.features import FeatureClassifier
from textssl.models import PooledImageClassifier


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    return {**make_pictures(tmp_path / "own"), "method": "fixmatch", "backend": "features", "baseline": False}


def test_images_are_embedded_by_the_encoder_that_is_named(files: dict[str, Any], tmp_path: Path) -> None:
    """Images of any size; the model in the folder says what made its vectors."""
    save(Image.new("RGB", (31, 17)), files["unlabeled_file"] / "wide.png")
    model = saved(vit(), tmp_path / "vit")
    done = ran("train.py", tmp_path / "out", model=model, embedding_cache=tmp_path / "cache", **files)
    assert f"model: {model} (frozen encoder, pooled output)" in done.printed
    folder = tmp_path / "out" / "fixmatch"
    trained = AutoModelForImageClassification.from_pretrained(folder)
    assert isinstance(trained, PooledImageClassifier)
    assert trained.config.vector_size == 16
    assert trained.config.feature_encoder.startswith("sha256:")
    head = FeatureClassifier.from_pretrained(max(folder.glob("checkpoint-*")))
    assert (head.config.encoder, head.config.encoder_pooling) == (trained.config.feature_encoder, "pooled output")
    # What was measured is what is saved.
    classify = pipeline("image-classification", model=str(folder))
    pictures = sorted(files["test_file"].glob("*/*.png"))
    right = [classify(str(path))[0]["label"] == path.parent.name for path in pictures]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert sum(right) / len(right) == pytest.approx(results["fixmatch"]["accuracy"])
    assert model not in (tmp_path / "out" / "fixmatch" / "config.json").read_text()
    # 12 labeled, 25 unlabeled and 9 held-out images, no two of them equal.
    stored = list((tmp_path / "cache").rglob("*.safetensors"))
    assert len(stored) == 3


@pytest.mark.parametrize("model", ["pixels", None])
def test_pixels_are_the_features_by_name_and_where_nothing_is_named(
    model: str | None, files: dict[str, Any], tmp_path: Path
) -> None:
    done = ran("train.py", tmp_path / "out", model=model, **files)
    assert "model: none, pixels are the features; --model names an image encoder" in done.printed
    config = json.loads((tmp_path / "out" / "fixmatch" / "config.json").read_text())
    assert (config["input_size"], config["encoder"]) == (64, "pixels")
    assert "base_model" not in (tmp_path / "out" / "fixmatch" / "README.md").read_text()
    pixels = load_dataset(
        "imagefolder", data_dir=str(files["unlabeled_file"]), split="train", cache_dir=tmp_path / "c"
    )
    mean = np.mean([np.asarray(image).reshape(-1) / 255 for image in pixels["image"]], axis=0)
    trained = FeatureClassifier.from_pretrained(tmp_path / "out" / "fixmatch")
    np.testing.assert_allclose(trained.mean, mean, atol=1e-5)


def test_pixels_of_large_images_are_features_by_name_alone(files: dict[str, Any], tmp_path: Path) -> None:
    for path in tmp_path.glob("own/**/*.png"):
        Image.open(path).resize((65, 64)).save(path)
    done = run("train.py", tmp_path / "out", **files)
    assert done.code == 2
    told = error_line(done.stderr)
    assert told.startswith(
        "error: model: got 'embedded'; no image encoder is embedded, and images of 65x64 have 4,160"
    )
    assert "name an image encoder, such as facebook/dinov2-small, or pixels" in told
    ran("train.py", tmp_path / "named", model="pixels", **files)


@pytest.mark.parametrize("model", ["nosuch/model", "nowhere", "text"])
def test_a_model_that_is_none_of_images_is_refused_before_anything(
    model: str, files: dict[str, Any], tmp_path: Path
) -> None:
    if model == "text":
        model = str(tmp_path / "text")
        Path(model).mkdir()
        (Path(model) / "config.json").write_text('{"model_type": "bert"}')
    done = run("train.py", tmp_path / "out", model=model, **files)
    assert done.code == 2
    assert error_line(done.stderr).startswith(f"error: model: {model!r} cannot be loaded (")
    assert not (tmp_path / "out").exists()
