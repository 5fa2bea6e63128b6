"""SSLTrainer: what it refuses, what it logs and schedules, and that nothing but the settings decides a run."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    TextClassificationPipeline,
    TrainingArguments,
    XLNetConfig,
    XLNetForSequenceClassification,
    pipeline,
)

from tests.contract.cases import CLASSES, build, labeled, model, state_of, swap_words, texts, tokenizer, unlabeled
from textssl import SSLConfig, UDAConfig, UDATrainer, UserError
from textssl.augment.text import TfIdfReplacement
from textssl.config import derive
from textssl.methods.supervised import SupervisedConfig, SupervisedTrainer
from textssl.methods.uda import UDA


NAMES = ["bad", "fair", "good"]


def uda(out: Path, **changes: Any) -> UDATrainer:
    """A trainer of which any argument can be another; ``args`` holds settings of the config."""
    settings = {"max_steps": 4, "max_length": 16, "per_device_train_batch_size": 4, "mu": 2, **changes.pop("args", {})}
    given: dict[str, Any] = {
        "model": model(),
        "args": UDAConfig(
            output_dir=str(out), use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no", **settings
        ),
        "train_dataset": labeled(),
        "unlabeled_dataset": unlabeled(),
        "processing_class": tokenizer(),
        "augmentations": {"strong": swap_words},
    }
    return UDATrainer(**{**given, **changes})


def named_model() -> BertForSequenceClassification:
    network = model()
    network.config.id2label = dict(enumerate(NAMES))
    network.config.label2id = {name: i for i, name in enumerate(NAMES)}
    return network


def table(**columns: list[Any]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(columns)


def without_padding() -> PreTrainedTokenizerFast:
    own = copy.deepcopy(tokenizer())
    own.pad_token = None
    return own


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# Inputs that cannot work


TEXTS = texts(6, 1)[0]
REFUSED = {
    "empty labeled set": (lambda: {"train_dataset": table(text=[], label=[])}, "train_dataset: .* is empty"),
    "class without examples": (
        lambda: {"train_dataset": table(text=TEXTS, label=[0, 1, 0, 1, 0, 1])},
        r"train_dataset: no example of class 'LABEL_2' \(id 2\)",
    ),
    "label unknown to the model": (
        lambda: {"train_dataset": table(text=TEXTS, label=[0, 1, 2, 3, 0, 1])},
        "train_dataset: label 3 in row 3 .* 0 to 2",
    ),
    "names unknown to the model": (
        lambda: {"train_dataset": table(text=TEXTS, label=["bad"] * 6)},
        "train_dataset: label 'bad' in row 0 .* is not among the model's labels",
    ),
    "texts that are no strings": (
        lambda: {"train_dataset": table(text=[1, 2, 3], label=[0, 1, 2])},
        "train_dataset: column 'text' holds int64, not strings; row 0 is 1",
    ),
    "wrong text column": (
        lambda: {"train_dataset": table(review=TEXTS, label=[0, 1, 2] * 2)},
        r"train_dataset: no column 'text' \(text_column\); its columns are \['review', 'label'\]",
    ),
    "wrong label column": (
        lambda: {"args": {"label_column": "stars"}},
        r"train_dataset: no column 'stars' \(label_column\); its columns are \['text', 'label'\]",
    ),
    "empty unlabeled set": (lambda: {"unlabeled_dataset": table(text=[])}, "unlabeled_dataset: .* is empty"),
    "null in the unlabeled set": (
        lambda: {"unlabeled_dataset": table(text=["w1", None, "w2"])},
        "unlabeled_dataset: column 'text' has no text in 1 of 3 rows; the first is row 1",
    ),
    "column missing in the unlabeled set": (
        lambda: {"unlabeled_dataset": table(body=["w1"])},
        r"unlabeled_dataset: no column 'text' .* its columns are \['body'\]",
    ),
    "no unlabeled set": (
        lambda: {"unlabeled_dataset": None},
        "unlabeled_dataset: got None; UDATrainer needs unlabeled examples",
    ),
    "label of evaluation unseen in training": (
        lambda: {"eval_dataset": table(text=["w1"], label=[7])},
        "eval_dataset: label 7 in row 0",
    ),
    "one bad set of several": (
        lambda: {"eval_dataset": {"good": labeled(), "bad": table(text=["w1"], label=["x"])}},
        "eval_dataset: label 'x' in row 0",
    ),
    "no tokenizer": (lambda: {"processing_class": None}, "processing_class: expected a tokenizer"),
    "no padding token": (lambda: {"processing_class": without_padding()}, "a tokenizer that has a padding token"),
    "texts longer than the model's positions": (
        lambda: {"args": {"max_length": 33}},
        "max_length: got 33; the model has 32 positions",
    ),
    "one class": (
        lambda: {"model": BertForSequenceClassification(BertConfig(num_labels=1, num_hidden_layers=0))},
        "model: got num_labels 1; expected at least 2 classes",
    ),
    "a view by a wrong name": (
        lambda: {"augmentations": {"stong": swap_words}},
        "augmentations: got 'stong'; the method's views are strong, weak",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_before_training(case: str, tmp_path: Path) -> None:
    changes, told = REFUSED[case]
    with pytest.raises(UserError, match=told):
        uda(tmp_path, **changes())


@pytest.mark.parametrize("kind", [SSLConfig, SupervisedConfig, TrainingArguments])
def test_the_config_of_another_method_is_refused(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"args: got {kind.__name__}; UDATrainer takes UDAConfig"):
        UDATrainer(model(), kind(output_dir=str(tmp_path), use_cpu=True), labeled(), unlabeled())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mu": 0}, "mu: got 0; expected a number above 0"),
        ({"max_length": 2}, "max_length: got 2; expected at least 3"),
        ({"warm_start_steps": -1}, "warm_start_steps: got -1; expected 0 or more"),
        ({"warm_start_learning_rate": 0.0}, "warm_start_learning_rate: got 0.0"),
        ({"max_steps": 4, "warm_start_steps": 4}, "warm_start_steps: got 4; expected fewer than max_steps, 4"),
        ({"remove_unused_columns": True}, "remove_unused_columns: got True"),
        ({"train_sampling_strategy": "sequential"}, "'sequential'; allowed: random, group_by_length"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        SSLConfig(output_dir=str(tmp_path), **settings)


def test_a_warm_start_longer_than_the_epochs_is_refused(tmp_path: Path) -> None:
    """40 unlabeled texts in batches of 8 are 5 steps."""
    trainer = uda(tmp_path, args={"max_steps": -1, "num_train_epochs": 1, "warm_start_steps": 5})
    with pytest.raises(UserError, match="warm_start_steps: got 5; expected fewer than the 5 steps"):
        trainer.train()


def test_a_schedule_that_looks_at_a_metric_cannot_follow_a_warm_start(tmp_path: Path) -> None:
    settings = {"warm_start_steps": 2, "lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "steps"}
    with pytest.raises(UserError, match="lr_scheduler_type: got one that makes ReduceLROnPlateau"):
        uda(tmp_path, args=settings, eval_dataset=labeled()).train()


@pytest.mark.parametrize(("max_length", "works"), [(30, True), (31, False)])
def test_positions_of_roberta_begin_after_its_padding_token(max_length: int, works: bool, tmp_path: Path) -> None:
    """With 32 of them, and padding at 1, the longest text has 30 tokens: at 31 its own forward raises."""
    config = RobertaConfig(
        vocab_size=65, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=3,
        max_position_embeddings=32, pad_token_id=1, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    network = RobertaForSequenceClassification(config)
    ids = torch.full((1, max_length), 7)
    if works:
        network(input_ids=ids)
        uda(tmp_path, model=network, args={"max_length": max_length})
    else:
        with pytest.raises(IndexError):
            network(input_ids=ids)
        with pytest.raises(UserError, match="max_length: got 31; the model has 30 positions"):
            uda(tmp_path, model=network, args={"max_length": max_length})


def test_a_model_without_a_limit_takes_any_length(tmp_path: Path) -> None:
    """XLNet's config says -1."""
    config = XLNetConfig(vocab_size=65, d_model=16, n_layer=1, n_head=2, d_inner=16, num_labels=3, pad_token_id=0)
    assert uda(tmp_path, model=XLNetForSequenceClassification(config), args={"max_length": 600}).args.max_length == 600


