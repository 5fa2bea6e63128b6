"""Whether labels and class names agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.fit.fit_data import fit_data
from textssl.fit.data import FitData
from textssl.fit.names_evidence import names_agree


def one_label(order: list[int], classes: int = 4) -> FitData:
    """One label a class, and a prototype in the middle of each, given to the classes in ``order``."""
    data = fit_data(labeled=classes, unlabeled=160, classes=classes, noise=0.2)
    truth = (np.arange(160) + classes) % classes
    centres = np.stack([data.unlabeled.features[truth == c].mean(0) for c in range(classes)])
    return replace(data, prototypes=centres[order], prototype_labels=np.arange(classes))


def test_right_names_agree_and_exchanged_ones_do_not() -> None:
    assert names_agree(one_label([0, 1, 2, 3]))
    assert not names_agree(one_label([1, 2, 3, 0]))
    assert names_agree(one_label([0, 1], classes=2))
    assert not names_agree(one_label([1, 0], classes=2))


def test_without_descriptions_labels_or_texts_nothing_agrees() -> None:
    data = one_label([0, 1, 2, 3])
    assert not names_agree(fit_data())
    assert not names_agree(replace(data, prototypes=data.prototypes[:3], prototype_labels=np.arange(3)))
    assert not names_agree(data.take([0, 1, 2]))
    assert not names_agree(replace(data, unlabeled=data.unlabeled.take([])))
