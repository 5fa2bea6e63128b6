"""A teacher's opinion of each candidate: class probabilities by a fine-tuned classifier."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from ..errors import UserError
from ..files import sha256_of_all
from ..modalities.text.truncation import TRUNCATIONS
from ..retrieval.in_domain import predict_probs
from ..self_training.teachers import load_teacher


__all__ = ["ScoreJob", "check_teacher"]

# What a prediction depends on; a trainer writes other files beside them.
PARTS = ("config.json", "*.safetensors", "tokenizer*", "*_tokens*.json", "vocab*", "merges.txt", "*.model")


class ScoreJob:
    """A corpus job from texts to class probabilities.

    The classifier is loaded from its folder without the network, from safetensors and without code of its own, when
    the first texts come.

    Args:
        folder: of a fine-tuned classifier and its tokenizer, as ``save_pretrained`` and a trainer write it.
        column: of the texts.
        pair_column: of the second texts, where the classifier reads pairs.
        max_length: most tokens of a text; by default what tokenizer and model allow: of a classifier that textssl
            trained, the length that it was trained with.
        truncation: what a longer text loses: ``"end"``, ``"start"`` or ``"head_tail"``; by default as in training.
        batch_size: texts per pass.
        encoder: of a classifier of features: what made them, where the classifier does not say so itself.

    Raises:
        UserError: no classifier in the folder, or a size out of range.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        column: str = "text",
        pair_column: str | None = None,
        max_length: int | None = None,
        truncation: str | None = None,
        batch_size: int = 32,
        encoder: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        if not (self.folder / "config.json").is_file():
            raise UserError(f"teacher: {str(folder)!r} is not a folder with a model (no config.json)")
        for name, value, least in (("batch_size", batch_size, 1), ("max_length", max_length, 3)):
            if value is not None and value < least:
                raise UserError(f"{name}: got {value}; expected at least {least}")
        if truncation not in (None, *TRUNCATIONS):
            raise UserError(f"truncation: got {truncation!r}; allowed: {', '.join(TRUNCATIONS)}")
        self.column, self.pair_column = column, pair_column
        self.max_length = max_length
        self.truncation = truncation
        self.batch_size = batch_size
        self.encoder = encoder
        # Now, so that no process of a job has to read the files for it again.
        self.name = f"probabilities by {_checksum(self.folder)}, max_length {max_length}, truncation {truncation}"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_loaded"}

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """``probs`` ``[n, C]`` float32 of n texts."""
        model, tokenizer = self._loaded
        probs = predict_probs(
            model,
            tokenizer,
            Dataset.from_dict({column: rows[column] for column in self.columns}),
            text_column=self.column,
            text_pair_column=self.pair_column,
            batch_size=self.batch_size,
            max_length=self.max_length,
            truncation=self.truncation,
            progress=False,
        )
        return {"probs": probs}

    @property
    def columns(self) -> list[str]:
        """Of all texts that are read."""
        return [self.column] if self.pair_column is None else [self.column, self.pair_column]

    @property
    def label_names(self) -> list[str]:
        """Names of the C classes, by the model's config."""
        config = json.loads((self.folder / "config.json").read_text())
        names = {int(number): str(name) for number, name in (config.get("id2label") or {}).items()}
        return [names[number] for number in sorted(names)] or ["LABEL_0", "LABEL_1"]

    def load(self) -> tuple[Any, Any]:
        """The classifier, where this process computes, and its tokenizer.

        Raises:
            UserError: they cannot be loaded, or lack weights.
        """
        return self._loaded

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from accelerate import PartialState

        model, tokenizer = load_teacher(str(self.folder), "text", self.encoder)
        return model.to(PartialState().device), tokenizer


def check_teacher(job: ScoreJob, label_names: Sequence[str]) -> None:
    """Check that a teacher knows the classes of a task, in their order.

    A teacher that was trained without names has LABEL_0, LABEL_1, and so on; then their number is compared. It is
    loaded, so that one that cannot be is found before long work.

    Raises:
        UserError: it knows others, or cannot be loaded.
    """
    names = job.label_names
    unnamed = [f"LABEL_{number}" for number in range(len(names))]
    if len(names) != len(label_names) or (names not in (unnamed, list(label_names))):
        raise UserError(
            f"teacher: {str(job.folder)!r} has the classes {names}, and the labeled data have {list(label_names)}"
        )
    job.load()


def _checksum(folder: Path) -> str:
    """SHA-256 of the files that a model and its tokenizer are made of."""
    return sha256_of_all(folder, sorted({path for part in PARTS for path in folder.glob(part) if path.is_file()}))
