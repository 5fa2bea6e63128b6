"""Whether ``textssl fit`` and ``textssl train`` take a person's files: their own readers are asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import UserError
from ...fit.parts import Columns


__all__ = ["Refusals", "refusals"]


@dataclass(frozen=True)
class Refusals:
    """The line that each program would end with; ``None`` where it would go on to training."""

    fit: str | None
    train: str | None

    @property
    def any(self) -> bool:
        """Whether one of them refuses."""
        return self.fit is not None or self.train is not None


def refusals(files: Mapping[str, str], columns: Columns, modality: str | None) -> Refusals:
    """Load the files as both programs do before they train.

    Args:
        files: by part, ``"labeled"`` among them.
        columns: that a person named. Others are found in each file, as both programs find them.
        modality: that was found; ``None`` where the data could not be read.
    """
    return Refusals(
        _refusal(lambda: _load_for_fit(files, columns)), _refusal(lambda: _load_for_train(files, columns, modality))
    )


def _refusal(load: Callable[[], object]) -> str | None:
    with _silence():
        try:
            load()
        except UserError as error:
            return " ".join(str(error).split())
    return None


def _load_for_fit(files: Mapping[str, str], columns: Columns) -> None:
    from ...fit.inputs import check_inputs
    from ..fit.options import FitOptions
    from ..fit.task import load_fit_task

    options = FitOptions(
        train_file=files["labeled"],
        unlabeled_file=files.get("unlabeled"),
        test_file=files.get("test"),
        text_column=columns.text,
        image_column=columns.image,
        label_column=columns.label,
    )
    options.names = ("labeled", "unlabeled", "test")
    parts = load_fit_task(options, None).parts
    if parts.labeled is not None:
        check_inputs(parts.labeled, parts.unlabeled, parts.column, parts.label_column, parts.modality)


def _load_for_train(files: Mapping[str, str], columns: Columns, modality: str | None) -> None:
    from ...config import SSLConfig
    from ..data.loading import load_task
    from ..options import RecipeOptions

    named: dict[str, Any] = {"text_column": columns.text, "image_column": columns.image, "label_column": columns.label}
    config = SSLConfig(
        output_dir="unused", use_cpu=True, report_to=[], **{name: column for name, column in named.items() if column}
    )
    options = RecipeOptions(
        train_file=files["labeled"],
        unlabeled_file=files.get("unlabeled"),
        validation_file=files.get("validation"),
        test_file=files.get("test"),
        backend=modality or "auto",
    )
    options.set_explicit(frozenset(name for name, column in named.items() if column))
    load_task(options, config, needs_unlabeled=False)


@contextmanager
def _silence() -> Iterator[None]:
    """Warnings are findings already."""
    logger = logging.getLogger(__name__.partition(".")[0])
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
