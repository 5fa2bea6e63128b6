"""A classifier from class names alone, reported in the same way as a search."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ..errors import UserError
from .estimates import Estimate
from .from_names import fit_from_names
from .names import Descriptions
from .report_data import report_without_labels
from .result import FitResult
from .zero_label import ZeroLabel


__all__ = ["classes_without_labels", "fit_without_labels"]

# The standard error of the trust, see :func:`textssl.fit.zero_label.trust_of`, times the quantile of 90 %.
DOUBT = 1.645 * 0.15


def classes_without_labels(
    label_names: Sequence[str] | None, label_descriptions: Descriptions | None
) -> Sequence[str]:
    """The classes, where no label tells them.

    Raises:
        UserError: neither names nor descriptions.
    """
    if label_names is not None:
        return label_names
    if not label_descriptions:
        raise UserError("labeled: got None; without labels, expected label_names or label_descriptions")
    return list(label_descriptions)


def fit_without_labels(
    unlabeled: datasets.Dataset | None,
    label_names: Sequence[str],
    *,
    output_dir: str | os.PathLike[str],
    encoder: str,
    text_column: str,
    max_length: int,
    **settings: Any,
) -> FitResult:
    """Train by names and descriptions of classes; see :func:`textssl.fit.fit_from_names`.

    Args:
        unlabeled: texts.
        label_names: the classes.
        output_dir: as there.
        encoder: as there.
        text_column: of the texts.
        max_length: most tokens of a text.
        **settings: further ones of it.

    Raises:
        UserError: no unlabeled texts, and as there.
    """
    if not isinstance(unlabeled, datasets.Dataset) or not len(unlabeled):
        raise UserError("unlabeled: got no texts; without labels a classifier is trained on unlabeled texts")
    start = time.perf_counter()
    found = fit_from_names(
        unlabeled,
        label_names,
        output_dir=output_dir,
        encoder=encoder,
        text_column=text_column,
        max_length=max_length,
        **settings,
    )
    folder = Path(output_dir) / "model"
    return FitResult(
        model=AutoModelForSequenceClassification.from_pretrained(folder).eval(),
        processor=AutoTokenizer.from_pretrained(folder),
        label_names=tuple(label_names),
        modality="text",
        max_length=max_length,
        candidates=(),
        chosen=("names",),
        expected_accuracy=_expected(found),
        expected_macro_f1=None,
        log_loss=None,
        temperature={},
        warnings=_warnings(found),
        encoder=encoder,
        num_labeled=0,
        num_unlabeled=len(found.probs),
        seconds=time.perf_counter() - start,
        facts={"trust": round(found.trust, 4), "to_label": found.to_label.tolist()},
        report_data=report_without_labels(unlabeled, text_column, found.probs, label_names, _warnings(found)),
    )


def _warnings(found: ZeroLabel) -> tuple[str, ...]:
    message = "no label was given: the accuracy is guessed from how well names and texts go together"
    return (message,) if found.warning is None else (message, found.warning.rstrip("."))


def _expected(found: ZeroLabel) -> Estimate:
    """The expected accuracy, and what it would be with the trust at the ends of its interval."""
    shares = np.bincount(found.probs.argmax(1), minlength=found.probs.shape[1]) / len(found.probs)
    chance = float(shares @ shares)
    low, high = (float(np.clip(found.trust + sign * DOUBT, 0, 1)) for sign in (-1, 1))
    return Estimate(found.expected_accuracy, chance + (1 - chance) * low, chance + (1 - chance) * high)
