from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.ddp.pool import TwoProcesses
from textssl.state import (
    all_cat,
    all_mean,
    all_sum,
    average_gradients,
    broadcast_from_first,
    collectives,
    rank,
    world_size,
)


COLLECTIVES = [all_sum, all_mean, all_cat, broadcast_from_first]


def on_each() -> dict[str, Tensor]:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) + 10 * rank()
    x.requires_grad_()
    strided = x.detach().t()
    kept = x.detach().clone()
    results = {
        "sum": all_sum(x),
        "mean": all_mean(x),
        "cat": all_cat(x),
        "first": broadcast_from_first(x),
        "strided sum": all_sum(strided),
        "strided cat": all_cat(strided),
        "whole sum": all_sum(torch.tensor(rank() + 1)),
        "bool cat": all_cat(torch.tensor([rank() == 0])),
        "bool first": broadcast_from_first(torch.tensor([rank() == 0])),
        "bfloat16 mean": all_mean(torch.tensor(2.0 * rank(), dtype=torch.bfloat16)),
        "empty cat": all_cat(torch.zeros(0, 2)),
    }
    assert not any(result.requires_grad for result in results.values())
    assert torch.equal(x.detach(), kept)
    assert torch.equal(strided, kept.t())
    return results


def test_two_processes(two_processes: TwoProcesses) -> None:
    first, second = two_processes.run(on_each)
    expected = {
        "sum": torch.tensor([[12.0, 14.0], [16.0, 18.0]]),
        "mean": torch.tensor([[6.0, 7.0], [8.0, 9.0]]),
        "cat": torch.tensor([[1.0, 2.0], [3.0, 4.0], [11.0, 12.0], [13.0, 14.0]]),
        "first": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "strided sum": torch.tensor([[12.0, 16.0], [14.0, 18.0]]),
        "strided cat": torch.tensor([[1.0, 3.0], [2.0, 4.0], [11.0, 13.0], [12.0, 14.0]]),
        "whole sum": torch.tensor(3),
        "bool cat": torch.tensor([True, False]),
        "bool first": torch.tensor([True]),
        "bfloat16 mean": torch.tensor(1.0, dtype=torch.bfloat16),
        "empty cat": torch.zeros(0, 2),
    }
    assert first.keys() == second.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(first[name], value, atol=0, rtol=0)
        torch.testing.assert_close(second[name], value, atol=0, rtol=0)


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_one_process_gets_its_argument_detached(collective: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    result = collective(x)
    assert torch.equal(result, x.detach())
    assert not result.requires_grad


def test_one_process_without_a_group() -> None:
    assert (world_size(), rank()) == (1, 0)


def test_refusals_do_not_need_two_processes() -> None:
    with pytest.raises(ValueError, match=r"^x: got torch.int64; expected a floating-point tensor"):
        all_mean(torch.tensor([1]))
    with pytest.raises(ValueError, match=r"^x: got shape \[\]; expected at least one axis"):
        all_cat(torch.tensor(1.0))


def network_with_gradients(number: int) -> nn.ParameterList:
    """Of two dtypes, one laid out by columns, one empty, one without a gradient, and one in two places."""
    draw = torch.Generator().manual_seed(number)
    shapes = [(3, 2), (4,), (0,), (2, 2), (5,), ()]
    network = nn.ParameterList(nn.Parameter(torch.zeros(shape)) for shape in shapes)
    for parameter in [*network][:-2]:
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    network[0].grad = torch.randn(2, 3, generator=draw).t()
    network[5].grad = torch.randn((), generator=draw)
    half = nn.Parameter(torch.zeros(3, dtype=torch.bfloat16))
    half.grad = torch.randint(0, 8, (3,), generator=draw).bfloat16()
    return nn.ParameterList([*network, half, network[1]])


def averaged_on_each() -> dict[str, Tensor]:
    results = {}
    # One bucket, and buckets that hold a tensor or two.
    for size in (collectives.BUCKET_BYTES, 24):
        network = network_with_gradients(rank())
        # A gradient that others hold must be written, not replaced.
        held = network[3].grad
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(collectives, "BUCKET_BYTES", size)
            average_gradients(network.parameters())
        assert network[3].grad is held
        assert network[4].grad is None
        results |= {f"{size} {i}": p.grad for i, p in enumerate(network) if p.grad is not None}
    return results


def test_gradients_are_averaged_over_two_processes(two_processes: TwoProcesses) -> None:
    results = two_processes.run(averaged_on_each)
    networks = [network_with_gradients(number) for number in range(2)]
    expected = {i: (a.grad + b.grad) / 2 for i, (a, b) in enumerate(zip(*networks, strict=True)) if a.grad is not None}
    for result in results:
        assert len(result) == 2 * len(expected)
        for name, value in result.items():
            torch.testing.assert_close(value, expected[int(name.split()[1])], atol=0, rtol=0)


def test_gradients_of_one_process_stay() -> None:
    network, untouched = network_with_gradients(0), network_with_gradients(0)
    average_gradients(network.parameters())
    for a, b in zip(network, untouched, strict=True):
        assert (a.grad is None) == (b.grad is None)
        assert a.grad is None or torch.equal(a.grad, b.grad)
