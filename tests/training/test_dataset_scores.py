"""Scores once an epoch: those of each example alone, at the right steps, and without a trace in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tests.contract.cases import build, labeled, model, state_of, tokenizer, unlabeled
from tests.contract.tiny_texts import CLASSES
from tests.methods.naive import cross_entropy, row_logits
from textssl import SSLConfig, SSLTrainer, UserError
from textssl.objective import Objective, Scores
from textssl.training import dataset_scores as scoring
from textssl.training.dataset_scores import is_due, score


MODALITIES = pytest.mark.parametrize("modality", ["text", "image", "features"])


class Watching(Objective):
    """Remembers what it is handed, and learns from the labels alone."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    scored: ClassVar[str | None] = "features"
    period: ClassVar[int | None] = None

    def __init__(self, config: Any, task: Any) -> None:
        super().__init__(config, task)
        self.seen: list[tuple[float, Scores]] = []
        self.register_buffer("sum", torch.zeros(()))

    def score_every(self, steps_per_epoch: int) -> int:
        return self.period or steps_per_epoch

    def before_epoch(self, scores: Scores, progress: float) -> None:
        self.seen.append((progress, scores))
        self.sum += scores.labeled.sum()

    def loss(self, forward: Any, batch: Any, progress: float) -> dict[str, Tensor]:
        labels = batch["labeled"]["labels"]
        logits, other = forward(batch["labeled"]["weak"], batch["unlabeled"]["weak"])
        loss = self.cross_entropy(logits, labels) + 1e-3 * other.square().mean()
        return {"loss": loss, "supervised": loss}


class WatchingTrainer(SSLTrainer):
    objective_class = Watching
    config_class = SSLConfig


class Losses(Watching):
    scored: ClassVar[str | None] = "losses"


class LossesTrainer(WatchingTrainer):
    objective_class = Losses


class Often(Watching):
    period: ClassVar[int | None] = 3


class OftenTrainer(WatchingTrainer):
    objective_class = Often


class Unscored(Watching):
    scored: ClassVar[str | None] = None


class UnscoredTrainer(WatchingTrainer):
    objective_class = Unscored


def watched(out: Path, kind: type[SSLTrainer] = WatchingTrainer, dropout: float = 0.0, **settings: Any) -> SSLTrainer:
    """On the tiny texts, with a weak view that no score may be of; an epoch, 40 by 8, has five steps."""
    defaults: dict[str, Any] = {
        "output_dir": str(out),
        "max_steps": 12,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 8,
        "mu": 2,
        "learning_rate": 0.05,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "save_steps": 1,
        "report_to": [],
        "disable_tqdm": True,
        "max_length": 16,
    }
    return kind(
        model(dropout=dropout),
        SSLConfig(**{**defaults, **settings}),
        labeled(),
        unlabeled(),
        processing_class=tokenizer(),
        augmentations={"weak": lambda example, rng: {**example, "text": "w1 w2"}},
    )


def steps_of(trainer: Any) -> list[int]:
    warm, steps = trainer.args.warm_start_steps, trainer.args.max_steps
    return [warm + round(progress * (steps - warm)) for progress, _ in trainer.objective.seen]


def alone(trainer: SSLTrainer, stream: str) -> list[dict[str, Any]]:
    """Inputs of each example as it is, one at a time."""
    data: Any = getattr(trainer.train_dataset, stream)
    encode, column = trainer.data_collator.encode, trainer.data_collator.column
    return [encode([value], None) for value in data[column]]


def naive_vector(network: nn.Module, inputs: dict[str, Any]) -> Tensor:
    """What the last linear layer reads of one example, in evaluation mode."""
    head, read = [m for m in network.modules() if isinstance(m, nn.Linear)][-1], []
    hook = head.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    with torch.no_grad():
        network(**{key: value for key, value in inputs.items() if isinstance(value, Tensor)})
    hook.remove()
    return read[0][0]


