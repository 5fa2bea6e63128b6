"""Co-training: cross-labels, masks, weights and what is trained, against one row at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.contract.cases import build, first_batch
from tests.contract.tiny_features import model as feature_model
from textssl.errors import UserError
from textssl.models.modeling_ensemble import Ensemble
from textssl.state import ClassThresholds


CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {
        "frozen_peer": False,
        "teacher_decay": 0.0,
        "class_decay": None,
        "warm_start_steps": 1,
        "disagreement_weight": 2.0,
    },
    {"ensemble": False, "threshold": 0.0, "distribution_alignment": "sqrt"},
]
CONTRACT_FIELDS: dict[str, Any] = {
    "agreement_weight": (1.0, 0.2),
    "class_decay": (0.99, None, {"threshold": 0.8}),
    "disagreement_weight": (0.5, 3.0),
    "frozen_peer": (True, False),
    "peer_learning_rate": (0.01, 0.5, {"frozen_peer": True}),
}


def made(tmp_path: Path, **settings: Any) -> Any:
    trainer = build("co_training", tmp_path, **{"threshold": 0.34, **settings})
    trainer.model.train()
    # Two networks that agree on some rows and not on others.
    torch.manual_seed(6)
    with torch.no_grad():
        for network in (trainer.model, trainer.objective.peer):
            network.classifier.weight.normal_()
            network.classifier.bias.normal_()
        for network in (trainer.model, trainer.objective.peer):
            network.get_input_embeddings().weight.normal_()
    return trainer


def logits_of(network: Any, view: dict[str, Any]) -> list[torch.Tensor]:
    """One row at a time, without padding, in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return [
            network(input_ids=view["input_ids"][i : i + 1, :n]).logits[0].double()
            for i, n in enumerate(view["lengths"])
        ]


def sharpened(probs: torch.Tensor, temperature: float) -> torch.Tensor:
    raised = torch.tensor([p ** (1 / temperature) for p in probs.tolist()])
    return raised / raised.sum()


@pytest.mark.parametrize("frozen", [True, False])
def test_terms_are_those_of_a_naive_loop(frozen: bool, tmp_path: Path) -> None:
    settings = {"agreement_weight": 0.7, "disagreement_weight": 1.9, "temperature": 0.6, "unlabeled_weight": 1.5}
    trainer = made(tmp_path, frozen_peer=frozen, teacher_decay=0.0, class_decay=None, threshold=0.5, **settings)
    batch = first_batch(trainer)
    got = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)

    student, peer = trainer.model, trainer.objective.peer
    weak, strong = batch["unlabeled"]["weak"], batch["unlabeled"]["strong"]
    p = [z.softmax(-1) for z in logits_of(student, weak)]
    q = [z.softmax(-1) for z in logits_of(peer, weak)]
    learned = (logits_of(student, strong), logits_of(peer, weak if frozen else strong))
    unsupervised, kept, agreed = 0.0, 0, 0
    for i in range(len(p)):
        same = int(p[i].argmax()) == int(q[i].argmax())
        agreed += same
        weight = 0.7 if same else 1.9
        for teacher, pupil in ((q, learned[0]), (p, learned[1])):
            if float(teacher[i].max()) >= 0.5:
                kept += 1
                target = sharpened(teacher[i], 0.6)
                unsupervised += weight * float(-(target * pupil[i].log_softmax(-1)).sum())
    unsupervised /= len(p)
    supervised = 0.0
    for network in (student, peer):
        for row, label in zip(logits_of(network, batch["labeled"]["weak"]), batch["labeled"]["labels"], strict=True):
            supervised -= float(row.log_softmax(-1)[label]) / len(batch["labeled"]["labels"])
    assert 0 < agreed < len(p)
    assert 0 < kept < 2 * len(p)
    assert got["agreement"].item() == pytest.approx(agreed / len(p))
    assert got["mask_rate"].item() == pytest.approx(kept / (2 * len(p)))
    assert got["supervised"].item() == pytest.approx(supervised, rel=1e-4)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-4)
    assert got["loss"].item() == pytest.approx(supervised + 1.5 * unsupervised, rel=1e-4)


def test_labels_of_both_are_aligned_with_the_distribution_that_was_asked_for(tmp_path: Path) -> None:
    """A share of nearly one for a class makes it the label of all, once the means have been seen."""
    trainer = made(
        tmp_path, distribution_alignment=[0.998, 0.001, 0.001], teacher_decay=0.0, class_decay=None, threshold=0.0
    )
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    assert trainer.objective.loss(forward, batch, 0.5)["agreement"] < 1
    trainer.objective.after_step(forward, 0.5)
    trainer.objective.loss(forward, batch, 0.5)
    for mean in (trainer.objective.student_mean, trainer.objective.peer_mean):
        even = torch.full((1, 3), 1 / 3)
        assert mean.align(even)[0, 0] > 0.9
    assert trainer.objective.loss(forward, batch, 0.5)["agreement"] > 0.9


