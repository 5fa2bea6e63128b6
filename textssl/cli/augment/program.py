"""The views that a training by a method would draw of the first rows of a file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ...augment import Augmentation, Column, OneOf
from ...augment.image import CTAugment, strong_view, weak_view
from ...augment.text import TextCTAugment
from ...augment.text.special_tokens import special_tokens_of
from ...catalog.names import method_named
from ...checks.lines import lines_of_rows
from ...config import SSLConfig
from ...data.sampler import STREAMS, Key
from ...data.view_contents import view_content
from ...data.views import view_rng
from ...errors import UserError
from ...methods import METHODS
from ...modalities.base import stem_of
from ...own_data import OwnData, read_own_data
from ..arguments import parse_arguments
from ..data.strong_columns import strong_columns
from ..options import RecipeOptions
from ..presets import fitting_preset, presets_for
from ..task_setups.image import ImageTaskSetup
from ..task_setups.strong_view import choose_strong
from ..task_setups.strong_view import strong_view as strong_text_view
from ..task_setups.text import TextTaskSetup, mild_view
from ..task_setups.text_models import load_tokenizer
from .request import ViewRequest
from .strengths import adopt_strengths


__all__ = ["ShownRow", "ShownViews", "make_views"]


@dataclass(frozen=True)
class ShownRow:
    """An example and its views, texts or images.

    Attributes:
        row: its number, from 0.
        line: of the file; ``None`` where rows have none.
        original: the example.
        views: by name.
    """

    row: int
    line: int | None
    original: Any
    views: dict[str, Any]


@dataclass(frozen=True)
class ShownViews:
    """What was made.

    Attributes:
        modality: ``"text"`` or ``"image"``.
        rows: the examples.
        notes: how the views were made, in words.
        strengths: of CTAugment: the rate of each bin of each operation; ``None`` of other views.
    """

    modality: str
    rows: list[ShownRow]
    notes: list[str]
    strengths: dict[str, list[float]] | None


def make_views(request: ViewRequest) -> ShownViews:
    """Make the views, each a function of the seed, the row, the visit and the view's name alone.

    Raises:
        UserError: data, a method, a view or an engine that is not there.
    """
    method = method_named(request.method)
    data = read_own_data(
        request.file, "file", text_column=request.text_column, image_column=request.image_column, labeled=False
    )
    options, config = _settings(request, method, data)
    views_of = METHODS[method].objective_class.views_for(config)
    stream = "unlabeled" if "unlabeled" in views_of else "labeled"
    names = list(views_of[stream]) if request.view is None else [request.view]
    if unknown := [name for name in names if stem_of(name) not in ("weak", "strong")]:
        raise UserError(f"view: got {unknown[0]!r}; expected weak, strong, or one with a number such as weak_2")
    chosen = _first_rows(data, request.rows)
    with tempfile.TemporaryDirectory() as folder:
        make = _text_views if data.modality == "text" else _image_views
        rows, augmentations, notes = make(options, config, data, chosen, names, Path(folder))
    strong = augmentations.get("strong")
    adaptive = strong if isinstance(strong, CTAugment | TextCTAugment) else None
    notes += adopt_strengths(adaptive, request.run)
    shown = _shown(rows, data, chosen, names, augmentations, lambda index, view: view_rng(
        config.seed, Key(STREAMS.index(stream), index, request.epoch), view
    ), Path(request.file))  # fmt: skip
    notes.append(f"views of {method}, preset {options.preset}, seed {config.seed}, visit {request.epoch}")
    return ShownViews(data.modality, shown, notes, None if adaptive is None else adaptive.learned())


def _settings(request: ViewRequest, method: str, data: OwnData) -> tuple[RecipeOptions, SSLConfig]:
    """The settings that ``textssl train`` would have."""
    words = ["--train_file", request.file, "--backend", data.modality, f"--{data.modality}_column", data.column]
    for name in ("strong", "replace", "seed"):
        if getattr(request, name) is not None:
            words += [f"--{name}", str(getattr(request, name))]
    preset, _ = fitting_preset()
    options, config = parse_arguments(
        [RecipeOptions, METHODS[method].config_class], presets_for(method), preset, words
    )
    allowed = TextTaskSetup.strong_views if data.modality == "text" else ImageTaskSetup.strong_views
    if data.modality == "text" and strong_columns(data.rows, options, [data.column]):
        return options, config
    if options.strong not in ("auto", *allowed):
        raise UserError(f"strong: got {options.strong!r}; here allowed: auto, {', '.join(allowed)}")
    return options, config


def _first_rows(data: OwnData, count: int) -> list[int]:
    """The first rows that have something to look at."""
    if count < 1:
        raise UserError(f"rows: got {count}; expected at least 1")
    if data.modality == "image":
        return list(range(min(count, len(data.rows))))
    rows = []
    for row, text in enumerate(data.rows[data.column]):
        if isinstance(text, str) and text.strip():
            rows.append(row)
        if len(rows) == count:
            break
    if not rows:
        raise UserError(f"file: {data.name}: no row has a text in column {data.column!r}")
    return rows


Made = tuple[datasets.Dataset, dict[str, Augmentation], list[str]]


def _text_views(
    options: RecipeOptions, config: SSLConfig, data: OwnData, chosen: list[int], names: list[str], folder: Path
) -> Made:
    """The chosen rows, with translations where the strong view reads some."""
    special, rows = special_tokens_of(load_tokenizer(options.model)), data.rows.select(chosen)
    corpus = _with_texts(data)
    found = "installed" if shutil.which("apertium") else "not installed"
    made: dict[str, Augmentation] = {}
    notes = []
    ready = strong_columns(data.rows, options, [data.column])
    if ready:
        made["strong"] = OneOf([Column(name, data.column) for name in ready])
        notes.append(f"strong: column {' or '.join(ready)}")
    elif any(stem_of(name) == "strong" for name in names):
        resolved = replace(options, strong=choose_strong(options.strong))
        rows, made["strong"] = strong_text_view(resolved, config, rows, folder, special, corpus)
        share = "" if options.replace is None else f" of {options.replace:.0%} of the words"
        words = f"{share}, from the words of {len(corpus):,} texts" if _replaces(resolved.strong) else ""
        notes.append(f"strong: {resolved.strong}{words}; Apertium, for back-translation, is {found}")
    if any(stem_of(name) == "weak" for name in names):
        notes.append("weak: the text as it is; dropout tells its passes apart")
    if "weak_2" in names and options.second_view == "tfidf":
        made["weak_2"] = mild_view(corpus, [data.column], special)
        notes.append("weak_2: mild word replacement (second_view tfidf)")
    return rows, made, notes


def _with_texts(data: OwnData) -> datasets.Dataset:
    return data.rows.select([row for row, text in enumerate(data.rows[data.column]) if isinstance(text, str)])


def _replaces(strong: str) -> bool:
    return bool({"tfidf", "uniform"} & {*strong.split("+")})


def _image_views(
    options: RecipeOptions, config: SSLConfig, data: OwnData, chosen: list[int], names: list[str], folder: Path
) -> Made:
    """The chosen rows, and the views of images."""
    flip, column = config.horizontal_flip, data.column
    weak = weak_view(flip=flip, column=column)
    if options.strong == "ctaugment":
        strong: Augmentation = CTAugment(weak=weak, column=column)
    else:
        strong = strong_view(flip=flip, column=column)
    mirrored = "shifted, and mirrored at random" if flip else "shifted at random"
    notes = [f"weak: {mirrored}"]
    if any(stem_of(name) == "strong" for name in names):
        kind = "CTAugment" if options.strong == "ctaugment" else "RandAugment"
        notes.append(f"strong: the weak view, then {kind} and a gray square")
    return data.rows.select(chosen), {"weak": weak, "strong": strong}, notes


def _shown(
    rows: datasets.Dataset,
    data: OwnData,
    chosen: list[int],
    names: list[str],
    augmentations: Mapping[str, Augmentation],
    rng: Callable[[int, str], np.random.Generator],
    path: Path,
) -> list[ShownRow]:
    lines = lines_of_rows(path, len(data.rows), data.column)
    shown = []
    for row, example in zip(chosen, rows, strict=True):
        views = {
            name: view_content(
                augmentations.get(name, augmentations.get(stem_of(name))),
                example,
                rng(row, name),
                lambda made: made[data.column],
            )
            for name in names
        }
        line = None if lines is None else int(lines[row])
        shown.append(ShownRow(row, line, example[data.column], views))
    return shown
