from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest

from textssl.augment.text import translation_store
from textssl.augment.text.translation_store import TranslationStore, translation_key
from textssl.errors import UserError


def key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("translations-*.jsonl"))


def test_key_depends_on_every_part_and_only_on_them() -> None:
    base = translation_key("engine", 0, 0, "text")
    assert base == translation_key("engine", 0, 0, "text")
    others = [("engine2", 0, 0, "text"), ("engine", 1, 0, "text"), ("engine", 0, 1, "text")]
    others += [("engine", 0, 0, "text "), ("engine", 0, 0, "")]
    assert len({base, *(translation_key(*other) for other in others)}) == 6
    # By hand: the sha256 of a JSON list in ASCII, so it is the same on every machine and version.
    content = b'["e", 0, 1, "\\u00e9\\ud800"]'
    assert translation_key("e", 0, 1, "é\ud800") == hashlib.sha256(content).hexdigest()


def test_kept_across_openings_in_any_script(tmp_path: Path) -> None:
    texts = {key(text): text for text in ["plain", "two\nlines\r\u2028", "日本 😀", "", "lone \ud800"]}
    store = TranslationStore(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    store.add({k: texts[k] for k in list(texts)[:2]})
    store.add({k: texts[k] for k in list(texts)[2:]})
    store.add({})
    for opened in (store, TranslationStore(tmp_path / "a" / "b")):
        assert len(opened) == 5
        assert {k: opened.get(k) for k in texts} == texts
        assert opened.get(key("other")) is None
        assert key("other") not in opened
    assert len(shards(tmp_path / "a" / "b")) == 2


def test_in_memory_without_a_folder() -> None:
    store = TranslationStore()
    store.add({key("a"): "b"})
    assert store.get(key("a")) == "b"
    assert key("a") in store
    assert len(store) == 1


def test_survives_a_data_loader_worker(tmp_path: Path) -> None:
    store = TranslationStore(tmp_path)
    store.add({key("a"): "b"})
    assert pickle.loads(pickle.dumps(store)).get(key("a")) == "b"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def tamper(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"two", b"six"))


def drop_a_line(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


@pytest.mark.parametrize("damage", [truncate, empty, tamper, drop_a_line])
def test_damaged_shard_is_named_and_only_its_texts_are_lost(tmp_path: Path, damage) -> None:
    store = TranslationStore(tmp_path)
    store.add({key("1"): "one"})
    store.add({key("2"): "two", key("3"): "three"})
    store.add({key("4"): "four"})
    (bad,) = [path for path in shards(tmp_path) if b"two" in path.read_bytes()]
    damage(bad)
    with pytest.raises(UserError, match="Delete this file and run again") as caught:
        TranslationStore(tmp_path)
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)
    bad.unlink()
    opened = TranslationStore(tmp_path)
    assert [opened.get(key(k)) for k in "1234"] == ["one", None, None, "four"]
    opened.add({key("2"): "two", key("3"): "three"})
    assert len(TranslationStore(tmp_path)) == 4


def test_a_write_that_fails_leaves_no_shard_and_no_litter(tmp_path: Path, monkeypatch) -> None:
    store = TranslationStore(tmp_path)
    store.add({key("1"): "one"})

    def no_space(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(translation_store.os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        store.add({key("2"): "two"})
    assert len(list(tmp_path.iterdir())) == 1
    assert key("2") not in store


def test_half_written_temporary_of_a_killed_job_is_ignored(tmp_path: Path) -> None:
    TranslationStore(tmp_path).add({key("1"): "one"})
    (tmp_path / ".translations-000001-abc.jsonl.12.tmp").write_bytes(b'{"key": "')
    (tmp_path / "notes.txt").write_text("mine")
    assert len(TranslationStore(tmp_path)) == 1


def test_two_jobs_in_one_folder_lose_nothing(tmp_path: Path) -> None:
    one, two = TranslationStore(tmp_path), TranslationStore(tmp_path)
    for job, name in ((one, "a"), (two, "b"), (one, "c"), (two, "a")):
        job.add({key(name): name})
    opened = TranslationStore(tmp_path)
    assert [opened.get(key(name)) for name in "abc"] == ["a", "b", "c"]


def test_shards_can_be_read_by_the_group(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        TranslationStore(tmp_path).add({key("1"): "one"})
    finally:
        os.umask(mask)
    assert shards(tmp_path)[0].stat().st_mode & 0o777 == 0o644


def test_a_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(UserError, match="which is a file; give a folder"):
        TranslationStore(path)
