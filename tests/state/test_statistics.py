"""Running statistics of batch norms on one process and on two."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.ddp.pool import TwoProcesses
from textssl.state import average_batch_norms, rank


def network() -> nn.Module:
    """Batch norms of two kinds and one nested, one without running statistics, and other buffers."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.BatchNorm1d(3),
        nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, momentum=None)),
        nn.BatchNorm1d(3, track_running_stats=False),
    )
    net.register_buffer("other", torch.tensor([1.0, 2.0]))
    return net


def inputs(which: int) -> Tensor:
    return (which + 2) * torch.randn(16, 3, generator=torch.Generator().manual_seed(which)) + which


def seen(which: int) -> nn.Module:
    """A network each of whose batch norms saw a process's rows."""
    net = network().train()
    for _ in range(which + 1):
        for norm in (net[0], net[1][1]):
            norm(inputs(which))
    net.other += which
    return net


def on_each() -> dict[str, dict[str, Tensor]]:
    net = seen(rank())
    before = {name: x.clone() for name, x in net.state_dict().items()}
    average_batch_norms(net)
    # Of networks without batch norms nothing is exchanged.
    average_batch_norms(nn.Linear(2, 2))
    half = nn.BatchNorm1d(2).to(torch.bfloat16)
    half.running_mean += rank()
    average_batch_norms(half)
    return {"before": before, "after": dict(net.state_dict()), "half": dict(half.state_dict())}


@pytest.fixture(scope="module")
def on_two(two_processes: TwoProcesses) -> list[dict[str, dict[str, Tensor]]]:
    return two_processes.run(on_each)


@pytest.mark.slow
def test_running_statistics_become_their_mean(on_two: list) -> None:
    expected = [seen(which).state_dict() for which in range(2)]
    running = [name for name in expected[0] if "running" in name]
    assert running == ["0.running_mean", "0.running_var", "1.1.running_mean", "1.1.running_var"]
    for name in running:
        assert not torch.allclose(expected[0][name], expected[1][name], rtol=0.01)
        assert torch.equal(on_two[0]["after"][name], on_two[1]["after"][name])
        torch.testing.assert_close(on_two[0]["after"][name], (expected[0][name] + expected[1][name]) / 2)


def test_all_else_is_kept(on_two: list) -> None:
    for number, result in enumerate(on_two):
        for name, before in result["before"].items():
            if "running" not in name:
                assert torch.equal(result["after"][name], before), name
        assert result["after"]["0.num_batches_tracked"].item() == number + 1
        assert result["after"]["other"].tolist() == [1.0 + number, 2.0 + number]


def test_lower_precision_is_kept_and_averaged_in_float32(on_two: list) -> None:
    for result in on_two:
        assert result["half"]["running_mean"].dtype == torch.bfloat16
        assert result["half"]["running_mean"].tolist() == [0.5, 0.5]


def test_one_process_does_nothing() -> None:
    net = seen(1)
    before = {name: x.clone() for name, x in net.state_dict().items()}
    average_batch_norms(net)
    assert all(torch.equal(before[name], x) for name, x in net.state_dict().items())
