"""SSLTrainer at work: what it hands a method, logs, schedules and leaves behind; nothing but the settings decides."""

from __future__ import annotations

import copy
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification, TextClassificationPipeline, pipeline

from tests.contract.cases import CLASSES, build, labeled, model, state_of, swap_words, texts, tokenizer
from tests.uda_trainer import NAMES, named_model, same, table, uda
from textssl import UDATrainer
from textssl.methods.uda import UDA


def test_several_evaluation_sets_are_each_measured(tmp_path: Path) -> None:
    sets = {"a": labeled(6, seed=3), "b": labeled(9, seed=4)}
    metrics = uda(tmp_path, eval_dataset=sets).evaluate()
    for name, data in sets.items():
        alone = uda(tmp_path, eval_dataset=data).evaluate()
        assert metrics[f"eval_{name}_accuracy"] == alone["eval_accuracy"]
        assert metrics[f"eval_{name}_loss"] == pytest.approx(alone["eval_loss"])


def test_accuracy_and_macro_f1_are_those_of_the_predictions(tmp_path: Path) -> None:
    trainer = uda(tmp_path, eval_dataset=labeled(12, seed=3))
    predicted = trainer.predict(labeled(12, seed=3)).predictions.argmax(-1).tolist()
    truth, scores = labeled(12, seed=3)["label"], []
    for c in range(CLASSES):
        hits = sum(p == t == c for p, t in zip(predicted, truth, strict=True))
        scores.append(2 * hits / max(predicted.count(c) + list(truth).count(c), 1))
    metrics = trainer.evaluate()
    assert metrics["eval_accuracy"] == sum(p == t for p, t in zip(predicted, truth, strict=True)) / 12
    assert metrics["eval_macro_f1"] == pytest.approx(sum(scores) / 3)


