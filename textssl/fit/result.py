"""What a choice among classifiers gives back."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL.Image import Image
from scipy.special import softmax
from transformers import PreTrainedModel

from .. import __version__
from ..data.validation import check_characters
from ..errors import UserError
from ..files import write_atomically
from ..hub import RunFacts, SplitFacts, push_folder, write_model_card
from ..hub.facts import TextFacts
from ..inference import load_classifier
from ..own_data.in_memory import as_inputs
from .estimates import Estimate
from .prediction import predict_logits
from .report_data import FitReport
from .table import CandidateRow, candidate_table


__all__ = ["FitResult"]

EXPECTED = {"text": "a text", "image": "an image of Pillow"}
# What ``fit.json`` holds of each result, beside further facts.
KNOWN = {
    "candidates", "chosen", "encoder", "expected_accuracy", "expected_macro_f1", "label_names", "log_loss",
    "max_length", "modality", "num_labeled", "num_unlabeled", "seconds", "temperature", "textssl", "warnings",
}  # fmt: skip
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
        facts: what else ``fit.json`` holds, such as the names of the columns.
        report_data: what :meth:`report` writes; ``None`` of a result that was loaded.
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
    report_data: FitReport | None = field(default=None, repr=False)

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """Probabilities, float64 ``[n, C]``, of n texts or images; columns are in the order of ``label_names``.

        Args:
            inputs: a list, an array, a Series, a column of a data set; or a DataFrame or a data set with the column
                that the training read.

        Raises:
            UserError: a string instead of a list of them, an input that is missing or of another kind, no such column.
        """
        column = str(self.facts.get(f"{self.modality}_column", self.modality))
        rows = as_inputs(inputs, column)
        kind: type = str if self.modality == "text" else Image
        strange = next((row for row, value in enumerate(rows) if not isinstance(value, kind)), None)
        if strange is not None:
            raise UserError(f"inputs: row {strange} is {rows[strange]!r:.60}; expected {EXPECTED[self.modality]}")
        if not rows:
            return np.empty((0, len(self.label_names)))
        if self.modality == "text":
            for row, text in enumerate(rows):
                check_characters(text, "inputs", row)
        logits = predict_logits(self.model, self.processor, rows, self.modality, self.max_length)
        probs: np.ndarray = softmax(logits, axis=1)
        return probs

    def predict(self, inputs: Any) -> list[str]:
        """The name of the most probable class of each of n texts or images; see :meth:`predict_proba`."""
        return [self.label_names[number] for number in self.predict_proba(inputs).argmax(1)]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the model with its tokenizer or image processor, a model card and ``fit.json``.

        ``pipeline("text-classification", model=folder)`` answers with it, once ``textssl.models`` was imported;
        :meth:`load` gives back all of the result.

        Returns:
            ``folder``.

        Raises:
            UserError: it is a file.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"folder: got {str(folder)!r}, a file; expected a folder to write into")
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        write_model_card(folder, self._card_facts())
        write_atomically(folder / "fit.json", (json.dumps(self.to_dict(), indent=2) + "\n").encode())
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> FitResult:
        """Read what :meth:`save` wrote.

        Args:
            folder: of the model, or the output folder that holds it.

        Raises:
            UserError: no such folder, or one of a model that was trained otherwise; a damaged model.
        """
        classifier = load_classifier(folder)
        known = classifier.place.settings
        if "candidates" not in known or "chosen" not in known:
            raise UserError(
                f"folder: {str(folder)!r} has no fit.json of a choice; textssl.inference.load_classifier loads "
                "models of any kind"
            )
        return cls(
            model=classifier.model,
            processor=classifier.processor,
            label_names=classifier.label_names,
            modality=classifier.modality,
            max_length=known["max_length"],
            candidates=tuple(CandidateRow(**row) for row in known["candidates"]),
            chosen=tuple(known["chosen"]),
            expected_accuracy=_estimate(known["expected_accuracy"]),
            expected_macro_f1=_estimate(known["expected_macro_f1"]),
            log_loss=known["log_loss"],
            temperature=known["temperature"],
            warnings=tuple(known["warnings"]),
            encoder=known["encoder"],
            num_labeled=known["num_labeled"],
            num_unlabeled=known["num_unlabeled"],
            seconds=known["seconds"],
            facts={name: value for name, value in known.items() if name not in KNOWN},
        )

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        message: str = "Upload model",
    ) -> str:
        """Upload the model, its tokenizer or image processor and its card to the Hub, in one commit.

        Args:
            repo_id: ``"user/name"``, or ``"name"`` for one of the token's own; it is made if it does not exist.
            private: whether a repository that is made is private; ``None`` for the default of the account.
            token: with write permission; by default the one that is logged in.
            revision: branch to commit to.
            message: of the commit.

        Returns:
            The address of the model's page.

        Raises:
            UserError: no token, one that may not write, a Hub that cannot be reached or refuses.
        """
        with TemporaryDirectory(prefix="textssl-push-") as folder:
            self.save(folder)
            return push_folder(folder, repo_id, private=private, token=token, revision=revision, message=message)

    def report(self, folder: str | os.PathLike[str], **more: Any) -> Path:
        """Write ``report.html`` of the choice, ``report.json``, from which it is made, and ``label_next.csv``.

        The last is a table of the unlabeled examples that are worth labeling next.

        Args:
            folder: where the files go; made if missing.
            **more: as :meth:`textssl.fit.report_data.FitReport.write` takes them.

        Returns:
            The page.

        Raises:
            UserError: the result was loaded: what the report tells is not kept with a model.
        """
        if self.report_data is None:
            raise UserError(
                "report: this result was loaded, and a model does not keep its report; that of the choice lies where "
                "its output_dir was, and textssl report writes its page again"
            )
        return self.report_data.write(folder, **more)

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
            "modality": self.modality,
            "encoder": self.encoder,
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


def _estimate(known: dict[str, float] | None) -> Estimate | None:
    return None if known is None else Estimate(**known)


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"average of {', '.join(names)}"
