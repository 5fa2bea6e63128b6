"""Self-training's loss against a naive loop, and how many pseudo-labels each round takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.cases import build, first_batch
from tests.methods.naive import cross_entropy, logits_of
from textssl import SelfTrainingConfig, UserError


CONTRACT_FIELDS_WITH = {"rounds": 2, "balance": "none"}
CONTRACT_FIELDS: dict[str, Any] = {
    "per_round": (1, 4, {"own_teacher": True, "max_steps": 3}),
    "threshold": (0.0, 0.9, {"own_teacher": True, "max_steps": 3, "per_round": 4}),
}
CONTRACT_ELSEWHERE = {"balance": "tests/self_training/test_trainer.py::test_own_shares_decide_by_class_name"}


@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula(modality: str, tmp_path: Path) -> None:
    trainer = build("self_training", tmp_path, modality, unlabeled_weight=0.5)
    batch = first_batch(trainer)
    trainer.model.train()
    got = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    rows = zip(logits_of(trainer, labeled["weak"]), labeled["labels"].tolist(), strict=True)
    supervised = sum(cross_entropy(z, y) for z, y in rows) / 4
    probs = unlabeled["probs"].tolist()
    rows = zip(logits_of(trainer, unlabeled["weak"]), [p.index(max(p)) for p in probs], strict=True)
    unsupervised = sum(cross_entropy(z, y) for z, y in rows) / 8
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, abs=1e-5)
    assert got["loss"].item() == pytest.approx(supervised + 0.5 * unsupervised, abs=1e-5)
    assert got["confidence"].item() == pytest.approx(sum(max(p) for p in probs) / 8, abs=1e-6)


def test_each_round_takes_more(tmp_path: Path) -> None:
    config = SelfTrainingConfig(output_dir=str(tmp_path), per_round=10, rounds=3)
    assert [config.selection(n, 4, 1000)["total"] for n in (1, 2, 3)] == [40, 80, 120]
    spread = SelfTrainingConfig(output_dir=str(tmp_path), rounds=5)
    assert [spread.selection(n, 4, 1000)["total"] for n in (1, 2, 5)] == [200, 400, 1000]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "rounds: got 0"),
        ({"per_round": 0}, "per_round: got 0"),
        ({"threshold": -0.1}, "threshold: got -0.1"),
        ({"balance": "duplicate"}, "balance: got 'duplicate'; allowed: none, labeled, uniform, sqrt, estimated, a sh"),
        ({"balance": [0.5, -0.5]}, "balance: got"),
        ({"unlabeled_weight": -1.0}, "unlabeled_weight: got -1.0"),
    ],
)
def test_settings_out_of_range(settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        SelfTrainingConfig(output_dir=str(tmp_path), **settings)
