"""Columns of features, with encoders that count what they are asked for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, List, Value

from textssl.augment import Column, Identity, OneOf
from textssl.errors import UserError
from textssl.features import embed, embed_views


class Counting:
    """A vector of length, number of spaces and a hash; remembers the texts of each call."""

    name = "counting"

    def __init__(self, fail_at: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.fail_at = fail_at

    def __call__(self, texts: list[str]) -> np.ndarray:
        if self.fail_at == len(self.calls):
            raise KeyboardInterrupt
        self.calls.append(texts)
        return np.array([vector_of(text) for text in texts])

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


def vector_of(text: str) -> list[float]:
    return [len(text), text.count(" "), hashlib.sha256(text.encode()).digest()[0]]


def data(texts: list[Any]) -> Dataset:
    return Dataset.from_dict({"text": texts, "label": list(range(len(texts)))})


class Shout:
    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**example, "text": f"{example['text']} {example['label']} {rng.integers(1000)}"}


TEXTS = ["good film", "bad", "a much longer text than the others", "good film", ""]


def test_the_column_holds_the_vectors_in_float32(tmp_path: Path) -> None:
    encoder = Counting()
    out = embed(data(TEXTS), "text", encoder, tmp_path, progress=False)
    assert out.column_names == ["text", "label", "features"]
    assert out.features["features"] == List(Value("float32"), length=3)
    assert out["features"][:] == [vector_of(text) for text in TEXTS]
    assert out["label"][:] == [0, 1, 2, 3, 4]
    # Equal texts once, the longest first.
    assert encoder.calls == [sorted(set(TEXTS), key=len, reverse=True)]


def test_a_second_call_encodes_what_is_new_and_nothing_else(tmp_path: Path) -> None:
    embed(data(TEXTS), "text", Counting(), tmp_path, progress=False)
    encoder = Counting()
    out = embed(data(TEXTS[::-1]), "text", encoder, tmp_path, into="again", progress=False)
    assert encoder.calls == []
    assert out["again"][:] == [vector_of(text) for text in TEXTS[::-1]]
    embed(data([*TEXTS, "new"]), "text", encoder, tmp_path, progress=False)
    assert encoder.calls == [["new"]]


def test_another_encoder_has_a_cache_of_its_own(tmp_path: Path) -> None:
    embed(data(TEXTS), "text", Counting(), tmp_path, progress=False)
    other = Counting()
    other.name = "other"
    embed(data(TEXTS), "text", other, tmp_path, progress=False)
    assert len(other.texts) == 4
    assert len(list(tmp_path.iterdir())) == 2


def test_a_kill_loses_no_shard_that_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textssl.features.embedding.SHARD_TEXTS", 4)
    texts = [f"text {'x' * i}" for i in range(10)]
    killed = Counting(fail_at=1)
    with pytest.raises(KeyboardInterrupt):
        embed(data(texts), "text", killed, tmp_path, progress=False)
    assert len(killed.texts) == 4
    resumed = Counting()
    out = embed(data(texts), "text", resumed, tmp_path, progress=False)
    assert sorted(killed.texts + resumed.texts) == sorted(texts)
    assert [len(call) for call in resumed.calls] == [4, 2]
    assert out["features"][:] == [vector_of(text) for text in texts]


def test_a_damaged_shard_is_encoded_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textssl.features.embedding.SHARD_TEXTS", 2)
    encoder = Counting()
    embed(data(TEXTS), "text", encoder, tmp_path, progress=False)
    shard = sorted(tmp_path.glob("*/features-*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-3])
    again = Counting()
    out = embed(data(TEXTS), "text", again, tmp_path, progress=False)
    assert len(again.texts) == 2
    assert set(again.texts) in [set(call) for call in encoder.calls]
    assert out["features"][:] == [vector_of(text) for text in TEXTS]


def test_selected_rows_and_formats_change_nothing(tmp_path: Path) -> None:
    rows = data(TEXTS).select([2, 0]).with_format("numpy")
    out = embed(rows, "text", Counting(), tmp_path, progress=False)
    assert out.with_format(None)["features"][:] == [vector_of(TEXTS[2]), vector_of(TEXTS[0])]


def test_views_are_versions_by_the_stated_rng(tmp_path: Path) -> None:
    encoder = Counting()
    out = embed_views(data(TEXTS), "text", Shout(), encoder, tmp_path, 2, seed=7, progress=False)
    assert out.column_names == ["text", "label", "features_strong_0", "features_strong_1"]
    for k in range(2):
        expected = [
            vector_of(f"{text} {i} {np.random.default_rng([7, i, k]).integers(1000)}") for i, text in enumerate(TEXTS)
        ]
        assert out[f"features_strong_{k}"][:] == expected
    strong = OneOf([Column(f"features_strong_{k}", "features") for k in range(2)])
    rng = np.random.default_rng(0)
    seen = {tuple(strong(out[1], rng)["features"]) for _ in range(20)}
    assert seen == {tuple(out[1]["features_strong_0"]), tuple(out[1]["features_strong_1"])}


def test_views_share_the_cache_of_the_texts(tmp_path: Path) -> None:
    embed(data(TEXTS), "text", Counting(), tmp_path, progress=False)
    encoder = Counting()
    embed_views(data(TEXTS), "text", Identity(), encoder, tmp_path, 3, seed=0, progress=False)
    assert encoder.calls == []


class Ranks:
    """Two threads that take turns as accelerate makes two processes do."""

    def __init__(self) -> None:
        self.first_is_done = threading.Event()

    def __call__(self) -> Ranks:
        return self

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        if threading.current_thread().name == "1":
            assert self.first_is_done.wait(20)
        yield
        self.first_is_done.set()


def test_of_several_processes_one_encodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textssl.features.embedding.PartialState", Ranks())
    encoders = {"0": Counting(), "1": Counting()}
    results: dict[str, Any] = {}

    def run() -> None:
        name = threading.current_thread().name
        out = embed(data(TEXTS), "text", encoders[name], tmp_path, progress=False)
        results[name] = out["features"][:]

    threads = [threading.Thread(target=run, name=name) for name in ("1", "0")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(encoders["0"].texts) == sorted(set(TEXTS))
    assert encoders["1"].texts == []
    assert results["0"] == results["1"] == [vector_of(text) for text in TEXTS]


def test_a_bar_shows_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embed(data(TEXTS), "text", Counting(), tmp_path)
    assert "4/4" in capsys.readouterr().err
    embed(data(["quiet"]), "text", Counting(), tmp_path, progress=False)
    assert capsys.readouterr().err == ""


class Nameless:
    def __call__(self, texts: list[str]) -> np.ndarray:
        raise AssertionError("never called")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"column": "txt"}, r"column: got 'txt'; the data have \['text', 'label'\]"),
        ({"column": "label"}, "column 'label' holds int64, not strings"),
        ({"into": "label"}, r"into: the data already have \['label'\]"),
        ({"dataset": data([])}, "dataset: it is empty"),
        ({"dataset": data(["a", None])}, "has no text in 1 of 2 rows; the first is row 1"),
        ({"encoder": Nameless()}, "encoder: got Nameless; expected a model, or a callable with a string 'name'"),
        ({"encoder": 3}, "encoder: got int"),
        ({"max_length": 5}, "max_length: got 5; it is for a named model"),
        ({"encoder": "no_such_folder"}, "encoder: no folder 'no_such_folder'; give one"),
        ({"encoder": "./no/such"}, "encoder: no folder './no/such'"),
        ({"encoder": "embedded", "batch_size": 0}, "batch_size: got 0"),
        ({"encoder": "embedded", "max_length": 2}, "max_length: got 2"),
    ],
)
def test_bad_arguments_are_named_before_any_work(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    given = {"dataset": data(TEXTS), "column": "text", "encoder": Counting(), "cache_dir": tmp_path, **arguments}
    with pytest.raises(UserError, match=message):
        embed(**given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((3, 2)), r"'odd' gave shape \[3, 2\] for 2 texts; expected \[2, D\]"),
        (np.zeros((2, 0)), r"'odd' gave shape \[2, 0\]"),
        (np.zeros(2), r"'odd' gave shape \[2\]"),
        (np.array([[0.0, 1.0], [0.0, np.nan]]), "'odd' gave nan or infinity for the text 'b'"),
    ],
)
def test_an_encoder_that_answers_wrongly_is_named(vectors: np.ndarray, message: str, tmp_path: Path) -> None:
    class Odd:
        name = "odd"

        def __call__(self, texts: list[str]) -> np.ndarray:
            return vectors

    with pytest.raises(UserError, match=message):
        embed(data(["a", "b"]), "text", Odd(), tmp_path, progress=False)
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_bad_views_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="count: got 0; expected at least 1"):
        embed_views(data(TEXTS), "text", Identity(), Counting(), tmp_path, 0, seed=0)
    with pytest.raises(UserError, match="augmentation: got 0 for row 0; expected a string"):
        embed_views(data(TEXTS), "text", Column("label"), Counting(), tmp_path, 1, seed=0)
