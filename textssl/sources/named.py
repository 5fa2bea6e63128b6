"""Named data sets, and where they come from: the Hub, or a package that carries the data.

A source is one entry of `SOURCES`, in the registry. Whatever its origin, no text or image is in two
of its parts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset, Image

from ..data.files import content_checksum
from ..data.hub_datasets import hub_fault
from ..data.image_tables import distinct_images, image_digests, is_image_column
from ..data.tables import clean_texts, distinct_texts, load_table, table_to_dataset
from ..errors import UserError
from .registry import SOURCES, EmbeddedOrigin, HubOrigin, Modality, Source
from .splits import hold_out


__all__ = [
    "SOURCES",
    "EmbeddedOrigin",
    "HubOrigin",
    "LoadedSource",
    "Origin",
    "Source",
    "load_source",
    "load_table",
]

Origin = Literal["auto", "hub", "embedded"]
# Never a person's seed: everybody's embedded test set is the same.
TEST_SEED = 0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedSource:
    """A data set with its origin.

    Attributes:
        name: Its name in `SOURCES`.
        origin: `"hub"` or `"embedded"`: what was used in the end.
        train: Rows with an input, a text or an image, and a `ClassLabel`.
        test: Rows with an input and a `ClassLabel`; none of its inputs is in the other parts.
        unlabeled: Rows with an input and the label -1, where the data set has such rows.
        column: The column of inputs.
        label_column: The column of labels.
        label_names: The classes in the order of their ids.
        licence: On what terms the data may be used.
        citation: Whom to cite.
        url: The home of the data.
        checksum: `content_checksum` of the training rows; what a split of them is tied to.
        modality: What the inputs are, `"text"` or `"image"`.
        flip: Whether an image may be mirrored without a change of class.
    """

    name: str
    origin: str
    train: Dataset
    test: Dataset
    unlabeled: Dataset | None
    column: str
    label_column: str
    label_names: tuple[str, ...]
    licence: str
    citation: str
    url: str
    checksum: str
    modality: Modality = "text"
    flip: bool = False


@dataclass(frozen=True)
class _Parts:
    train: Dataset
    test: Dataset
    unlabeled: Dataset | None = None


def load_source(name: str = "imdb", origin: Origin = "auto", *, timeout: float = 5.0) -> LoadedSource:
    """Load a named data set.

    `"auto"` takes the Hub where it answers within `timeout`, and else the package; it goes straight
    to the package if `HF_HUB_OFFLINE` is set. `"hub"` with `HF_HUB_OFFLINE` set uses the copy in
    the cache.

    Line breaks of HTML become spaces; images are PNG files in memory or in the Hub's cache. Of equal
    texts or images one is kept, or none if their labels differ. A test set that the data come with is
    left whole, so that figures compare with papers, and what is in it is taken out of the other parts.
    Where embedded data have none, one is held out with a fixed seed: it is the same for everybody.

    Args:
        name: A key of `SOURCES`.
        origin: `"auto"`, `"hub"` or `"embedded"`.
        timeout: Seconds to wait for the Hub to answer at all.

    Returns:
        The data set; `origin` in it says what was used.

    Raises:
        UserError: An unknown name or origin; the Hub cannot be reached; the package is not
            installed or its file is not the one expected.
    """
    if name not in SOURCES:
        raise UserError(f"name: no source {name!r}; known are {', '.join(sorted(SOURCES))}")
    if origin not in get_args(Origin):
        raise UserError(f"origin: {origin!r}; allowed are {', '.join(get_args(Origin))}")
    source = SOURCES[name]
    if origin == "embedded" or (origin == "auto" and source.hub is None):
        return _load_embedded(name, source)
    if source.hub is None:
        raise UserError(f"origin: {name!r} is not on the Hub; pass --source embedded")
    offline = huggingface_hub.constants.HF_HUB_OFFLINE
    if origin == "hub" or source.embedded is None:
        ask_first = not offline and not _is_cached(source.hub)
        return _load_hub(name, source, source.hub, timeout, ask_first)
    if offline:
        return _load_embedded(name, source)
    try:
        return _load_hub(name, source, source.hub, timeout, ask_first=True)
    except UserError as error:
        logger.warning("%s Using the embedded copy.", error)
        return _load_embedded(name, source)


def _load_embedded(name: str, source: Source) -> LoadedSource:
    if source.embedded is None:
        raise UserError(f"origin: no package carries {name!r}; pass --source hub")
    tables = source.embedded.read()
    if isinstance(tables, pa.Table):
        assert source.embedded.test_size is not None
        parts = hold_out(tables[source.label_column].to_numpy(), source.embedded.test_size, seed=TEST_SEED)
        tables = tables.take(parts[0]), tables.take(parts[1])
    train, test = (_wrap(source, table) for table in tables)
    return _loaded(name, source, "embedded", _Parts(train, test))


def _load_hub(name: str, source: Source, hub: HubOrigin, timeout: float, ask_first: bool) -> LoadedSource:
    parts = _hub_parts(source, hub, timeout if ask_first else None)
    wanted = [part for part in (hub.test, hub.train, hub.unlabeled) if part is not None]
    absent = [part for part in wanted if part not in parts]
    if absent:
        raise UserError(f"origin: {hub.repo!r} has no split {absent[0]!r}, only {sorted(parts)}.")
    prepare = _hub_images if source.modality == "image" else _hub_texts
    return _loaded(name, source, "hub", prepare(parts, source, hub))


def _hub_texts(parts: datasets.DatasetDict, source: Source, hub: HubOrigin) -> _Parts:
    columns = source.column, source.label_column
    test = _text_table(parts[hub.test], source, hub)
    train = distinct_texts(_text_table(parts[hub.train], source, hub), *columns, besides=[test])
    unlabeled = None
    if hub.unlabeled is not None:
        table = _text_table(parts[hub.unlabeled], source, hub)
        unlabeled = _wrap(source, distinct_texts(table, *columns, besides=[test, train]))
    return _Parts(_wrap(source, train), _wrap(source, test), unlabeled)


def _text_table(part: Dataset, source: Source, hub: HubOrigin) -> pa.Table:
    columns = [hub.column, hub.label_column]
    table = part.select_columns(columns).with_format("arrow")[:].select(columns)
    table = table.rename_columns([source.column, source.label_column])
    table = table.replace_schema_metadata(None)
    return clean_texts(table, source.column)


def _hub_images(parts: datasets.DatasetDict, source: Source, hub: HubOrigin) -> _Parts:
    """Rows are selected, never copied: images stay in the files of the Hub's cache."""
    test = _image_rows(parts[hub.test], source, hub)
    besides = [image_digests(test, source.column)]
    train, besides = _distinct_rows(_image_rows(parts[hub.train], source, hub), source, besides)
    unlabeled = None
    if hub.unlabeled is not None:
        rows = _image_rows(parts[hub.unlabeled], source, hub, labeled=False)
        unlabeled, _ = _distinct_rows(rows, source, besides)
    return _Parts(train, test, unlabeled)


