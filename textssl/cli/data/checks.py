"""Checks of a recipe's data against each other, before anything long."""

from __future__ import annotations

from accelerate import PartialState

from ...config import SSLConfig
from ...data.quality import DataQuality, label_findings
from ..options import RecipeOptions
from .task_data import TaskData


__all__ = ["check_quality"]


def check_quality(data: TaskData, options: RecipeOptions, config: SSLConfig) -> None:
    """Compare all parts, the held-out ones too: trainers, which are made of some of them, need not look again."""

    def name(part: str) -> str:
        if options.train_file is None:
            return f"the {part} part"
        whole = data.split is None if part == "train" else getattr(options, f"{part}_file") is not None
        return f"{part}_file" if whole else f"the {part} part of train_file"

    quality = DataQuality(
        data.columns, config.label_column, config.data_check, PartialState().is_main_process, data.label_names
    )
    quality.report(label_findings(data.labeled, config.label_column, name("train")))
    unlabeled = None if data.unlabeled is None else (name("unlabeled"), data.unlabeled)
    quality.check_training((name("train"), data.labeled), unlabeled)
    held_out = {name(part): getattr(data, part) for part in ("validation", "test")}
    quality.check_evaluation({part: rows for part, rows in held_out.items() if rows is not None})