@MODALITIES
def test_features_are_those_of_each_example_alone_in_evaluation_mode(modality: str, tmp_path: Path) -> None:
    """Dropout of a half, and views that shift or add noise."""
    trainer = build("label_propagation", tmp_path, modality, dropout=0.5, per_device_eval_batch_size=7)
    trainer.model.train()
    scores = score(trainer)
    assert trainer.model.training
    assert all(module.training for module in trainer.model.modules())
    assert scores.labels.tolist() == [i % 3 for i in range(9)]
    trainer.model.eval()
    for stream, got in (("labeled", scores.labeled), ("unlabeled", scores.unlabeled)):
        expected = torch.stack([naive_vector(trainer.model, inputs) for inputs in alone(trainer, stream)])
        assert got.dtype == torch.float32
        assert not got.requires_grad
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    assert (len(scores.labeled), len(scores.unlabeled)) == (9, 40)


def test_losses_are_those_of_the_given_labels(tmp_path: Path) -> None:
    trainer = watched(tmp_path, LossesTrainer, dropout=0.5, label_smoothing_factor=0.3)
    scores = score(trainer)
    trainer.model.eval()
    logits = [row_logits(trainer.model, inputs)[0] for inputs in alone(trainer, "labeled")]
    expected = [cross_entropy(z, i % CLASSES) for i, z in enumerate(logits)]
    assert scores.labeled.tolist() == [pytest.approx(expected, abs=1e-5)]
    assert scores.unlabeled.shape == (1, 0)


def test_no_random_number_is_drawn(tmp_path: Path) -> None:
    """A loader draws a seed for its workers, by default from the generator that dropout draws from."""
    for workers in (0, 1):
        trainer = watched(tmp_path, dropout=0.5, dataloader_num_workers=workers)
        before = torch.get_rng_state()
        score(trainer)
        assert torch.equal(torch.get_rng_state(), before)


