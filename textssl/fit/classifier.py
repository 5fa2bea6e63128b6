"""The best classifier that a few labels allow: candidates are scored on folds of the labels, and one is given back."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..data.files import content_checksum
from ..errors import UserError
from .budget import LEVEL_SECONDS, Budget, check_time_budget
from .candidates import CANDIDATES
from .candidates.base import LEVELS, Candidate
from .candidates.named import named_candidates
from .data import Examples, FitData
from .embeddings import embeddings, encoder_folder
from .folder import claim_folder, disk_guard
from .folds import make_folds
from .inputs import Inputs, check_inputs, check_names
from .names import Descriptions, descriptions_of, with_descriptions
from .outcome import outcome
from .progress import Say, progress_lines
from .result import FitResult
from .search import Search
from .store import ResultStore
from .without_labels import classes_without_labels, fit_without_labels


__all__ = ["candidates_of", "fit_classifier"]


def fit_classifier(
    labeled: datasets.Dataset | None,
    unlabeled: datasets.Dataset | None = None,
    *,
    encoder: str = "embedded",
    level: str = "balanced",
    output_dir: str | os.PathLike[str],
    time_budget: float | None = None,
    text_column: str = "text",
    image_column: str | None = None,
    label_column: str = "label",
    max_length: int = 128,
    candidates: Sequence[Candidate] | None = None,
    label_names: Sequence[str] | None = None,
    label_descriptions: Descriptions | None = None,
    template: str | Sequence[str] | None = None,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool | Say = True,
    overwrite: bool = False,
) -> FitResult:
    """Train the classifiers that a level has, score them on folds of the labels, and give back the best.

    Args:
        labeled: the labeled examples; labels are integers, strings, booleans or a ``ClassLabel``. Of texts there may
            be none, ``None``: names and descriptions of classes are then all that tells them, the same at each level;
            see :func:`fit_from_names`.
        unlabeled: the unlabeled ones; without them only supervised candidates are tried.
        encoder: what makes the features and is fine-tuned: a folder, a name on the Hub, or ``"embedded"``: for
            texts all-MiniLM-L6-v2 from a package, for images histograms of oriented gradients, which are not trained.
        level: ``"fast"`` trains heads on features, under two minutes for 5,000 texts on two cores; ``"balanced"``
            fine-tunes the encoder too, under twenty minutes; ``"best"`` has no limit.
        output_dir: of the results of candidates and, in the folder ``model``, of what was chosen. A call that was
            interrupted goes on from there. It holds nothing else.
        time_budget: seconds that all may take, in place of the level's.
        text_column: of the texts.
        image_column: of images, which then are classified; ``encoder`` is one of images.
        label_column: of ``labeled``.
        max_length: most tokens of a text.
        candidates: to try, in place of those of the level.
        label_names: the classes in their order, with those that have no label but a name that says something; by
            default those of the labels, or of ``label_descriptions`` where there are no labels.
        label_descriptions: of texts' classes, by name: one text or several about each. Classes that it lacks are
            described by their names, where these say something. The folds decide whether descriptions are believed.
        template: one or several texts that descriptions are put into in the place of ``{}``.
        seed: of folds and candidates.
        cache_dir: of embeddings, which runs share; see :func:`textssl.features.embed`.
        progress: show what is done, on standard error; or what is given each line of it instead.
        overwrite: start anew where ``output_dir`` holds another result.

    Raises:
        UserError: data, settings or an encoder that cannot work, before any long work; a time budget that is too
            small for the cheapest candidate; a full disk.
    """
    if level not in LEVELS:
        raise UserError(f"level: got {level!r}; allowed: {', '.join(LEVELS)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"seed: got {seed!r}; expected an integer, 0 or above")
    check_time_budget(time_budget)
    clock = budget = Budget(time_budget)
    modality, column = ("text", text_column) if image_column is None else ("image", image_column)
    if labeled is None:
        with progress_lines(progress) as say:
            return _without_labels(
                unlabeled, modality, candidates, classes_without_labels(label_names, label_descriptions),
                label_descriptions=label_descriptions, template=template, encoder=encoder, text_column=text_column,
                max_length=max_length, seed=seed, time_budget=time_budget, output_dir=output_dir, cache_dir=cache_dir,
                progress=say, overwrite=overwrite,
            )  # fmt: skip
    described = _described_names(modality, label_names, label_descriptions, template)
    inputs = check_inputs(labeled, unlabeled, column, label_column, modality, label_names, described)
    descriptions_of(inputs.label_names, label_descriptions, template)  # mistakes, before anything long
    settings = {"encoder": encoder, "max_length": max_length, "seed": seed, **_checksums(inputs)}
    settings |= {"label_descriptions": label_descriptions, "template": template}
    folder = claim_folder(output_dir, inputs.label_names, _plain(settings), overwrite)
    with disk_guard(folder), progress_lines(progress) as say:
        where = {"cache_dir": cache_dir, "fallback_dir": folder / "embeddings", "say": say}
        data = _embedded(inputs, encoder, max_length, seed, budget, **where)
        data = _described(data, label_descriptions, template, budget, **where)
        if time_budget is None:
            budget = Budget(LEVEL_SECONDS[level])
        tried = _from_cheap_to_expensive(level, data) if candidates is None else candidates
        folds = make_folds(data.labels, seed)
        search = Search(data, folds, tried, ResultStore(folder / "search"), budget, say)
        search.run()
        result = outcome(search, encoder, clock.spent)
        result.facts.update({f"{modality}_column": column, "label_column": label_column})
        result.save(folder / "model")
    return result


def _checksums(inputs: Inputs) -> dict[str, str]:
    labeled = hashlib.sha256(content_checksum(inputs.labeled, [inputs.column]).encode() + inputs.labels.tobytes())
    unlabeled = "none" if inputs.unlabeled is None else content_checksum(inputs.unlabeled, [inputs.column])
    return {"labeled examples": labeled.hexdigest(), "unlabeled examples": unlabeled}


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file of JSON gives them back."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(settings), default=list))
    return plain


def candidates_of(level: str) -> list[Candidate]:
    """The candidates of a level, those of cheaper levels included, beside those that descriptions add."""
    return [candidate for candidate in CANDIDATES if LEVELS.index(candidate.level) <= LEVELS.index(level)]


def _from_cheap_to_expensive(level: str, data: FitData) -> list[Candidate]:
    """Where time is short the last ones are not tried: a regression comes before rounds of them."""
    probe, *others = candidates_of(level)
    named = named_candidates(data)
    return [probe, *named[:1], *others, *named[1:]]


def _without_labels(
    unlabeled: datasets.Dataset | None,
    modality: str,
    candidates: Sequence[Candidate] | None,
    label_names: Sequence[str],
    **settings: Any,
) -> FitResult:
    """The answer to no labels, and refusals of what then cannot act."""
    if modality != "text":
        raise UserError("labeled: got None with image_column; without labels only texts are classified, by names")
    if candidates is not None:
        raise UserError("candidates: got some without labels; only names and descriptions tell the classes then")
    result = fit_without_labels(unlabeled, label_names, **settings)
    folder = Path(settings["output_dir"])
    with disk_guard(folder):
        result.save(folder / "model")
    return result


def _described_names(
    modality: str,
    label_names: Sequence[str] | None,
    label_descriptions: Descriptions | None,
    template: str | Sequence[str] | None,
) -> list[str]:
    """Classes that need no label: those with a description, and those named by a person whose names say something."""
    if modality != "text":
        return []
    if label_names is None:
        return list(label_descriptions or ())
    names = check_names(label_names)
    return [names[number] for number, _ in descriptions_of(names, label_descriptions, template)]


def _embedded(inputs: Inputs, encoder: str, max_length: int, seed: int, budget: Budget, **where: Any) -> FitData:
    """The data with embeddings of all examples."""
    place = encoder_folder(encoder, inputs.modality, where["fallback_dir"].parent)
    parts = [inputs.labeled] if inputs.unlabeled is None else [inputs.labeled, inputs.unlabeled]
    rows = datasets.concatenate_datasets(parts)
    features = embeddings(rows, inputs.column, place, max_length, budget, modality=inputs.modality, **where)
    count = len(inputs.labeled)
    return FitData(
        label_names=inputs.label_names,
        labels=inputs.labels,
        labeled=Examples(features[:count], inputs.labeled),
        unlabeled=Examples(
            features[count:], inputs.labeled.select([]) if inputs.unlabeled is None else inputs.unlabeled
        ),
        column=inputs.column,
        modality=inputs.modality,
        encoder=place,
        max_length=max_length,
        prototypes=np.empty((0, features.shape[1]), np.float32),
        prototype_labels=np.empty(0, np.int64),
        seed=seed,
    )


def _described(
    data: FitData,
    label_descriptions: Descriptions | None,
    template: str | Sequence[str] | None,
    budget: Budget,
    **where: Any,
) -> FitData:
    """The data with embeddings of descriptions of the classes."""

    def embed(texts: list[str]) -> np.ndarray:
        rows = datasets.Dataset.from_dict({data.column: texts})
        return embeddings(rows, data.column, data.encoder, data.max_length, budget, **where)

    return with_descriptions(data, embed, label_descriptions, template)
