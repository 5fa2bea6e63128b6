"""A text classifier from names of classes and unlabeled texts alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..data.validation import check_texts
from ..errors import UserError
from .budget import Budget, check_time_budget
from .candidates.heads import TrainedHead
from .candidates.networks import saved_processing_class_of
from .data import Examples, FitData
from .embeddings import embeddings, encoder_folder
from .folder import claim_folder, disk_guard
from .inputs import check_names
from .names import Descriptions, descriptions_of, with_descriptions
from .progress import Say, progress_lines
from .prompt_teacher import prompt_probs
from .zero_label import ZeroLabel, zero_label


__all__ = ["fit_from_names"]

logger = logging.getLogger(__name__)


def fit_from_names(
    unlabeled: datasets.Dataset,
    label_names: Sequence[str],
    *,
    output_dir: str | os.PathLike[str],
    label_descriptions: Descriptions | None = None,
    template: str | Sequence[str] | None = None,
    encoder: str = "embedded",
    prompt_teacher: str | None = None,
    text_column: str = "text",
    max_length: int = 128,
    cache_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    time_budget: float | None = None,
    progress: bool | Say = True,
    overwrite: bool = False,
) -> ZeroLabel:
    """Train a classifier without labels; a warning says where the names seem to fail.

    Args:
        unlabeled: texts, two for each class or more.
        label_names: the classes.
        output_dir: gets, in the folder ``model``, the encoder with its head, which ``pipeline("text-classification")``
            loads.
        label_descriptions: by class name, one text or several; a class that it lacks is described by its name.
        template: one or several texts that descriptions are put into in the place of ``{}``.
        encoder: a folder, a name on the Hub, or ``"embedded"`` for all-MiniLM-L6-v2 from a package.
        prompt_teacher: a folder or a model of the Hub, of natural language inference or generative, whose
            probabilities self-training starts from too. It reads every text once for each class.
        text_column: of the texts.
        max_length: most tokens of a text.
        cache_dir: of embeddings, which runs share; see :func:`textssl.features.embed`.
        seed: of what is drawn.
        time_budget: seconds that embedding the texts may take; what is embedded when they end is kept.
        progress: show what is embedded, on standard error; or what is given each line of it instead.
        overwrite: start anew where ``output_dir`` holds another result.

    Raises:
        UserError: fewer than two classes or a name that stands twice, texts that are missing, and as
            :func:`textssl.fit.zero_label.zero_label` and :func:`textssl.fit.names.descriptions_of` do.
    """
    names = tuple(check_names(label_names))
    described = {number for number, _ in descriptions_of(names, label_descriptions, template)}
    missing = [name for number, name in enumerate(names) if number not in described]
    if missing:
        raise UserError(f"label_descriptions: no description for class {missing[0]!r}; expected one")
    texts = check_texts(unlabeled, text_column, "unlabeled").select_columns([text_column])
    check_time_budget(time_budget)
    folder = claim_folder(output_dir, names, None, overwrite)
    place, budget = encoder_folder(encoder, "text", folder), Budget(time_budget)
    where: dict[str, Any] = {"cache_dir": cache_dir, "fallback_dir": folder / "embeddings"}

    def embed(rows: datasets.Dataset, say: Say | None = None) -> np.ndarray:
        return embeddings(rows, text_column, place, max_length, budget, say=say, **where)

    with progress_lines(progress) as say:
        features = embed(texts, say)
    none, nobody = np.empty((0, features.shape[1]), np.float32), np.empty(0, np.int64)
    data = FitData(
        label_names=names, labels=nobody, labeled=Examples(none, texts.select([])),
        unlabeled=Examples(features, texts), column=text_column, modality="text", encoder=place,
        max_length=max_length, prototypes=none, prototype_labels=nobody, seed=seed,
    )  # fmt: skip

    def embed_descriptions(about: list[str]) -> np.ndarray:
        return embed(datasets.Dataset.from_dict({text_column: about}))

    data = with_descriptions(data, embed_descriptions, label_descriptions, template)
    first = None
    if prompt_teacher is not None:
        first = prompt_probs(list(texts[text_column]), names, prompt_teacher, label_descriptions)
    result = zero_label(data, first)
    if result.warning is not None:
        logger.warning("%s", result.warning)
    with disk_guard(folder):
        _save(result, data, folder / "model")
    return result


def _save(result: ZeroLabel, data: FitData, folder: Path) -> None:
    TrainedHead(result.head, data).model().save_pretrained(folder)
    saved_processing_class_of(data).save_pretrained(folder)
