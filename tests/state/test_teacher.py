from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from tests.ddp.pool import TwoProcesses
from textssl.state import EMATeacher, rank


class Tiny(nn.Module):
    """A tied pair, batch norm (float and integer buffers), dropout, a buffer that is not saved."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.tied = nn.Linear(3, 3)
        self.tied.weight = self.first.weight
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("positions", torch.arange(3), persistent=False)
        self.register_buffer("flags", torch.tensor([True, False]))
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(seed)
            for p in self.parameters():
                nn.init.normal_(p)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.norm(self.tied(self.first(x))))


def set_parameters(model: nn.Module, value: float) -> None:
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(value)


def values(teacher: EMATeacher) -> list[float]:
    return [p.flatten()[0].item() for p in teacher.model.parameters()]


def test_the_warm_up_follows_the_hand_computed_trajectory() -> None:
    student = nn.Linear(2, 1)
    set_parameters(student, 8.0)
    teacher = EMATeacher(student, 0.7)
    # alpha is 1/2, 2/3, then min(3/4, .7) = .7: (8 + 4)/2; 6 * 2/3 + 0/3; .7 * 4 + .3 * 10; .7 * 5.8 + .3 * 10.
    for value, expected in [(4.0, 6.0), (0.0, 4.0), (10.0, 5.8), (10.0, 7.06)]:
        set_parameters(student, value)
        teacher.update(student)
        assert values(teacher) == pytest.approx([expected] * 2)


def test_without_warm_up_the_decay_holds_from_the_start() -> None:
    student = nn.Linear(2, 1)
    set_parameters(student, 8.0)
    teacher = EMATeacher(student, 0.75, rampup=False)
    for value, expected in [(4.0, 7.0), (3.0, 6.0)]:
        set_parameters(student, value)
        teacher.update(student)
        assert values(teacher) == pytest.approx([expected] * 2)


def test_a_large_decay_warms_up_as_the_plain_mean() -> None:
    student = nn.Linear(1, 1, bias=False).double()
    set_parameters(student, 3.0)
    teacher = EMATeacher(student, 0.999)
    seen = [3.0]
    for step in range(50):
        set_parameters(student, math.sin(step))
        seen.append(math.sin(step))
        teacher.update(student)
        assert values(teacher) == pytest.approx([sum(seen) / len(seen)], abs=1e-12)


@pytest.mark.parametrize("rampup", [True, False])
def test_a_student_that_stands_still_is_matched_exactly(rampup: bool) -> None:
    student = Tiny()
    teacher = EMATeacher(student, 0.9, rampup=rampup)
    for _ in range(5):
        teacher.update(student)
    theirs = dict(student.named_parameters())
    assert all(torch.equal(p, theirs[name]) for name, p in teacher.model.named_parameters())


def test_the_trajectory_is_that_of_the_authors_loop() -> None:
    """Their pytorch/main.py raises the number of the step before it moves the teacher, so alpha is 1/2 at first."""
    start = Tiny(0)
    teacher = EMATeacher(start, 0.8)
    mine = [p.detach().clone() for p in start.parameters()]
    for step in range(1, 9):
        student = Tiny(step)
        teacher.update(student)
        alpha = min(1 - 1 / (step + 1), 0.8)
        mine = [alpha * m + (1 - alpha) * p.detach() for m, p in zip(mine, student.parameters(), strict=True)]
        for got, expected in zip(teacher.model.parameters(), mine, strict=True):
            torch.testing.assert_close(got.data, expected)
    assert teacher.updates.item() == 8


def test_a_tied_parameter_is_averaged_once_and_stays_tied() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        student = Tiny().to(dtype)
        assert student.tied.weight is student.first.weight
        teacher = EMATeacher(student, 0.5, rampup=False)
        assert teacher.model.tied.weight is teacher.model.first.weight
        set_parameters(student, 0.0)
        before = teacher.model.first.weight.clone()
        teacher.update(student)
        # Averaged twice, a quarter would be left.
        torch.testing.assert_close(teacher.model.first.weight.data, before / 2)
        assert teacher.model.tied.weight is teacher.model.first.weight


def test_buffers_are_copied_not_averaged() -> None:
    student = Tiny()
    teacher = EMATeacher(student, 0.9, rampup=False)
    student.train()(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)) * 5 + 2)
    student.positions += 7
    student.flags.logical_not_()
    teacher.update(student)
    assert student.norm.num_batches_tracked.item() == 1
    mine = dict(teacher.model.named_buffers())
    for name, theirs in student.named_buffers():
        assert torch.equal(mine[name], theirs), name
        assert mine[name].data_ptr() != theirs.data_ptr()
    assert {"positions", "flags", "norm.num_batches_tracked"} <= set(mine)


def test_a_bfloat16_student_has_a_float32_teacher() -> None:
    student = Tiny().bfloat16()
    set_parameters(student, 1.0)
    teacher = EMATeacher(student, 0.999, rampup=False)
    set_parameters(student, 2.0)
    # In bfloat16, 1 + .001 is 1: the teacher would never move.
    for _ in range(100):
        teacher.update(student)
    tensors = [*teacher.model.parameters(), *teacher.model.buffers()]
    assert {x.dtype for x in tensors} == {torch.float32, torch.long, torch.bool}
    assert values(teacher) == pytest.approx([2 - 0.999**100] * len(values(teacher)), abs=1e-5)
    assert {p.dtype for p in student.parameters()} == {torch.bfloat16}
    assert teacher(torch.ones(2, 3)).dtype == torch.float32


def test_the_teacher_is_frozen_and_always_in_evaluation_mode() -> None:
    holder = nn.Module()
    holder.teacher = EMATeacher(Tiny().train(), 0.9)
    assert not any(module.training for module in holder.teacher.modules())
    holder.train()
    assert holder.training
    assert not any(module.training for module in holder.teacher.modules())
    assert not any(p.requires_grad for p in holder.parameters())
    x = torch.ones(4, 3, requires_grad=True)
    output = holder.teacher(x)
    assert not output.requires_grad
    assert torch.equal(output, holder.teacher(x=x))
    assert holder.teacher.train() is holder.teacher


def test_updates_leave_the_student_alone() -> None:
    student = Tiny().train()
    before = copy.deepcopy(student.state_dict())
    teacher = EMATeacher(student, 0.9)
    teacher.update(student)
    teacher.reset(student)
    assert student.training
    assert all(p.requires_grad and p.grad is None for p in student.parameters())
    assert all(torch.equal(before[name], x) for name, x in student.state_dict().items())
    assert student not in list(teacher.modules())


def test_reset_copies_and_counts_from_zero() -> None:
    teacher = EMATeacher(Tiny(0), 0.9)
    for seed in (1, 2, 3):
        teacher.update(Tiny(seed))
    fresh = Tiny(4)
    fresh.norm.running_mean += 1
    teacher.reset(fresh)
    assert teacher.updates.item() == 0
    for name, x in fresh.state_dict().items():
        assert torch.equal(teacher.model.state_dict()[name], x)
    # Counting from 0 again, the next update takes half of each.
    teacher.update(Tiny(5))
    halfway = (fresh.first.weight + Tiny(5).first.weight).detach() / 2
    torch.testing.assert_close(teacher.model.first.weight.data, halfway)


def test_resume_continues_identically() -> None:
    straight, resumed = EMATeacher(Tiny(0), 0.9), EMATeacher(Tiny(9), 0.9)
    for seed in range(1, 8):
        if seed == 4:
            resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
        if seed >= 4:
            resumed.update(Tiny(seed))
        straight.update(Tiny(seed))
    assert resumed.updates.item() == 7
    for name, x in straight.state_dict().items():
        assert torch.equal(x, resumed.state_dict()[name]), name


def test_parameters_that_are_not_floating_point_are_copied() -> None:
    student = nn.ParameterList([nn.Parameter(torch.tensor([1, 2]), requires_grad=False)])
    teacher = EMATeacher(student, 0.9, rampup=False)
    student[0].data += 5
    teacher.update(student)
    assert teacher.model[0].tolist() == [6, 7]


def test_nothing_reads_values_from_the_device() -> None:
    student = Tiny().to("meta")
    teacher = EMATeacher(student, 0.9)
    teacher.update(student)
    teacher.reset(student)
    assert teacher.updates.device.type == "meta"


@pytest.mark.parametrize("decay", [-0.1, 1.0, math.nan])
def test_decay_is_checked(decay: float) -> None:
    with pytest.raises(ValueError, match=r"^decay: got .*; expected a number in \[0, 1\)"):
        EMATeacher(nn.Linear(1, 1), decay)


def test_another_student_is_refused_before_anything_moves() -> None:
    teacher = EMATeacher(nn.Linear(2, 1), 0.9)
    before = values(teacher)
    wrapped = nn.Sequential(nn.Linear(2, 1))
    for student, name in [(wrapped, "0.bias"), (nn.Linear(3, 1), "weight")]:
        with pytest.raises(ValueError, match=rf"^student: got a difference at '{name}'"):
            teacher.update(student)
        with pytest.raises(ValueError, match=r"^student: got"):
            teacher.reset(student)
    assert values(teacher) == before
    assert teacher.updates.item() == 0


def train_a_step(student: nn.Module, x: Tensor, shared: bool) -> None:
    student.zero_grad()
    student(x).square().mean().backward()
    with torch.no_grad():
        for p in student.parameters():
            if shared:
                dist.all_reduce(p.grad)
                p.grad /= dist.get_world_size()
            p -= 0.1 * p.grad


def inputs(step: int) -> Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(step))


def seeded_linear() -> nn.Module:
    return Tiny(3).first


def follow_halves() -> dict[str, Tensor]:
    student = seeded_linear()
    teacher = EMATeacher(student, 0.7)
    for step in range(4):
        train_a_step(student, inputs(step).chunk(2)[rank()], shared=True)
        teacher.update(student)
    return teacher.state_dict()


def follow_different_buffers() -> dict[str, Tensor]:
    student = Tiny().train()
    teacher = EMATeacher(student, 0.7)
    student.drop.eval()
    student(inputs(rank()))
    student.positions += rank()
    teacher.update(student)
    return {**dict(teacher.model.named_buffers()), "student": student.norm.running_mean}


def follow_both() -> dict[str, dict[str, Tensor]]:
    return {"halves": follow_halves(), "buffers": follow_different_buffers()}


@pytest.fixture(scope="module")
def on_two(two_processes: TwoProcesses) -> list[dict[str, dict[str, Tensor]]]:
    return two_processes.run(follow_both)


def test_two_processes_equal_one_with_the_joint_batch(on_two: list) -> None:
    first, second = (results["halves"] for results in on_two)
    student = seeded_linear()
    teacher = EMATeacher(student, 0.7)
    for step in range(4):
        train_a_step(student, inputs(step), shared=False)
        teacher.update(student)
    joint = teacher.state_dict()
    assert first.keys() == second.keys() == joint.keys()
    assert not torch.equal(joint["model.weight"], seeded_linear().weight)
    for name, value in joint.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value)


def test_buffers_that_differ_between_processes_are_those_of_the_first(on_two: list) -> None:
    first, second = (results["buffers"] for results in on_two)
    assert not torch.equal(first["student"], second["student"])
    assert torch.equal(second["norm.running_mean"], first["student"])
    for name in first.keys() - {"student"}:
        assert torch.equal(first[name], second[name]), name
