"""PretrainingTrainer: its loss is that of the stock model, over all masked tokens of a step, however it is cut."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

from tests.contract.cases import model, texts, tokenizer
from textssl.data.sampler import Key
from textssl.errors import UserError
from textssl.pretraining import PretrainingConfig, PretrainingTrainer
from textssl.pretraining.masked_lm import masked_language_model


SETTINGS: dict[str, Any] = {
    "max_steps": 4,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "learning_rate": 0.05,
    "optim": "sgd",
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "max_grad_norm": 0.0,
    "weight_decay": 0.0,
    "max_length": 16,
    "use_cpu": True,
    "save_strategy": "no",
    "logging_steps": 1,
    "report_to": [],
    "disable_tqdm": True,
}


def windows(count: int, seed: int) -> datasets.Dataset:
    rows = datasets.Dataset.from_dict({"input_ids": tokenizer()(texts(40, seed)[0])["input_ids"]})
    return rows.select(range(count))


def build(out: Path, held_out: int = 11, dropout: float = 0.0, **settings: Any) -> PretrainingTrainer:
    network, _ = masked_language_model(model(dropout=dropout), seed=0)
    config = PretrainingConfig(output_dir=str(out), **{**SETTINGS, **settings})
    return PretrainingTrainer(network, config, windows(40, 1), windows(held_out, 2), tokenizer())


def stock_loss(trainer: PretrainingTrainer, batches: list[dict[str, Any]]) -> torch.Tensor:
    """Mean over all masked tokens: the model's own loss of each window by itself, weighted by its tokens."""
    total, count = torch.zeros(()), 0
    for part in (part for batch in batches for part in batch["passes"]):
        labels = torch.full_like(part["input_ids"], -100).flatten()
        labels[part["places"]] = part["labels"]
        for ids, mask, own in zip(
            part["input_ids"], part["attention_mask"], labels.view_as(part["input_ids"]), strict=True
        ):
            n = int(mask.sum())
            loss = trainer.model(input_ids=ids[None, :n], labels=own[None, :n]).loss
            tokens = int((own != -100).sum())
            total, count = total + loss * tokens, count + tokens
    return total / count


@pytest.mark.parametrize(("size", "accumulation"), [(8, 1), (4, 2), (2, 4)])
def test_a_step_follows_the_mean_over_all_its_masked_tokens(size: int, accumulation: int, tmp_path: Path) -> None:
    """Half of the tokens, so that micro-batches hold unequal numbers of them."""
    settings = {"max_steps": 1, "mask_share": 0.5, "per_device_train_batch_size": size}
    trainer = build(tmp_path, gradient_accumulation_steps=accumulation, **settings)
    plain = build(tmp_path, **settings)
    loader = iter(trainer.get_train_dataloader())
    loss = stock_loss(plain, [next(loader) for _ in range(accumulation)])
    loss.backward()
    expected = {name: p.detach() - 0.05 * p.grad for name, p in plain.model.named_parameters()}
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], atol=1e-6, rtol=1e-4, msg=name)


