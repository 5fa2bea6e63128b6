"""Temporal ensembling against a naive memory written from algorithm 2 of the paper, and its first passes by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.cases import build, first_batch, state_of
from tests.methods.naive import cross_entropy, row_logits, softmax, squared_error
from textssl import UserError
from textssl.methods.temporal_ensembling import TemporalEnsembling, TemporalEnsemblingConfig
from textssl.objective import Task


CONTRACT_VARIANTS = [{"ensemble_decay": 0.0, "unlabeled_weight": 5.0, "rampup": 0.0}]
CONTRACT_FIELDS: dict[str, Any] = {"ensemble_decay": (0.1, 0.6), "mu": (2, 1), "warm_start_steps": (1, 0)}


def move(model: nn.Module, seed: int) -> None:
    """As a step of an optimizer would."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=rng))


class NaiveMemory:
    """Z and t of algorithm 2, a pair for each example, and batches in which an example may come twice."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self.sums: dict[tuple[str, int], list[float]] = {}
        self.visits: dict[tuple[str, int], int] = {}

    def target(self, example: tuple[str, int]) -> list[float] | None:
        if example not in self.sums:
            return None
        return [z / (1 - self.alpha ** self.visits[example]) for z in self.sums[example]]

    def remember(self, predictions: list[tuple[tuple[str, int], list[float]]]) -> None:
        for example in dict(predictions):
            rows = [p for other, p in predictions if other == example]
            mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
            old = self.sums.get(example, [0.0] * len(mean))
            self.sums[example] = [self.alpha * z + (1 - self.alpha) * p for z, p in zip(old, mean, strict=True)]
            self.visits[example] = self.visits.get(example, 0) + 1


@pytest.mark.parametrize("alpha", [0.6, 0.0])
@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula(modality: str, alpha: float, tmp_path: Path) -> None:
    """Four steps of 28 of 40 unlabeled and 4 of 9 labeled examples: batches straddle passes and hold some twice."""
    trainer = build("temporal_ensembling", tmp_path, modality, mu=7, ensemble_decay=alpha)
    trainer.model.train()
    loader, memory, twice = trainer.get_train_dataloader(), NaiveMemory(alpha), 0
    for step in range(4):
        trainer.sampler.start = step
        batch = next(iter(loader))
        forward = trainer.forward_for(trainer.model)
        supervised, squares, predictions = 0.0, 0.0, []
        for stream in ("labeled", "unlabeled"):
            index = batch[stream]["index"].tolist()
            for i, z in zip(index, row_logits(trainer.model, batch[stream]["weak"]), strict=True):
                predictions.append(((stream, i), softmax(z)))
                target = memory.target((stream, i))
                squares += 0.0 if target is None else squared_error(softmax(z), target)
        labels = batch["labeled"]["labels"].tolist()
        for z, y in zip(row_logits(trainer.model, batch["labeled"]["weak"]), labels, strict=True):
            supervised += cross_entropy(z, y) / 4
        seen = sum(memory.target(example) is not None for example, _ in predictions) / 32
        twice += len(predictions) - len(dict(predictions))
        terms = trainer.objective.loss(forward, batch, 0.5)
        assert terms["supervised"].item() == pytest.approx(supervised, abs=1e-5)
        assert terms["unsupervised"].item() == pytest.approx(squares / 32, rel=1e-3, abs=1e-7)
        # The ramp of 80/300 is over at half of training.
        assert terms["weight"] == pytest.approx(30)
        assert terms["loss"].item() == pytest.approx(supervised + 30 * squares / 32, abs=1e-4)
        assert terms["seen"].item() == pytest.approx(seen)
        trainer.objective.after_step(forward, 0.5)
        memory.remember(predictions)
        move(trainer.model, step)
    assert squares > 1e-4
    assert twice > 0


def by_hand(tmp_path: Path, **settings: Any) -> TemporalEnsembling:
    """Two labeled and three unlabeled examples of two classes."""
    config = TemporalEnsemblingConfig(output_dir=str(tmp_path), **settings)
    return TemporalEnsembling(config, Task(2, 2, 3, (0.5, 0.5)))


def visit(objective: TemporalEnsembling, probs: dict[int, float], end: bool = True) -> dict[str, Any]:
    """A micro-batch of unlabeled examples with a given probability of class 0, and of labeled example 0 at 1/2."""
    index = torch.tensor(list(probs))
    first = torch.tensor(list(probs.values()))
    logits = torch.stack([first, 1 - first], dim=1).log().requires_grad_()
    batch = {
        "labeled": {"weak": torch.zeros(1, 2), "labels": torch.tensor([0]), "index": torch.tensor([0])},
        "unlabeled": {"weak": logits, "index": index},
    }
    terms = objective.loss(lambda *views: list(views), batch, 1.0)  # type: ignore[arg-type]
    if end:
        objective.after_step(None, 1.0)  # type: ignore[arg-type]
    return {**terms, "logits": logits}


def test_after_two_visits_the_target_is_the_published_mix(tmp_path: Path) -> None:
    """alpha = .6: .375 z1 + .625 z2."""
    objective = by_hand(tmp_path)
    visit(objective, {1: 0.9})
    visit(objective, {1: 0.5})
    target = 0.375 * 0.9 + 0.625 * 0.5
    # Of two rows the labeled one stands still; of two classes both are as far off.
    assert visit(objective, {1: 0.2})["unsupervised"].item() == pytest.approx((target - 0.2) ** 2 / 2)


def test_a_target_is_a_distribution_after_any_number_of_visits(tmp_path: Path) -> None:
    """A corrected target fed back into the sum would have a mass of 1, 1.56, 1.71, ..."""
    objective = by_hand(tmp_path)
    for count in range(1, 6):
        visit(objective, {0: 0.8})
        assert objective.unlabeled.values[0].sum().item() == pytest.approx(1 - 0.6**count)
        # Predicted alike at each visit, so nothing is left to pay.
        assert visit(objective, {0: 0.8}, end=False)["unsupervised"].item() == pytest.approx(0.0, abs=1e-12)
        objective.before_step(None, [], 1.0)  # type: ignore[arg-type]


def test_each_example_is_corrected_by_its_own_count(tmp_path: Path) -> None:
    objective = by_hand(tmp_path)
    visit(objective, {0: 0.9})
    visit(objective, {0: 0.9, 2: 0.7})
    assert objective.unlabeled.counts.tolist() == [2, 0, 1]
    assert visit(objective, {0: 0.9, 2: 0.7})["unsupervised"].item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("weight", [30.0, 1000.0])
def test_without_a_target_a_row_costs_nothing_whatever_the_weight(weight: float, tmp_path: Path) -> None:
    objective = by_hand(tmp_path, unlabeled_weight=weight, rampup=0.0)
    terms = visit(objective, {0: 0.9, 1: 0.1})
    assert terms["unsupervised"].item() == 0
    assert terms["seen"].item() == 0
    torch.testing.assert_close(terms["loss"], terms["supervised"])
    terms["unsupervised"].backward()
    assert terms["logits"].grad.abs().max() == 0


def test_the_mean_is_over_all_rows_those_without_a_target_included(tmp_path: Path) -> None:
    objective = by_hand(tmp_path)
    visit(objective, {0: 0.9})
    terms = visit(objective, {0: 0.5, 1: 0.9, 2: 0.1})
    # Rows: labeled 0 (no error), unlabeled 0 (.4 off), and two that are new.
    assert terms["unsupervised"].item() == pytest.approx(0.4**2 / 4)
    assert terms["seen"].item() == 0.5
    assert terms["supervised"].item() == pytest.approx(-torch.tensor(0.5).log().item())


def test_micro_batches_of_a_step_share_the_memory_before_it(tmp_path: Path) -> None:
    """And an example that comes in two of them is remembered once, by the mean."""
    objective = by_hand(tmp_path)
    assert visit(objective, {0: 0.9}, end=False)["seen"].item() == 0
    assert visit(objective, {0: 0.5}, end=True)["seen"].item() == 0
    assert objective.unlabeled.counts.tolist() == [1, 0, 0]
    assert objective.labeled.counts.tolist() == [1, 0]
    torch.testing.assert_close(objective.unlabeled.values[0], torch.tensor([0.28, 0.12]))


def test_gradient_reaches_the_prediction_alone(tmp_path: Path) -> None:
    objective = by_hand(tmp_path)
    first = visit(objective, {0: 0.9})["logits"]
    terms = visit(objective, {0: 0.5})
    terms["unsupervised"].backward()
    assert first.grad is None
    assert terms["logits"].grad.abs().max() > 0.01
    assert not list(objective.parameters())


def test_the_training_pass_itself_is_remembered(tmp_path: Path) -> None:
    """Dropout included: 1 - alpha of the very logits that the loss saw, and no other pass is run."""
    trainer = build("temporal_ensembling", tmp_path, "image", dropout=0.4)
    trainer.model.train()
    batch, seen = first_batch(trainer), []
    trainer.model.register_forward_hook(lambda module, args, out: seen.append(out.logits.detach()))
    forward = trainer.forward_for(trainer.model)
    trainer.objective.loss(forward, batch, 0.5)
    trainer.objective.after_step(forward, 0.5)
    assert [len(logits) for logits in seen] == [12]
    labeled, unlabeled = seen[0].softmax(-1).split([4, 8])
    for memory, index, probs in (
        (trainer.objective.labeled, batch["labeled"]["index"], labeled),
        (trainer.objective.unlabeled, batch["unlabeled"]["index"], unlabeled),
    ):
        torch.testing.assert_close(memory.read(index)[0], 0.4 * probs)


def seen_of(log: list[dict[str, float]]) -> list[float]:
    return [row["ssl/seen"] for row in log if "ssl/seen" in row]


def test_a_short_run_has_no_unlabeled_targets_and_says_so(tmp_path: Path) -> None:
    """40 unlabeled examples, 8 a step: none comes twice in 4 steps. 4 of 9 labeled ones: from step 3 some do."""
    short = build("temporal_ensembling", tmp_path / "a", "image", save_strategy="no")
    short.train()
    assert seen_of(short.state.log_history)[0] == 0
    assert 0 < seen_of(short.state.log_history)[1] <= 1 / 3
    long = build("temporal_ensembling", tmp_path / "b", "image", max_steps=10, save_strategy="no")
    long.train()
    assert seen_of(long.state.log_history)[-1] == 1


def test_a_warm_start_remembers_nothing(tmp_path: Path) -> None:
    trainer = build("temporal_ensembling", tmp_path, "image", warm_start_steps=3, save_strategy="no")
    trainer.train()
    assert trainer.objective.labeled.counts.sum().item() == 4
    assert trainer.objective.unlabeled.counts.sum().item() == 8


def test_what_a_cut_short_step_left_is_forgotten(tmp_path: Path) -> None:
    objective = by_hand(tmp_path)
    visit(objective, {0: 0.9}, end=False)
    objective.before_step(None, [], 1.0)  # type: ignore[arg-type]
    objective.after_step(None, 1.0)  # type: ignore[arg-type]
    assert objective.unlabeled.counts.tolist() == [0, 0, 0]


def test_state_is_the_memory(tmp_path: Path) -> None:
    state = state_of(build("temporal_ensembling", tmp_path, "image"))
    shapes = {name.removeprefix("objective."): list(x.shape) for name, x in state.items() if "objective" in name}
    assert shapes == {
        "labeled.values": [9, 3],
        "labeled.counts": [9],
        "unlabeled.values": [40, 3],
        "unlabeled.counts": [40],
    }


def test_resume_finds_the_memory_that_was_saved(tmp_path: Path) -> None:
    trainer = build("temporal_ensembling", tmp_path, "image", max_steps=8, save_steps=6)
    trainer.train()
    resumed = build("temporal_ensembling", tmp_path, "image", max_steps=8, save_steps=6)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-6"))
    a, b = state_of(trainer), state_of(resumed)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert resumed.objective.unlabeled.counts.sum().item() == 64


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.00674), (20 / 300, 0.06005), (40 / 300, 0.28650), (1.0, 1.0)])
def test_the_weight_climbs_to_30(progress: float, share: float, tmp_path: Path) -> None:
    objective = by_hand(tmp_path)
    batch: dict[str, dict[str, Tensor]] = {
        "labeled": {"weak": torch.zeros(1, 2), "labels": torch.tensor([0]), "index": torch.tensor([0])},
        "unlabeled": {"weak": torch.zeros(1, 2), "index": torch.tensor([0])},
    }
    terms = objective.loss(lambda *views: list(views), batch, progress)  # type: ignore[arg-type]
    assert terms["weight"] == pytest.approx(30 * share, abs=1e-3)


@pytest.mark.parametrize(
    ("field", "value"),
    [("unlabeled_weight", -1.0), ("rampup", 2.0), ("ensemble_decay", 1.0), ("ensemble_decay", -0.1)],
)
def test_settings_out_of_range_are_named(field: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value}"):
        TemporalEnsemblingConfig(output_dir=str(tmp_path), **{field: value})
