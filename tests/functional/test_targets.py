from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textssl.functional import align_distribution, guess_labels, one_hot, sharpen


ROW = torch.tensor([[0.6, 0.3, 0.1]])


@st.composite
def distributions(draw: st.DrawFn, max_rows: int = 4) -> Tensor:
    """[B, C] of exact zeros, tiny and ordinary masses; each row sums to one."""
    rows = draw(st.integers(1, max_rows))
    classes = draw(st.integers(2, 6))
    mass = st.sampled_from([0.0, 1e-30, 1e-6, 0.01, 0.3, 0.5, 1.0, 2.0])
    cells = draw(st.lists(mass, min_size=rows * classes, max_size=rows * classes))
    x = torch.tensor(cells, dtype=torch.float32).view(rows, classes)
    x[:, 0] += (x.sum(dim=-1) == 0).float()
    return x / x.sum(dim=-1, keepdim=True)


def naive_sharpen(row: list[float], temperature: float) -> list[float]:
    top = max(row)
    powers = [(p / top) ** (1 / temperature) for p in row]
    return [p / sum(powers) for p in powers]


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(0.5, [0.7826, 0.1957, 0.0217]), (0.4, [0.8417, 0.1488, 0.0095])],
)
def test_sharpen_golden(temperature: float, expected: list[float]) -> None:
    torch.testing.assert_close(sharpen(ROW, temperature), torch.tensor([expected]), atol=5e-5, rtol=0)


def test_sharpen_of_a_softmax_is_the_uda_target() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    expected = torch.tensor([[0.9184, 0.0754, 0.0062]])
    torch.testing.assert_close(sharpen(logits.softmax(-1), 0.4), expected, atol=5e-5, rtol=0)


def test_sharpen_at_one_is_the_identity() -> None:
    torch.testing.assert_close(sharpen(ROW, 1.0), ROW, atol=1e-7, rtol=0)


@pytest.mark.parametrize("temperature", [0.01, 1e-3, 1e-30])
def test_sharpen_tends_to_one_hot(temperature: float) -> None:
    probs = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.0, 0.0, 1.0, 0.0]])
    expected = torch.tensor([[1.0, 0, 0, 0], [0, 0, 1, 0]])
    torch.testing.assert_close(sharpen(probs, temperature), expected, atol=1e-6, rtol=0)


def test_sharpen_splits_a_tie() -> None:
    actual = sharpen(torch.tensor([[0.4, 0.4, 0.2]]), 0.01)
    torch.testing.assert_close(actual, torch.tensor([[0.5, 0.5, 0.0]]))


