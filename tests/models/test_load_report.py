"""What transformers reports of loaded weights is silent about what an encoder leaves out, and about nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM, ViTForImageClassification

from tests.contract.cases import model, tokenizer
from tests.features.test_image_encoders import saved, vit
from textssl import UserError
from textssl.features import SentenceEncoder, VisionEncoder
from textssl.models.encoders import load_encoder


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """What the logger of transformers passes on."""
    told: list[str] = []
    reporter, handler = logging.getLogger("transformers"), logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    reporter.addHandler(handler)
    yield told
    reporter.removeHandler(handler)


def with_pooler(folder: Path) -> Any:
    model().bert.save_pretrained(folder)


def without_pooler(folder: Path) -> Any:
    BertForMaskedLM(model().config).save_pretrained(folder)


def classifier(folder: Path) -> Any:
    model().save_pretrained(folder)


def embedded(folder: str) -> Any:
    return SentenceEncoder(folder, max_length=12)(["one text"])


@pytest.mark.parametrize("load", [load_encoder, embedded])
@pytest.mark.parametrize("save", [with_pooler, without_pooler, classifier])
def test_poolers_and_heads_are_no_news(
    save: Callable[[Path], Any], load: Callable[[str], Any], reports: list[str], tmp_path: Path
) -> None:
    save(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    reports.clear()
    load(str(tmp_path))
    assert [line for line in reports if "LOAD REPORT" in line] == []


def test_nor_is_the_head_of_a_classifier_of_images(reports: list[str], tmp_path: Path) -> None:
    folder = saved(vit(ViTForImageClassification), tmp_path)
    reports.clear()
    VisionEncoder(str(folder))
    assert [line for line in reports if "LOAD REPORT" in line] == []


def test_a_layer_too_many_is_reported(reports: list[str], tmp_path: Path) -> None:
    with_pooler(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["encoder.layer.7.output.dense.weight"] = torch.zeros(2, 2)
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    load_encoder(str(tmp_path))
    assert sum("encoder.layer.7.output.dense.weight" in line for line in reports) == 1


def test_a_layer_that_is_missing_is_reported_and_refused(reports: list[str], tmp_path: Path) -> None:
    with_pooler(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("attention.self.query.weight"))
    del tensors[lost]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="lack 1 of its parameters"):
        load_encoder(str(tmp_path))
    assert sum(lost in line for line in reports) == 1
