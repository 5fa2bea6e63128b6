"""A text classifier with the conventions of scikit-learn, which learns from unlabeled texts too.

classifier = SemiSupervisedTextClassifier(level="fast").fit(texts, labels)  # None, nan, "" or -1: no label
classifier.predict(["Some text."])
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .errors import UserError
from .fit import FitResult, fit_classifier
from .fit.candidates.base import Candidate
from .fit.names import Descriptions
from .own_data.in_memory import as_inputs


__all__ = ["SemiSupervisedTextClassifier"]

SEEDS = 2**31 - 1

logger = logging.getLogger(__name__)


class SemiSupervisedTextClassifier(ClassifierMixin, BaseEstimator):
    """The classifier that :func:`textssl.fit` chooses, as an estimator.

    A text has no label where that is ``None``, nan or an empty string, and where it is -1 beside numbers. :meth:`fit`
    learns from it as an unlabeled text; :meth:`score` leaves it out.

    Args:
        level: ``"fast"``, ``"balanced"`` or ``"best"``, see :func:`textssl.fit`. The default is the fast one, for
            cross-validation and grids fit an estimator many times.
        encoder: a folder, a name on the Hub, or ``"embedded"`` for all-MiniLM-L6-v2 from a package.
        time_budget: seconds that a fit may take, in place of those of the level.
        max_length: most tokens of a text.
        label_descriptions: by the string of a class, one text or several about it.
        template: one or several texts that descriptions are put into in the place of ``{}``.
        candidates: to try, in place of those of the level.
        cache_dir: of embeddings, which all fits share; see :func:`textssl.features.embed`.
        random_state: of folds and candidates: a seed, a generator, or ``None`` for another one in each fit.
        verbose: show what is done, on standard error.

    Attributes:
        classes_: the C classes, sorted, of the type that they came in.
        result_: what the choice gave back: the model, candidates, expected accuracy, ``save`` and ``push_to_hub``.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> from textssl.sklearn import SemiSupervisedTextClassifier
        >>> cross_val_score(SemiSupervisedTextClassifier(), texts, labels)  # doctest: +SKIP
    """

    classes_: np.ndarray
    result_: FitResult

    def __init__(
        self,
        *,
        level: str = "fast",
        encoder: str = "embedded",
        time_budget: float | None = None,
        max_length: int = 128,
        label_descriptions: Descriptions | None = None,
        template: str | Sequence[str] | None = None,
        candidates: Sequence[Candidate] | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.level = level
        self.encoder = encoder
        self.time_budget = time_budget
        self.max_length = max_length
        self.label_descriptions = label_descriptions
        self.template = template
        self.candidates = candidates
        self.cache_dir = cache_dir
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> SemiSupervisedTextClassifier:
        """Choose and train a classifier.

        Args:
            X: N texts.
            y: N labels; strings, numbers or booleans.

        Raises:
            UserError: texts that are none, labels of several kinds, no label, one class alone, and as
                :func:`textssl.fit`.
        """
        texts, labels = _texts(X), _labels(y)
        check_consistent_length(texts, labels)
        known = _has_label(labels)
        self.classes_, numbers = _classes(labels[known])
        names = [str(name) for name in self.classes_.tolist()]
        rows = {"text": [texts[row] for row in np.flatnonzero(known)], "label": [names[number] for number in numbers]}
        others = [texts[row] for row in np.flatnonzero(~known)]
        with TemporaryDirectory(prefix="textssl-fit-") as folder:
            self.result_ = fit_classifier(
                datasets.Dataset.from_dict(rows),
                datasets.Dataset.from_dict({"text": others}) if others else None,
                level=self.level,
                encoder=self.encoder,
                output_dir=folder,
                time_budget=self.time_budget,
                max_length=self.max_length,
                label_names=names,
                label_descriptions=self.label_descriptions,
                template=self.template,
                candidates=self.candidates,
                cache_dir=self.cache_dir,
                seed=_seed(self.random_state),
                progress=bool(self.verbose),
            )
        for warning in self.result_.warnings:
            logger.warning("%s.", warning)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Calibrated probabilities, float64 ``[n, C]``, of n texts; columns are in the order of ``classes_``.

        Raises:
            UserError: texts that are none.
            NotFittedError: before :meth:`fit`.
        """
        check_is_fitted(self)
        return self.result_.predict_proba(_texts(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each of n texts, of the type that labels came in.

        Raises:
            UserError: texts that are none.
            NotFittedError: before :meth:`fit`.
        """
        probs = self.predict_proba(X)
        found: np.ndarray = self.classes_[probs.argmax(1)]
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on those of the texts that have a label.

        Args:
            X: N texts.
            y: N labels.
            sample_weight: N weights.

        Raises:
            UserError: none has a label.
        """
        texts, labels = _texts(X), _labels(y)
        check_consistent_length(texts, labels, sample_weight)
        known = np.flatnonzero(_has_label(labels))
        if not len(known):
            raise UserError("y: got no label to score with")
        right = self.predict([texts[row] for row in known]) == labels[known]
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(np.average(right.astype(float), weights=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _texts(X: Any) -> list[str]:
    try:
        texts = as_inputs(X)
    except UserError as error:
        raise UserError(str(error).replace("inputs:", "X:", 1)) from error
    strange = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if strange is not None:
        raise UserError(f"X: row {strange} is {texts[strange]!r:.60}; expected a text")
    if not texts:
        raise UserError("X: got no texts; expected at least one")
    return texts


def _labels(y: Any) -> np.ndarray:
    """Labels ``[N]``; those of pandas that may be missing are objects."""
    if y is None:
        # The words that scikit-learn's own checks look for.
        raise UserError("y: the classifier requires y to be passed, but the target y is None")
    if isinstance(y, pd.Series) and not isinstance(y.dtype, np.dtype):
        y = y.astype(object)
    if isinstance(y, list | tuple) and len({type(label) for label in y}) > 1:
        # Of several types numpy makes strings; the None at the end keeps it from making rows of lists.
        plain = [label.item() if isinstance(label, np.generic) else label for label in y]
        y = np.array([*plain, None], object)[:-1]
    labels: np.ndarray = column_or_1d(y, warn=True)
    return labels


def _has_label(labels: np.ndarray) -> np.ndarray:
    """Which rows have a label, bool ``[N]``."""
    missing = np.asarray(pd.isna(labels))
    if labels.dtype.kind in "UO":
        missing |= np.array([isinstance(label, str) and not label.strip() for label in labels], bool)
    rest = labels[~missing]
    if labels.dtype.kind in "iuf" or all(_is_number(label) for label in rest):
        missing[~missing] = np.array([label == -1 for label in rest], bool)
    return ~missing


def _is_number(label: Any) -> bool:
    return isinstance(label, int | float | np.number) and not isinstance(label, bool | np.bool_)


def _classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the number of that of each label."""
    if not len(labels):
        raise UserError("y: got no label; expected labels of two classes or more")
    plain = np.array(labels.tolist()) if labels.dtype == object else labels
    if plain.dtype.kind not in "iubUf" or len({type(label) for label in labels.tolist()}) > 1:
        kinds = sorted({type(label).__name__ for label in labels.tolist()})
        raise UserError(f"y: got labels of the kind {' and '.join(kinds)}; expected all strings, integers or booleans")
    if plain.dtype.kind == "f" and not (plain == np.floor(plain)).all():
        raise UserError("y: Unknown label type: continuous; labels are classes, not numbers to predict (regression)")
    found, numbers = np.unique(plain, return_inverse=True)
    if len(found) < 2:
        raise UserError(
            f"y: got {len(plain):,} labels of 1 class, {found.tolist()[0]!r}; expected two classes or more"
        )
    return (found.astype(object) if labels.dtype == object and plain.dtype.kind == "U" else found), numbers


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(SEEDS))
