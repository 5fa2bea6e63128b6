"""``textssl.fit``: the best classifier for data of any kind."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from tempfile import TemporaryDirectory
from typing import Any

from ..own_data.in_memory import with_labels
from .candidates.base import Candidate
from .classifier import fit_classifier
from .names import Descriptions
from .parts import Columns, read_parts
from .progress import Say
from .result import FitResult


__all__ = ["fit"]

logger = logging.getLogger(__name__)


def fit(
    labeled: Any,
    unlabeled: Any = None,
    *,
    labels: Any = None,
    level: str = "balanced",
    encoder: str = "embedded",
    output_dir: str | os.PathLike[str] | None = None,
    time_budget: float | None = None,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    label_names: Sequence[str] | None = None,
    label_descriptions: Descriptions | None = None,
    template: str | Sequence[str] | None = None,
    max_length: int = 128,
    candidates: Sequence[Candidate] | None = None,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool | Say = True,
    overwrite: bool = False,
) -> FitResult:
    """Train the classifiers that a level has, score them on folds of the labels, and give back the best.

    Data are a pandas ``DataFrame``, a ``datasets.Dataset``, a list of texts, of (text, label) or of dicts, the path of
    a file or a folder, or ``owner/name`` of the Hub. Rows of ``labeled`` whose label is missing are unlabeled
    examples.

    Args:
        labeled: the labeled examples.
        unlabeled: the unlabeled ones; without them only supervised candidates are tried.
        labels: one for each of ``labeled``, where it has none: strings, integers or booleans, ``None`` or nan for an
            unlabeled example.
        level: ``"fast"`` trains heads on features, under two minutes for 5,000 texts on two cores; ``"balanced"``
            fine-tunes the encoder too, under twenty minutes; ``"best"`` has no limit.
        encoder: what makes the features and is fine-tuned: a folder, a name on the Hub, or ``"embedded"``: for
            texts all-MiniLM-L6-v2 from a package, for images histograms of oriented gradients, which are not trained.
        output_dir: keeps the results of candidates, from which an interrupted call goes on, and in ``model`` what was
            chosen. By default nothing is kept on the disk but embeddings; ``result.save`` writes the model.
        time_budget: seconds that all may take, in place of the level's.
        text_column: of the texts; by default ``text``, or the one that can only be that of the texts.
        image_column: of the images; likewise.
        label_column: of the labels; likewise.
        label_names: the classes in their order, with those that have no label but a name that says something. With
            them, no example needs a label.
        label_descriptions: of texts' classes, by name: one text or several about each.
        template: one or several texts that descriptions are put into in the place of ``{}``.
        max_length: most tokens of a text.
        candidates: to try, in place of those of the level.
        seed: of folds and candidates.
        cache_dir: of embeddings, which runs share; see :func:`textssl.features.embed`.
        progress: show what is done, on standard error; or what is given each line of it instead.
        overwrite: start anew where ``output_dir`` holds another result.

    Raises:
        UserError: data, settings or an encoder that cannot work, before any long work; a time budget that is too
            small for the cheapest candidate; a full disk.
    """
    if labels is not None:
        label_column = label_column or "label"
        labeled = with_labels(labeled, labels, "labeled", label_column)
    parts = read_parts(
        labeled,
        unlabeled,
        columns=Columns(text_column, image_column, label_column),
        named=label_names is not None or label_descriptions is not None,
    )
    for note in parts.notes:
        logger.warning("%s.", note)
    keep = nullcontext(output_dir) if output_dir is not None else TemporaryDirectory(prefix="textssl-fit-")
    with keep as folder:
        result = fit_classifier(
            parts.labeled,
            parts.unlabeled,
            encoder=encoder,
            level=level,
            output_dir=folder,
            time_budget=time_budget,
            text_column=parts.column,
            image_column=parts.column if parts.modality == "image" else None,
            label_column=parts.label_column,
            max_length=max_length,
            candidates=candidates,
            label_names=label_names,
            label_descriptions=label_descriptions,
            template=template,
            seed=seed,
            cache_dir=cache_dir,
            progress=progress,
            overwrite=overwrite,
        )
        if output_dir is not None:
            result.report(output_dir, source=parts.unlabeled_source, label_column=parts.label_column)
    for warning in result.warnings:
        logger.warning("%s.", warning)
    return result
