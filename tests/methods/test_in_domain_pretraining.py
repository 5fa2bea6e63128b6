"""In-domain pretraining: two stages, of which each is what it would be by itself, and the first is done once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from transformers import AutoModelForMaskedLM

from tests.contract import tiny_features
from tests.contract.cases import build, first_batch, labeled, model, state_of, tokenizer, unlabeled
from textssl import (
    InDomainPretrainingConfig,
    InDomainPretrainingTrainer,
    SupervisedConfig,
    SupervisedTrainer,
    UDAConfig,
)
from textssl.config import derive_config
from textssl.errors import UserError
from textssl.pretraining import PretrainingConfig, PretrainingTrainer, pretrain_in_domain
from textssl.pretraining.config import before_fine_tuning


# By default a hundred passes over the texts.
CONTRACT_DEFAULT: dict[str, Any] = {"pretraining_steps": 2, "pretraining_batch_size": 8}
CONTRACT_FIELDS: dict[str, Any] = {
    "pretraining_batch_size": (8, 4),
    "pretraining_epochs": (1.0, 2.0, {"pretraining_steps": None}),
    "pretraining_learning_rate": (1e-4, 1e-2),
    "pretraining_mask_share": (0.15, 0.4),
    "pretraining_steps": (2, 3),
    # At one rate these are the method's own steps.
    "warm_start_steps": (1, 0, {"max_steps": 3, "warm_start_learning_rate": 0.2}),
}

METHOD = "in_domain_pretraining"


def record(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "pretraining.json").read_text())
    return loaded


@pytest.mark.slow
def test_the_stages_are_those_that_one_would_run_by_hand(tmp_path: Path) -> None:
    """The first by `pretrain_in_domain`, the second by plain supervised training of the encoder that it gave."""
    trainer = build(METHOD, tmp_path / "ours", dropout=0.1, **CONTRACT_DEFAULT)
    trainer.train()
    config = PretrainingConfig(
        output_dir=str(tmp_path / "first"), max_steps=2, per_device_train_batch_size=8, max_length=16,
        gradient_accumulation_steps=1, use_cpu=True, report_to=[], disable_tqdm=True,
    )  # fmt: skip
    first = pretrain_in_domain(model(dropout=0.1), tokenizer(), [labeled(), unlabeled()], config)
    encoder = AutoModelForMaskedLM.from_pretrained(first).bert.state_dict()
    for name, value in AutoModelForMaskedLM.from_pretrained(tmp_path / "ours/pretraining").bert.state_dict().items():
        assert torch.equal(value, encoder[name]), name
    start = model(dropout=0.1)
    assert not torch.equal(
        start.bert.encoder.layer[0].output.dense.weight, encoder["encoder.layer.0.output.dense.weight"]
    )
    start.bert.load_state_dict(encoder, strict=False)
    # Only what both configs have: settings of the first stage are none of the second.
    second = SupervisedTrainer(
        start,
        derive_config(trainer.args, SupervisedConfig, output_dir=str(tmp_path / "second")),
        labeled(),
        processing_class=tokenizer(),
    )
    second.train()
    theirs, ours = state_of(second), state_of(trainer)
    assert theirs.keys() == ours.keys()
    for name, value in theirs.items():
        assert torch.equal(value, ours[name]), name


def test_the_loss_is_cross_entropy_of_the_labels(tmp_path: Path) -> None:
    trainer = build(METHOD, tmp_path, **CONTRACT_DEFAULT)
    batch = first_batch(trainer)
    assert batch.keys() == {"labeled"}
    terms = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.0)
    view = batch["labeled"]["weak"]
    logits = trainer.model(input_ids=view["input_ids"], attention_mask=view["attention_mask"]).logits
    expected = -logits.log_softmax(-1)[torch.arange(4), batch["labeled"]["labels"]].mean()
    torch.testing.assert_close(terms["loss"], expected)
    assert terms["supervised"] is terms["loss"]


def test_defaults_are_the_paper_s(tmp_path: Path) -> None:
    """Gururangan et al., 2020, appendix: TAPT for 100 epochs in batches of 256, RoBERTa's Adam, a peak of 1e-4."""
    config = InDomainPretrainingConfig(output_dir=str(tmp_path), use_cpu=True, learning_rate=2e-5, optim="sgd", seed=3)
    first = config.first_stage()
    assert (first.num_train_epochs, first.max_steps, first.learning_rate) == (100.0, -1, 1e-4)
    assert first.per_device_train_batch_size * first.gradient_accumulation_steps == 256
    assert (first.mask_share, first.max_length, first.seed) == (0.15, 128, 3)
    assert (first.adam_beta2, first.adam_epsilon, first.weight_decay) == (0.98, 1e-6, 0.01)
    assert first.output_dir == str(tmp_path / "pretraining")
    plain = PretrainingConfig(output_dir=str(tmp_path), use_cpu=True)
    differing = {k for k, v in plain.to_dict().items() if first.to_dict()[k] != v}
    assert differing <= {"output_dir", "logging_dir", "seed"}