def _distinct_rows(rows: Dataset, source: Source, besides: list[pa.Array]) -> tuple[Dataset, list[pa.Array]]:
    """The rows whose image is not in `besides`, and `besides` with their images."""
    digests = image_digests(rows, source.column)
    kept = distinct_images(digests, _labels(rows, source.label_column), besides)
    return rows.select(kept), [*besides, digests]


def _image_rows(part: Dataset, source: Source, hub: HubOrigin, labeled: bool = True) -> Dataset:
    rows = part.select_columns([hub.column])
    if hub.column != source.column:
        rows = rows.rename_column(hub.column, source.column)
    if not is_image_column(rows, source.column):
        rows = rows.cast_column(source.column, Image())
    ids = _labels(part, hub.label_column) if labeled else np.full(len(part), -1)
    names = ClassLabel(names=list(source.label_names))
    return rows.add_column(source.label_column, pa.array(ids, pa.int64()), feature=names)


def _labels(rows: Dataset, column: str) -> np.ndarray:
    return rows.select_columns([column]).with_format("arrow")[:][column].to_numpy()


def _hub_parts(source: Source, hub: HubOrigin, timeout: float | None) -> datasets.DatasetDict:
    """Load a data set of the Hub, after asking for it with a time limit if there is one."""
    # load_dataset by itself retries for 20 seconds and more before it gives up.
    cause = None if timeout is None else hub_fault(hub.repo, timeout)
    if cause is None:
        try:
            return datasets.load_dataset(hub.repo, hub.config)
        except Exception as error:  # a network has more kinds of failure than can be listed
            cause = error
    remedy = "pass --source embedded, as --preset cpu does" if source.embedded else "it has no embedded copy"
    reason = " ".join(f"{type(cause).__name__}: {cause}".split())
    raise UserError(f"origin: the Hub data set {hub.repo!r} cannot be loaded ({reason[:200]}); {remedy}.") from cause


def _is_cached(hub: HubOrigin) -> bool:
    return (Path(datasets.config.HF_DATASETS_CACHE) / hub.repo.replace("/", "___") / (hub.config or "")).is_dir()


def _wrap(source: Source, table: pa.Table) -> Dataset:
    return table_to_dataset(table, **{source.label_column: source.label_names})


def _loaded(name: str, source: Source, origin: str, parts: _Parts) -> LoadedSource:
    return LoadedSource(
        name=name,
        origin=origin,
        train=parts.train,
        test=parts.test,
        unlabeled=parts.unlabeled,
        column=source.column,
        label_column=source.label_column,
        label_names=source.label_names,
        licence=source.licence,
        citation=source.citation,
        url=source.url,
        checksum=content_checksum(parts.train, [source.column, source.label_column]),
        modality=source.modality,
        flip=source.flip,
    )
