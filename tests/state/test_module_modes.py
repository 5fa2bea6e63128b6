"""Modes that are held for a while: what happens within, and that each module is given back as it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import MethodType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from textssl.state import EMATeacher
from textssl.state.module_modes import batch_norms, evaluating, frozen_running_statistics, own_precision, training


Mode = Callable[[nn.Module], AbstractContextManager[Any]]


def network() -> nn.Module:
    """Some modules train, one does not, and one batch norm keeps no statistics."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(3, 4),
        nn.BatchNorm1d(4),
        nn.Dropout(0.5),
        nn.BatchNorm1d(4, momentum=None),
        nn.BatchNorm1d(4, track_running_stats=False),
    ).train()
    net[3].eval()
    return net


def inputs(seed: int = 0) -> Tensor:
    return 3 * torch.randn(32, 3, generator=torch.Generator().manual_seed(seed)) + 1


def flags(net: nn.Module) -> list[tuple[bool, Any]]:
    return [(module.training, getattr(module, "track_running_stats", None)) for module in net.modules()]


def buffers(net: nn.Module) -> dict[str, Tensor]:
    return {name: x.clone() for name, x in net.named_buffers()}


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("mode", [evaluating, training, frozen_running_statistics, own_precision])
def test_each_module_is_given_back_as_it_was(mode: Mode, fails: bool) -> None:
    net = network()
    before = flags(net)
    if fails:
        with pytest.raises(KeyError), mode(net):
            raise KeyError
    else:
        with mode(net), mode(net):
            pass
    assert flags(net) == before
    assert {module for module, _ in before} == {True, False}


@pytest.mark.parametrize("inner", [evaluating, training, frozen_running_statistics])
@pytest.mark.parametrize("outer", [evaluating, training, frozen_running_statistics])
def test_modes_nest(outer: Mode, inner: Mode) -> None:
    net = network()
    before = flags(net)
    with outer(net):
        held = flags(net)
        with inner(net):
            pass
        assert flags(net) == held
    assert flags(net) == before


def test_evaluating_turns_dropout_off_and_keeps_statistics() -> None:
    net = network()
    before = buffers(net)
    with evaluating(net):
        assert not any(module.training for module in net.modules())
        assert torch.equal(net(inputs()), net(inputs()))
    assert all(torch.equal(before[name], x) for name, x in net.named_buffers())
    assert not torch.equal(net(inputs()), net(inputs()))


def test_training_reaches_what_refuses_train() -> None:
    teacher = EMATeacher(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), 0.9)
    with training(teacher):
        assert all(module.training for module in teacher.modules())
        assert not torch.equal(teacher(inputs()), teacher(inputs()))
    assert not any(module.training for module in teacher.modules())
    assert torch.equal(teacher(inputs()), teacher(inputs()))


def test_still_statistics_normalises_by_the_batch_and_moves_nothing() -> None:
    torch.manual_seed(0)
    net = nn.BatchNorm1d(3).train()
    x = inputs()
    before = buffers(net)
    with frozen_running_statistics(net):
        held = net(x)
    assert all(torch.equal(before[name], value) for name, value in net.named_buffers())
    torch.testing.assert_close(held, (x - x.mean(0)) / (x.var(0, unbiased=False) + net.eps).sqrt())
    moving = net(x)
    assert torch.equal(held, moving)
    assert net.num_batches_tracked.item() == 1
    torch.testing.assert_close(net.running_mean, 0.1 * x.mean(0))


def test_still_statistics_leaves_evaluation_alone() -> None:
    """A batch norm that evaluates uses its running statistics, whatever is held."""
    net = nn.BatchNorm1d(3).train()
    net(inputs(1))
    net.eval()
    expected = net(inputs())
    for outer, inner in ((frozen_running_statistics, evaluating), (evaluating, frozen_running_statistics)):
        net.train()
        with outer(net), inner(net):
            if inner is evaluating:
                # Held still while it trained, it knows no statistics to keep: they are used all the same.
                assert not net.training
            assert torch.equal(net(inputs()), expected)
        assert net.num_batches_tracked.item() == 1


def test_a_still_batch_norm_has_the_gradient_of_a_moving_one() -> None:
    grads = []
    for still in (False, True):
        net, x = nn.BatchNorm1d(3).train(), inputs().requires_grad_()
        if still:
            with frozen_running_statistics(net):
                out = net(x)
        else:
            out = net(x)
        (out[:, 0] * out[:, 1]).pow(3).sum().backward()
        grads.append(x.grad)
    assert torch.equal(*grads)


def test_batch_norms_are_those_that_keep_statistics() -> None:
    net = network()
    assert batch_norms(net) == [net[1], net[3]]
    assert batch_norms(nn.Sequential(nn.LayerNorm(3), nn.GroupNorm(1, 3))) == []
    with frozen_running_statistics(net):
        assert batch_norms(net) == [net[1], net[3]]


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@pytest.mark.parametrize("wrapped", [False, True])
def test_own_precision_runs_the_forward_beneath_a_patch(wrapped: bool) -> None:
    """accelerate keeps the model's own forward under ``_original_forward``; a wrapper such as DDP holds the model."""
    inner = Doubled()
    inner._original_forward = inner.forward
    inner.forward = MethodType(lambda self, x: -x, inner)
    patch = inner.forward
    net = nn.Sequential(inner) if wrapped else inner
    one = torch.ones(())
    assert net(one).item() == -1
    with own_precision(net):
        assert net(one).item() == 2
    assert net(one).item() == -1
    assert inner.forward is patch
