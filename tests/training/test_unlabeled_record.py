"""What a run records of its unlabeled examples: against rows noted one by one, and it changes no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.contract.cases import CLASSES, build, state_of, unlabeled
from textssl.state import ClassThresholds
from textssl.training.unlabeled_record import PREDICTIONS, PSEUDO_LABELS, THRESHOLDS, UnlabeledRecord


def truth() -> np.ndarray:
    drawn = np.random.default_rng(3).integers(-1, CLASSES, len(unlabeled()))
    assert {*drawn} == {-1, *range(CLASSES)}
    return drawn


def recorded(method: str, out: Path, with_truth: bool = True, **settings: Any) -> Any:
    settings = {"eval_strategy": "steps", "eval_steps": 2, "warm_start_steps": 0, "max_steps": 4, **settings}
    trainer = build(method, out, **settings)
    trainer.add_callback(UnlabeledRecord(trainer, truth() if with_truth else None))
    return trainer


def entries(trainer: Any, key: str) -> dict[int, Any]:
    return {row["step"]: row[key] for row in trainer.state.log_history if key in row}


def test_pseudo_labels_are_those_that_the_loss_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int, float]] = []
    trainer = recorded("fixmatch", tmp_path, threshold=0.6)
    judge = trainer.objective.thresholds.weights

    def noting(probs: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        weights = judge(probs, index)
        rows = zip(index.tolist(), probs.argmax(-1).tolist(), weights.tolist(), strict=True)
        seen.extend(rows)
        return weights

    monkeypatch.setattr(trainer.objective.thresholds, "weights", noting)
    trainer.train()
    found, per_log = entries(trainer, PSEUDO_LABELS), len(seen) // 2
    assert [*found] == [2, 4]
    for entry, rows in zip(found.values(), (seen[:per_log], seen[per_log:]), strict=True):
        kept = [(row, label) for row, label, weight in rows if weight]
        assert 0 < len(kept) < len(rows)
        assert entry["count"] == len(rows)
        assert entry["kept_share"] == pytest.approx(len(kept) / len(rows))
        labels = [label for _, label in kept]
        assert entry["shares"] == pytest.approx([labels.count(c) / len(kept) for c in range(CLASSES)])
        known = [(label, truth()[row]) for row, label in kept if truth()[row] >= 0]
        assert entry["accuracy"] == pytest.approx(np.mean([label == right for label, right in known]))
        for c in range(CLASSES):
            own = [right == c for label, right in known if label == c]
            assert entry["per_class"][c] == (pytest.approx(np.mean(own)) if own else None)
    logged = {row["step"]: row["ssl/mask_rate"] for row in trainer.state.log_history if "ssl/mask_rate" in row}
    assert {step: entry["kept_share"] for step, entry in found.items()} == pytest.approx(logged)


def test_predictions_are_those_of_the_evaluated_model(tmp_path: Path) -> None:
    trainer = recorded("fixmatch", tmp_path, threshold=0.6, ema_decay=0.5)
    trainer.train()
    found = entries(trainer, PREDICTIONS)
    assert [*found] == [2, 4]
    predicted = trainer.predict(unlabeled()).predictions.argmax(-1)
    known = truth() >= 0
    assert found[4]["count"] == len(predicted)
    assert found[4]["shares"] == pytest.approx(np.bincount(predicted, minlength=CLASSES) / len(predicted))
    assert found[4]["accuracy"] == pytest.approx((predicted == truth())[known].mean())


@pytest.mark.parametrize("method", ["mean_teacher", "vat"])
def test_a_method_without_pseudo_labels_has_none(method: str, tmp_path: Path) -> None:
    trainer = recorded(method, tmp_path, with_truth=False)
    trainer.train()
    assert not entries(trainer, PSEUDO_LABELS)
    assert all("accuracy" not in entry for entry in entries(trainer, PREDICTIONS).values())
    assert entries(trainer, PREDICTIONS)


@pytest.mark.parametrize(
    "method", ["uda", "pseudo_label", "mixmatch", "remixmatch", "mixtext", "label_propagation", "co_training",
               "meta_pseudo_labels", "mixup_pseudo_label"]
)  # fmt: skip
def test_methods_with_pseudo_labels_have_them(method: str, tmp_path: Path) -> None:
    trainer = recorded(
        method, tmp_path, max_steps=2, **({"warm_start_ratio": 0.0} if method == "mixup_pseudo_label" else {})
    )
    trainer.train()
    (entry,) = entries(trainer, PSEUDO_LABELS).values()
    assert entry["count"] == 16
    assert entry["shares"] is None or sum(entry["shares"]) == pytest.approx(1)


def test_nothing_changes_and_a_resumed_run_has_the_same_record(tmp_path: Path) -> None:
    settings = {"threshold": 0.6, "max_steps": 4, "eval_strategy": "steps", "eval_steps": 2, "warm_start_steps": 0}
    plain = build("fixmatch", tmp_path / "plain", dropout=0.1, **settings)
    plain.train()
    whole = recorded("fixmatch", tmp_path / "whole", dropout=0.1, threshold=0.6)
    whole.train()
    for name, value in state_of(plain).items():
        assert value.equal(state_of(whole)[name]), name
    again = recorded("fixmatch", tmp_path / "whole", dropout=0.1, threshold=0.6)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    for key in (PSEUDO_LABELS, PREDICTIONS):
        assert entries(again, key) == entries(whole, key)


def test_thresholds_of_classes(tmp_path: Path) -> None:
    trainer = recorded("fixmatch", tmp_path, threshold=0.6)
    trainer.objective.thresholds = ClassThresholds(0.6, 0.5, CLASSES)
    trainer.train()
    found = entries(trainer, THRESHOLDS)
    shares = trainer.objective.thresholds.mean.value
    assert found[4] == pytest.approx((0.6 * shares / shares.max()).tolist())
    assert not entries(recorded("fixmatch", tmp_path / "one"), THRESHOLDS)