def test_derive_refuses_an_unknown_change_and_keeps_the_rest(tmp_path: Path) -> None:
    config = UDAConfig(output_dir=str(tmp_path), use_cpu=True, temperature=0.5, seed=7, max_length=20)
    with pytest.raises(UserError, match="changes: SupervisedConfig has no field max_stepz, temperature"):
        derive(config, SupervisedConfig, max_stepz=3, temperature=1.0)
    other = derive(config, SupervisedConfig, max_steps=3)
    assert type(other) is SupervisedConfig
    assert (other.max_steps, other.seed, other.max_length, other.use_cpu) == (3, 7, 20, True)
    assert config.max_steps == -1
    back = derive(other, UDAConfig, learning_rate=1.0)
    assert (back.temperature, back.threshold) == (0.5, 0.0)


# Data in other forms


def test_labels_by_name_train_the_same_model(tmp_path: Path) -> None:
    drawn, ids = texts(9, 1)
    named = table(text=drawn, label=[NAMES[i] for i in ids])
    held_out = table(text=drawn[:4], label=[NAMES[i] for i in ids[:4]])
    by_id = uda(tmp_path / "a", model=named_model(), eval_dataset=table(text=drawn[:4], label=ids[:4]))
    by_name = uda(tmp_path / "b", model=named_model(), train_dataset=named, eval_dataset=held_out)
    for trainer in (by_id, by_name):
        trainer.train()
    assert same(state_of(by_id), state_of(by_name))
    assert by_id.evaluate()["eval_accuracy"] == by_name.evaluate()["eval_accuracy"]


