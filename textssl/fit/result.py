"""What a choice among classifiers gives back."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from transformers import PreTrainedModel

from .. import __version__
from ..errors import UserError
from ..files import write_atomically
from ..hub import RunFacts, SplitFacts, write_model_card
from ..hub.facts import TextFacts
from .estimates import Estimate
from .prediction import predict_logits
from .table import CandidateRow, candidate_table


__all__ = ["FitResult"]

TASKS = {"text": "text-classification", "image": "image-classification"}


@dataclass(frozen=True, eq=False)
class FitResult:
    """The chosen classifier, and what is known of it.

    Attributes:
        model: a classifier of transformers, in evaluation mode; its probabilities are calibrated.
        processor: its tokenizer or image processor.
        label_names: the classes, in the order of ``model.config.id2label``.
        modality: ``"text"`` or ``"image"``.
        max_length: most tokens of a text.
        candidates: one row for each candidate, in the order in which they were tried.
        chosen: names of the candidates that the model is made of; it is their average if they are several.
        expected_accuracy: on examples such as the labeled ones, with an interval of 90 %; ``None`` where no example
            could be held out.
        expected_macro_f1: as ``expected_accuracy``.
        log_loss: of held-out examples; ``None`` as above.
        temperature: that logits were divided by, of each chosen candidate.
        warnings: what a person should know before the model is used.
        encoder: what the features were made with.
        num_labeled: number of labeled examples.
        num_unlabeled: number of unlabeled examples.
        seconds: that all took.
    """

    model: PreTrainedModel
    processor: Any
    label_names: tuple[str, ...]
    modality: str
    max_length: int
    candidates: tuple[CandidateRow, ...]
    chosen: tuple[str, ...]
    expected_accuracy: Estimate | None
    expected_macro_f1: Estimate | None
    log_loss: float | None
    temperature: dict[str, float]
    warnings: tuple[str, ...]
    encoder: str
    num_labeled: int
    num_unlabeled: int
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    def predict_proba(self, inputs: Sequence[Any]) -> np.ndarray:
        """Probabilities, float64 ``[n, C]``, of n texts or images; columns are in the order of ``label_names``.

        Raises:
            UserError: a string instead of a list of them.
        """
        if isinstance(inputs, str):
            raise UserError("inputs: got a string; expected a list of texts")
        logits = predict_logits(self.model, self.processor, list(inputs), self.modality, self.max_length)
        probs: np.ndarray = softmax(logits, axis=1)
        return probs

    def predict(self, inputs: Sequence[Any]) -> list[str]:
        """The name of the most probable class of each of n texts or images."""
        return [self.label_names[number] for number in self.predict_proba(inputs).argmax(1)]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the model with its tokenizer or image processor, a model card and ``fit.json``.

        ``pipeline("text-classification", model=folder)`` answers with it, once ``textssl.models`` was imported.

        Returns:
            ``folder``.
        """
        folder = Path(folder)
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        write_model_card(folder, self._card_facts())
        write_atomically(folder / "fit.json", (json.dumps(self.to_dict(), indent=2) + "\n").encode())
        return folder

    def to_dict(self) -> dict[str, Any]:
        """What ``fit.json`` holds."""
        estimates = {
            name: None if value is None else asdict(value)
            for name, value in (
                ("expected_accuracy", self.expected_accuracy),
                ("expected_macro_f1", self.expected_macro_f1),
            )
        }
        return {
            "textssl": __version__,
            "chosen": list(self.chosen),
            "temperature": self.temperature,
            **estimates,
            "log_loss": self.log_loss,
            "label_names": list(self.label_names),
            "max_length": self.max_length,
            "num_labeled": self.num_labeled,
            "num_unlabeled": self.num_unlabeled,
            "seconds": round(self.seconds, 1),
            "warnings": list(self.warnings),
            "candidates": [asdict(row) for row in self.candidates],
            **self.facts,
        }

    def __str__(self) -> str:
        lines = [candidate_table(self.candidates)] if self.candidates else []
        lines.append(f"chosen: {_joined(self.chosen)}")
        for name, value in (("accuracy", self.expected_accuracy), ("macro-F1", self.expected_macro_f1)):
            if value is not None:
                lines.append(f"expected {name}: {value}")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _card_facts(self) -> RunFacts:
        return RunFacts(
            method=_joined(self.chosen),
            base_model=self.encoder,
            task=TASKS[self.modality],
            texts=TextFacts(self.max_length) if self.modality == "text" else None,
            ensemble=type(self.model).__name__ == "Ensemble",
            label_names=self.label_names,
            split=SplitFacts(labeled=self.num_labeled, unlabeled=self.num_unlabeled),
        )


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"average of {', '.join(names)}"
