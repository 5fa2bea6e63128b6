from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from textssl.functional import example_norm, example_rms, normalize_perturbation, sign_perturbation


MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]])


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def naive_norm(rows: list[list[float]], mask: list[int]) -> float:
    """Of one sequence, its padding skipped."""
    return math.sqrt(sum(v * v for row, real in zip(rows, mask, strict=True) if real for v in row))


def test_each_sequence_has_the_norm_and_the_direction_of_its_own() -> None:
    d = drawn(3, 4, 5)
    r = normalize_perturbation(d, 2.5, MASK)
    for b, mask in enumerate(MASK.tolist()):
        rows, norm = r[b].tolist(), naive_norm(d[b].tolist(), mask)
        assert naive_norm(rows, [1] * 4) == pytest.approx(2.5, rel=1e-6)
        for t, real in enumerate(mask):
            expected = [2.5 * v / norm for v in d[b, t].tolist()] if real else [0.0] * 5
            assert rows[t] == pytest.approx(expected, rel=1e-5)


def test_the_norm_is_not_per_token() -> None:
    """One long token, one short: their ratio stays."""
    d = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    torch.testing.assert_close(normalize_perturbation(d, 5.0), d)
    torch.testing.assert_close(normalize_perturbation(d, 1.0), d / 5)


def test_what_stands_on_padding_does_not_count() -> None:
    d = drawn(3, 4, 5)
    dirty = d.clone()
    dirty[1, 2:] = 1e30
    dirty[2, :2] = math.nan
    torch.testing.assert_close(normalize_perturbation(dirty, 1.0, MASK), normalize_perturbation(d, 1.0, MASK))
    torch.testing.assert_close(sign_perturbation(dirty, 1.0, MASK), sign_perturbation(d, 1.0, MASK))
    torch.testing.assert_close(example_norm(dirty, MASK), example_norm(d, MASK))


def test_size_may_differ_by_example() -> None:
    d, sizes = drawn(3, 4, 5), torch.tensor([0.5, 0.0, 7.0])
    torch.testing.assert_close(normalize_perturbation(d, sizes, MASK).flatten(1).norm(dim=1), sizes)
    torch.testing.assert_close(sign_perturbation(d, sizes, MASK).flatten(1).amax(1), sizes)


def test_zero_stays_zero() -> None:
    d = drawn(2, 3, 4)
    d[0] = 0
    for perturb in (normalize_perturbation, sign_perturbation):
        r = perturb(d, 2.0)
        assert torch.equal(r[0], torch.zeros(3, 4))
        assert torch.isfinite(r).all()
        assert r[1].abs().sum() > 0
        # An example of padding alone, and no example at all.
        assert torch.equal(perturb(d, 2.0, torch.tensor([[1, 1, 1], [0, 0, 0]])), torch.zeros(2, 3, 4))
        assert perturb(d[:0], 2.0).shape == (0, 3, 4)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30])
def test_a_gradient_of_any_scale_gives_a_full_step(scale: float) -> None:
    """Its square is below, or above, what float32 holds."""
    d = torch.tensor([[3.0, -4.0]], dtype=torch.float64).mul(scale).float()
    r = normalize_perturbation(d, 5.0)
    torch.testing.assert_close(r, torch.tensor([[3.0, -4.0]]), rtol=2e-2 if scale < 1e-38 else 1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_calculated_in_float32(dtype: torch.dtype) -> None:
    d = (drawn(2, 64, 64) * 100).to(dtype)
    for result, expected in (
        (normalize_perturbation(d, 1.0), d.double() / d.double().flatten(1).norm(dim=1)[:, None, None]),
        (sign_perturbation(d, 1.0), d.double().sign()),
        (example_norm(d), d.double().flatten(1).norm(dim=1)),
    ):
        assert result.dtype == torch.float32
        torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=1e-7)


def test_double_stays_double_and_is_differentiable() -> None:
    d = drawn(3, 4, 2, dtype=torch.float64).requires_grad_()
    sizes = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    assert normalize_perturbation(d, sizes, MASK).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: normalize_perturbation(x, sizes, MASK), d)


