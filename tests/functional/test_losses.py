from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textssl.functional import entropy, kl_divergence, sharpen, soft_cross_entropy, squared_error


Loss = Callable[[Tensor, Tensor], Tensor]
PAIRED: list[Loss] = [soft_cross_entropy, kl_divergence, squared_error]


def softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(z - max(row)) for z in row)
    return [math.exp(z - max(row)) / total for z in row]


def naive_cross_entropy(row: list[float], target: list[float]) -> float:
    return -sum(t * math.log(p) for t, p in zip(target, softmax(row), strict=True) if t > 0)


def naive_kl(row: list[float], target: list[float]) -> float:
    pairs = zip(target, softmax(row), strict=True)
    return sum(t * math.log(t / p) for t, p in pairs if t > 0)


def naive_squared_error(row: list[float], target: list[float]) -> float:
    pairs = zip(target, softmax(row), strict=True)
    return sum((t - p) ** 2 for t, p in pairs) / len(row)


NAIVE = dict(zip(PAIRED, [naive_cross_entropy, naive_kl, naive_squared_error], strict=True))


@st.composite
def logits_and_targets(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    rows, classes = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    cell = st.floats(-20, 20, width=32)
    flat = draw(st.lists(cell, min_size=rows * classes, max_size=rows * classes))
    masses = st.sampled_from([0.0, 0.25, 1.0, 3.0])
    mass = draw(st.lists(masses, min_size=rows * classes, max_size=rows * classes))
    targets = torch.tensor(mass, dtype=torch.float32).view(rows, classes)
    targets[:, -1] += (targets.sum(dim=-1) == 0).float()
    logits = torch.tensor(flat, dtype=torch.float32).view(rows, classes)
    return logits, targets / targets.sum(dim=-1, keepdim=True)


def test_kl_golden() -> None:
    student = torch.tensor([[1.0, 1.0, 0.0]])
    target = torch.tensor([[2.0, 1.0, 0.0]]).softmax(-1)
    assert kl_divergence(student, sharpen(target, 0.4)).item() == pytest.approx(0.5637, abs=5e-5)
    assert kl_divergence(student, target).item() == pytest.approx(0.1196, abs=5e-5)


def test_distillation_golden() -> None:
    # SimCLRv2: tau = 2, tau^2 times the cross-entropy of tempered logits.
    teacher, student = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    actual = 4 * soft_cross_entropy(student / 2, (teacher / 2).softmax(-1))
    assert actual.item() == pytest.approx(4.2047, abs=5e-5)


def test_squared_error_is_a_mean_over_classes() -> None:
    sure = torch.tensor([[100.0, 0.0]])
    opposite = torch.tensor([[0.0, 1.0]])
    assert squared_error(sure, opposite).item() == pytest.approx(1.0)
    # Classes of no mass in either double the denominator.
    wide = torch.tensor([[100.0, 0.0, -1e4, -1e4]])
    padded = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    assert squared_error(wide, padded).item() == pytest.approx(0.5)


def test_entropy_golden() -> None:
    uniform, sure = torch.zeros(1, 4), torch.tensor([[1000.0, 0.0, 0.0, 0.0]])
    assert entropy(uniform).item() == pytest.approx(math.log(4))
    assert entropy(sure).item() == 0.0
    # The certainty weight 1 - H / log C of label propagation at (.7, .2, .1).
    row = torch.tensor([[0.7, 0.2, 0.1]]).log()
    assert 1 - entropy(row).item() / math.log(3) == pytest.approx(0.2702, abs=5e-5)


def test_fixmatch_loss_divides_by_the_whole_batch() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]]).repeat(4, 1)
    targets = torch.eye(3)[[1, 1, 1, 1]]
    mask = torch.tensor([0.0, 1.0, 0.0, 0.0])
    one = naive_cross_entropy([2.0, 1.0, 0.0], [0, 1, 0])
    assert (mask * soft_cross_entropy(logits, targets)).mean().item() == pytest.approx(one / 4)


@pytest.mark.parametrize("loss", PAIRED)
def test_masked_rows_change_nothing(loss: Loss) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, generator=generator)
    targets = torch.randn(5, 3, generator=generator).softmax(-1)
    mask = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    other = torch.where(mask[:, None] > 0, logits, 50 * torch.randn(5, 3, generator=generator))
    leaf = other.requires_grad_()
    total = (mask * loss(leaf, targets)).sum()
    total.backward()
    torch.testing.assert_close(total.detach(), loss(logits[mask > 0], targets[mask > 0]).sum())
    assert torch.equal(leaf.grad[mask == 0], torch.zeros(2, 3))
    assert (leaf.grad[mask > 0] != 0).all()


@pytest.mark.parametrize("loss", PAIRED)
def test_a_masked_batch_gives_a_zero_attached_to_the_graph(loss: Loss) -> None:
    logits = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    value = (torch.zeros(3) * loss(logits, torch.full((3, 2), 0.5))).mean()
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros(3, 2))


