from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.ddp.pool import TwoProcesses
from textssl.state import BinRates, rank


SIZES = (3, 1, 5)


def hits(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Operations, bins and agreements; some bins come several times."""
    gen = torch.Generator().manual_seed(seed)
    operations = torch.randint(0, 3, (count,), generator=gen)
    bins = (torch.rand(count, generator=gen) * torch.tensor(SIZES)[operations]).long()
    return operations, bins, torch.rand(count, generator=gen)


def test_all_rates_start_at_one_and_all_bins_alike() -> None:
    rates = BinRates(SIZES)
    assert rates.rates.tolist() == [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]
    expected = torch.tensor([[1 / 3, 1 / 3, 1 / 3, 0, 0], [1, 0, 0, 0, 0], [0.2] * 5])
    torch.testing.assert_close(rates.probs(), expected)


def test_one_hit_by_hand() -> None:
    rates = BinRates([2])
    rates.update(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]))
    torch.testing.assert_close(rates.rates, torch.tensor([[1.0, 0.995]]))


def test_a_hundred_steps_are_those_of_a_loop() -> None:
    rates = BinRates(SIZES, decay=0.9)
    naive = [[1.0] * size for size in SIZES]
    for step in range(100):
        operations, bins, agreement = hits(12, step)
        rates.update(operations, bins, agreement)
        for o, size in enumerate(SIZES):
            for b in range(size):
                found = agreement[(operations == o) & (bins == b)].tolist()
                for _ in found:
                    naive[o][b] = 0.9 * naive[o][b] + 0.1 * sum(found) / len(found)
    for row, expected in zip(rates.rates.tolist(), naive, strict=True):
        assert row[: len(expected)] == pytest.approx(expected, abs=1e-5)
        assert not any(row[len(expected) :])


def test_the_order_of_hits_changes_no_bit() -> None:
    operations, bins, agreement = hits(500, 0)
    once, again = BinRates(SIZES), BinRates(SIZES)
    once.update(operations, bins, agreement)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    again.update(operations[order], bins[order], agreement[order])
    assert torch.equal(once.rates, again.rates)
    assert once.rates.min(1).values[1] < 1


def test_nothing_tried_is_nothing_changed() -> None:
    rates = BinRates(SIZES)
    rates.update(*hits(40, 3))
    before = rates.rates.clone()
    nothing = torch.zeros(0, dtype=torch.long)
    rates.update(nothing, nothing, torch.zeros(0))
    assert torch.equal(rates.rates, before)
    rates.reset()
    assert torch.equal(rates.rates, BinRates(SIZES).rates)


def test_a_prediction_that_is_no_number_agrees_with_nothing() -> None:
    rates = BinRates([1], decay=0.5)
    rates.update(torch.tensor([0]), torch.tensor([0]), torch.tensor([math.nan]))
    assert rates.rates.tolist() == [[0.5]]


def test_the_state_is_the_rates_and_resume_continues_identically() -> None:
    straight, other = BinRates(SIZES), BinRates(SIZES)
    assert straight.state_dict().keys() == {"rates"}
    for step in range(6):
        if step == 3:
            other.load_state_dict(straight.state_dict())
        straight.update(*hits(9, step))
        if step >= 3:
            other.update(*hits(9, step))
    assert torch.equal(straight.rates, other.rates)
    with pytest.raises(RuntimeError, match="size mismatch"):
        BinRates((3, 1)).load_state_dict(straight.state_dict())


def two_trajectories() -> Tensor:
    """Process 1 tries a bin less often than process 0, and in the second step nothing at all."""
    rates = BinRates(SIZES)
    for step in range(3):
        operations, bins, agreement = hits(20, step)
        mine = slice(0, 13) if rank() == 0 else slice(13, 20)
        if step == 1:
            mine = slice(0, 20) if rank() == 0 else slice(20, 20)
        rates.update(operations[mine], bins[mine], agreement[mine])
    return rates.rates


def test_two_processes_hold_the_rates_of_one(two_processes: TwoProcesses) -> None:
    first, second = two_processes.run(two_trajectories)
    alone = BinRates(SIZES)
    for step in range(3):
        alone.update(*hits(20, step))
    assert torch.equal(first, second)
    assert torch.equal(first, alone.rates)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sizes": []}, r"sizes: got .*; expected one or more numbers"),
        ({"sizes": [3, 0]}, r"sizes: got .*; expected one or more numbers"),
        ({"sizes": [3], "decay": 1.0}, "decay: got"),
        ({"sizes": [3], "threshold": -0.1}, "threshold: got"),
    ],
)
def test_settings_are_checked(settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BinRates(**settings)


def test_hits_of_unequal_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"operations, bins and agreement: got .*; expected one shape"):
        BinRates(SIZES).update(torch.tensor([0]), torch.tensor([0, 1]), torch.tensor([0.5]))
