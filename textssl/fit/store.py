"""Results of a search on disk: each is written once, whole, and found again by what it depends on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from scipy.special import log_softmax, softmax
from transformers import __version__ as transformers_version

from .. import __version__
from ..data.files import content_checksum
from ..files import write_atomically
from .candidates.base import Candidate, Trained
from .data import FitData


__all__ = ["Outputs", "ResultStore", "candidate_key", "data_checksum"]

# Changed when what is stored changes its meaning.
FORMAT = "1"
# Near the least number of half precision.
LEAST = -60_000.0


@dataclass(frozen=True, eq=False)
class Outputs:
    """What one training of a candidate gave.

    Attributes:
        held_out: logits of the held-out examples, float64 ``[n, C]``; n is 0 where it was trained on all.
        unlabeled: log-probabilities of the unlabeled examples, float16 ``[M, C]``, as they are stored: a search that
            goes on reads what one without a break has.
        seconds: that the training and these outputs took.
    """

    held_out: np.ndarray
    unlabeled: np.ndarray
    seconds: float

    @classmethod
    def of(cls, held_out: np.ndarray, unlabeled: np.ndarray, seconds: float) -> Outputs:
        """Outputs of logits of held-out and of unlabeled examples."""
        logs = log_softmax(unlabeled, axis=1) if len(unlabeled) else unlabeled
        return cls(np.ascontiguousarray(held_out, np.float64), np.maximum(logs, LEAST).astype(np.float16), seconds)

    def unlabeled_probs(self, temperature: float) -> np.ndarray:
        """Probabilities of the unlabeled examples, float64 ``[M, C]``, their logits divided by ``temperature``."""
        logs = self.unlabeled.astype(np.float64) / temperature
        probs: np.ndarray = softmax(logs, axis=1) if len(logs) else logs
        return probs


class ResultStore:
    """A folder of results.

    Args:
        folder: made with the first result.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str, key: str) -> Outputs | None:
        """The outputs that are stored under a key; ``None`` where there are none, or no whole ones."""
        path = self._outputs(name, key)
        try:
            with safe_open(path, framework="np") as stored:
                seconds = float(stored.metadata()["seconds"])
                return Outputs(stored.get_tensor("held_out"), stored.get_tensor("unlabeled"), seconds)
        except FileNotFoundError:
            return None
        except (SafetensorError, KeyError, TypeError, ValueError):
            path.unlink()
            return None

    def write(self, name: str, key: str, outputs: Outputs) -> None:
        """Store outputs."""
        tensors = {"held_out": outputs.held_out, "unlabeled": np.ascontiguousarray(outputs.unlabeled)}
        metadata = {"seconds": repr(outputs.seconds), "candidate": name}
        write_atomically(self._outputs(name, key), save(tensors, metadata=metadata))

    def has_model(self, name: str, key: str) -> bool:
        """Whether a whole classifier is stored under a key."""
        return (self._model(name, key) / "whole").is_file()

    def load(self, candidate: Candidate, key: str, data: FitData) -> Trained:
        """The classifier that is stored under a key."""
        return candidate.load(data, self._model(candidate.name, key))

    def save(self, candidate: Candidate, key: str, trained: Trained) -> None:
        """Store a classifier; it counts once all of it is written."""
        folder = self._model(candidate.name, key)
        folder.mkdir(parents=True, exist_ok=True)
        candidate.save(trained, folder)
        write_atomically(folder / "whole", b"")

    @contextmanager
    def scratch(self) -> Any:
        """A folder for a training, which is removed after it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="training-", dir=self.folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def _outputs(self, name: str, key: str) -> Path:
        return self.folder / _file_name(name) / f"{key}.safetensors"

    def _model(self, name: str, key: str) -> Path:
        return self.folder / _file_name(name) / f"{key}-model"


def data_checksum(data: FitData) -> str:
    """SHA-256 of all that a candidate is trained on, labels included."""
    digest = hashlib.sha256()
    for array in (data.labels, data.labeled.features, data.unlabeled.features, data.prototypes, data.prototype_labels):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for examples in (data.labeled, data.unlabeled):
        if len(examples):
            digest.update(content_checksum(examples.rows, [data.column]).encode())
    facts = [data.label_names, data.modality, data.max_length, data.seed]
    return hashlib.sha256(digest.digest() + json.dumps(facts).encode()).hexdigest()


def candidate_key(candidate: Candidate, facts: Mapping[str, Any]) -> str:
    """What a training of a candidate is stored under: its settings, the libraries' versions and further facts."""
    settings = dataclasses.asdict(candidate) if dataclasses.is_dataclass(candidate) else vars(candidate)
    kind = type(candidate)
    facts = {
        "format": FORMAT,
        "candidate": [f"{kind.__module__}.{kind.__qualname__}", candidate.name],
        # What a candidate remembers from one training to the next is no setting.
        "settings": {name: repr(value) for name, value in sorted(settings.items()) if not name.startswith("_")},
        "versions": [__version__, transformers_version],
        **facts,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _file_name(name: str) -> str:
    """A name as a folder: letters, digits and a few signs."""
    return "".join(sign if sign.isalnum() or sign in "-_+." else "-" for sign in name).strip(".") or "candidate"
