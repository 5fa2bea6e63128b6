"""The cache that runs share: where it is, and what becomes of vectors where it cannot be written."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from tests.features.test_embedding import Counting, data, vector_of
from tests.features.test_image_encoders import Counting as CountingImages
from tests.features.test_image_encoders import column, pictures
from textssl import SSLConfig, UserError
from textssl.cli.presets import feature_presets
from textssl.features import SentenceEncoder, embed, embed_images, features_of
from textssl.features.cache import FeatureCache, cache_folder
from textssl.features.settings import EncoderSettings
from textssl.features.store import feature_key
from textssl.notices import warn_once


TEXTS = ["good film", "bad", "a much longer text than the others"]


@pytest.fixture(autouse=True)
def _each_warning_anew() -> Iterator[None]:
    warn_once.cache_clear()
    yield
    warn_once.cache_clear()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders, by name, whose disk is full."""
    names: list[str] = []
    replace = os.replace

    def moved(source: Any, target: Any) -> None:
        if {*names} & {*Path(target).parts}:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", moved)
    return names


# Where


def test_a_folder_by_argument_by_variable_or_beside_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEXTSSL_CACHE", str(tmp_path / "variable"))
    assert cache_folder(tmp_path / "argument") == tmp_path / "argument"
    assert cache_folder() == tmp_path / "variable" / "embeddings"
    monkeypatch.delenv("TEXTSSL_CACHE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / "textssl" / "embeddings"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cache_dir: got '.*file', which is a file; give a folder"):
        cache_folder(tmp_path / "file")


def test_two_calls_without_a_folder_share_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEXTSSL_CACHE", str(tmp_path))
    embed(data(TEXTS), "text", Counting(), progress=False)
    again = Counting()
    assert features_of(TEXTS[::-1], encoder=again, progress=False).tolist() == [vector_of(t) for t in TEXTS[::-1]]
    assert again.calls == []
    assert list((tmp_path / "embeddings").rglob("*.safetensors"))


# One that cannot be written


@pytest.mark.parametrize("kind", ["texts", "images"])
def test_a_full_disk_sends_features_to_the_folder_of_the_run(
    kind: str, full: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textssl.features.embedding.SHARD_TEXTS", 1)
    monkeypatch.setattr("textssl.features.image_embedding.SHARD_IMAGES", 1)
    full.append("shared")
    encoder: Any = Counting() if kind == "texts" else CountingImages()

    def made() -> Dataset:
        places: Any = {"cache_dir": tmp_path / "shared", "fallback_dir": tmp_path / "own", "progress": False}
        if kind == "texts":
            return embed(data(TEXTS), "text", encoder, **places)
        return embed_images(column(pictures(3)), "image", encoder, **places)

    first = made()["features"][:]
    assert len(caplog.records) == 1
    assert f"{tmp_path / 'shared'} cannot be written (No space left on device)" in caplog.text
    assert f"embeddings are kept in {tmp_path / 'own'}" in caplog.text
    assert len(list((tmp_path / "own").rglob("*.safetensors"))) == 3
    calls = len(encoder.calls if kind == "texts" else encoder.given)
    assert made()["features"][:] == first
    assert len(encoder.calls if kind == "texts" else encoder.given) == calls
    assert len(caplog.records) == 1


def test_without_any_folder_features_are_held_in_memory(
    full: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full += ["shared", "own"]
    encoder = Counting()
    rows = embed(data(TEXTS), "text", encoder, tmp_path / "shared", fallback_dir=tmp_path / "own", progress=False)
    assert rows["features"][:] == [vector_of(text) for text in TEXTS]
    assert "embeddings are held in memory alone" in caplog.text
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_a_home_that_cannot_be_made_is_as_one_that_is_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file is where a folder above the cache should be: no user, not even root, can make it."""
    (tmp_path / "home").write_text("")
    rows = embed(data(TEXTS), "text", Counting(), tmp_path / "home" / "cache", fallback_dir=tmp_path / "own")
    assert rows["features"][:] == [vector_of(text) for text in TEXTS]
    assert f"{tmp_path / 'home' / 'cache'} cannot be written" in caplog.text
    assert list((tmp_path / "own").rglob("*.safetensors"))


def test_what_two_folders_and_the_memory_hold_is_one(full: list[str], tmp_path: Path) -> None:
    settings = EncoderSettings("e")
    keys = [feature_key(settings.identity, text) for text in "abc"]
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    cache = FeatureCache(settings, [tmp_path / "one", tmp_path / "two"])
    for i, name in enumerate(["", "one", "two"]):
        full.append(name)
        cache.add([keys[i]], vectors[i : i + 1])
    assert cache.place == "memory"
    assert np.array_equal(cache.get([keys[2], keys[0], keys[1], keys[2]]), vectors[[2, 0, 1, 2]])
    with pytest.raises(KeyError):
        cache.get([keys[0], feature_key(settings.identity, "d")])
    opened = FeatureCache(settings, [tmp_path / "one", tmp_path / "two"])
    assert [key in opened for key in keys] == [True, True, False]


def test_two_runs_at_once_write_one_cache(tmp_path: Path) -> None:
    """Neither sees what the other wrote meanwhile, and both may encode one text; nothing is lost."""
    settings = EncoderSettings("e")
    one, other, both = (feature_key(settings.identity, text) for text in ("one", "other", "both"))
    runs = [FeatureCache(settings, [tmp_path]) for _ in range(2)]
    runs[0].add([one, both], np.array([[1, 1], [3, 3]]))
    runs[1].add([both, other], np.array([[3, 3], [2, 2]]))
    assert FeatureCache(settings, [tmp_path]).get([both, other, one]).tolist() == [[3, 3], [2, 2], [1, 1]]


# One default for all


def test_what_embed_gives_by_default_is_what_a_recipe_trains_on() -> None:
    presets = feature_presets("out", "fixmatch")
    lengths = {settings["max_length"] for settings in presets.values()}
    by_default: list[int | None] = []

    class Seen(SentenceEncoder):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            by_default.append(self.max_length)
            raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textssl.features.embedding.SentenceEncoder", Seen)
        for call in (embed, features_of):
            with pytest.raises(InterruptedError):
                call(data(TEXTS), "text", "embedded")
    assert {*by_default} == lengths == {SSLConfig.__dataclass_fields__["max_length"].default}


def test_the_precision_is_part_of_the_key() -> None:
    """The same text in bfloat16 and in float32 is two vectors."""
    one, other = (SentenceEncoder("embedded", bf16=bf16).settings for bf16 in (True, False))
    assert (one.precision, other.precision) == ("bfloat16", "float32")
    assert one.identity != other.identity


def test_features_of_images_and_of_rows(tmp_path: Path) -> None:
    images, encoder = pictures(4), CountingImages()
    found = features_of(column(images), "image", encoder, cache_dir=tmp_path, progress=False)
    np.testing.assert_allclose(found, [np.asarray(image, np.float32).mean((0, 1)) for image in images])
    with pytest.raises(UserError, match=r"column: got 'picture'; the data have \['image'\]"):
        features_of(column(images), "picture", encoder, cache_dir=tmp_path)
    assert isinstance(images[0], Image.Image)
    # What the rows hold beside the texts is not looked at.
    rows = data(TEXTS).add_column("text_features", [1, 2, 3])
    assert features_of(rows, encoder=Counting(), cache_dir=tmp_path, progress=False).shape == (3, 3)
    assert "cache_dir" in inspect.signature(features_of).parameters
