"""The warm start, the method's own steps and the fine-tuning: where each begins, by hand and in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, state_of
from textssl import MetaPseudoLabelsConfig, SSLConfig, UserError
from textssl.cli.options import RecipeOptions
from textssl.cli.recipe import baseline_config
from textssl.training.phases import TrainingPhase


def moments(tmp_path: Path, steps: int, **settings: Any) -> list[TrainingPhase]:
    args = SSLConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], **settings)
    return [TrainingPhase(args, step, steps) for step in range(steps + 1)]


def test_parts_and_progress_by_hand(tmp_path: Path) -> None:
    found = moments(tmp_path, 10, warm_start_steps=2, finetune_steps=4)
    assert [m.in_warm_start for m in found] == [True] * 2 + [False] * 9
    assert [m.in_finetuning for m in found] == [False] * 6 + [True] * 4 + [False]
    assert [m.begins_finetuning for m in found] == [step == 6 for step in range(11)]
    assert [m.progress for m in found] == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_without_either_all_steps_are_the_methods(tmp_path: Path) -> None:
    found = moments(tmp_path, 4)
    assert not any(m.on_labeled_only or m.begins_finetuning for m in found)
    assert [m.progress for m in found] == [0, 0.25, 0.5, 0.75, 1]


def test_before_training_the_length_is_unknown(tmp_path: Path) -> None:
    (only,) = moments(tmp_path, 0, finetune_steps=3)
    assert not only.on_labeled_only
    assert not only.begins_finetuning
    assert only.progress == 0


def test_none_takes_a_tenth(tmp_path: Path) -> None:
    args = SSLConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], finetune_steps=None)
    assert [args.count_finetune_steps(steps) for steps in (1, 9, 10, 39, 1000)] == [0, 0, 1, 3, 100]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_steps": 5, "finetune_steps": 5}, "warm_start_steps and finetune_steps: got 0 and 5; .* max_steps, 5"),
        ({"max_steps": 5, "finetune_steps": 3, "warm_start_steps": 2}, "got 2 and 3; expected fewer than max_steps"),
        ({"finetune_steps": -1}, "finetune_steps: got -1; expected 0 or more"),
        ({"finetune_learning_rate": 0.0}, "finetune_learning_rate: got 0.0; expected a number above 0"),
    ],
)
def test_what_leaves_the_method_no_step_is_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        SSLConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], **settings)


def test_epochs_that_are_too_short_are_refused_before_training(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, max_steps=-1, num_train_epochs=1, finetune_steps=5)
    with pytest.raises(UserError, match="got 0 and 5; expected fewer than the 5 steps of training"):
        trainer.train()


def test_adagrad_cannot_begin_anew(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, optim="adagrad", finetune_steps=1)
    with pytest.raises(UserError, match="optim: got 'adagrad'"):
        trainer.train()


def test_the_end_is_a_training_on_labels_of_its_own(tmp_path: Path) -> None:
    """By hand: the two steps of a fresh AdamW on the weights of the checkpoint, its rate 0.02 and then 0.01."""
    settings: dict[str, Any] = {
        "optim": "adamw_torch",
        "save_steps": 1,
        "max_steps": 5,
        "finetune_steps": 2,
        "finetune_learning_rate": 0.02,
        "lr_scheduler_type": "linear",
        "logging_steps": 1,
    }
    trainer = build("uda", tmp_path / "whole", **settings)
    batches, score = [], trainer.objective.finetune_loss
    trainer.objective.finetune_loss = lambda *a: (batches.append(a[1]), score(*a))[1]  # type: ignore[method-assign]
    trainer.train()
    rates = [row["learning_rate"] for row in trainer.state.log_history if "learning_rate" in row]
    # Three steps of the method fall to 0, then two of the fine-tuning do.
    assert rates == pytest.approx([0.05, 0.05 * 2 / 3, 0.05 / 3, 0.02, 0.01])
    assert len(batches) == 2
    model = type(trainer.model).from_pretrained(tmp_path / "whole" / "checkpoint-3").train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    for batch, rate in zip(batches, (0.02, 0.01), strict=True):
        optimizer.param_groups[0]["lr"] = rate
        view = batch["labeled"]["weak"]
        logits = model(input_ids=view["input_ids"], attention_mask=view["attention_mask"]).logits
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, batch["labeled"]["labels"]).backward()
        optimizer.step()
    for name, value in trainer.accelerator.unwrap_model(trainer.model).state_dict().items():
        # Adam makes a sign of what is nearly zero.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(value, model.state_dict()[name], atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.slow
def test_a_run_goes_on_across_the_boundaries(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "optim": "adamw_torch",
        "dropout": 0.1,
        "save_steps": 1,
        "max_steps": 6,
        "warm_start_steps": 2,
        "finetune_steps": 2,
        "teacher_decay": 0.9,
    }
    whole = build("uda", tmp_path / "whole", **settings)
    whole.train()
    for step in range(1, 6):
        torch.manual_seed(99)
        resumed = build("uda", tmp_path / str(step), **settings)
        resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{step}"))
        a, b = state_of(whole), state_of(resumed)
        assert all(torch.equal(a[name], b[name]) for name in a), step


@pytest.mark.slow
def test_accumulation_forgets_once(tmp_path: Path) -> None:
    common: dict[str, Any] = {"optim": "adamw_torch", "max_steps": 4, "finetune_steps": 2, "learning_rate": 1e-3}
    large = build("uda", tmp_path / "a", per_device_train_batch_size=8, **common)
    small = build(
        "uda", tmp_path / "b", per_device_train_batch_size=4, gradient_accumulation_steps=2, tsa="none", **common
    )
    large.args.tsa = "none"
    large.train()
    small.train()
    a, b = state_of(large), state_of(small)
    for name in a:
        if not name.endswith("key.bias"):
            torch.testing.assert_close(a[name], b[name], atol=2e-4, rtol=1e-3, msg=name)


def test_the_supervised_baseline_has_neither(tmp_path: Path) -> None:
    """It trains on labels alone from end to end, though the method ends with a fine-tuning."""
    args = MetaPseudoLabelsConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], warm_start_steps=5)
    assert args.count_finetune_steps(100) == 10
    baseline = baseline_config(RecipeOptions(baseline_steps=100), args)
    assert (baseline.warm_start_steps, baseline.count_finetune_steps(100)) == (0, 0)