def test_workers_and_batches_change_nothing_but_rounding(tmp_path: Path) -> None:
    one = score(watched(tmp_path, per_device_eval_batch_size=1))
    for settings in ({"dataloader_num_workers": 2}, {"per_device_eval_batch_size": 100}):
        many = score(watched(tmp_path, **settings))
        torch.testing.assert_close(one.labeled, many.labeled, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(one.unlabeled, many.unlabeled, atol=1e-5, rtol=1e-4)


def test_batches_are_of_like_length_and_the_longest_comes_first(tmp_path: Path) -> None:
    trainer, shapes = watched(tmp_path), []
    trainer.model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    score(trainer)
    rows, widths = zip(*shapes, strict=True)
    # 49 examples, 8 at a time.
    assert sum(rows) == 49
    assert max(rows) == 8
    assert widths[0] == 14
    # By characters, of which a word has two or three.
    assert sum(r * w for r, w in shapes) < 1.1 * sum(
        len(text.split()) + 2 for part in (labeled(), unlabeled()) for text in part["text"]
    )


def test_each_of_three_processes_runs_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, rows = watched(tmp_path, LossesTrainer), []
    whole = score(trainer).labeled
    trainer.model.register_forward_hook(lambda _, args, out: rows.append(len(out.logits)))
    monkeypatch.setattr(scoring, "world_size", lambda: 3)
    parts = []
    for number in range(3):
        monkeypatch.setattr(scoring, "rank", lambda number=number: number)
        parts.append(score(trainer).labeled)
    assert rows == [3, 3, 3]
    assert all(((part != 0).sum() == 3) for part in parts)
    torch.testing.assert_close(sum(parts), whole)
    # More processes than examples: one without a share still takes part in the sum.
    monkeypatch.setattr(scoring, "world_size", lambda: 20)
    monkeypatch.setattr(scoring, "rank", lambda: 15)
    assert score(trainer).labeled.tolist() == [[0.0] * 9]


def test_scores_are_float32_under_mixed_precision(tmp_path: Path) -> None:
    narrow, wide = score(watched(tmp_path, bf16=True)), score(watched(tmp_path))
    assert narrow.unlabeled.dtype == torch.float32
    assert not torch.equal(narrow.unlabeled, wide.unlabeled)
    torch.testing.assert_close(narrow.unlabeled, wide.unlabeled, atol=0.1, rtol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        ({}, WatchingTrainer, [0, 5, 10]),
        ({"warm_start_steps": 2}, WatchingTrainer, [2, 5, 10]),
        ({"warm_start_steps": 5}, WatchingTrainer, [5, 10]),
        ({}, OftenTrainer, [0, 3, 6, 9]),
        ({"warm_start_steps": 4}, OftenTrainer, [4, 6, 9]),
        ({"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2}, WatchingTrainer, [0, 5, 10]),
        ({}, UnscoredTrainer, []),
    ],
)
def test_the_steps_are_the_first_and_where_an_epoch_begins(
    settings: dict, kind: type[SSLTrainer], expected: list[int], tmp_path: Path
) -> None:
    trainer = watched(tmp_path, kind, save_strategy="no", **settings)
    trainer.train()
    assert steps_of(trainer) == expected


def test_a_step_is_due_by_its_number_alone(tmp_path: Path) -> None:
    objective: Any = watched(tmp_path).objective
    assert [step for step in range(25) if is_due(objective, step, 7, 10)] == [7, 10, 20]
    assert not is_due(watched(tmp_path, UnscoredTrainer).objective, 0, 0, 10)


@pytest.mark.slow
def test_resume_scores_where_the_whole_run_did(tmp_path: Path) -> None:
    """In the middle of an epoch nothing is computed again; where one begins all is, with the same result."""
    common: dict[str, Any] = {"dropout": 0.3, "max_steps": 7}
    whole = watched(tmp_path / "whole", **common)
    whole.train()
    assert steps_of(whole) == [0, 5]
    for start, expected in ((3, [5]), (5, [5]), (6, [])):
        resumed = watched(tmp_path / "resumed", save_strategy="no", **common)
        resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{start}"))
        assert steps_of(resumed) == expected
        for (_, a), (_, b) in zip(whole.objective.seen[1:], resumed.objective.seen, strict=False):
            assert torch.equal(a.labeled, b.labeled)
            assert torch.equal(a.unlabeled, b.unlabeled)
        a, b = state_of(whole), state_of(resumed)
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_with_scores_sees_what_one_without_sees(tmp_path: Path) -> None:
    """The same dropout, batches and so weights."""
    runs = []
    for kind in (WatchingTrainer, UnscoredTrainer):
        runs.append(watched(tmp_path, kind, dropout=0.3, max_steps=7, save_strategy="no"))
        runs[-1].train()
    assert [len(run.objective.seen) for run in runs] == [2, 0]
    for name, weight in runs[0].model.state_dict().items():
        assert torch.equal(weight, runs[1].model.state_dict()[name]), name


class PerPosition(nn.Module):
    """A head that reads every position and then pools its outputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.dense = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x[:, None].expand(-1, 2, -1)).mean(1)


def test_a_model_without_a_pooled_vector_is_refused_before_any_step(tmp_path: Path) -> None:
    trainer = watched(tmp_path, warm_start_steps=10)
    trainer.model.classifier = PerPosition(trainer.model.classifier)
    with pytest.raises(UserError, match="reads every position, not a pooled vector"):
        trainer.train()
    assert trainer.state.global_step == 0


@pytest.mark.parametrize(("quiet", "most", "shown"), [(False, 20, True), (False, 49, False), (True, 20, False)])
def test_a_long_pass_has_a_bar(
    quiet: bool, most: int, shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(scoring, "BAR", most)
    trainer = watched(tmp_path, disable_tqdm=quiet)
    score(trainer)
    assert ("scoring all examples" in capfd.readouterr().err) == shown