def test_sharpen_flattens_at_high_temperature() -> None:
    torch.testing.assert_close(sharpen(ROW, 1e6), torch.full((1, 3), 1 / 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_sharpen_survives_powers_that_underflow(dtype: torch.dtype) -> None:
    # 0.34^100 is 1e-47: below every dtype here, in every class of the row.
    probs = torch.tensor([[0.34, 0.33, 0.33], [0.5, 0.5, 0.0]], dtype=dtype)
    actual = sharpen(probs, 0.01)
    expected = torch.tensor([naive_sharpen(row, 0.01) for row in probs.tolist()])
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.float(), expected, atol=torch.finfo(dtype).eps, rtol=0)


def test_sharpen_keeps_a_masked_row_of_zeros() -> None:
    probs = torch.cat([ROW, torch.zeros(1, 3)])
    assert torch.equal(sharpen(probs, 0.5)[1], torch.zeros(3))
    assert torch.equal(sharpen(probs, 0.5)[:1], sharpen(ROW, 0.5))


@settings(deadline=None, max_examples=60)
@given(distributions(), st.sampled_from([0.01, 0.3, 0.5, 1.0, 2.0]))
def test_sharpen_properties(probs: Tensor, temperature: float) -> None:
    actual = sharpen(probs, temperature)
    expected = torch.tensor([naive_sharpen(row, temperature) for row in probs.tolist()])
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(actual.sum(-1), torch.ones(len(probs)), atol=1e-5, rtol=0)
    order = probs.argsort(dim=-1)
    assert (actual.gather(-1, order).diff(dim=-1) >= 0).all()
    assert ((actual > 0) <= (probs > 0)).all()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_targets_follow_permutations_of_rows_and_classes(data: st.DataObject) -> None:
    probs = data.draw(distributions())
    rows = torch.tensor(data.draw(st.permutations(range(probs.shape[0]))))
    classes = torch.tensor(data.draw(st.permutations(range(probs.shape[1]))))
    model_mean = torch.arange(1.0, probs.shape[1] + 1)
    target = model_mean.flip(0)
    moved = probs[rows][:, classes]
    torch.testing.assert_close(sharpen(moved, 0.5), sharpen(probs, 0.5)[rows][:, classes])
    torch.testing.assert_close(
        align_distribution(moved, model_mean[classes], target[classes]),
        align_distribution(probs, model_mean, target)[rows][:, classes],
    )


def test_align_distribution_golden_and_order() -> None:
    q, mean, target = torch.tensor([[0.6, 0.4]]), torch.tensor([0.8, 0.2]), torch.full((2,), 0.5)
    aligned = align_distribution(q, mean, target)
    then_sharpened = sharpen(aligned, 0.5)
    other_order = align_distribution(sharpen(q, 0.5), mean, target)
    for actual, expected in [
        (aligned, [0.2727, 0.7273]),
        (then_sharpened, [0.1233, 0.8767]),
        (other_order, [0.36, 0.64]),
    ]:
        torch.testing.assert_close(actual, torch.tensor([expected]), atol=5e-5, rtol=0)


def test_align_distribution_is_the_identity_where_the_model_matches_the_target() -> None:
    mean = torch.tensor([0.2, 0.5, 0.3])
    torch.testing.assert_close(align_distribution(ROW, mean, mean), ROW)


def test_align_distribution_stays_finite_for_a_class_never_predicted() -> None:
    probs = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    actual = align_distribution(probs, torch.tensor([1.0, 0.0]), torch.full((2,), 0.5))
    # Ratios 0.5 and 0.5 / 1e-6: the first row is (1, 1e6) / (1 + 1e6).
    expected = torch.tensor([[1 / (1 + 1e6), 1e6 / (1 + 1e6)], [1.0, 0.0]])
    torch.testing.assert_close(actual, expected)


def test_align_distribution_gives_zeros_where_nothing_is_left() -> None:
    actual = align_distribution(torch.tensor([[1.0, 0.0]]), torch.full((2,), 0.5), torch.tensor([0.0, 1.0]))
    assert torch.equal(actual, torch.zeros(1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_targets_keep_the_dtype(dtype: torch.dtype) -> None:
    probs = ROW.to(dtype)
    mean = torch.tensor([0.5, 0.25, 0.25])
    # 0.6 : 0.3 : 0.1 times 1/.5 : 1/.25 : 1/.25 is 1.2 : 1.2 : 0.4.
    aligned = align_distribution(probs, mean, torch.full((3,), 1 / 3))
    expected = torch.tensor([[3 / 7, 3 / 7, 1 / 7]])
    assert aligned.dtype == dtype
    torch.testing.assert_close(aligned.float(), expected, atol=4e-3, rtol=0)
    guess = guess_labels([probs, probs.flip(-1)])
    assert guess.dtype == dtype
    torch.testing.assert_close(guess.float(), torch.tensor([[0.35, 0.3, 0.35]]), atol=4e-3, rtol=0)


def test_one_hot() -> None:
    expected = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    actual = one_hot(torch.tensor([2, 0, -1, -100, 3]), 3)
    assert actual.dtype == torch.float32
    assert torch.equal(actual, expected)
    short = one_hot(torch.tensor([2, 0], dtype=torch.int32), 3, torch.bfloat16)
    assert short.dtype == torch.bfloat16
    assert torch.equal(short, expected[:2].bfloat16())
    assert one_hot(torch.empty(0, dtype=torch.long), 3).shape == (0, 3)


def test_guess_labels_weighs_the_views() -> None:
    views = [
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([[0.0, 1.0]]),
        torch.tensor([[0.4, 0.6]]),
    ]
    assert torch.equal(guess_labels(views[:1]), views[0])
    torch.testing.assert_close(guess_labels(views[:2]), torch.tensor([[0.5, 0.5]]))
    # (2 * 1 + 1 * 0 + 1 * 0.4) / 4 = 0.6
    torch.testing.assert_close(guess_labels(views, [2, 1, 1]), torch.tensor([[0.6, 0.4]]))
    assert torch.equal(guess_labels(views, [0, 3, 0]), views[1])


def test_guess_labels_differs_from_the_prediction_of_the_mean_logit() -> None:
    logits = [torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 0.0]])]
    mean = (1 / (1 + math.exp(-4)) + 0.5) / 2
    actual = guess_labels([z.softmax(-1) for z in logits])
    torch.testing.assert_close(actual, torch.tensor([[mean, 1 - mean]]))


