"""``hyperparameter_search`` of every method: a trial is what a trainer of the trial's settings would have been."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FixedTrial

from tests.contract.cases import build, has, state_of
from textssl import UserError
from textssl.methods import METHODS


pytestmark = pytest.mark.slow

optuna.logging.set_verbosity(optuna.logging.ERROR)

# Of these, a trial sets those that the method has.
OWN = {
    "ema_decay": 0.5,
    "teacher_decay": 0.5,
    "teacher_weight": 0.3,
    "temperature": 0.7,
    "threshold": 0.1,
    "unlabeled_weight": 0.3,
    "alpha": 0.3,
    "epsilon": 2.0,
}
COMMON: dict[str, Any] = {"max_steps": 2, "save_strategy": "no", "dropout": 0.1}
SAVED = COMMON | {"save_strategy": "steps", "save_steps": 1}
DEFAULTS = {
    "dividemix": {"max_steps": 5},
    "in_domain_pretraining": {"pretraining_steps": 2, "pretraining_batch_size": 4},
}


def settings_of(method: str) -> dict[str, Any]:
    own = {name: value for name, value in OWN.items() if has(method, name)}
    return {"learning_rate": 0.02, "seed": 7, "max_length": 12, **own}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def searched(trainer: Any, *trials: dict[str, Any], **kwargs: Any) -> tuple[list[dict[str, torch.Tensor]], Any]:
    """The state after each trial, and the best run."""
    states: list[dict[str, torch.Tensor]] = []

    def figure(metrics: dict[str, float]) -> float:
        states.append(state_of(trainer))
        return len(states)

    best = trainer.hyperparameter_search(
        lambda trial: trials[trial.number], figure, len(trials), "maximize", "optuna", **kwargs
    )
    return states, best


@pytest.mark.parametrize("method", METHODS)
def test_a_trial_is_a_run_of_its_settings(method: str, tmp_path: Path) -> None:
    """The second trial sets less than the first: nothing of the first is left."""
    common, settings = COMMON | DEFAULTS.get(method, {}), settings_of(method)
    trainer = build(method, tmp_path / "search", anew=True, **common)
    states, best = searched(trainer, settings, {"learning_rate": 0.01})
    assert best.run_id == "1"
    for number, changed in enumerate([settings, {"learning_rate": 0.01}]):
        alone = build(method, tmp_path / f"alone-{number}", **common, **changed)
        alone.train()
        same(states[number], state_of(alone))
    # What self-training leaves on the disk, each trial leaves in its own folder.
    assert not list((tmp_path / "search").glob("rounds.json"))


def test_after_a_search_a_person_trains_with_the_best_settings(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path / "search", anew=True, teacher_decay=0.9, **SAVED)
    states, _ = searched(trainer, {"teacher_decay": 0.5, "threshold": 0.1}, {"learning_rate": 0.01})
    for number in range(2):
        assert (tmp_path / "search" / f"run-{number}" / "checkpoint-2" / "model.safetensors").is_file()
    assert (trainer.args.teacher_decay, trainer.args.learning_rate) == (0.9, 0.05), "settings of trials are forgotten"
    trainer.args.teacher_decay, trainer.args.threshold = 0.5, 0.1
    trainer.train()
    same(state_of(trainer), states[0])
    assert trainer.facts.hyperparameters["threshold"] == 0.1


def test_each_training_begins_anew(tmp_path: Path) -> None:
    trainer = build("mean_teacher", tmp_path, anew=True, **COMMON)
    given = build("mean_teacher", tmp_path / "given", **COMMON)
    given.train()
    for _ in range(2):
        trainer.train()
        same(state_of(trainer), state_of(given))


def test_resuming_is_exact(tmp_path: Path) -> None:
    whole = build("uda", tmp_path, anew=True, **SAVED, teacher_decay=0.9)
    whole.train()
    resumed = build("uda", tmp_path / "other", anew=True, **SAVED, teacher_decay=0.9)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    same(state_of(whole), state_of(resumed))


def test_the_warm_up_of_a_trial_is_its_own(tmp_path: Path) -> None:
    """9 labeled examples in batches of 4 are 3 steps an epoch."""
    trainer = build("dividemix", tmp_path, anew=True, max_steps=8, save_strategy="no")
    warm: list[int] = []
    trainer.hyperparameter_search(
        lambda trial: {"warm_start_epochs": trial.number + 1.0},
        lambda metrics: warm.append(trainer.args.warm_start_steps) or 0.0,
        n_trials=2,
    )
    assert warm == [3, 6]
    assert trainer.args.warm_start_steps == 3


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a value out of range": ({"threshold": 2.0}, {}, r"threshold: got 2.0; expected a number in \[0, 1\]"),
    "a value that the model cannot have": ({"max_length": 99}, {}, "max_length: got 99; the model has 32 positions"),
    "no setting": ({"treshold": 0.5}, {}, "hp_space: got 'treshold'; FixMatchConfig has no such setting"),
    "a setting of another modality": ({"horizontal_flip": True}, {}, "horizontal_flip: got True"),
    "a setting of the construction": ({"text_column": "b"}, {}, "hp_space: got 'text_column', which is fixed"),
    "several at once": ({}, {"n_jobs": 2}, "n_jobs: got 2; a trainer runs one trial at a time"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_trial_cannot_have_is_refused(case: str, tmp_path: Path) -> None:
    settings, kwargs, told = REFUSED[case]
    trainer = build("fixmatch", tmp_path, anew=True, **COMMON)
    with pytest.raises(UserError, match=told):
        searched(trainer, settings, **kwargs)
    trainer.train()


def test_other_backends_and_trainers_of_one_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="backend: got 'ray'; allowed: optuna"):
        build("uda", tmp_path, anew=True).hyperparameter_search(backend="ray")
    with pytest.raises(UserError, match="model_init: got None; a search begins each trial with a new model"):
        build("uda", tmp_path).hyperparameter_search()


def test_a_trial_may_be_pruned(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, anew=True, eval_strategy="steps", eval_steps=1, **COMMON)

    class Never(optuna.pruners.BasePruner):
        def prune(self, study: Any, trial: Any) -> bool:
            return trial.number == 1

    # The second trial ends at its first evaluation; those of the first are two.
    states, best = searched(trainer, {}, {}, pruner=Never())
    assert (len(states), best.run_id) == (3, "0")
    trainer.train()


def test_a_trial_that_diverges_has_no_figure_and_the_search_goes_on(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, anew=True, optim="adamw_torch", **COMMON)
    states, best = searched(trainer, {"learning_rate": 1e20, "max_steps": 6}, {"learning_rate": 0.01})
    assert (len(states), best.run_id) == (1, "1")


def test_the_model_may_look_at_the_trial(tmp_path: Path) -> None:
    seen: list[Any] = []
    trainer = build("supervised", tmp_path, anew=True, **COMMON)
    make = trainer.model_init
    trainer.model_init = lambda trial: (seen.append(trial), make())[1]
    trainer.train(trial=FixedTrial({}))
    searched(trainer, {})
    assert [getattr(trial, "number", None) for trial in seen] == [0, 0]


def test_a_second_network_that_was_given_is_as_given_in_each_trial(tmp_path: Path) -> None:
    from tests.contract import tiny_texts

    def made(out: Path, **kwargs: Any) -> Any:
        base = build("dividemix", out, max_steps=5, save_strategy="no")
        data = base.train_dataset.labeled
        return METHODS["dividemix"](
            args=base.args, train_dataset=data, eval_dataset=data, processing_class=base.processing_class,
            peer=tiny_texts.model(3), **kwargs,
        )  # fmt: skip

    alone = made(tmp_path / "alone", model=tiny_texts.model())
    alone.train()
    first = tiny_texts.model()
    states, _ = searched(made(tmp_path / "search", model_init=lambda: copy.deepcopy(first)), {}, {})
    for state in states:
        same(state, state_of(alone))


def test_given_arguments_must_fit(tmp_path: Path) -> None:
    from tests.contract.tiny_texts import labeled, model, tokenizer
    from textssl.methods.supervised import SupervisedConfig, SupervisedTrainer

    def made(**kwargs: Any) -> None:
        args = SupervisedConfig(output_dir=str(tmp_path), use_cpu=True, max_length=16)
        SupervisedTrainer(**{"args": args, "train_dataset": labeled(), "processing_class": tokenizer()} | kwargs)

    sgd = torch.optim.SGD(model().parameters(), lr=0.1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "model: got None; expected a classifier, or model_init"),
        ({"model": model(), "model_init": lambda: model()}, "model_init: got one and a model"),
        ({"model_init": lambda: model(), "optimizers": (sgd, None)}, "optimizers: got one and model_init"),
        ({"model_init": lambda a, b: model()}, "model_init: model_init should have 0 or 1 argument"),
        ({"model_init": lambda: None}, "model_init: model_init should not return None"),
        ({"model": model(), "args": None}, "args: got NoneType; SupervisedTrainer takes SupervisedConfig"),
        ({"model": model(), "train_dataset": None}, "train_dataset: got None; expected the labeled examples"),
    ]
    for kwargs, told in cases:
        with pytest.raises(UserError, match=told):
            made(**kwargs)
