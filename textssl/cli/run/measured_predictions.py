"""What a stage predicted for the examples that it was measured on, kept beside its figures."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import write_atomically


__all__ = ["PREDICTIONS_FILE", "MeasuredPredictions"]

PREDICTIONS_FILE = "measured_predictions.npz"


@dataclass(frozen=True)
class MeasuredPredictions:
    """Predictions for held-out examples, or without any for those of validation.

    Attributes:
        part: ``"test"`` or ``"validation"``.
        labels: class numbers ``[N]`` in the order of ``label_names``.
        probs: probabilities ``[N, C]``.
        label_names: of the C classes.
    """

    part: str
    labels: np.ndarray
    probs: np.ndarray
    label_names: tuple[str, ...]

    def right(self) -> np.ndarray:
        """Whether each example ``[N]`` is predicted right."""
        found: np.ndarray = self.probs.argmax(1) == self.labels
        return found

    def write(self, folder: Path) -> None:
        """Write the file of a stage."""
        content = io.BytesIO()
        np.savez_compressed(
            content,
            part=np.array(self.part),
            labels=self.labels.astype(np.int64),
            probs=self.probs.astype(np.float32),
            label_names=np.array(self.label_names),
        )
        write_atomically(folder / PREDICTIONS_FILE, content.getvalue())

    @classmethod
    def read(cls, folder: Path) -> MeasuredPredictions | None:
        """Read the file of a stage; ``None`` where nothing was measured.

        Raises:
            UserError: the file is damaged.
        """
        path = folder / PREDICTIONS_FILE
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                names = tuple(str(name) for name in kept["label_names"])
                return cls(str(kept["part"]), kept["labels"], kept["probs"], names)
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{path} is damaged ({error}); delete the folder of the stage and resume") from error
