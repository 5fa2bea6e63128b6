"""A saved classifier that reads raw inputs and names classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ..errors import UserError
from ..forward.device_transfer import inputs_to_device
from .place import ModelPlace
from .readers import Reader
from .tables import predicted_dataset


__all__ = ["Classifier"]


class Classifier:
    """What :func:`textssl.inference.load_classifier` returns.

    Args:
        model: of transformers, in evaluation mode; it is run where it is.
        processor: its tokenizer or image processor; ``None`` for vectors.
        reader: how inputs become those of the model.
        label_names: names of the C classes, in order.
        place: where it was found.
        batch_size: inputs per pass; a number that suits the kind by default.

    Attributes:
        modality: what inputs are: ``"text"``, ``"image"`` or ``"features"``.
        pairs: whether each input is a pair of texts.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        reader: Reader,
        label_names: Sequence[str],
        place: ModelPlace,
        batch_size: int | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise UserError(f"batch_size: got {batch_size}; expected at least 1")
        self.model, self.processor, self.reader, self.place = model, processor, reader, place
        self.label_names = tuple(label_names)
        self.batch_size = batch_size or reader.batch_size
        self.modality = reader.modality
        self.pairs = bool(getattr(reader, "pairs", False))

    def predict_proba(self, inputs: Sequence[Any], on_batch: Callable[[int], object] | None = None) -> np.ndarray:
        """Probabilities, float64 ``[N, C]``; columns are in the order of ``label_names``.

        Inputs of like length share a batch, which spares padding.

        Args:
            inputs: N texts; pairs of texts, as tuples or as ``{"text": ..., "text_pair": ...}``; images of Pillow or
                paths of image files; or vectors ``[N, D]``.
            on_batch: called after each batch with the number of its inputs.

        Raises:
            UserError: an input of another kind, with its row; a model whose probabilities are not finite.
        """
        prepared = self.reader.prepared(self.reader.checked(inputs))
        order = np.argsort(-self.reader.sizes(prepared), kind="stable")
        probs = np.empty((len(prepared), len(self.label_names)), np.float64)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            found = self._probs([prepared[row] for row in rows])
            if not np.isfinite(found).all():
                raise UserError(
                    f"model: {self.place.name!r} gives probabilities that are not finite; its weights are damaged, or "
                    "its training diverged"
                )
            probs[rows] = found
            if on_batch is not None:
                on_batch(len(rows))
        return probs

    def predict(self, inputs: Sequence[Any]) -> list[str]:
        """The name of the most probable class of each of N inputs."""
        return [self.label_names[number] for number in self.predict_proba(inputs).argmax(1)]

    def predict_table(self, dataset: Dataset, column: str | None = None, probabilities: bool = False) -> Dataset:
        """The rows of a data set with the columns ``label`` and ``confidence``.

        Args:
            dataset: N rows.
            column: of the inputs; by default the one of the training, or the only one that can be meant.
            probabilities: add a column ``probability_<class>`` for each class.

        Raises:
            UserError: no such column, or names of columns that are taken.
        """
        return predicted_dataset(self, dataset, column, probabilities)

    @torch.inference_mode()
    def _probs(self, prepared: list[Any]) -> np.ndarray:
        batch = inputs_to_device(self.reader.batch(prepared), self.model.device)
        probs: np.ndarray = self.model(**batch).logits.double().softmax(-1).cpu().numpy()
        return probs