@pytest.mark.slow
@pytest.mark.parametrize("loss", PAIRED)
@settings(deadline=None, max_examples=60)
@given(logits_and_targets(), st.data())
def test_losses_against_loops_and_permutations(loss: Loss, pair: tuple[Tensor, Tensor], data: st.DataObject) -> None:
    logits, targets = pair
    each = loss(logits, targets)
    rows = zip(logits.tolist(), targets.tolist(), strict=True)
    expected = torch.tensor([NAIVE[loss](row, target) for row, target in rows])
    torch.testing.assert_close(each, expected, atol=2e-5, rtol=2e-5)
    order = torch.tensor(data.draw(st.permutations(range(logits.shape[0]))))
    classes = torch.tensor(data.draw(st.permutations(range(logits.shape[1]))))
    moved = loss(logits[order][:, classes], targets[order][:, classes])
    torch.testing.assert_close(moved, each[order], atol=2e-5, rtol=2e-5)
    shifted = loss(logits + 3.0, targets)
    torch.testing.assert_close(shifted, each, atol=2e-5, rtol=2e-5)


@settings(deadline=None, max_examples=60)
@given(logits_and_targets())
def test_entropy_links_the_losses(pair: tuple[Tensor, Tensor]) -> None:
    logits, targets = pair
    own = entropy(logits)
    torch.testing.assert_close(own, soft_cross_entropy(logits, logits.softmax(-1)), atol=2e-5, rtol=2e-5)
    assert (own >= 0).all()
    assert (own <= math.log(logits.shape[1]) + 1e-5).all()
    assert (kl_divergence(logits, targets) >= -1e-5).all()


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6), (torch.bfloat16, 1e-6)]
)
@pytest.mark.parametrize("loss", [kl_divergence, squared_error])
def test_agreement_gives_zero_with_zero_gradient(
    loss: Loss, dtype: torch.dtype, tolerance: float, scale: float
) -> None:
    logits = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)) * scale
    logits = logits.to(dtype).requires_grad_()
    wide = logits.detach().to(torch.promote_types(dtype, torch.float32))
    value = loss(logits, wide.softmax(-1))
    value.sum().backward()
    assert value.abs().max().item() <= tolerance
    assert logits.grad.abs().max().item() <= tolerance


def test_kl_of_a_one_hot_target_is_its_cross_entropy() -> None:
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    target = torch.eye(3)
    kl = kl_divergence(logits, target)
    torch.testing.assert_close(kl, -logits.log_softmax(-1).diagonal())
    kl.sum().backward()
    torch.testing.assert_close(logits.grad, logits.detach().softmax(-1) - target)


@pytest.mark.parametrize("loss", PAIRED)
def test_losses_stay_finite_at_extreme_logits(loss: Loss) -> None:
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    value = loss(logits, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    value.sum().backward()
    assert value[0].item() == 0
    assert value.isfinite().all()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", PAIRED)
def test_a_target_of_zeros(loss: Loss) -> None:
    value = loss(torch.zeros(1, 2), torch.zeros(1, 2))
    assert value.item() == (0.25 if loss is squared_error else 0.0)


@pytest.mark.parametrize("loss", PAIRED)
def test_half_precision_is_calculated_in_float32(loss: Loss) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator)
    targets = torch.randn(6, 4, generator=generator).softmax(-1)
    for dtype in (torch.bfloat16, torch.float16):
        value = loss(logits.to(dtype), targets)
        assert value.dtype == torch.float32
        assert torch.equal(value, loss(logits.to(dtype).float(), targets))
    assert loss(logits.double(), targets.double()).dtype == torch.float64
    assert entropy(logits.bfloat16()).dtype == torch.float32
    assert entropy(logits.double()).dtype == torch.float64


@pytest.mark.parametrize("loss", PAIRED)
def test_gradients_reach_both_arguments(loss: Loss) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randn(3, 4, generator=generator, dtype=torch.float64).softmax(-1)
    assert torch.autograd.gradcheck(loss, (logits, targets.requires_grad_()))
    assert torch.autograd.gradcheck(entropy, logits)


@pytest.mark.parametrize("loss", PAIRED)
def test_losses_refuse(loss: Loss) -> None:
    logits = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"^logits: got .*; expected .*\[B, C\]"):
        loss(torch.zeros(3), torch.zeros(3))
    with pytest.raises(ValueError, match=r"^logits: got torch.int64 .*; expected"):
        loss(logits.long(), logits)
    with pytest.raises(ValueError, match=r"^targets: got .*\[2\]; expected .*\[2, 3\]"):
        loss(logits, torch.zeros(2))
    with pytest.raises(ValueError, match=r"^targets: got torch.int64 .*; expected"):
        loss(logits, torch.zeros(2, 3, dtype=torch.long))


def test_entropy_refuses() -> None:
    with pytest.raises(ValueError, match=r"^logits: got"):
        entropy(torch.zeros(3))


def test_losses_of_an_empty_batch() -> None:
    for loss in PAIRED:
        assert loss(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0,)