def test_the_gradient_at_zero_is_finite() -> None:
    d = torch.zeros(2, 3, requires_grad=True)
    normalize_perturbation(d, 1.0).sum().backward()
    assert torch.isfinite(d.grad).all()


def test_signs_by_hand() -> None:
    d = torch.tensor([[[0.2, -3.0], [0.0, 5.0]], [[-1.0, 1.0], [2.0, -2.0]]])
    mask = torch.tensor([[1, 1], [1, 0]])
    expected = torch.tensor([[[0.5, -0.5], [0.0, 0.5]], [[-0.5, 0.5], [0.0, 0.0]]])
    torch.testing.assert_close(sign_perturbation(d, 0.5, mask), expected)


def test_root_mean_square_by_hand() -> None:
    x = torch.tensor([[[3.0, 4.0], [0.0, 5.0]], [[3.0, 4.0], [9.0, 9.0]]])
    torch.testing.assert_close(example_rms(x), torch.tensor([50 / 4, 187 / 4]).sqrt())
    torch.testing.assert_close(example_rms(x, torch.tensor([[1, 1], [1, 0]])), torch.tensor([50 / 4, 25 / 2]).sqrt())
    assert example_rms(x, torch.zeros(2, 2)).tolist() == [0.0, 0.0]
    assert example_rms(x[:0]).shape == (0,)
    assert example_rms(x[:0], torch.zeros(0, 2)).shape == (0,)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 5), (4, 3, 5, 2)])
def test_features_sequences_and_pixels(shape: tuple[int, ...]) -> None:
    d = drawn(*shape)
    expected = torch.stack([row / row.norm() for row in d])
    torch.testing.assert_close(normalize_perturbation(d, 1.0), expected)
    torch.testing.assert_close(example_norm(d), torch.stack([row.norm() for row in d]))


def test_nothing_reads_values_from_the_device() -> None:
    d, mask = torch.empty(4, 3, 2, device="meta"), torch.empty(4, 3, dtype=torch.long, device="meta")
    sizes = torch.empty(4, device="meta")
    for size in (1.0, sizes):
        assert normalize_perturbation(d, size, mask).shape == d.shape
        assert sign_perturbation(d, size, mask).shape == d.shape
    assert example_rms(d, mask).shape == (4,)


@pytest.mark.parametrize("perturb", [normalize_perturbation, sign_perturbation])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(3), 1.0), r"d: got .*; expected a tensor of shape \[B, ...\]"),
        ((torch.zeros(3, 2, dtype=torch.long), 1.0), r"d: got .*; expected a floating-point tensor"),
        ((torch.zeros(3, 0), 1.0), "d: got shape .*; expected no empty axis beyond the first"),
        ((torch.zeros(3, 2), -1.0), r"epsilon: got -1.0; expected a finite number of at least 0"),
        ((torch.zeros(3, 2), math.nan), r"epsilon: got nan; expected a finite number of at least 0"),
        ((torch.zeros(3, 2), math.inf), r"epsilon: got inf; expected a finite number of at least 0"),
        ((torch.zeros(3, 2), torch.ones(2)), r"epsilon: got .*; expected a floating-point tensor of shape \[3\]"),
        ((torch.zeros(3, 2), 1.0, torch.ones(3)), r"mask: got \[3\]; expected a tensor of shape \[3, 2\]"),
        ((torch.zeros(3, 2, 5), 1.0, torch.ones(3, 5)), r"mask: got \[3, 5\]; expected a tensor of shape \[3, 2\]"),
    ],
)
def test_bad_arguments_are_named(perturb: object, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        perturb(*arguments)


@pytest.mark.parametrize("measure", [example_norm, example_rms])
def test_bad_inputs_are_named(measure: object) -> None:
    with pytest.raises(ValueError, match=r"x: got .*; expected a tensor of shape"):
        measure(torch.zeros(3))
    with pytest.raises(ValueError, match=r"mask: got \[3\]; expected a tensor of shape \[3, 2\]"):
        measure(torch.zeros(3, 2, 4), torch.zeros(3))
