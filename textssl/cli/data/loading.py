"""Loading the data of a recipe: own files or a named source, checked, with label noise on request."""

from __future__ import annotations

from dataclasses import replace

from ...config import SSLConfig
from ..options import RecipeOptions
from .checks import check_quality
from .named import named_task
from .noisy_labels import check_noise_source, noisy_labels, wrong_labels
from .own_files import own_task
from .subsets import data_seed
from .task_data import TaskData


__all__ = ["load_task"]


def load_task(
    options: RecipeOptions, config: SSLConfig, default: str = "imdb", needs_unlabeled: bool = True
) -> TaskData:
    """Load a person's own files if there are any, else a named source with few of its labels kept.

    Where noise is asked for, labels of ``labeled`` are wrong and the true ones stand in a column of their own; no
    other part is touched.

    Args:
        options: the recipe's.
        config: the method's.
        default: the source, where ``options`` name none.
        needs_unlabeled: whether the method learns from unlabeled examples.

    Raises:
        UserError: files, columns, labels or sizes that cannot work.
    """
    check_noise_source(options, default)
    data = own_task(options, config, needs_unlabeled) if options.train_file else named_task(options, config, default)
    check_quality(data, options, config)
    return _with_noise(data, options, config)


def _with_noise(data: TaskData, options: RecipeOptions, config: SSLConfig) -> TaskData:
    labeled = noisy_labels(
        data.labeled, options, data.column, config.label_column, data.label_names, data_seed(config)
    )
    if labeled is data.labeled:
        return data
    wrong = wrong_labels(labeled, config.label_column)
    facts = replace(data.split_facts, noise=options.noise_kind, wrong_labels=wrong)
    return replace(data, labeled=labeled, split_facts=facts)