@pytest.mark.parametrize("form", ["torch", "arrow", "pandas"])
def test_a_format_that_the_data_were_given_changes_nothing(form: str, tmp_path: Path) -> None:
    """``set_format`` with columns hides the others."""
    sets = {"train_dataset": labeled(), "unlabeled_dataset": unlabeled(), "eval_dataset": labeled(12, seed=3)}
    formatted = {name: data.with_format(form, columns=["text"]) for name, data in sets.items()}
    batches = []
    for number, given in enumerate((sets, formatted)):
        trainer = uda(tmp_path / str(number), **given)
        batches.append(next(iter(trainer.get_train_dataloader())))
        batches.append(next(iter(trainer.get_eval_dataloader())))
    for a, b in ((batches[0]["labeled"], batches[2]["labeled"]), (batches[1], batches[3])):
        assert a["labels"].tolist() == b["labels"].tolist()
    for view in ("weak", "strong"):
        a, b = batches[0]["unlabeled"][view], batches[2]["unlabeled"][view]
        assert torch.equal(a["input_ids"], b["input_ids"])


def test_the_default_strong_view_is_word_replacement_by_tfidf(tmp_path: Path) -> None:
    trainer = uda(tmp_path, augmentations=None)
    assert isinstance(trainer.data_collator.augmentations["strong"], TfIdfReplacement)
    assert trainer.data_collator.augmentations.keys() == {"strong"}
    trainer.train()


def test_supervised_leaves_the_unlabeled_set_alone(tmp_path: Path) -> None:
    args = SupervisedConfig(output_dir=str(tmp_path), use_cpu=True, max_length=16)
    trainer = SupervisedTrainer(model(), args, labeled(), table(text=[]), processing_class=tokenizer())
    assert next(iter(trainer.get_train_dataloader())).keys() == {"labeled"}


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


# One run, watched


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
        plain = {name: float(value) for name, value in terms.items()}
        self.losses.append(
            (progress, plain, batch["labeled"]["index"].tolist(), batch["unlabeled"]["index"].tolist())
        )
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
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedTrainer]:
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
    yield trainer


def test_progress_begins_after_the_warm_start(run: WatchedTrainer) -> None:
    expected = [step / 12 for step in range(12)]
    assert [progress for progress, *_ in run.objective.losses] == pytest.approx([p for p in expected for _ in range(2)])
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
    trainer = watched(tmp_path, max_steps=5)
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


def test_a_model_can_be_trained_again(tmp_path: Path) -> None:
    """Both by the trainer that has it and by another one; the second run goes on from the first's weights."""
    trainer = uda(tmp_path / "a")
    trainer.train()
    once = state_of(trainer)
    trainer.train()
    again = uda(tmp_path / "b", model=model())
    again.model.load_state_dict({name[6:]: value for name, value in once.items() if name.startswith("model.")})
    second = uda(tmp_path / "c", model=again.model)
    second.train()
    assert not same(once, state_of(trainer))
    assert same(state_of(second), state_of(trainer))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_loader_workers_change_nothing(tmp_path: Path) -> None:
    settings = {"dropout": 0.1, "save_strategy": "no", "max_steps": 6}
    alone = build("uda", tmp_path / "a", **settings)
    shared = build(
        "uda", tmp_path / "b", dataloader_num_workers=2, dataloader_persistent_workers=True, **settings
    )
    alone.train()
    shared.train()
    assert same(state_of(alone), state_of(shared))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_resumed_run_may_use_other_workers(tmp_path: Path) -> None:
    settings = {"dropout": 0.1, "max_steps": 7, "save_steps": 3}
    whole = build("uda", tmp_path / "a", **settings)
    whole.train()
    resumed = build("uda", tmp_path / "b", dataloader_num_workers=1, **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-3"))
    assert same(state_of(whole), state_of(resumed))


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


# What is left of a run


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


def test_the_best_checkpoint_restores_student_and_teacher(tmp_path: Path) -> None:
    """The metric is made to fall, so that the first of two evaluations is the best."""
    scores = iter([1.0, 0.5])
    trainer = build(
        "uda",
        tmp_path,
        ema_decay=0.5,
        align=True,
        eval_strategy="steps",
        eval_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="score",
        greater_is_better=True,
    )
    trainer.compute_metrics = lambda _: {"score": next(scores)}
    trainer.train()
    assert str(trainer.state.best_model_checkpoint).endswith("checkpoint-2")
    two_steps = build("uda", tmp_path / "b", ema_decay=0.5, align=True, max_steps=2, save_strategy="no")
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
