"""Accuracy, macro-F1, confusion matrix: for `Trainer`, and as `evaluate` metrics without a network.

`evaluate.load("accuracy")` fetches a script from the Hub. The classes here are `evaluate.Metric`
subclasses that compute by themselves, so `Accuracy()` works offline, and so does
`evaluate.combine([Accuracy(), MacroF1()])`.

Examples:
    >>> from textssl.training.metrics import MacroF1
    >>> MacroF1().compute(predictions=[0, 0, 0, 0], references=[0, 0, 0, 1])
    {'macro_f1': 0.42857142857142855}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from textssl.errors import UserError


if TYPE_CHECKING:
    from evaluate import EvaluationModuleInfo, Metric
    from transformers import EvalPrediction

    Accuracy: type[Metric]
    ConfusionMatrix: type[Metric]
    MacroF1: type[Metric]


__all__ = ["Accuracy", "ConfusionMatrix", "MacroF1", "compute_metrics"]

Score = Callable[[np.ndarray, np.ndarray, int | None], dict[str, Any]]


def compute_metrics(eval_prediction: EvalPrediction) -> dict[str, float]:
    """Accuracy and macro-F1 of a classifier, in the form that `Trainer(compute_metrics=...)` wants.

    Macro-F1 is the mean of the F1 scores of the classes found among the labels or the predictions:
    a class that is never predicted counts as 0, a class that occurs in neither is left out.

    Args:
        eval_prediction: `predictions` are logits `[N, C]`, class indices `[N]`, or a tuple whose
            first item is one of these (a model that returns hidden states too); `label_ids` are
            class indices `[N]`, or a tuple whose first item is that.

    Returns:
        `{"accuracy": ..., "macro_f1": ...}`, each in [0, 1].

    Raises:
        UserError: a wrong rank, unequal lengths, no example, or a label below 0 (an unlabeled
            example).
    """
    scores, labels = _first_array(eval_prediction.predictions), _first_array(eval_prediction.label_ids)
    if scores.ndim not in (1, 2):
        raise UserError(f"predictions: got shape {scores.shape}; expected [N, C] logits or [N] classes")
    predictions = scores.argmax(axis=1) if scores.ndim == 2 else scores
    predictions, labels = _checked(predictions, labels, None)
    return {**_accuracy(predictions, labels, None), **_macro_f1(predictions, labels, None)}


def __getattr__(name: str) -> Any:
    """Build a metric class on first use: `evaluate` takes seconds to import, pipelines and all."""
    if name not in _METRICS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = metric = _metric_class(name)
    return metric


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _first_array(arrays: Any) -> np.ndarray:
    while isinstance(arrays, tuple | list):
        arrays = arrays[0]
    return np.asarray(arrays)


def _checked(predictions: Any, references: Any, num_labels: int | None) -> tuple[np.ndarray, np.ndarray]:
    predictions, references = np.asarray(predictions), np.asarray(references)
    if predictions.ndim != 1 or predictions.shape != references.shape:
        raise UserError(
            f"predictions and references: got shapes {predictions.shape} and {references.shape}; "
            "expected class indices [N] of both"
        )
    if not len(references):
        raise UserError("references: got none; expected at least one example")
    for name, classes in (("predictions", predictions), ("references", references)):
        if classes.min() < 0 or (num_labels is not None and classes.max() >= num_labels):
            allowed = "0 or more" if num_labels is None else f"0 to {num_labels - 1}"
            got = f"{classes.min()} to {classes.max()}"
            raise UserError(f"{name}: got values from {got}; expected class indices, {allowed}")
    return predictions, references


def _accuracy(predictions: np.ndarray, references: np.ndarray, num_labels: int | None) -> dict[str, Any]:
    return {"accuracy": float(np.mean(predictions == references))}


def _macro_f1(predictions: np.ndarray, references: np.ndarray, num_labels: int | None) -> dict[str, Any]:
    from sklearn.metrics import f1_score

    labels = None if num_labels is None else list(range(num_labels))
    # left to its default, zero_division warns of each class without a prediction
    score = f1_score(references, predictions, labels=labels, average="macro", zero_division=0.0)
    return {"macro_f1": float(score)}


def _confusion_matrix(predictions: np.ndarray, references: np.ndarray, num_labels: int | None) -> dict[str, Any]:
    if num_labels is None:
        num_labels = int(max(predictions.max(), references.max())) + 1
    # by hand: scikit-learn's warns where only one class occurs
    counts = np.bincount(references * num_labels + predictions, minlength=num_labels**2)
    return {"confusion_matrix": counts.reshape(num_labels, num_labels).tolist()}


_METRICS: dict[str, tuple[Score, str]] = {
    "Accuracy": (_accuracy, "Share of examples whose class is predicted, in [0, 1]."),
    "MacroF1": (
        _macro_f1,
        "Mean over classes of F1, in [0, 1]. A class that is never predicted counts as 0. The "
        "classes are those found in references or predictions, or all of `num_labels` if given.",
    ),
    "ConfusionMatrix": (
        _confusion_matrix,
        "Counts [C, C] as nested lists: row = reference, column = prediction. C is `num_labels`, "
        "or else the largest class index found plus one.",
    ),
}

_ARGUMENTS = """
Args:
    num_labels: number of classes C; an index outside 0..C-1 is then an error.
    keep_in_memory: hold predictions in memory and write no file. `False` makes `evaluate` spool
        them to its cache folder, which several processes (`num_process`) need.
    **kwargs: passed to `evaluate.Metric`.

Call `compute(predictions=[N], references=[N])`, or `add_batch` first and `compute()` at the end.
"""


def _metric_class(name: str) -> type:
    import datasets
    import evaluate

    score, description = _METRICS[name]

    class OfflineMetric(evaluate.Metric):
        def __init__(self, num_labels: int | None = None, keep_in_memory: bool = True, **kwargs: Any) -> None:
            if num_labels is not None and num_labels < 1:
                raise UserError(f"num_labels: got {num_labels}; expected at least 1")
            self.num_labels = num_labels
            kwargs.setdefault("seed", 0)  # otherwise it is read off NumPy's global generator
            super().__init__(keep_in_memory=keep_in_memory, **kwargs)

        def _build_data_dir(self) -> str:
            if self.keep_in_memory:
                return str(self._data_dir_root)  # the parent makes a folder that would stay empty
            return super()._build_data_dir()

        def _info(self) -> EvaluationModuleInfo:
            classes = datasets.Value("int64")
            return evaluate.MetricInfo(
                description=description,
                citation="",
                features=datasets.Features({"predictions": classes, "references": classes}),
                inputs_description=_ARGUMENTS,
            )

        def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
            return score(*_checked(predictions, references, self.num_labels), self.num_labels)

    OfflineMetric.__name__ = OfflineMetric.__qualname__ = name
    OfflineMetric.__doc__ = description + "\n" + _ARGUMENTS
    return OfflineMetric
