"""A teacher's opinion of each text: class probabilities by a trained classifier of any kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..data.class_names import are_defaults
from ..errors import UserError
from ..files import sha256_of_all
from ..inference import Classifier, load_classifier
from ..inference.place import find_model
from ..inference.text_reader import TextReader
from ..modalities.text.truncation import TRUNCATIONS
from ..models.inspection import weights_checksum


__all__ = ["ScoreJob", "check_teacher"]

# What a prediction depends on; a trainer writes other files beside them.
PARTS = ("config.json", "*.safetensors", "tokenizer*", "*_tokens*.json", "vocab*", "merges.txt", "*.model")


class ScoreJob:
    """A corpus job from texts to class probabilities.

    The classifier is loaded when it is first needed, from safetensors and without code of its own; from a folder
    without the network. One of features embeds the texts by the encoder that it names.

    Args:
        teacher: what :func:`textssl.inference.load_classifier` takes: the folder of a classifier, the output folder of
            a run, or a model of the Hub.
        column: of the texts.
        pair_column: of the second texts, where the classifier reads pairs.
        max_length: most tokens of a text; by default as in training.
        truncation: what a longer text loses: ``"end"``, ``"start"`` or ``"head_tail"``; by default as in training.
        batch_size: texts per pass.
        encoder: of a classifier of features: what made them, where the classifier does not say so itself.

    Raises:
        UserError: no classifier there, or a size out of range.
    """

    def __init__(
        self,
        teacher: str | os.PathLike[str],
        *,
        column: str = "text",
        pair_column: str | None = None,
        max_length: int | None = None,
        truncation: str | None = None,
        batch_size: int = 32,
        encoder: str | None = None,
    ) -> None:
        for name, value, least in (("batch_size", batch_size, 1), ("max_length", max_length, 3)):
            if value is not None and value < least:
                raise UserError(f"{name}: got {value}; expected at least {least}")
        if truncation not in (None, *TRUNCATIONS):
            raise UserError(f"truncation: got {truncation!r}; allowed: {', '.join(TRUNCATIONS)}")
        try:
            self.place = find_model(Path(teacher))
        except UserError as error:
            raise _of_teacher(error) from error
        self.column, self.pair_column = column, pair_column
        self.max_length = max_length
        self.truncation = truncation
        self.batch_size = batch_size
        self.encoder = encoder
        # Now, so that no process of a job has to read the files for it again.
        folder = self.place.folder
        checksum = weights_checksum(self.load().model) if folder is None else _checksum(folder)
        embedded = "" if encoder is None else f", encoder {encoder}"
        self.name = f"probabilities by {checksum}, max_length {max_length}, truncation {truncation}{embedded}"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_loaded"}

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """``probs`` ``[n, C]`` float32 of n texts."""
        texts = rows[self.column]
        inputs = texts if self.pair_column is None else list(zip(texts, rows[self.pair_column], strict=True))
        return {"probs": self.load().predict_proba(inputs).astype(np.float32)}

    def read(self, column: str, pair_column: str | None = None) -> None:
        """Read other columns than those that the job was made with."""
        self.column, self.pair_column = column, pair_column
        vars(self).pop("_loaded", None)

    @property
    def columns(self) -> list[str]:
        """Of all texts that are read."""
        return [self.column] if self.pair_column is None else [self.column, self.pair_column]

    @property
    def label_names(self) -> list[str]:
        """Names of the C classes; LABEL_0, LABEL_1 and so on where nobody named them."""
        return list(self.load().label_names)

    def load(self) -> Classifier:
        """The classifier, where this process computes.

        Raises:
            UserError: it cannot be loaded, or does not read what the job reads.
        """
        return self._loaded

    @cached_property
    def _loaded(self) -> Classifier:
        pairs = self.pair_column is not None
        try:
            classifier = load_classifier(
                self.place.name, batch_size=self.batch_size, pairs=pairs or None, encoder=self.encoder
            )
        except UserError as error:
            raise _of_teacher(error) from error
        if classifier.modality != "text":
            raise UserError(f"teacher: {self.place.name!r} classifies {classifier.modality}; expected one of texts")
        if classifier.pairs and not pairs:
            raise UserError(f"teacher: {self.place.name!r} classifies pairs of texts; name the column of the second")
        if self.max_length is None and self.truncation is None:
            return classifier
        if not isinstance(classifier.reader, TextReader):
            raise UserError("max_length, truncation: the texts are embedded as the teacher's features were; leave out")
        classifier.reader.cut(self.max_length, self.truncation)
        return classifier


def check_teacher(job: ScoreJob, label_names: Sequence[str]) -> list[int]:
    """Where each class of a task stands among those of a teacher, which is loaded.

    Classes are matched by name. A teacher that was trained without names has LABEL_0, LABEL_1, and so on; then they
    are matched by number.

    Raises:
        UserError: it knows others, or cannot be loaded.
    """
    names = job.label_names
    if len(names) == len(label_names) and are_defaults(names):
        return list(range(len(names)))
    if sorted(names) != sorted(label_names):
        raise UserError(
            f"teacher: {job.place.name!r} has the classes {names}, and the labeled data have {list(label_names)}"
        )
    return [names.index(name) for name in label_names]


def _of_teacher(error: UserError) -> UserError:
    """The same mistake, named by what a person calls the model here."""
    return UserError(f"teacher: {str(error).removeprefix('model: ')}")


def _checksum(folder: Path) -> str:
    """SHA-256 of the files that a model and its tokenizer are made of."""
    return sha256_of_all(folder, sorted({path for part in PARTS for path in folder.glob(part) if path.is_file()}))