class Watched(UDA):
    """Keeps what the trainer hands it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.before: list[tuple[int, float]] = []
        self.losses: list[tuple[float, dict[str, float], list[int], list[int]]] = []
        self.after: list[float] = []

    def before_step(self, forward: Any, batches: Any, progress: float) -> None:
        self.before.append((len(batches), progress))
        super().before_step(forward, batches, progress)

    def loss(self, forward: Any, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        terms = super().loss(forward, batch, progress)
        plain = {name: float(torch.as_tensor(value).detach()) for name, value in terms.items()}
        self.losses.append((progress, plain, batch["labeled"]["index"].tolist(), batch["unlabeled"]["index"].tolist()))
        return terms

    def after_step(self, forward: Any, progress: float) -> None:
        self.after.append(progress)
        super().after_step(forward, progress)


class WatchedTrainer(UDATrainer):
    objective_class = Watched


def watched(out: Path, **settings: Any) -> WatchedTrainer:
    base = uda(out, args={"logging_steps": 2, **settings})
    return WatchedTrainer(
        base.model,
        base.args,
        base.train_dataset.labeled,
        base.train_dataset.unlabeled,
        processing_class=tokenizer(),
        augmentations={"strong": swap_words},
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> WatchedTrainer:
    """Three epochs of 5 steps, two micro-batches each, 3 of the 15 a warm start."""
    trainer = watched(
        tmp_path_factory.mktemp("run"),
        max_steps=15,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        warm_start_steps=3,
        warm_start_learning_rate=0.02,
        learning_rate=0.01,
        lr_scheduler_type="linear",
        warmup_steps=2,
        logging_steps=1,
    )
    trainer.train()
    return trainer


def test_progress_begins_after_the_warm_start(run: WatchedTrainer) -> None:
    expected = [step / 12 for step in range(12)]
    assert [progress for progress, *_ in run.objective.losses] == pytest.approx(
        [p for p in expected for _ in range(2)]
    )
    assert [progress for _, progress in run.objective.before] == pytest.approx(expected)
    assert all(0 <= progress < 1 for progress, *_ in run.objective.losses)


def test_the_objective_sees_all_micro_batches_before_a_step_and_the_student_after_it(run: WatchedTrainer) -> None:
    assert [count for count, _ in run.objective.before] == [2] * 12
    assert len(run.objective.after) == 15


def test_learning_rates_are_those_of_the_two_schedules(run: WatchedTrainer) -> None:
    """By hand: 3 steps at 0.02, for a tenth of them is less than one; then 12 of linear decay, 2 of them a rise."""
    logged = [row["learning_rate"] for row in run.state.log_history if "learning_rate" in row]
    after = [step / 2 if step < 2 else (12 - step) / 10 for step in range(12)]
    assert logged == pytest.approx([0.02] * 3 + [0.01 * factor for factor in after])


def test_an_epoch_is_a_pass_over_the_unlabeled_set(run: WatchedTrainer) -> None:
    """Batches of 4 in the 12 steps after the warm start: 40 texts are 10 batches, so visits end with the epochs."""
    assert run.state.epoch == pytest.approx(3.0)
    seen = [index for *_, batch in run.objective.losses for index in batch]
    assert len(seen) == 12 * 2 * 4
    # The warm start took the first 24 of the first pass.
    assert Counter(seen[:16]) == Counter(set(range(40)) - set(run_indices(run, 24)))
    for begin in (16, 56):
        assert sorted(seen[begin : begin + 40]) == list(range(40))
    assert seen[16:56] != seen[56:], "a second epoch in the order of the first"
    assert seen == run_indices(run, 120)[24:]


def run_indices(trainer: WatchedTrainer, count: int) -> list[int]:
    """The first unlabeled rows, straight from the sampler."""
    keys = [key for number in range(count // 4) for key in trainer.sampler.batch(number) if key.stream == 1]
    return [key.index for key in keys]


def test_logged_terms_are_means_over_micro_batches_and_finite(run: WatchedTrainer) -> None:
    rows = [row for row in run.state.log_history if "loss" in row]
    assert len(rows) == 15
    terms = [plain for _, plain, *_ in run.objective.losses]
    for step, row in enumerate(rows):
        logged = {name[4:]: value for name, value in row.items() if name.startswith("ssl/")}
        assert all(math.isfinite(value) for value in logged.values())
        if step < 3:
            assert logged.keys() == {"loss", "supervised"}
            continue
        pair = terms[2 * (step - 3) : 2 * (step - 3) + 2]
        assert logged == pytest.approx({name: (pair[0][name] + pair[1][name]) / 2 for name in pair[0]}, abs=1e-6)
        assert logged["loss"] == pytest.approx(row["loss"], abs=1e-3)


def test_a_second_run_logs_its_own_terms_and_ends_the_same(tmp_path: Path) -> None:
    """5 steps logged every second leave the last one's terms over; they are not those of the next run."""
    trainer = watched(tmp_path, max_steps=5, optim="sgd", learning_rate=0.05)
    start = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    first, first_rows = state_of(trainer), [row for row in trainer.state.log_history if "ssl/loss" in row]
    trainer.model.load_state_dict(start)
    trainer.objective.losses.clear()
    trainer.train()
    rows = [row for row in trainer.state.log_history if "ssl/loss" in row]
    expected = [sum(t["loss"] for _, t, *_ in trainer.objective.losses[i : i + 2]) / 2 for i in (0, 2)]
    assert [row["ssl/loss"] for row in rows] == pytest.approx(expected, abs=1e-6)
    assert [row["ssl/loss"] for row in rows] == [row["ssl/loss"] for row in first_rows]
    assert same(first, state_of(trainer))


def test_without_logs_terms_take_no_memory(tmp_path: Path) -> None:
    trainer = watched(tmp_path, logging_strategy="no")
    trainer.train()
    assert all(not isinstance(total, list) and count == 4 for total, count in trainer.terms.values())


