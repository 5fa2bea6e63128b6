"""Embeddings of a choice: kept over calls, within the time, and an encoder that cannot be loaded."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch

from tests.contract import tiny_texts
from textssl.errors import UserError
from textssl.features import SentenceEncoder, VisionEncoder
from textssl.fit import embeddings as module
from textssl.fit.budget import Budget
from textssl.fit.embeddings import embeddings, encoder_folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_texts.model().bert.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    return str(folder)


def rows(count: int = 150) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": tiny_texts.texts(count, 3)[0]})


def test_vectors_are_means_of_the_states(encoder: str, tmp_path: Path) -> None:
    found = embeddings(rows(8), "text", encoder, 16, Budget(None), cache_dir=tmp_path)
    assert found.dtype == np.float32
    tokens = tiny_texts.tokenizer()(rows(8)["text"][:], padding=True, return_tensors="pt")
    with torch.no_grad():
        states = tiny_texts.model().bert(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    means = (states * mask).sum(1) / mask.sum(1)
    # Directions: whether vectors are normalised is the encoder's own affair. bfloat16 where the processor has it.
    cosines = torch.nn.functional.cosine_similarity(means, torch.from_numpy(found))
    assert float(cosines.min()) > 0.999


def test_time_that_ends_keeps_what_is_embedded_and_a_second_call_embeds_nothing(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE", 10)
    ticks = iter(range(1000))
    short = Budget(4.5, clock=lambda: float(next(ticks)))
    with pytest.raises(UserError, match=r"time_budget: got 4.5 s, which ended when \d+ of 150 examples were embedded"):
        embeddings(rows(), "text", encoder, 16, short, cache_dir=tmp_path)
    whole = embeddings(rows(), "text", encoder, 16, Budget(None), cache_dir=tmp_path)
    monkeypatch.setattr(SentenceEncoder, "__call__", lambda self, texts: pytest.fail("embedded again"))
    np.testing.assert_array_equal(whole, embeddings(rows(), "text", encoder, 16, Budget(None), cache_dir=tmp_path))


def test_encoders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^encoder: .*; encoder='embedded', all-MiniLM-L6-v2, is on this machine"):
        embeddings(rows(3), "text", str(tmp_path / "nowhere"), 16, Budget(None), cache_dir=tmp_path)
    images = datasets.Dataset.from_dict({"image": ["a"]})
    with pytest.raises(UserError, match=r"^encoder: .*nowhere.* cannot be loaded") as raised:
        embeddings(images, "image", str(tmp_path / "nowhere"), 16, Budget(None), modality="image", cache_dir=tmp_path)
    assert "\n" not in str(raised.value)
    assert encoder_folder("some/model", "image", tmp_path) == "some/model"
    # The embedded one of images is written, the same files each time.
    first, second = (encoder_folder("embedded", "image", tmp_path / name) for name in ("a", "b"))
    assert VisionEncoder(first).name == VisionEncoder(second).name