def test_settings_of_where_and_how_are_shared_and_others_are_not(tmp_path: Path) -> None:
    config = UDAConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=True, save_steps=7, logging_steps=3, max_length=64,
        text_column="review", weight_decay=0.3, warmup_steps=9, lr_scheduler_type="cosine", max_grad_norm=0.1,
        eval_strategy="steps", eval_steps=2, max_steps=11, learning_rate=1.0,
    )  # fmt: skip
    stage = before_fine_tuning(config, "folder", 96, max_steps=5)
    assert (stage.bf16, stage.save_steps, stage.logging_steps, stage.max_length) == (True, 7, 3, 64)
    assert (stage.text_column, stage.output_dir, stage.max_steps) == ("review", "folder", 5)
    assert (stage.weight_decay, stage.warmup_steps, stage.max_grad_norm, stage.learning_rate) == (0.01, 0.06, 1, 1e-4)
    assert (stage.lr_scheduler_type, stage.eval_strategy) == ("linear", "no")
    assert (stage.per_device_train_batch_size, stage.gradient_accumulation_steps) == (32, 3)
    odd = before_fine_tuning(config, "folder", 70)
    assert (odd.per_device_train_batch_size, odd.gradient_accumulation_steps) == (14, 5)


@pytest.mark.slow
def test_a_first_stage_that_is_finished_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(METHOD, tmp_path, **CONTRACT_DEFAULT).train()
    with monkeypatch.context() as patch:
        patch.setattr(PretrainingTrainer, "train", None)
        again = build(METHOD, tmp_path, **CONTRACT_DEFAULT, max_steps=2, learning_rate=0.01)
        assert again.train().global_step == 2
        build(METHOD, tmp_path, **CONTRACT_DEFAULT).train(resume_from_checkpoint=True)
    assert record(tmp_path / "pretraining")["steps"] == 2
    build(METHOD, tmp_path, **{**CONTRACT_DEFAULT, "pretraining_steps": 3}).train()
    assert record(tmp_path / "pretraining")["steps"] == 3


@pytest.mark.slow
def test_a_kill_in_the_first_stage_costs_the_steps_since_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    settings = {"pretraining_steps": 4, "pretraining_batch_size": 6, "dropout": 0.1, "save_steps": 1}
    whole = build(METHOD, tmp_path / "whole", **settings)
    whole.train()
    compute, seen = PretrainingTrainer.compute_loss, []

    def watched(self: PretrainingTrainer, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.state.global_step)
        if seen == [0, 1, 2]:
            raise Killed
        return compute(self, *args, **kwargs)

    monkeypatch.setattr(PretrainingTrainer, "compute_loss", watched)
    with pytest.raises(Killed):
        build(METHOD, tmp_path / "cut", **settings).train()
    torch.manual_seed(99)
    resumed = build(METHOD, tmp_path / "cut", **settings)
    resumed.train(resume_from_checkpoint=True)
    assert seen == [0, 1, 2, 2, 3]
    for name, value in state_of(whole).items():
        assert torch.equal(value, state_of(resumed)[name]), name


def test_what_cannot_work_is_told_at_construction(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unlabeled_dataset: got None; InDomainPretrainingTrainer needs unlabeled"):
        trainer(tmp_path, unlabeled_dataset=None)
    with pytest.raises(UserError, match="text_column"):
        trainer(tmp_path, unlabeled_dataset=unlabeled().rename_column("text", "review"))
    with pytest.raises(UserError, match=r"unlabeled_dataset: .*row 1"):
        trainer(tmp_path, unlabeled_dataset=datasets.Dataset.from_dict({"text": ["a", None]}))
    with pytest.raises(UserError, match="features"):
        trainer(tmp_path, model=tiny_features.model(), train_dataset=tiny_features.dataset(9, 1), max_length=128)
    for name, value in (
        ("steps", 0),
        ("epochs", 0.0),
        ("learning_rate", -1.0),
        ("batch_size", 0),
        ("mask_share", 2.0),
    ):
        with pytest.raises(UserError, match=f"pretraining_{name}: got {value}"):
            InDomainPretrainingConfig(output_dir=str(tmp_path), **{f"pretraining_{name}": value})


def trainer(out: Path, max_length: int = 16, **changes: Any) -> InDomainPretrainingTrainer:
    config = InDomainPretrainingConfig(output_dir=str(out), use_cpu=True, max_length=max_length, report_to=[])
    given = {"model": model(), "train_dataset": labeled(), "unlabeled_dataset": unlabeled()}
    return InDomainPretrainingTrainer(args=config, processing_class=tokenizer(), **{**given, **changes})
