"""What is remembered of each example, against hand-computed means; on two processes against one with all rows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.ddp.pool import TwoProcesses
from textssl.state import ExampleMemory, rank


def written(memory: ExampleMemory, index: list[int], values: list[list[float]]) -> ExampleMemory:
    memory.write(torch.tensor(index, dtype=torch.long), torch.tensor(values).reshape(len(index), -1))
    return memory


def test_it_begins_empty() -> None:
    values, counts = ExampleMemory(4, 2).read(torch.tensor([3, 0, 3]))
    assert values.tolist() == [[0.0, 0.0]] * 3
    assert counts.tolist() == [0, 0, 0]
    assert (values.dtype, counts.dtype) == (torch.float32, torch.int64)


def test_what_is_written_is_read_and_the_rest_is_kept() -> None:
    memory = ExampleMemory(4, 2)
    written(memory, [2, 0], [[1.0, 2.0], [3.0, 4.0]])
    written(memory, [2], [[5.0, 6.0]])
    values, counts = memory.read(torch.tensor([0, 1, 2, 3]))
    assert values.tolist() == [[3.0, 4.0], [0.0, 0.0], [5.0, 6.0], [0.0, 0.0]]
    assert counts.tolist() == [1, 0, 2, 0]


def test_an_example_that_comes_several_times_is_written_once_with_the_mean() -> None:
    memory = written(ExampleMemory(3, 2), [1, 2, 1, 1], [[1.0, 0.0], [7.0, 7.0], [2.0, 0.0], [6.0, 3.0]])
    assert memory.values.tolist() == [[0.0, 0.0], [3.0, 1.0], [7.0, 7.0]]
    assert memory.counts.tolist() == [0, 1, 1]


def test_the_order_of_rows_does_not_matter() -> None:
    rng = torch.Generator().manual_seed(0)
    index = torch.randint(5, (16,), generator=rng)
    rows = torch.rand(16, 3, generator=rng)
    order = torch.randperm(16, generator=rng)
    a, b = ExampleMemory(5, 3), ExampleMemory(5, 3)
    a.write(index, rows)
    b.write(index[order], rows[order])
    torch.testing.assert_close(a.values, b.values)
    assert torch.equal(a.counts, b.counts)
    for i in range(5):
        torch.testing.assert_close(a.values[i], rows[index == i].mean(0))


def test_a_row_that_is_not_finite_stays_with_its_example() -> None:
    memory = written(ExampleMemory(3, 1), [0, 1, 2], [[1.0], [math.nan], [math.inf]])
    assert memory.values[0].item() == 1.0
    assert memory.values[1].isnan()
    assert memory.values[2].isinf()


def test_a_row_that_comes_once_is_kept_exactly_under_mixed_precision() -> None:
    memory = ExampleMemory(4, 2)
    rows = torch.tensor([[0.1, 0.9], [1 / 3, 2 / 3]])
    with torch.autocast("cpu", torch.bfloat16):
        memory.write(torch.tensor([3, 1]), rows)
    assert torch.equal(memory.read(torch.tensor([3, 1]))[0], rows)


def test_values_of_lower_precision_are_held_in_float32() -> None:
    memory = ExampleMemory(2, 1)
    memory.write(torch.tensor([0, 0]), torch.tensor([[1.0], [1.0078125]], dtype=torch.bfloat16))
    # In bfloat16 the mean would round to 1.
    assert memory.values[0].item() == 1.00390625


def test_reading_copies() -> None:
    memory = written(ExampleMemory(2, 1), [0], [[1.0]])
    values, counts = memory.read(torch.tensor([0]))
    values += 1
    counts += 1
    assert (memory.values[0].item(), memory.counts[0].item()) == (1.0, 1)


def test_no_gradient_is_remembered() -> None:
    memory = ExampleMemory(2, 1)
    memory.write(torch.tensor([1]), torch.ones(1, 1, requires_grad=True) * 2)
    assert not memory.values.requires_grad
    assert memory.values[1].item() == 2.0


def test_nothing_reads_values_from_the_device() -> None:
    memory = ExampleMemory(4, 2).to("meta")
    memory.write(torch.tensor([0, 1], device="meta"), torch.ones(2, 2, device="meta"))
    assert memory.read(torch.tensor([1], device="meta"))[0].device.type == "meta"


def test_a_checkpoint_holds_all_of_it() -> None:
    memory = written(ExampleMemory(3, 2), [1], [[0.25, 0.75]])
    fresh = ExampleMemory(3, 2)
    fresh.load_state_dict(memory.state_dict())
    assert torch.equal(fresh.values, memory.values)
    assert torch.equal(fresh.counts, memory.counts)


def test_a_write_of_no_rows_changes_nothing() -> None:
    memory = written(ExampleMemory(2, 2), [0], [[1.0, 2.0]])
    memory.write(torch.zeros(0, dtype=torch.long), torch.zeros(0, 2))
    assert memory.values.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert memory.counts.tolist() == [1, 0]


@pytest.mark.parametrize(("size", "width", "name"), [(0, 2, "size"), (3, 0, "width"), (-1, 1, "size")])
def test_sizes_are_checked(size: int, width: int, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: got .*; expected at least 1"):
        ExampleMemory(size, width)


@pytest.mark.parametrize("shape", [(2, 3), (1, 2), (4,)])
def test_shapes_are_checked(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^values: got \[.*; expected shape \[2, 2\]"):
        ExampleMemory(4, 2).write(torch.tensor([0, 1]), torch.zeros(shape))


ROWS = torch.rand(8, 3, generator=torch.Generator().manual_seed(1))
# Example 5 comes on both processes, example 2 twice on the second.
INDEX = torch.tensor([[5, 0, 1, 3], [2, 5, 2, 4]])


def write_halves() -> dict[str, Tensor]:
    memory = ExampleMemory(7, 3)
    for _ in range(2):
        memory.write(INDEX[rank()], ROWS.chunk(2)[rank()])
    return dict(memory.state_dict())


def test_two_processes_hold_what_one_with_all_rows_does(two_processes: TwoProcesses) -> None:
    first, second = two_processes.run(write_halves)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["counts"].tolist() == [2, 2, 2, 2, 2, 2, 0]
    for example, rows in {5: [0, 5], 2: [4, 6], 0: [1], 1: [2], 3: [3], 4: [7]}.items():
        torch.testing.assert_close(first["values"][example], ROWS[rows].mean(0))
    assert first["values"][6].tolist() == [0.0, 0.0, 0.0]