@pytest.mark.slow
def test_a_model_can_be_trained_again(tmp_path: Path) -> None:
    """Both by the trainer that has it and by another one; the second run goes on from the first's weights."""
    plain = {"optim": "sgd", "learning_rate": 0.05}
    trainer = uda(tmp_path / "a", args=plain)
    trainer.train()
    once = state_of(trainer)
    trained = model()
    trained.load_state_dict({name[6:]: value for name, value in once.items()})
    trainer.train()
    first = uda(tmp_path / "b", model=trained, args=plain)
    second = uda(tmp_path / "c", model=first.model, args=plain)
    second.train()
    assert not same(once, state_of(trainer))
    assert same(state_of(second), state_of(trainer))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_loader_workers_change_nothing(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"dropout": 0.1, "save_strategy": "no", "max_steps": 6}
    alone = build("uda", tmp_path / "a", **settings)
    alone.train()
    shared = build("uda", tmp_path / "b", dataloader_num_workers=2, **settings)
    shared.train()
    assert same(state_of(alone), state_of(shared))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_that_outlive_an_epoch_go_on_where_it_ended(tmp_path: Path) -> None:
    """Without dropout: torch draws one number more for such workers, from the RNG that dropout draws from."""
    settings: dict[str, Any] = {"save_strategy": "no", "max_steps": 6}
    alone = build("uda", tmp_path / "a", **settings)
    alone.train()
    shared = build("uda", tmp_path / "b", dataloader_num_workers=1, dataloader_persistent_workers=True, **settings)
    shared.train()
    assert same(state_of(alone), state_of(shared))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_resumed_run_may_use_other_workers(tmp_path: Path) -> None:
    settings = {"dropout": 0.1, "max_steps": 5, "save_steps": 3}
    whole = build("uda", tmp_path / "a", **settings)
    whole.train()
    resumed = build("uda", tmp_path / "b", dataloader_num_workers=2, **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-3"))
    assert same(state_of(whole), state_of(resumed))


@pytest.mark.slow
def test_grouping_by_length_trains_resumes_exactly_and_pads_less(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"dropout": 0.1, "max_steps": 7, "save_steps": 3}
    grouped = {**settings, "train_sampling_strategy": "group_by_length"}
    whole = build("uda", tmp_path / "a", **grouped)
    whole.train()
    resumed = build("uda", tmp_path / "b", **grouped)
    resumed.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-3"))
    assert same(state_of(whole), state_of(resumed))

    def padding(trainer: Any) -> int:
        views = [batch["unlabeled"]["weak"] for batch in trainer.get_train_dataloader()]
        return sum(int((view["attention_mask"] == 0).sum()) for view in views)

    assert padding(whole) < padding(build("uda", tmp_path / "c", **settings)) / 2


@pytest.mark.slow
def test_the_saved_model_is_a_pipeline_with_names(tmp_path: Path) -> None:
    trainer = uda(tmp_path, model=named_model())
    trainer.train()
    trainer.save_model()
    classify = pipeline("text-classification", model=str(tmp_path), device="cpu")
    assert isinstance(classify, TextClassificationPipeline)
    rows = texts(5, 8)[0]
    logits = torch.tensor(trainer.predict(table(text=rows)).predictions)
    for said, row in zip(classify(rows), logits, strict=True):
        assert said["label"] == NAMES[int(row.argmax())]
        assert said["score"] == pytest.approx(row.softmax(-1).max().item(), abs=1e-5)


@pytest.mark.slow
def test_the_best_checkpoint_restores_student_and_teacher(tmp_path: Path) -> None:
    """The metric is made to fall, so that the first of two evaluations is the best."""
    scores = iter([1.0, 0.5])
    settings: dict[str, Any] = {"teacher_decay": 0.5, "distribution_alignment": True, "tsa": None}
    trainer = build(
        "uda",
        tmp_path,
        **settings,
        eval_strategy="steps",
        eval_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="score",
        greater_is_better=True,
    )
    trainer.compute_metrics = lambda _: {"score": next(scores)}
    trainer.train()
    assert str(trainer.state.best_model_checkpoint).endswith("checkpoint-2")
    two_steps = build("uda", tmp_path / "b", max_steps=2, save_strategy="no", **settings)
    two_steps.train()
    assert same(state_of(trainer), state_of(two_steps))


def test_the_tokenizer_and_the_global_rng_are_what_they_were(tmp_path: Path) -> None:
    own = copy.deepcopy(tokenizer())
    sides = (own.padding_side, own.model_max_length, own.pad_token_id)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    collate = uda(tmp_path, processing_class=own).data_collator
    assert (own.padding_side, own.model_max_length, own.pad_token_id) == sides
    torch.manual_seed(5)
    collate([{"text": "w1", "label": 0}])
    assert torch.equal(torch.rand(3), expected)


def test_grouping_by_length_is_for_training_alone(tmp_path: Path) -> None:
    """Trainer's own sampler would look for token ids in the evaluation data."""
    grouped = uda(tmp_path, args={"train_sampling_strategy": "group_by_length"}, eval_dataset=labeled(12, seed=3))
    plain = uda(tmp_path, eval_dataset=labeled(12, seed=3))
    grouped.train()
    plain.model.load_state_dict(grouped.model.state_dict())
    assert grouped.evaluate()["eval_accuracy"] == plain.evaluate()["eval_accuracy"]


def test_a_model_whose_signature_names_no_labels_is_measured(tmp_path: Path) -> None:
    class Wrapped(BertForSequenceClassification):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return super().forward(*args, **kwargs)

    network = model()
    network.__class__ = Wrapped
    measured = build("fixmatch", tmp_path, given={"model": network}).evaluate()
    expected = build("fixmatch", tmp_path).evaluate()
    assert measured["eval_accuracy"] == expected["eval_accuracy"]
    assert measured["eval_loss"] == pytest.approx(expected["eval_loss"])
