"""A run that diverges stops at the step where it does, and leaves nothing that is not finite."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification, TrainerCallback

from tests.contract.cases import build, labeled, state_of, swap_words, unlabeled
from tests.contract.tiny_texts import model, tokenizer
from tests.pretraining.test_pretraining_trainer import build as build_pretraining
from textssl.config import SSLConfig
from textssl.errors import UserError
from textssl.methods import METHODS
from textssl.training.checkpoints import sealed_checkpoints
from textssl.training.loss_watch import LossWatch


TOO_HIGH = {"learning_rate": 1e20, "optim": "adamw_torch", "logging_steps": 1, "max_steps": 8}


class Acts(TrainerCallback):
    """Does something at the end of one step, after the objective's own update."""

    def __init__(self, step: int, act: Callable[[], None]) -> None:
        self.step, self.act = step, act

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            self.act()


def spoil(trainer: Any) -> Callable[[], None]:
    def act() -> None:
        with torch.no_grad():
            trainer.model.classifier.weight[0, 0] = float("nan")

    return act


def terms_at(trainer: Any, step: int, **terms: float) -> None:
    """Let the objective tell these terms from a step on, the loss by multiplication: it is to be differentiated."""
    original = trainer.objective.loss

    def loss(*args: Any) -> dict[str, Any]:
        told = original(*args)
        if trainer.state.global_step + 1 < step:
            return told
        return {**told, **{name: told[name] * 0 + value for name, value in terms.items()}}

    trainer.objective.loss = loss


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "modality", "settings"),
    [
        ("fixmatch", "text", {}),
        ("uda", "text", {"teacher_decay": 0.5}),
        ("mixtext", "text", {}),
        ("dividemix", "features", {"warm_start_epochs": 0.5}),
        ("meta_pseudo_labels", "features", {}),
        ("fixmatch", "image", {}),
    ],
)
def test_a_rate_too_high_stops_at_the_first_loss_that_is_not_finite(
    method: str, modality: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    """The step is that at which a run that goes on logs the first such loss."""
    free = build(method, tmp_path / "a", modality, **TOO_HIGH, **settings, nan_policy="ignore", save_strategy="no")
    # DivideMix finds no loss to divide the examples by, an epoch later.
    with nullcontext() if method != "dividemix" else pytest.raises(ValueError, match="0 finite"):
        free.train()
    assert free.state.global_step == (8 if method != "dividemix" else 2)
    losses = [row["loss"] for row in free.state.log_history if "loss" in row]
    first = 1 + next(i for i, loss in enumerate(losses) if not math.isfinite(loss))
    trainer = build(method, tmp_path / "b", modality, **TOO_HIGH, **settings, save_steps=1, eval_strategy="no")
    with pytest.raises(UserError, match="training diverged: ") as caught:
        trainer.train()
    stopped = trainer.state.global_step
    assert stopped <= first
    good = [path.name for path in sealed_checkpoints(tmp_path / "b")]
    assert good == [f"checkpoint-{step}" for step in range(1, stopped)]
    assert (good[-1] if good else "no checkpoint was written before") in str(caught.value)
    assert not (tmp_path / "b" / f"checkpoint-{stopped}").exists()


def test_the_message_has_the_step_all_terms_and_the_checkpoint_that_a_resume_takes(tmp_path: Path) -> None:
    straight = build("uda", tmp_path / "straight")
    straight.train()
    trainer = build("uda", tmp_path / "run")
    terms_at(trainer, 3, loss=math.nan, unsupervised=math.inf, supervised=0.5)
    told = (
        r"training diverged: the loss of step 3 is not finite \(ssl/loss nan, ssl/unsupervised inf, "
        r"ssl/supervised 0\.5.*\); the last good checkpoint is .*checkpoint-2\. .*learning_rate \(now 0\.05\)"
    )
    with pytest.raises(UserError, match=told):
        trainer.train()
    assert trainer.state.global_step == 3
    resumed = build("uda", tmp_path / "run")
    resumed.train(resume_from_checkpoint=True)
    expected, state = state_of(straight), state_of(resumed)
    assert all(torch.equal(expected[name], state[name]) for name in expected)


def test_a_mask_made_of_nan_is_seen(tmp_path: Path) -> None:
    """A weak pass that is NaN is above no threshold: the loss is that of the labels alone, and finite."""

    class Guessing(BertForSequenceClassification):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            output = super().forward(*args, **kwargs)
            if not torch.is_grad_enabled():
                output.logits = output.logits * math.nan
            return output

    network = model()
    network.__class__ = Guessing
    trainer = build("fixmatch", tmp_path, given={"model": network}, eval_strategy="no")
    with pytest.raises(UserError, match="ssl/confidence nan"):
        trainer.train()
    assert trainer.state.global_step == 1


def test_a_term_that_is_only_told_may_be_infinite(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path)
    terms_at(trainer, 1, confidence=math.inf)
    assert trainer.train().global_step == 4


@pytest.mark.parametrize("step", [2, 4])
def test_weights_that_are_not_finite_are_never_saved(step: int, tmp_path: Path) -> None:
    """Though the loss was: at a checkpoint, and at the end."""
    trainer = build("uda", tmp_path, teacher_decay=0.5)
    trainer.add_callback(Acts(step, spoil(trainer)))
    with pytest.raises(UserError, match=rf"after step {step} the weights are not finite, of classifier\.weight first"):
        trainer.train()
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == (["checkpoint-2"] if step == 4 else [])


def test_the_end_is_looked_at_where_nothing_is_saved(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, save_strategy="no", logging_strategy="no")
    trainer.add_callback(Acts(4, spoil(trainer)))
    with pytest.raises(UserError, match="after step 4 the weights are not finite"):
        trainer.train()


def test_a_teacher_that_is_not_finite_counts_too(tmp_path: Path) -> None:
    trainer = build("meta_pseudo_labels", tmp_path)

    def act() -> None:
        trainer.objective.teacher.classifier.weight.data.fill_(float("inf"))

    trainer.add_callback(Acts(2, act))
    with pytest.raises(UserError, match=r"not finite, of objective\.teacher\.classifier\.weight first"):
        trainer.train()


def test_an_evaluation_that_is_not_finite_is_never_the_best(tmp_path: Path) -> None:
    settings = {"eval_strategy": "steps", "eval_steps": 2, "load_best_model_at_end": True}
    trainer = build("uda", tmp_path, metric_for_best_model="loss", **settings)
    original = trainer.prediction_step

    def step(*args: Any, **kwargs: Any) -> Any:
        loss, *rest = original(*args, **kwargs)
        return (loss * float("nan") if trainer.state.global_step == 4 else loss, *rest)

    trainer.prediction_step = step  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"after step 4 eval_loss is nan; the last good checkpoint is .*checkpoint-2"):
        trainer.train()
    assert str(trainer.state.best_model_checkpoint).endswith("checkpoint-2")


