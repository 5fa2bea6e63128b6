"""A network's own optimizer: the steps of torch's, and a state that goes through a file to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.optimization import Adafactor

from textssl.state import NetworkOptimizer


KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True}),
    "nadam": (torch.optim.NAdam, {}),
    "rmsprop": (torch.optim.RMSprop, {"momentum": 0.5}),
    "adagrad": (torch.optim.Adagrad, {"initial_accumulator_value": 0.3}),
    # Its step is a number, not a tensor.
    "adafactor": (Adafactor, {"scale_parameter": False, "relative_step": False}),
}


def schedule(step: int) -> float:
    return 1 / (step + 1)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def optimizer_of(net: nn.Module, kind: str) -> torch.optim.Optimizer:
    make, settings = KINDS[kind]
    layers = [*net.children()]
    groups = [{"params": layers[0].parameters(), "lr": 0.1}, {"params": layers[2].parameters(), "lr": 0.02}]
    optimizer: torch.optim.Optimizer = make(groups, **settings)
    return optimizer


def gradients_of(net: nn.Module, step: int) -> None:
    draw = torch.Generator().manual_seed(step)
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draw)


def attached(net: nn.Module, kind: str) -> NetworkOptimizer:
    own = NetworkOptimizer()
    own.attach(optimizer_of(net, kind), [schedule, lambda step: 1.0])
    return own


def run(net: nn.Module, own: NetworkOptimizer, steps: range) -> None:
    for step in steps:
        gradients_of(net, step)
        own.step()


@pytest.mark.parametrize("kind", KINDS)
def test_its_steps_are_those_of_torch(kind: str) -> None:
    mine, theirs = network(), network()
    run(mine, attached(mine, kind), range(5))
    optimizer = optimizer_of(theirs, kind)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, [schedule, lambda step: 1.0])
    for step in range(5):
        gradients_of(theirs, step)
        optimizer.step()
        scheduler.step()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.grad is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_its_state_goes_through_a_file_to_the_bit(kind: str, taken: int, tmp_path: Path) -> None:
    whole = network()
    own = attached(whole, kind)
    run(whole, own, range(taken))
    save_file({name: value.clone() for name, value in own.state_dict().items()}, tmp_path / "state.safetensors")
    resumed = network()
    resumed.load_state_dict(whole.state_dict())
    again = attached(resumed, kind)
    again.load_state_dict(load_file(tmp_path / "state.safetensors"))
    assert again.steps == taken
    run(whole, own, range(taken, 6))
    run(resumed, again, range(taken, 6))
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    a, b = own.state_dict(), again.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a)


def test_without_an_optimizer_a_state_is_kept_as_it_is() -> None:
    net = network()
    own = attached(net, "adamw")
    run(net, own, range(3))
    holder = nn.ModuleDict({"optimizer": NetworkOptimizer()})
    state = {f"optimizer.{name}": value for name, value in own.state_dict().items()}
    holder.load_state_dict(state)
    kept = holder.state_dict()
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[name], state[name]) for name in state)
    with pytest.raises(ValueError, match="optimizer must be attached before its first step"):
        holder["optimizer"].step()


def test_it_holds_no_parameter() -> None:
    own = attached(network(), "adamw")
    assert not [*own.parameters()]
    assert set(own.state_dict()) == {"steps"}


def test_gradients_are_clipped_to_the_norm_of_all() -> None:
    mine, theirs = network(), network()
    own = attached(mine, "sgd")
    gradients_of(mine, 0)
    own.step(max_norm=0.5)
    gradients_of(theirs, 0)
    norm = torch.cat([p.grad.flatten() for p in theirs.parameters()]).norm()
    assert norm > 0.5
    for rate, layer, before in zip((0.1, 0.02), (mine[0], mine[2]), (theirs[0], theirs[2]), strict=True):
        for a, b in zip(layer.parameters(), before.parameters(), strict=True):
            torch.testing.assert_close(a, b - rate * 0.5 / norm * b.grad)


def test_a_new_optimizer_begins_at_step_0() -> None:
    net = network()
    own = attached(net, "adamw")
    run(net, own, range(3))
    own.attach(optimizer_of(net, "adamw"), [schedule, schedule])
    assert own.steps == 0
    assert set(own.state_dict()) == {"steps"}


def test_what_does_not_fit_is_refused() -> None:
    own = NetworkOptimizer()
    with pytest.raises(ValueError, match=r"schedule: got 1; expected 2 factors"):
        own.attach(optimizer_of(network(), "sgd"), [schedule])
    with pytest.raises(RuntimeError, match=r"Missing key.*steps"):
        attached(network(), "sgd").load_state_dict({})
