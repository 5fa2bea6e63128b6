from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from textssl.errors import UserError
from textssl.features.settings import EncoderSettings
from textssl.features.store import FeatureStore, feature_key
from textssl.files import sha256_of


def key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def vectors(n: int, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("features-*.safetensors"))


def test_key_depends_on_every_part_and_only_on_them() -> None:
    made = EncoderSettings("encoder", 256, "mean", True, "float32")
    base = feature_key(made.identity, "text")
    assert base == feature_key(EncoderSettings("encoder", 256, "mean", True, "float32").identity, "text")
    changes: dict[str, Any] = {
        "name": "encoder2", "max_length": 128, "pooling": "cls", "normalize": False, "precision": "bfloat16"
    }  # fmt: skip
    others = [replace(made, **{name: value}).identity for name, value in changes.items()]
    keys = {base, feature_key(made.identity, "text "), *(feature_key(other, "text") for other in others)}
    assert len(keys) == 7
    # By hand: the sha256 of a JSON list in ASCII, so it is the same on every machine and version.
    assert feature_key("e", "é") == hashlib.sha256(b'["e", "\\u00e9"]').digest()


def test_kept_across_openings_and_found_in_any_order(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    first, second = vectors(3), vectors(2, seed=1)
    store.add([key("a"), key("b"), key("c")], first, {"encoder": "e"})
    store.add([key("d"), key("e")], second.astype(np.float64))
    store.add([], np.empty((0, 3)))
    for opened in (store, FeatureStore(tmp_path / "a" / "b")):
        assert len(opened) == 5
        found = opened.get([key("e"), key("a"), key("c"), key("a"), key("d")])
        assert found.dtype == np.float32
        assert np.array_equal(found, np.stack([second[1], first[0], first[2], first[0], second[0]]))
        assert key("f") not in opened
        with pytest.raises(KeyError):
            opened.get([key("f")])
    assert len(shards(tmp_path / "a" / "b")) == 2
    metadata = []
    for path in shards(tmp_path / "a" / "b"):
        with safe_open(path, framework="np") as shard:
            metadata.append(shard.metadata())
    assert {"encoder": "e"} in metadata


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_shard_is_deleted_and_the_others_are_kept(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FeatureStore(tmp_path)
    store.add([key("a")], vectors(1))
    (whole,) = shards(tmp_path)
    store.add([key("b"), key("c")], vectors(2))
    (damaged,) = set(shards(tmp_path)) - {whole}
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes({"cut": bytes(content[:-5]), "changed": bytes(content), "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        opened = FeatureStore(tmp_path)
        assert [name for name in "abc" if key(name) in opened] == ["a"]
    assert f"{damaged} is corrupt" in caplog.text
    assert shards(tmp_path) == [whole]
    opened.add([key("b"), key("c")], vectors(2))
    assert np.array_equal(FeatureStore(tmp_path).get([key("c")])[0], vectors(2)[1])


def test_only_shards_that_are_asked_for_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that runs share may hold far more than one of them needs."""
    store = FeatureStore(tmp_path)
    for name in "abc":
        store.add([key(name)], vectors(1, seed=ord(name)))
    read: list[Path] = []
    monkeypatch.setattr("textssl.features.store.sha256_of", lambda path: read.append(path) or sha256_of(path))
    opened = FeatureStore(tmp_path)
    assert (len(opened), key("d") in opened, read) == (3, False, [])
    for _ in range(2):
        assert np.array_equal(opened.get([key("b")]), vectors(1, seed=ord("b")))
    assert len(read) == 1


def test_what_a_kill_leaves_behind_is_no_shard(tmp_path: Path) -> None:
    FeatureStore(tmp_path).add([key("a")], vectors(1))
    (tmp_path / ".features-0123.safetensors.77.tmp").write_bytes(b"half of a shard")
    (tmp_path / "notes.txt").write_text("a person's")
    assert len(FeatureStore(tmp_path)) == 1
    assert len(list(tmp_path.iterdir())) == 3


def test_a_failed_write_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    store = FeatureStore(tmp_path)
    with pytest.raises(OSError, match="no space left"):
        store.add([key("a")], vectors(1))
    assert key("a") not in store
    assert list(tmp_path.iterdir()) == []


def test_vectors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with pytest.raises(ValueError, match=r"vectors: got shape \[2, 3\]; expected \[1, D\]"):
        store.add([key("a")], vectors(2))
    with pytest.raises(ValueError, match=r"vectors: got shape \[3\]"):
        store.add([key("a")], vectors(1)[0])
    store.add([key("a")], vectors(1, 3))
    with pytest.raises(ValueError, match=r"vectors: got D = 4; the store in .* has another"):
        store.add([key("b")], vectors(1, 4))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cache_dir: got '.*file', which is a file"):
        FeatureStore(tmp_path / "file")
