"""Classification without labels, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.fit.fit_data import fit_data
from textssl.errors import UserError
from textssl.fit.data import FitData
from textssl.fit.zero_label import kappa, texts_to_label, zero_label


def named(right: bool = True, unlabeled: int = 240, noise: float = 0.25) -> tuple[FitData, np.ndarray]:
    """Data with two descriptions a class, near its texts or anywhere, and the classes of the unlabeled texts."""
    data = fit_data(labeled=0, unlabeled=unlabeled, noise=noise)
    truth = np.arange(unlabeled) % 3
    rng = np.random.default_rng(5)
    centres = np.stack([data.unlabeled.features[truth == c].mean(0) for c in range(3)])
    about = np.repeat(centres, 2, axis=0) + 0.1 * rng.normal(size=(6, 16))
    prototypes = (about if right else rng.normal(size=(6, 16))).astype(np.float32)
    return replace(data, prototypes=prototypes, prototype_labels=np.repeat(np.arange(3), 2)), truth


def test_right_names_classify_and_are_trusted() -> None:
    data, truth = named()
    result = zero_label(data)
    assert (result.probs.argmax(1) == truth).mean() > 0.95
    assert result.trust > 0.8
    assert result.warning is None
    np.testing.assert_allclose(result.head.probs(data.unlabeled.features), result.probs)
    assert result.probs.max(1).mean() == pytest.approx(result.expected_accuracy, abs=0.01)


def test_names_of_no_meaning_are_warned_of() -> None:
    data, _ = named(right=False)
    result = zero_label(data)
    assert result.trust < 0.5
    assert result.warning is not None
    assert "label_descriptions" in result.warning
    assert "\n" not in result.warning


def test_labels_are_not_looked_at_and_another_source_is() -> None:
    data, truth = named(right=False)
    labeled = replace(data, labels=truth[:9].astype(np.int64), labeled=data.unlabeled.take(range(9)))
    np.testing.assert_array_equal(zero_label(data).probs, zero_label(labeled).probs)
    told = zero_label(data, first=np.eye(3)[truth] * 0.94 + 0.02)
    assert (told.probs.argmax(1) == truth).mean() > 0.95


def test_texts_to_label_are_each_of_another_group_of_texts() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(20)
    group = np.arange(400) % 20
    features = centres[group] + 0.02 * rng.normal(size=(400, 20))
    probs = rng.dirichlet([1, 1], size=400)
    rows = texts_to_label(features, probs)
    assert sorted(group[rows]) == list(range(20))
    np.testing.assert_array_equal(rows, texts_to_label(features, probs))
    assert sorted(texts_to_label(features[:3], probs[:3])) == [0, 1, 2]


def test_equal_texts_leave_fewer_to_label() -> None:
    rows = texts_to_label(np.ones((30, 4)), np.full((30, 2), 0.5))
    assert 1 <= len(rows) <= 20
    assert len(set(rows)) == len(rows)


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(3, size=50), rng.integers(2, size=50)
    assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert kappa(a, a) == 1


def test_what_cannot_be_tried_is_refused_in_one_line() -> None:
    data, _ = named()
    with pytest.raises(UserError, match="label_descriptions: no description for class 'science'"):
        zero_label(replace(data, prototypes=data.prototypes[:2], prototype_labels=data.prototype_labels[:2]))
    with pytest.raises(UserError, match="unlabeled: got 4 texts for 3 classes"):
        zero_label(replace(data, unlabeled=data.unlabeled.take(range(4))))