def test_the_held_out_loss_is_exact_and_always_of_the_same_masks(tmp_path: Path) -> None:
    trainer = build(tmp_path, per_device_eval_batch_size=4, dropout=0.1)
    first, again = trainer.evaluate(), trainer.evaluate()
    assert first == again
    assert trainer.model.training
    batch = trainer.data_collator(trainer.train_dataset.__getitems__([Key(0, row, 0) for row in range(11)]))
    trainer.model.eval()
    with torch.no_grad():
        loss = stock_loss(trainer, [batch]).item()
    assert first["eval_loss"] == pytest.approx(loss, rel=1e-5)
    assert first["eval_perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert build(tmp_path, held_out=0).evaluate() == {}
    with pytest.raises(UserError, match="eval_dataset"):
        trainer.evaluate(windows(3, 1))


def test_an_epoch_is_a_pass_over_all_windows(tmp_path: Path) -> None:
    trainer = build(tmp_path, max_steps=-1, num_train_epochs=2, per_device_train_batch_size=6)
    seen: list[tuple[int, int]] = []
    collate = trainer.data_collator.__call__
    trainer.data_collator = lambda items: (seen.extend((i.key.visit, i.key.index) for i in items), collate(items))[1]
    assert trainer.train().global_step == 14
    assert sorted(seen[:80]) == [(visit, row) for visit in range(2) for row in range(40)]


def test_it_learns_to_predict_and_evaluates_while_it_does(tmp_path: Path) -> None:
    """Every text the same three words: what is masked can be known from its neighbours, and chance is 1 in 65."""
    ids = tokenizer()(["w1 w2 w3 w4 w5 w6"] * 32)["input_ids"]
    rows = datasets.Dataset.from_dict({"input_ids": ids})
    adam = {"optim": "adamw_torch", "learning_rate": 3e-3, "eval_strategy": "steps", "eval_steps": 20}
    config = PretrainingConfig(output_dir=str(tmp_path), **{**SETTINGS, **adam, "max_steps": 60})
    trainer = PretrainingTrainer(
        masked_language_model(model(), 0)[0], config, rows, rows.select(range(8)), tokenizer()
    )
    assert trainer.evaluate()["eval_loss"] > 3.0
    trainer.train()
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert len(losses) == 3
    assert losses[-1] < 0.3


def test_a_fresh_head_learns_at_a_rate_of_its_own(tmp_path: Path) -> None:
    """By hand: a step of SGD at ten times the learning rate, or at the one that is told; not so a head that was."""
    for fresh, told, factor in ((True, None, 10.0), (True, 0.2, 4.0), (False, 0.2, 1.0)):
        settings = {**SETTINGS, "max_steps": 1, "head_learning_rate": told}
        network, _ = masked_language_model(model(), seed=0)
        plain = build(tmp_path, max_steps=1)
        stock_loss(plain, [next(iter(plain.get_train_dataloader()))]).backward()
        config = PretrainingConfig(output_dir=str(tmp_path), **settings)
        trainer = PretrainingTrainer(network, config, windows(40, 1), windows(11, 2), tokenizer(), fresh)
        trainer.train()
        for name, parameter in trainer.model.named_parameters():
            before = dict(plain.model.named_parameters())[name]
            step = 0.05 * before.grad * (factor if name.startswith("cls.") else 1.0)
            torch.testing.assert_close(parameter.detach(), before.detach() - step, atol=2e-6, rtol=1e-4, msg=name)


def test_bf16_runs_and_its_loss_is_near(tmp_path: Path) -> None:
    plain = build(tmp_path).evaluate()["eval_loss"]
    trainer = build(tmp_path, bf16=True)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(plain, rel=0.02)
    assert math.isfinite(trainer.train().training_loss)


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    network, _ = masked_language_model(model(), seed=0)
    config = PretrainingConfig(output_dir=str(tmp_path), **SETTINGS)
    with pytest.raises(UserError, match="no tokens"):
        PretrainingTrainer(network, config, windows(3, 1).select([]), windows(3, 1), tokenizer())
    config.torch_compile = True
    with pytest.raises(UserError, match="torch_compile: got True"):
        PretrainingTrainer(network, config, windows(3, 1), windows(3, 1), tokenizer())
    for setting, value, told in (
        ("mask_share", 0.0, "mask_share: got 0.0"),
        ("mask_share", 1.5, "mask_share: got 1.5"),
        ("validation_share", 1.0, "validation_share: got 1.0"),
        ("max_length", 2, "max_length: got 2"),
        ("remove_unused_columns", True, "remove_unused_columns: got True"),
    ):
        with pytest.raises(UserError, match=told.replace(".", r"\.")):
            PretrainingConfig(output_dir=str(tmp_path), **{setting: value})
    with pytest.raises(UserError, match="eval_strategy: got no held-out"):
        PretrainingConfig(output_dir=str(tmp_path), eval_strategy="steps", eval_steps=1, validation_share=0.0)
