"""One model of several: its logits are the weighted mean of calibrated logits, computed by hand here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from tests.contract import tiny_texts
from tests.fit.fit_data import NAMES, encoded_data
from tests.models.tiny_pooled import pooled
from textssl.fit.assemble import assemble
from textssl.fit.candidates.base import Trained
from textssl.fit.candidates.heads import TrainedHead
from textssl.fit.data import Examples, FitData
from textssl.fit.probe import LinearHead
from textssl.models.modeling_ensemble import Ensemble


class Network(Trained):
    """A network of its own, made again for each question."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def logits(self, examples: Examples) -> np.ndarray:
        return logits_of(self.model(), examples.rows["text"][:])

    def model(self) -> PreTrainedModel:
        model = pooled().eval()
        rng = np.random.default_rng(self.seed)
        with torch.no_grad():
            model.head.weight.copy_(torch.from_numpy(rng.normal(size=tuple(model.head.weight.shape))))
        model.config.id2label = dict(enumerate(NAMES[: tiny_texts.CLASSES]))
        model.config.label2id = {name: i for i, name in model.config.id2label.items()}
        return model


def logits_of(model: Any, texts: list[str]) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = model(**tiny_texts.tokenizer()(texts, padding=True, return_tensors="pt")).logits.numpy()
    return found


def head(data: FitData, seed: int) -> TrainedHead:
    rng = np.random.default_rng(seed)
    return TrainedHead(LinearHead(rng.normal(size=(3, 32)), rng.normal(size=3)), data)


@pytest.mark.parametrize("kinds", ["h", "hh", "n", "hn", "hhnn"])
def test_logits_are_the_weighted_mean_of_calibrated_ones(kinds: str, tmp_path: Path) -> None:
    data = encoded_data(tmp_path)
    trained = [head(data, i) if kind == "h" else Network(i) for i, kind in enumerate(kinds)]
    temperatures = [0.5, 2.0, 3.0, 0.7][: len(kinds)]
    weights = np.array([0.4, 0.1, 0.3, 0.2][: len(kinds)])
    weights /= weights.sum()
    model = assemble([*zip(trained, temperatures, weights.tolist(), strict=True)])
    parts = [w * one.logits(data.labeled) / t for one, t, w in zip(trained, temperatures, weights, strict=True)]
    np.testing.assert_allclose(logits_of(model, data.labeled.rows["text"][:]), np.sum(parts, axis=0), atol=1e-4)
    # Heads cost one model, however many there are.
    assert isinstance(model, Ensemble) == (len(set(kinds)) > 1 or kinds.count("n") > 1)
    if isinstance(model, Ensemble):
        assert len(model.members) == kinds.count("n") + ("h" in kinds)
    assert not model.training
