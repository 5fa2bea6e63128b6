"""Own labeled data in parts: few labels, some rows to follow training by, the others without their labels."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import numpy as np

from ...data.files import content_checksum
from ...errors import UserError
from ...sources.splits import Split, hold_out, stratified_rows
from ..options import RecipeOptions


__all__ = ["own_split"]

NONE = np.zeros(0, np.int64)


def own_split(labeled: datasets.Dataset, options: RecipeOptions, seed: int, columns: Sequence[str]) -> Split | None:
    """Split ``train_file`` as ``validation_split`` and ``num_labeled`` say; ``None`` where neither says anything.

    Both parts are drawn in the proportions of the classes. The validation rows do not depend on how many labels are
    kept.

    Args:
        labeled: N rows with a ``ClassLabel``, each class with at least one.
        options: the recipe's.
        seed: of the run's data.
        columns: of the inputs, and last that of the labels.

    Raises:
        UserError: more labels than there are, fewer than classes, or a class that is left without one.
    """
    if options.validation_split is None and options.num_labeled is None:
        return None
    labels, names = np.asarray(labeled[columns[-1]][:], np.int64), labeled.features[columns[-1]].names
    kept, held = np.arange(len(labels)), NONE
    if options.validation_split is not None:
        prefix = f"validation_split: got {options.validation_split}; of {len(labels)} labeled examples "
        size = max(1, round(options.validation_split * len(labels)))
        if size >= len(labels):
            raise UserError(f"{prefix}none would be left to train on")
        kept, held = hold_out(labels, size, seed=seed)
        if lost := sorted({*labels.tolist()} - {*labels[kept].tolist()}):
            raise UserError(f"{prefix}none of class {names[lost[0]]!r} would be left to train on")
    chosen, rest = kept, NONE
    if options.num_labeled is not None:
        if not len(names) <= options.num_labeled <= len(kept):
            raise UserError(
                f"num_labeled: got {options.num_labeled}; expected at least {len(names)}, one of each class, and at "
                f"most {len(kept)}, the labeled examples to train on"
            )
        chosen = kept[stratified_rows(labels[kept], options.num_labeled, seed=seed)]
        rest = np.setdiff1d(kept, chosen)
    checksum = content_checksum(labeled, list(columns))
    return Split(chosen, rest, held, seed, len(labels), checksum, str(options.train_file))
