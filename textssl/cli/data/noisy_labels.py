"""Label noise for recipes: of the labeled examples alone, with the truth kept beside them."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import numpy as np
import pyarrow as pa

from ...errors import UserError
from ...sources.noise import SENTIMENT_RULES, flip_labels, keyword_labels
from ..options import KEYWORDS, RecipeOptions


__all__ = ["TRUE_LABEL", "check_noise_source", "noisy_labels", "wrong_labels"]

# The column of what the labels were.
TRUE_LABEL = "true_label"
KEYWORD_SOURCE = "imdb"


def check_noise_source(options: RecipeOptions, default: str) -> None:
    """Raise UserError where labels by keywords are asked for of data that the keywords do not fit.

    Args:
        options: the recipe's.
        default: the source, where ``options`` name none.
    """
    if options.noise_kind != KEYWORDS:
        return
    name, _ = options.named_source(default)
    if name != KEYWORD_SOURCE:
        raise UserError(f"noise_kind: got {KEYWORDS!r}; its rules are for the source {KEYWORD_SOURCE}, not for {name}")


def noisy_labels(
    labeled: datasets.Dataset,
    options: RecipeOptions,
    column: str,
    label_column: str,
    label_names: Sequence[str],
    seed: int,
) -> datasets.Dataset:
    """Make labels wrong as ``options`` say.

    Args:
        labeled: N rows with a ``ClassLabel``.
        options: the recipe's.
        column: of the inputs.
        label_column: of the labels.
        label_names: [C] names of the classes.
        seed: of the run's data.

    Returns:
        ``labeled`` itself where no noise is asked for; else the same rows with the labels to train on, and a column
        ``TRUE_LABEL`` of what they were.

    Raises:
        UserError: a column of that name is there already, or a class has no label left.
    """
    flag = "noise_kind" if options.noise_kind == KEYWORDS else "noise"
    got = f"{flag}: got {getattr(options, flag)!r}; "
    if flag == "noise" and not options.noise:
        return labeled
    if TRUE_LABEL in labeled.column_names:
        raise UserError(f"{got}the labeled data have a column {TRUE_LABEL!r} already, where the truth would be kept")
    if flag == "noise_kind":
        labels = keyword_labels(labeled[column][:], SENTIMENT_RULES, seed)
    else:
        truth = np.asarray(labeled[label_column][:], np.int64)
        labels = flip_labels(truth, options.noise, len(label_names), seed, options.noise_kind)
    counts = np.bincount(labels, minlength=len(label_names))
    if not counts.all():
        name = label_names[int(np.argmin(counts))]
        raise UserError(f"{got}of {len(labeled)} labels none is {name!r} any more; use more labels or another seed")
    order, feature = labeled.column_names, labeled.features[label_column]
    kept = labeled.rename_column(label_column, TRUE_LABEL)
    return kept.add_column(label_column, pa.array(labels), feature=feature).select_columns([*order, TRUE_LABEL])


def wrong_labels(labeled: datasets.Dataset, label_column: str) -> int:
    """How many labels of what :func:`noisy_labels` made are wrong."""
    return int(np.count_nonzero(np.not_equal(labeled[label_column][:], labeled[TRUE_LABEL][:])))