@pytest.mark.parametrize("what", ["evaluate", "predict"])
def test_outside_of_training_such_an_evaluation_is_warned_of(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = build("uda", tmp_path)
    trainer.model.classifier.bias.data.fill_(float("nan"))
    with caplog.at_level(logging.WARNING):
        if what == "evaluate":
            trainer.evaluate()
        else:
            trainer.predict(trainer.eval_dataset)
    assert sum("_loss is nan: what the model answers is not finite" in r.message for r in caplog.records) == 1


def test_gradients_may_overflow(tmp_path: Path) -> None:
    """As they do in float16, where the loss scaler skips the step: the loss alone counts."""
    trainer = build("uda", tmp_path, max_grad_norm=0.0)

    class Overflow(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            for parameter in trainer.model.parameters():
                parameter.grad = None

    trainer.add_callback(Overflow())
    trainer._get_grad_norm = lambda *args, **kwargs: float("inf")  # type: ignore[method-assign]
    assert trainer.train().global_step == 4


def test_a_policy_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nan_policy: got 'raise'; allowed: stop, ignore"):
        SSLConfig(output_dir=str(tmp_path), nan_policy="raise")


def test_a_stage_of_rounds_stops_the_whole(tmp_path: Path) -> None:
    trainer_class = METHODS["self_training"]
    config = trainer_class.config_class(
        output_dir=str(tmp_path), max_steps=4, teacher_learning_rate=1e20, max_length=16, use_cpu=True, report_to=[]
    )
    trainer = trainer_class(
        model(), config, labeled(), unlabeled(), None, tokenizer(), augmentations={"strong": swap_words}
    )
    with pytest.raises(UserError, match=r"training diverged: .*no checkpoint was written before\. .*now 1e\+20"):
        trainer.train()
    assert not list(tmp_path.rglob("done.json"))


def test_pretraining_stops_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="training diverged: "):
        build_pretraining(tmp_path, learning_rate=1e20, max_steps=8).train()


# --- what is remembered of a step


def test_terms_of_micro_batches_are_added_and_read_once() -> None:
    watch = LossWatch()
    for loss in (1.0, 2.0):
        watch.add({"loss": torch.tensor(loss), "weight": 0.5})
    watch.end_step(7)
    (step,) = watch.read(all_steps=False)
    assert (step.step, step.terms, step.diverged) == (7, {"loss": 3.0, "weight": 1.0}, False)
    assert watch.read(all_steps=True) == []


def test_on_a_gpu_the_last_step_is_read_when_the_next_one_ends() -> None:
    """A copy under way has an event, which is waited for only then, or where all steps are asked for."""

    class Event:
        waited = False

        def synchronize(self) -> None:
            self.waited = True

    watch, events = LossWatch(), [Event(), Event(), Event()]
    for step, event in enumerate(events, start=1):
        watch._pending.append((step, {}, ["loss"], torch.tensor([float(step)]), event))  # type: ignore[arg-type]
        assert [seen.step for seen in watch.read(all_steps=False)] == ([step - 1] if step > 1 else [])
        assert not event.waited
    assert [seen.step for seen in watch.read(all_steps=True)] == [3]
    assert all(event.waited for event in events)
