"""Labels that may be wrong: what a classifier that was not trained on a row says of it.

Confident learning (Northcutt, Jiang and Chuang, 2021, arXiv:1911.00068): a row is a suspect where another class is at
least as probable as that class is on average among the rows that carry it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..fit.budget import Budget
from ..fit.embeddings import embeddings, encoder_folder
from ..fit.folds import make_folds
from ..fit.probe import fit_probe
from .part import Part


__all__ = ["Suspect", "find_suspects", "held_out_probs", "suspect_rows"]


@dataclass(frozen=True)
class Suspect:
    """A row whose label may be wrong.

    Attributes:
        row: its number, from 0.
        line: of the file; ``None`` where rows have none.
        content: its text, or the name of its image.
        label: as it is.
        suggested: the most probable class.
        label_probability: of the label.
        suggested_probability: of the suggested class.
    """

    row: int
    line: int | None
    content: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def find_suspects(part: Part, encoder: str, max_length: int, seed: int = 0) -> list[Suspect]:
    """Suspects of a labeled part, the least probable labels first.

    Args:
        part: the labeled one.
        encoder: a folder, a name on the Hub, or ``"embedded"``.
        max_length: most tokens of a text.
        seed: of the folds.

    Raises:
        UserError: an encoder that cannot be loaded.
    """
    rows = [
        row
        for row, (text, label) in enumerate(zip(part.texts, part.labels, strict=True))
        if label is not None and text and text.strip()
    ]
    names = sorted({str(part.labels[row]) for row in rows})
    labels = np.array([names.index(str(part.labels[row])) for row in rows])
    data = part.data
    with TemporaryDirectory() as folder:
        place = encoder_folder(encoder, data.modality, Path(folder))
        features = embeddings(
            data.rows.select(rows), data.column, place, max_length, Budget(None), modality=data.modality
        )
    probs = held_out_probs(features, labels, len(names), seed)
    found = []
    for number in suspect_rows(probs, labels):
        row, best = rows[number], int(probs[number].argmax())
        found.append(
            Suspect(
                row=row,
                line=None if part.lines is None else int(part.lines[row]),
                content=part.texts[row] or "",
                label=names[labels[number]],
                suggested=names[best],
                label_probability=float(probs[number, labels[number]]),
                suggested_probability=float(probs[number, best]),
            )
        )
    return found


def held_out_probs(features: np.ndarray, labels: np.ndarray, num_labels: int, seed: int) -> np.ndarray:
    """Probabilities ``[N, C]`` by probes that were trained without each row, nan for the only label of a class.

    Args:
        features: embeddings ``[N, D]``.
        labels: class numbers ``[N]``.
        num_labels: C.
        seed: of the folds.
    """
    total, count = np.zeros((len(labels), num_labels)), np.zeros(len(labels))
    for fold in make_folds(labels, seed):
        head = fit_probe(features[fold.train], labels[fold.train], num_labels)
        total[fold.held_out] += head.probs(features[fold.held_out])
        count[fold.held_out] += 1
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)


def suspect_rows(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows whose most probable class is another one than the label, and probable enough; the worst first.

    Args:
        probs: ``[N, C]``, nan for rows that were not held out.
        labels: class numbers ``[N]``.
    """
    scored = ~np.isnan(probs[:, 0])
    own = probs[np.arange(len(labels)), labels]
    enough = np.full(probs.shape[1], np.inf)
    for name in np.unique(labels[scored]):
        enough[name] = own[scored & (labels == name)].mean()
    best = np.where(scored, np.nan_to_num(probs).argmax(1), labels)
    high = np.nan_to_num(probs)[np.arange(len(labels)), best]
    rows = np.flatnonzero((best != labels) & (high >= enough[best]))
    return rows[np.argsort(own[rows] - high[rows], kind="stable")]
