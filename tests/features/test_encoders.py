"""The real encoder against sentence-transformers itself, and models that cannot be loaded."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from textssl.errors import UserError
from textssl.features import SentenceEncoder, embed
from textssl.features.encoders import folder_checksum
from textssl.models import embedded_model_path


TEXTS = [
    "A wonderful film.",
    "I fell asleep after ten minutes, and so did the others.",
    "",
    "Bad",
    "The actors try hard. " * 40,
    "日本の映画",
    "It is what it is: two hours of talk in one room.",
    "good " * 300,
]


def reference(**changes: Any) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(embedded_model_path()), device="cpu")
    for name, value in changes.items():
        setattr(model, name, value)
    return model.encode(TEXTS, show_progress_bar=False)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.slow
def test_the_embedded_encoder_is_sentence_transformers(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": TEXTS})
    expected = reference()
    assert expected.shape == (8, 384)
    mixed = np.array(embed(rows, "text", SentenceEncoder(), tmp_path, progress=False)["features"][:])
    # In bfloat16 where this processor computes in it.
    assert cosine(mixed, expected).min() > 0.999
    exact = np.array(embed(rows, "text", SentenceEncoder(bf16=False), tmp_path, progress=False)["features"][:])
    np.testing.assert_allclose(exact, expected, atol=2e-6)


@pytest.mark.slow
def test_max_length_cuts_and_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textssl.features.encoders.computes_in_bfloat16", lambda device: False)
    rows = Dataset.from_dict({"text": TEXTS})
    short = embed(rows, "text", "embedded", tmp_path, max_length=16, batch_size=2, progress=False)
    np.testing.assert_allclose(np.array(short["features"][:]), reference(max_seq_length=16), atol=2e-6)
    assert len(list(tmp_path.iterdir())) == 1
    encoder = SentenceEncoder(max_length=16)
    # A folder and the name "embedded" are one encoder, and an encoder that was made beforehand is too.
    assert encoder.name == SentenceEncoder(str(embedded_model_path())).name

    def never(self: SentenceEncoder, revision: str | None) -> None:
        raise AssertionError("nothing is left to encode")

    monkeypatch.setattr(SentenceEncoder, "_load", never)
    again = embed(rows, "text", encoder, tmp_path, progress=False)
    assert again["features"][:] == short["features"][:]


def test_a_length_beyond_the_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="max_length: got 513; the encoder has 512 positions"):
        embed(Dataset.from_dict({"text": ["a"]}), "text", "embedded", tmp_path, max_length=513, progress=False)


def test_the_name_of_a_folder_tells_its_content(tmp_path: Path) -> None:
    for name in ("config.json", "1_Pooling/config.json", "README.md", ".cache/x.json"):
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_text(name)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first = SentenceEncoder(str(tmp_path / "a")).name
    assert first == SentenceEncoder(str(tmp_path / "b")).name == f"sha256:{folder_checksum(tmp_path / 'a')}"
    (tmp_path / "b" / "README.md").write_text("other")
    (tmp_path / "b" / ".cache" / "x.json").write_text("other")
    assert SentenceEncoder(str(tmp_path / "b")).name == first
    (tmp_path / "b" / "1_Pooling" / "config.json").write_text("other")
    assert SentenceEncoder(str(tmp_path / "b")).name != first


def test_a_model_of_the_hub_is_named_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--some--model" / "snapshots" / commit
    shutil.copytree(embedded_model_path(), snapshot)
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    encoder = SentenceEncoder("some/model")
    assert encoder.name == f"some/model@{commit}"
    loaded = []
    monkeypatch.setattr(SentenceEncoder, "_load", lambda self, revision: loaded.append(revision) or Stub())
    encoder(["a"])
    # Not the branch: what is encoded is what it is stored under.
    assert loaded == [commit]


class Stub:
    device = torch.device("cpu")

    def encode(self, texts: list[str], **settings: Any) -> np.ndarray:
        return np.zeros((len(texts), 2), np.float32)


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    """HF_HUB_OFFLINE is set in tests."""
    with pytest.raises(UserError, match="encoder: 'owner/never-cached' cannot be loaded") as caught:
        embed(Dataset.from_dict({"text": ["a"]}), "text", "owner/never-cached", tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["plain", "./a", "/no/such", "a/b/c", "owner/never cached"])
def test_what_is_neither_a_folder_nor_a_name_on_the_hub(name: str) -> None:
    with pytest.raises(UserError, match=f"encoder: no folder {name!r}; give one, the owner/name"):
        SentenceEncoder(name)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"encoder: '.*empty' cannot be loaded"):
        SentenceEncoder(str(tmp_path / "empty"))(["a"])


def test_without_sentence_transformers_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"sentence-transformers is not installed; pip install 'textssl\[features\]'"):
        SentenceEncoder()(["a"])
