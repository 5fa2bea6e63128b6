"""Names of the Hub, against a local one."""

from __future__ import annotations

from pathlib import Path

import datasets
import huggingface_hub
import pytest

from tests.hub_server import LocalHub, Repo, local_hub  # noqa: F401, the fixture hub
from textssl.errors import UserError
from textssl.own_data import places, read_own_data
from textssl.own_data.places import is_hub_name


def test_what_is_a_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "few").mkdir()
    for place in ("stanfordnlp/imdb", "stanfordnlp/imdb:test", "a-b/c.d"):
        assert is_hub_name(place)
    # A file that is missing, of a folder that is there or by its suffix, is no data set of the Hub.
    for place in ("imdb", "data/few", "data/absent", "a/b/c", "/a/b", "../a", "other/few.csv", "other/few.jsonl.gz"):
        assert not is_hub_name(place)


def test_data_sets_of_the_hub(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub is asked first, for a loader that cannot reach it tries for half a minute."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"ENDPOINT": hub.url, "HF_HUB_OFFLINE": False}.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    hub.repos["datasets/me/reviews"] = Repo("datasets", "me/reviews")
    hub.repos["datasets/me/reviews"].commit({}, "data")
    whole = datasets.Dataset.from_dict({"review": ["good", "bad", "quite"], "sentiment": ["p", "n", "p"]})
    parts = datasets.DatasetDict(train=whole, test=whole.select([0]))
    monkeypatch.setattr(places, "load_dataset", {"me/reviews": parts}.__getitem__)
    for name, splits, count, split in (
        ("me/reviews", ("train",), 3, "train"),
        ("me/reviews", ("unsupervised", "train"), 3, "train"),
        ("me/reviews:test", (), 1, "test"),
    ):
        found = read_own_data(name, "labeled", splits=splits)
        assert (found.column, found.label_column, len(found.rows)) == ("review", "sentiment", count)
        assert found.name == f"me/reviews:{split}"
    with pytest.raises(UserError, match="has the splits train, test, not 'dev'; name one, such as me/reviews:train"):
        read_own_data("me/reviews:dev", "labeled")
    with pytest.raises(UserError, match="there is no file or folder 'me/absent', and as a data set of the Hub it"):
        read_own_data("me/absent", "labeled")


def test_without_the_hub_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="no file or folder 'me/nothing', and as a data set of the Hub it cannot be"):
        read_own_data("me/nothing", "labeled")
