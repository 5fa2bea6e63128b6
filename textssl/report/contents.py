"""What the report of a run says: plain data, gathered where a run ends, kept in ``report.json``, drawn as a page.

Shares, accuracies and probabilities are in [0, 1]. A figure that is not known is ``None``; NaN and infinity become
``None`` when the report is written. What a run does not have is left empty, and the page leaves its section out.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from textssl.errors import UserError
from textssl.files import write_atomically
from textssl.report.parts import (
    Candidate,
    ClassShares,
    Curve,
    Evaluation,
    Mistake,
    PseudoLabelQuality,
    Uncertain,
    ViewExample,
)
from textssl.report.strict_json import parsed, plain


__all__ = ["FILE", "VERSION", "RunReport"]

FILE = "report.json"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """All that the report of a run says.

    Attributes:
        version: of this format.
        kind: the command that ran.
        title: one line, such as ``"uda on reviews.csv"``.
        facts: names and values, in the order shown: method, data, model, sizes, seed, seconds, versions, device.
        command: that repeats the run, if there is one.
        findings: sentences, the most important first: what came out, lost to the baseline too.
        warnings: what a person should know before the model is used.
        classes: names of the classes, in the model's order.
        candidates: in the order shown; the first is the baseline if ``difference`` is given for the others.
        candidate_metric: what their scores are of.
        candidate_measured_on: in words, with the number of examples.
        candidate_level: of their intervals.
        curves: of training.
        class_shares: of labels, predictions and pseudo-labels.
        pseudo_labels: in the order of steps.
        evaluation: of the model that the run gives back.
        examples: about twenty, with their views.
        mistakes: about twenty.
        uncertain: about twenty.
        uncertain_file: path of a CSV with more of them, relative to the run's folder.
    """

    kind: Literal["fit", "train", "compare", "evaluate"]
    title: str
    version: int = VERSION
    facts: tuple[tuple[str, str], ...] = ()
    command: str | None = None
    findings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    candidate_metric: str = "accuracy"
    candidate_measured_on: str = ""
    candidate_level: float = 0.9
    curves: tuple[Curve, ...] = ()
    class_shares: tuple[ClassShares, ...] = ()
    pseudo_labels: tuple[PseudoLabelQuality, ...] = ()
    evaluation: Evaluation | None = None
    examples: tuple[ViewExample, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    uncertain: tuple[Uncertain, ...] = ()
    uncertain_file: str | None = None

    def __post_init__(self) -> None:
        sizes = [len(row) for shares in self.class_shares for row in shares.shares]
        sizes += [len(quality.per_class) for quality in self.pseudo_labels if quality.per_class]
        if self.evaluation is not None:
            table = self.evaluation.confusion
            sizes += [len(part) for part in (table, *table, self.evaluation.per_class) if part]
        for size in sizes:
            if size != len(self.classes):
                raise UserError(f"report: got figures of {size} classes; expected {len(self.classes)}")

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``report.json`` into the folder of a run, in one step.

        Returns:
            The file.

        Raises:
            TypeError: a value that JSON cannot hold.
            OSError: the file cannot be written.
        """
        # Half of a surrogate pair is no character: it becomes a question mark.
        text = json.dumps(plain(self, "report"), indent=1, ensure_ascii=False, allow_nan=False)
        return write_atomically(Path(folder) / FILE, (text + "\n").encode(errors="replace"))

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> RunReport:
        """Read what :meth:`write` wrote.

        Raises:
            UserError: no such file, of another version, or not as this version writes it.
        """
        path = Path(folder) / FILE
        try:
            value: Any = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"report: {str(path)!r} cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise UserError(f"report: {str(path)!r} is not JSON ({error})") from error
        version = value.get("version") if isinstance(value, dict) else None
        if version != VERSION:
            raise UserError(f"report: {str(path)!r} is of version {version!r:.40}; this textssl reads {VERSION}")
        report: RunReport = parsed(cls, value, FILE)
        return report
