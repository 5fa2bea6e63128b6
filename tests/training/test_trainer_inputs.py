"""What SSLTrainer is given: what it refuses before training, and what it makes of data in other forms."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    TrainingArguments,
    XLNetConfig,
    XLNetForSequenceClassification,
)

from tests.contract.cases import labeled, model, state_of, swap_words, texts, tokenizer, unlabeled
from tests.uda_trainer import NAMES, named_model, same, table, uda
from textssl import SSLConfig, UDATrainer, UserError
from textssl.augment.text import TfIdfReplacement
from textssl.methods.supervised import SupervisedConfig, SupervisedTrainer


def without_padding() -> PreTrainedTokenizerFast:
    own = copy.deepcopy(tokenizer())
    own.pad_token = None
    return own


def of_problem(kind: str) -> BertForSequenceClassification:
    network = model()
    network.config.problem_type = kind
    return network


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
        lambda: {"model": named_model(), "train_dataset": table(text=TEXTS, label=["odd"] * 6)},
        "train_dataset: label 'odd' in row 0 .* is not among the model's labels",
    ),
    "fewer names than the model has classes": (
        lambda: {"train_dataset": table(text=TEXTS, label=["bad", "good"] * 3)},
        r"train_dataset: column 'label' has 2 classes \('bad', 'good'\), and the model 3; load it",
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
        r"eval_dataset\['bad'\]: label 'x' in row 0",
    ),
    "no tokenizer": (lambda: {"processing_class": None}, "processing_class: expected a tokenizer"),
    "no padding token": (lambda: {"processing_class": without_padding()}, "a tokenizer that has a padding token"),
    "texts longer than the model's positions": (
        lambda: {"args": {"max_length": 33}},
        "max_length: got 33; the model has 32 positions",
    ),
    "several labels an example": (
        lambda: {"train_dataset": table(text=TEXTS, label=[[1, 0, 1]] * 6)},
        "train_dataset: column 'label' holds list.* one label per example: multi-label .* are not supported",
    ),
    "soft labels in the evaluation set": (
        lambda: {"eval_dataset": table(text=TEXTS, label=[[0.2, 0.3, 0.5]] * 6)},
        "eval_dataset: column 'label' holds lists.* soft labels are not supported",
    ),
    "numbers to predict": (
        lambda: {"train_dataset": table(text=TEXTS, label=[0.25, 1.0, 2.0] * 2)},
        "train_dataset: column 'label' holds fractions.* \\(regression\\) are not supported",
    ),
    "a model of several labels": (
        lambda: {"model": of_problem("multi_label_classification")},
        "model: got problem_type 'multi_label_classification'; supported is 'single_label_classification', one label",
    ),
    "a model of regression": (
        lambda: {"model": of_problem("regression")},
        "model: got problem_type 'regression'; supported is 'single_label_classification'",
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


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_before_training(case: str, tmp_path: Path) -> None:
    changes, told = REFUSED[case]
    with pytest.raises(UserError, match=told):
        uda(tmp_path, **changes())


@pytest.mark.parametrize("kind", [SSLConfig, SupervisedConfig, TrainingArguments])
def test_the_config_of_another_method_is_refused(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"args: got {kind.__name__}; UDATrainer takes UDAConfig"):
        UDATrainer(model(), kind(output_dir=str(tmp_path), use_cpu=True), labeled(), unlabeled())


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
        with pytest.raises((IndexError, RuntimeError)):
            network(input_ids=ids)
        with pytest.raises(UserError, match="max_length: got 31; the model has 30 positions"):
            uda(tmp_path, model=network, args={"max_length": max_length})


def test_a_model_without_a_limit_takes_any_length(tmp_path: Path) -> None:
    """XLNet's config says -1."""
    config = XLNetConfig(vocab_size=65, d_model=16, n_layer=1, n_head=2, d_inner=16, num_labels=3, pad_token_id=0)
    assert uda(tmp_path, model=XLNetForSequenceClassification(config), args={"max_length": 600}).args.max_length == 600


@pytest.mark.slow
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
    assert by_id.evaluate()["eval_loss"] == by_name.evaluate(held_out)["eval_loss"]


def test_data_given_to_evaluate_are_checked_like_the_others(tmp_path: Path) -> None:
    trainer = uda(tmp_path)
    for data, told in (
        (table(review=["w1"], label=[0]), "eval_dataset: no column 'text'"),
        (table(text=["w1"], label=["x"]), "eval_dataset: label 'x' in row 0"),
    ):
        with pytest.raises(UserError, match=told):
            trainer.evaluate(data)


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