def test_a_frozen_peer_learns_with_its_head_alone(tmp_path: Path) -> None:
    trainer = build("co_training", tmp_path, dropout=0.1)
    before = {name: p.detach().clone() for name, p in trainer.objective.peer.named_parameters()}
    trainer.train()
    moved = {
        name for name, p in trainer.objective.peer.named_parameters() if not torch.equal(p.detach(), before[name])
    }
    assert moved == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize(("given", "expected"), [(None, 0.01), (0.3, 0.3)])
def test_the_head_of_a_frozen_peer_has_a_rate_of_its_own(given: float | None, expected: float, tmp_path: Path) -> None:
    trainer = build("co_training", tmp_path, learning_rate=1e-5, peer_learning_rate=given)
    groups = trainer.create_optimizer().param_groups
    peers = {id(p) for p in trainer.objective.peer.parameters() if p.requires_grad}
    rates = {group["lr"] for group in groups for p in group["params"] if id(p) in peers}
    others = {group["lr"] for group in groups for p in group["params"] if id(p) not in peers}
    assert (rates, others) == ({expected}, {1e-5})


def test_a_peer_that_is_trained_whole_has_no_such_rate(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"peer_learning_rate: got 0\.1 with frozen_peer=False"):
        build("co_training", tmp_path, frozen_peer=False, peer_learning_rate=0.1)


def test_both_networks_begin_as_one_where_the_peer_is_frozen(tmp_path: Path) -> None:
    trainer = build("co_training", tmp_path)
    ours, theirs = trainer.model.state_dict(), trainer.objective.peer.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_is_saved_averages_both(tmp_path: Path) -> None:
    trainer = build("co_training", tmp_path)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert isinstance(loaded, Ensemble)
    view = first_batch(trainer)["labeled"]["weak"]
    one, other = (logits_of(network, view) for network in (trainer.objective.teacher.model, trainer.objective.peer))
    for row, a, b in zip(logits_of(loaded, view), one, other, strict=True):
        torch.testing.assert_close(row, (a + b) / 2, rtol=1e-4, atol=1e-5)


def test_a_student_is_saved_alone_where_that_was_asked_for(tmp_path: Path) -> None:
    trainer = build("co_training", tmp_path, ensemble=False, teacher_decay=0.0)
    assert trainer.evaluated_model is trainer.model


def test_thresholds_fall_for_classes_that_are_seldom_predicted() -> None:
    """By hand: shares .6, .3, .1 give thresholds .9, .45 and .15."""
    thresholds, index = ClassThresholds(0.9, 0.5, 3), torch.arange(4)
    even = torch.tensor([[0.89, 0.06, 0.05], [0.05, 0.9, 0.05]])
    assert thresholds.weights(even, index[:2]).tolist() == [0.0, 1.0]
    thresholds.end_step()
    thresholds.mean.biased.copy_(torch.tensor([0.6, 0.3, 0.1]))
    thresholds.mean.correction.fill_(1.0)
    rows = torch.tensor([[0.8, 0.1, 0.1], [0.3, 0.46, 0.24], [0.35, 0.44, 0.21], [0.1, 0.1, 0.8]])
    assert thresholds.weights(rows, index).tolist() == [0.0, 1.0, 0.0, 1.0]
    # Judged by the mean before the step; the first of a decay of one half then moves it halfway.
    thresholds.end_step()
    expected = 0.5 * torch.tensor([0.6, 0.3, 0.1]) + 0.5 * rows.mean(0)
    torch.testing.assert_close(thresholds.mean.biased, expected)


def test_one_threshold_for_all_classes_is_kept(tmp_path: Path) -> None:
    thresholds = build("co_training", tmp_path, class_decay=None, threshold=0.9).objective.student_thresholds
    rows = torch.tensor([[0.95, 0.05, 0.0], [0.1, 0.1, 0.8]])
    assert thresholds.weights(rows, torch.arange(2)).tolist() == [1.0, 0.0]
    assert not thresholds.state_dict()


def test_a_classifier_without_an_encoder_has_none_to_freeze(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="frozen_peer: got True; FeatureClassifier has no encoder"):
        build("co_training", tmp_path, "features", frozen_peer=True)
    assert feature_model().base_model is not None


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("threshold", 1.5, r"threshold: got 1.5; expected a number in \[0, 1\]"),
        ("class_decay", 1.0, r"class_decay: got 1.0; expected a number in \[0, 1\)"),
        ("peer_learning_rate", 0.0, "peer_learning_rate: got 0.0; expected a number above 0"),
        ("temperature", 0.0, "temperature: got 0.0; expected a number above 0"),
        ("disagreement_weight", -1.0, "disagreement_weight: got -1.0; expected 0 or more"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: float, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        build("co_training", tmp_path, **{setting: value})
