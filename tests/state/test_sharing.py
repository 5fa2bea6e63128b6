"""Teachers that share what is frozen in the student, against averages of a whole copy worked by hand."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from textssl.state import EMATeacher, copy_sharing_frozen


class Net(nn.Module):
    """A frozen layer, tied twice; one that is trained; a batch norm, whose statistics move."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frozen = nn.Linear(4, 4)
        self.again = nn.Linear(4, 4, bias=False)
        self.again.weight = self.frozen.weight
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)
        self.frozen.requires_grad_(False)
        self.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.again(self.frozen(x)).relu()))


def moved(student: nn.Module, step: int) -> None:
    """What an optimizer does: only what requires a gradient moves."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in student.parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            if parameter.requires_grad:
                parameter += noise
    student.norm.running_mean += step


def whole_average(average: nn.Module, student: nn.Module, alpha: float) -> None:
    """The definition, over a copy of everything."""
    with torch.no_grad():
        for mine, theirs in zip(average.parameters(), student.parameters(), strict=True):
            mine.copy_(alpha * mine + (1 - alpha) * theirs)
        for own, other in zip(average.buffers(), student.buffers(), strict=True):
            own.copy_(other)


def test_a_copy_has_the_frozen_parameters_themselves_and_all_else_anew() -> None:
    student = Net()
    copied = copy_sharing_frozen(student)
    assert copied.frozen.weight is student.frozen.weight is copied.again.weight
    assert copied.frozen.bias is student.frozen.bias
    assert copied.head.weight is not student.head.weight
    assert copied.norm.running_mean.data_ptr() != student.norm.running_mean.data_ptr()
    assert not {id(m) for m in copied.modules()} & {id(m) for m in student.modules()}


@pytest.mark.parametrize("rampup", [True, False])
def test_a_teacher_that_shares_equals_the_average_of_a_whole_copy(rampup: bool) -> None:
    student = Net()
    teacher, average = EMATeacher(student, 0.7, rampup), copy.deepcopy(student)
    for step in range(5):
        moved(student, step)
        teacher.release_unfrozen()
        teacher.update(student)
        whole_average(average, student, min(1 - 1 / (step + 2), 0.7) if rampup else 0.7)
    expected = average.state_dict()
    assert teacher.model.frozen.weight is student.frozen.weight
    for name, value in teacher.model.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    x = torch.randn(3, 4)
    torch.testing.assert_close(teacher(x), average.eval()(x))


def test_what_is_shared_is_in_no_state_and_need_not_be(tmp_path: Path) -> None:
    student = Net()
    teacher = EMATeacher(student, 0.7)
    moved(student, 1)
    teacher.update(student)
    holder = nn.ModuleDict({"teacher": teacher})
    state = holder.state_dict()
    assert "teacher.model.head.weight" in state
    assert not [name for name in state if "frozen" in name or "again" in name]
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "state.safetensors")
    other = nn.ModuleDict({"teacher": EMATeacher(Net(), 0.7)})
    other.load_state_dict(load_file(tmp_path / "state.safetensors"))
    for name, value in other["teacher"].model.state_dict().items():
        assert torch.equal(value, teacher.model.state_dict()[name])
    assert other["teacher"].updates == 1
    del state["teacher.model.head.weight"]
    with pytest.raises(RuntimeError, match=r"head\.weight"):
        other.load_state_dict(state)


def test_what_is_unfrozen_later_is_followed_as_by_a_whole_copy() -> None:
    student = Net()
    teacher, average = EMATeacher(student, 0.7), copy.deepcopy(student)
    for step in range(6):
        if step == 3:
            student.frozen.requires_grad_(True)
        teacher.release_unfrozen()
        moved(student, step)
        teacher.update(student)
        whole_average(average, student, min(1 - 1 / (step + 2), 0.7))
    assert teacher.model.frozen.weight is teacher.model.again.weight is not student.frozen.weight
    assert not any(p.requires_grad for p in teacher.parameters())
    for name, value in teacher.model.state_dict().items():
        torch.testing.assert_close(value, average.state_dict()[name])
    # One that has not met the unfreezing yet is given what was saved after it.
    other = EMATeacher(Net(), 0.7)
    other.load_state_dict(teacher.state_dict())
    torch.testing.assert_close(other.model.state_dict(), teacher.model.state_dict())


def test_averages_of_low_precision_move_by_less_than_it_can_show() -> None:
    student = Net(torch.bfloat16)
    teacher = EMATeacher(student, 0.999, rampup=False)
    with torch.no_grad():
        student.head.weight.fill_(1.0)
        teacher.reset(student)
        student.head.weight.fill_(2.0)
    for _ in range(100):
        teacher.update(student)
    held = teacher.state_dict()["model.head.weight"]
    assert held.dtype == torch.float32
    torch.testing.assert_close(held, torch.full((2, 4), 2 - 0.999**100), atol=1e-5, rtol=0)
    # It computes as the student does, on the base that both have.
    assert teacher.model.head.weight.dtype == torch.bfloat16
    assert torch.equal(teacher.model.head.weight, held.bfloat16())
    assert teacher(torch.ones(2, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    other = EMATeacher(Net(torch.bfloat16), 0.999, rampup=False)
    other.load_state_dict(teacher.state_dict())
    for one in (teacher, other):
        one.update(student)
    torch.testing.assert_close(other.state_dict(), teacher.state_dict(), atol=0, rtol=0)


def test_moving_a_teacher_moves_what_it_shares_for_both() -> None:
    student = Net()
    teacher = EMATeacher(student, 0.7)
    teacher.to(torch.float64)
    assert teacher.model.frozen.weight is student.frozen.weight
    assert student.frozen.weight.dtype == torch.float64
