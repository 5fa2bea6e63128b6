"""The tasks of the table, and which of their examples are labeled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
from datasets import ClassLabel

from textssl.cli.task_setups.pixel_features import with_pixel_features
from textssl.data.vectors import feature_array
from textssl.features import SentenceEncoder, embed
from textssl.sources.named import load_source


__all__ = ["DRAWINGS", "LABELS", "TASKS", "Draw", "Problem", "Task", "draw", "load_task"]

DRAWINGS = ("balanced", "drawn")
# Labels a class.
LABELS = (0, 1, 2, 5, 10, 50)
TRAIN, TEST = 5500, 1500
SELECTION_SEED = 7
MAX_LENGTH = 128
FEATURES = "features"


@dataclass(frozen=True)
class Named:
    """A task before it is loaded: ``half`` is ``"choose"`` where defaults were chosen on it, else ``"report"``."""

    source: str
    half: str
    every_second: int | None = None


TASKS = {
    "rotten_tomatoes": Named("rotten_tomatoes", "choose"),
    "newsgroups_even": Named("newsgroups", "choose", 0),
    "reuters_r52": Named("reuters_r52", "choose"),
    "digits": Named("digits", "choose"),
    "election_tweets": Named("election_tweets", "report"),
    "imdb": Named("imdb", "report"),
    "newsgroups_odd": Named("newsgroups", "report", 1),
    "mnist5k": Named("mnist5k", "report"),
    "shapes": Named("shapes", "report"),
}


@dataclass(frozen=True, eq=False)
class Task:
    """A data set with the features of all its examples.

    Attributes:
        name: a key of ``TASKS``.
        half: ``"choose"`` or ``"report"``.
        modality: ``"text"`` or ``"image"``.
        column: of texts or images.
        label_names: the classes.
        train: what labeled and unlabeled examples are drawn from, with a column ``label``.
        test: the inputs to measure on, without labels.
        train_features: float32 [N, D].
        test_features: float32 [n, D].
        test_labels: int64 [n]; only figures are made of them.
    """

    name: str
    half: str
    modality: str
    column: str
    label_names: tuple[str, ...]
    train: datasets.Dataset
    test: datasets.Dataset
    train_features: np.ndarray
    test_features: np.ndarray
    test_labels: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Class numbers of ``train``, int64 [N]."""
        return np.asarray(self.train["label"], dtype=np.int64)


@dataclass(frozen=True)
class Draw:
    """How many labels a class there are, and how they were drawn."""

    labels: int
    drawing: str
    seed: int


@dataclass(frozen=True, eq=False)
class Problem:
    """What a row is given: a task without its test labels, and which of its rows are labeled."""

    task: Task
    draw: Draw
    labeled: np.ndarray
    unlabeled: np.ndarray

    @property
    def num_labels(self) -> int:
        """C."""
        return len(self.task.label_names)

    @property
    def labels(self) -> np.ndarray:
        """Class numbers of the labeled rows."""
        return self.task.labels[self.labeled]


def draw(labels: np.ndarray, num_labels: int, how: Draw) -> tuple[np.ndarray, np.ndarray]:
    """The labeled and the unlabeled rows.

    ``balanced`` takes ``how.labels`` rows of each class, or all where a class has fewer; ``drawn`` takes as many as
    that times the number of classes, each row as likely as any other. With one seed fewer labels are a part of more.

    Args:
        labels: class numbers [N].
        num_labels: C.
        how: the number, the drawing and the seed.
    """
    rng = np.random.default_rng([how.seed, DRAWINGS.index(how.drawing)])
    order = rng.permutation(len(labels))
    if how.drawing == "drawn":
        chosen = order[: how.labels * num_labels]
    else:
        of_class = [order[labels[order] == c][: how.labels] for c in range(num_labels)]
        chosen = np.concatenate(of_class) if how.labels else order[:0]
    labeled = np.sort(chosen)
    return labeled, np.setdiff1d(np.arange(len(labels)), labeled)


def problem_of(task: Task, how: Draw) -> Problem:
    """The task with the labels of one draw."""
    return Problem(task, how, *draw(task.labels, len(task.label_names), how))


def load_task(name: str, cache_dir: Path) -> Task:
    """Load a task: at most 5,500 examples to train on and 1,500 to measure on, always the same, and their features.

    The features of texts are embeddings of all-MiniLM-L6-v2 of 128 tokens, kept in ``cache_dir``; those of images are
    their gray pixels.
    """
    named = TASKS[name]
    source = load_source(named.source, "embedded")
    train, test, names = source.train, source.test, source.label_names
    if named.every_second is not None:
        names = names[named.every_second :: 2]
        train, test = (_classes(part, source.label_names, names) for part in (train, test))
    rng = np.random.default_rng(SELECTION_SEED)
    train, test = (part.select(rng.permutation(len(part))[:most]) for part, most in ((train, TRAIN), (test, TEST)))
    make = _embeddings(source.column, cache_dir) if source.modality == "text" else _pixels(source.column)
    return Task(
        name,
        named.half,
        source.modality,
        source.column,
        tuple(names),
        train.flatten_indices(),
        test.select_columns([source.column]).flatten_indices(),
        make(train),
        make(test),
        np.asarray(test["label"], dtype=np.int64),
    )


def _classes(part: datasets.Dataset, all_names: Sequence[str], names: Sequence[str]) -> datasets.Dataset:
    """The rows of some classes, numbered anew."""
    number = {all_names.index(name): place for place, name in enumerate(names)}
    labels = np.asarray(part["label"])
    kept = part.select(np.flatnonzero(np.isin(labels, list(number))))
    inner = [number[label] for label in kept["label"]]
    feature = ClassLabel(names=list(names))
    return kept.remove_columns("label").add_column("label", inner, feature=feature)


def _embeddings(column: str, cache_dir: Path) -> Callable[[datasets.Dataset], np.ndarray]:
    encoder = SentenceEncoder("embedded", max_length=MAX_LENGTH)
    return lambda part: np.array(feature_array(embed(part, column, encoder, cache_dir, into=FEATURES), FEATURES))


def _pixels(column: str) -> Callable[[datasets.Dataset], np.ndarray]:
    def make(part: datasets.Dataset) -> np.ndarray:
        return np.array(feature_array(with_pixel_features(part, column, FEATURES, part[0][column].size), FEATURES))

    return make
