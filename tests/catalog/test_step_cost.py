"""What methods say that a step costs, against a count of the rows that pass through the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from transformers import TrainerCallback
from transformers.models.bert.modeling_bert import BertPooler

from tests.contract.cases import build, has
from textssl.methods import METHODS
from textssl.step_cost import StepCost


LABELED = 4
# Without the steps that some methods begin with.
AT_ONCE: dict[str, dict[str, Any]] = {
    "dividemix": {"warm_start_epochs": 0.0},
    "in_domain_pretraining": {"pretraining_steps": 1},
    "mixup_pseudo_label": {"warm_start_ratio": 0.0},
}


class LastStep(TrainerCallback):
    """Forgets what was counted before the last step."""

    def __init__(self, rows: dict[str, int]) -> None:
        self.rows = rows

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.rows.update(forward=0, backward=0)


@contextmanager
def counted(rows: dict[str, int]) -> Iterator[None]:
    """Count rows that go forward through any encoder, and gradients of rows that come back into it."""

    def count(module: nn.Module, inputs: Any, pooled: Any) -> None:
        if isinstance(module, BertPooler):
            rows["forward"] += len(pooled)
            if pooled.requires_grad:
                pooled.register_hook(lambda gradient: rows.update(backward=rows["backward"] + len(gradient)))

    handle = register_module_forward_hook(count)
    try:
        yield
    finally:
        handle.remove()


def rows_of_a_step(method: str, folder: Path, mu: int) -> dict[str, int]:
    """Rows of the second step, of batches of ``LABELED`` labeled and ``mu`` times as many unlabeled examples."""
    rows = {"forward": 0, "backward": 0}
    # Every row is to count.
    kept = {"threshold": 0.0} if has(method, "threshold") else {}
    settings = {**kept, **AT_ONCE.get(method, {}), "mu": mu, "max_steps": 2, "save_strategy": "no"}
    trainer = build(method, folder, own_teacher=False, **settings)
    trainer.add_callback(LastStep(rows))
    with counted(rows):
        trainer.train()
    return rows


def test_what_a_cost_comes_to() -> None:
    """By hand, FixMatch with mu = 7: (1 + 2 + 7 (2 + 2)) / 3."""
    assert StepCost(forward=(1, 2), backward=(1, 1)).relative(7) == pytest.approx(31 / 3)
    assert StepCost(forward=(1, 0), backward=(1, 0)).relative(7) == 1


@pytest.mark.parametrize("method", METHODS)
def test_methods_cost_what_they_say(method: str, tmp_path: Path) -> None:
    """Counted with one and with two unlabeled rows for each labeled one, which tells the two kinds apart."""
    cost = METHODS[method].objective_class.cost
    assert cost is not None
    one, two = (rows_of_a_step(method, tmp_path / str(mu), mu) for mu in (1, 2))
    for way, stated in (("forward", cost.forward), ("backward", cost.backward)):
        unlabeled = (two[way] - one[way]) / LABELED
        assert (one[way] / LABELED - unlabeled, unlabeled) == stated, way