def test_targets_gradcheck() -> None:
    probs = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]], dtype=torch.float64)
    mean = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    p, m, t = (x.clone().requires_grad_() for x in (probs, mean, mean.flip(0)))
    for temperature in (0.4, 1.0, 2.0):
        torch.autograd.gradcheck(lambda x, s=temperature: sharpen(x, s), p)
    torch.autograd.gradcheck(align_distribution, (p, m, t))
    torch.autograd.gradcheck(lambda x, y: guess_labels([x, y], [1, 3]), (p, p.detach().flip(0)))


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0])
def test_sharpen_has_a_finite_gradient_at_zero(temperature: float) -> None:
    probs = torch.tensor([[0.7, 0.3, 0.0]], requires_grad=True)
    sharpen(probs, temperature).square().sum().backward()
    assert probs.grad is not None
    assert probs.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [0.0, -0.5, math.nan, math.inf])
def test_sharpen_refuses_a_temperature(temperature: float) -> None:
    with pytest.raises(ValueError, match=r"^temperature: got .*; expected"):
        sharpen(ROW, temperature)


@pytest.mark.parametrize(
    "probs", [torch.ones(3), torch.ones(1, 1, 3), torch.ones(1, 3).long(), torch.ones(2, 0), [0.5]]
)
def test_sharpen_refuses_probs(probs: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^probs: got .*; expected"):
        sharpen(probs, 0.5)


def test_align_distribution_refuses_shapes() -> None:
    with pytest.raises(ValueError, match=r"^model_mean: got .*\[2\]; expected .*\[3\]"):
        align_distribution(ROW, torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match=r"^target: got .*\[1, 3\]; expected .*\[3\]"):
        align_distribution(ROW, torch.ones(3), ROW)


@pytest.mark.parametrize("labels", [torch.ones(2), torch.ones(2, 1).long(), torch.ones(2).bool()])
def test_one_hot_refuses_labels(labels: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^labels: got"):
        one_hot(labels, 3)


def test_one_hot_refuses_no_labels() -> None:
    with pytest.raises(ValueError, match=r"^num_labels: got 0; expected"):
        one_hot(torch.tensor([0]), 0)


def test_guess_labels_refuses_views() -> None:
    with pytest.raises(ValueError, match=r"^probs_per_view: got .*; expected at least one"):
        guess_labels([])
    with pytest.raises(ValueError, match=r"^probs_per_view\[1\]"):
        guess_labels([ROW, torch.ones(2, 3)])


@pytest.mark.parametrize("weights", [[1.0], [1, 2, 3], [-1, 2], [0, 0], [math.nan, 1], [math.inf, 1]])
def test_guess_labels_refuses_weights(weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^weights: got .*; expected"):
        guess_labels([ROW, ROW], weights)
