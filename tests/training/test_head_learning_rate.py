"""``head_learning_rate``: the head's own rate in the optimizer, against the stock Trainer with groups made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from tests.contract.cases import build, state_of
from tests.contract.test_contract import assert_same
from tests.contract.tiny_texts import model
from tests.training.stock import ours, stock, weights
from textssl import UserError


@pytest.mark.parametrize("optim", ["sgd", "adamw_torch"])
def test_weights_are_those_of_the_stock_trainer_with_two_groups(tmp_path: Path, optim: str) -> None:
    given: dict[str, Any] = {"optim": optim, "weight_decay": 0.1, "learning_rate": 0.01, "lr_scheduler_type": "linear"}
    trainer = ours(tmp_path / "a", head_learning_rate=0.05, warmup_steps=1, **given)
    trainer.train()

    network = model()
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in network.named_parameters():
        decays = not name.endswith("bias") and "LayerNorm" not in name
        groups.setdefault((name.startswith("classifier"), decays), []).append(parameter)
    kind: Any = torch.optim.SGD if optim == "sgd" else torch.optim.AdamW
    optimizer = kind(
        [
            {"params": parameters, "lr": 0.05 if head else 0.01, "weight_decay": 0.1 if decays else 0.0}
            for (head, decays), parameters in groups.items()
        ]
    )
    schedule = get_linear_schedule_with_warmup(optimizer, 1, 3)
    other = stock(tmp_path / "b", {"model": network, "optimizers": (optimizer, schedule)}, **given)
    other.train()
    torch.testing.assert_close(weights(trainer), weights(other), atol=1e-6, rtol=1e-5)


def test_both_networks_of_a_method_with_two_have_the_rate(tmp_path: Path) -> None:
    trainer = build("dividemix", tmp_path, head_learning_rate=0.2, weight_decay=0.1, max_steps=5)
    optimizer = trainer.create_optimizer()
    fast = [p for group in optimizer.param_groups if group["lr"] == 0.2 for p in group["params"]]
    assert sorted(list(p.shape) for p in fast) == [[3], [3], [3, 32], [3, 32]]
    assert {group["weight_decay"] for group in optimizer.param_groups if group["lr"] == 0.2} == {0.0, 0.1}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2 * len([*model().parameters()])


def test_a_teacher_that_learns_and_what_it_is_told_have_the_ratio(tmp_path: Path) -> None:
    """The teacher's own optimizer, and the step of the student that the teacher is told of."""
    rates = {"head_learning_rate": 0.2, "learning_rate": 0.05, "teacher_learning_rate": 0.01}
    trainer = build("meta_pseudo_labels", tmp_path, feedback="jvp", lr_scheduler_type="linear", **rates)
    trainer.create_scheduler(4, trainer.create_optimizer())
    groups = trainer.objective.teacher_optimizer.optimizer.param_groups
    names = {id(p): name for name, p in trainer.objective.teacher.named_parameters()}
    found = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
    assert found == {name: pytest.approx(0.04 if "classifier" in name else 0.01) for name in names.values()}
    told = {name: trainer.objective.student_rates[id(p)] for name, p in trainer.model.named_parameters()}
    assert told == {name: pytest.approx(4.0 if "classifier" in name else 1.0) for name in told}
    none = build("meta_pseudo_labels", tmp_path, head_learning_rate=0.2, learning_rate=0.0)
    with pytest.raises(UserError, match="learning_rate: got 0; with head_learning_rate expected a number above 0"):
        none.train()


def test_the_head_alone_learns_where_the_other_rate_is_0(tmp_path: Path) -> None:
    trainer = ours(tmp_path, learning_rate=0.0, head_learning_rate=0.2, warm_start_steps=1, finetune_steps=1)
    trainer.train()
    before = model().state_dict()
    moved = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"classifier.weight", "classifier.bias"}
    with pytest.raises(UserError, match=r"learning_rate: got 0; expected .* of which finetune_learning_rate"):
        ours(tmp_path, learning_rate=0.0, head_learning_rate=0.2, finetune_learning_rate=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fixmatch", "meta_pseudo_labels"])
def test_a_run_goes_on_with_the_same_rate_alone(method: str, tmp_path: Path) -> None:
    whole = build(method, tmp_path, head_learning_rate=0.2)
    whole.train()
    resumed = build(method, tmp_path, head_learning_rate=0.2)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))
    for other in (0.1, None):
        with pytest.raises(UserError, match="head_learning_rate"):
            build(method, tmp_path, head_learning_rate=other).train(
                resume_from_checkpoint=str(tmp_path / "checkpoint-2")
            )


def test_the_warm_start_and_the_fine_tuning_keep_the_ratio(tmp_path: Path) -> None:
    trainer = ours(
        tmp_path,
        max_steps=6,
        head_learning_rate=0.2,
        warm_start_steps=2,
        warm_start_learning_rate=0.01,
        finetune_steps=2,
        lr_scheduler_type="constant",
    )
    seen: list[list[float]] = []
    step = trainer.training_step

    def watched(*args: Any) -> Any:
        seen.append(sorted({group["lr"] for group in trainer.optimizer.param_groups}))
        return step(*args)

    trainer.training_step = watched  # type: ignore[method-assign]
    trainer.train()
    assert seen[0] == pytest.approx([0.01, 0.1])
    assert seen[3] == pytest.approx([0.02, 0.2])
    for slow, fast in seen:
        assert fast == pytest.approx(10 * slow)


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ({}, {"head_learning_rate": 0.0}, "head_learning_rate: got 0.0; expected a number above 0"),
        (
            {"optimizers": (torch.optim.SGD(model().parameters()), None)},
            {},
            "head_learning_rate: got 0.1 and an optim",
        ),
    ],
)
def test_what_cannot_act_is_refused(tmp_path: Path, given: dict, settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ours(tmp_path, given, **{"head_learning_rate": 0.1, **settings})


def test_a_model_that_is_nothing_but_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"head_learning_rate: got 0\.1; FeatureClassifier trains no head apart"):
        build("fixmatch", tmp_path, "features", head_learning_rate=0.1)
