from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from textssl.functional import join_masks, mix, mixup_coefficients


COUNT = 500_000


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.75, 1.0, 4.0, 16.0, 1000.0])
def test_coefficients_follow_the_beta_distribution(alpha: float) -> None:
    draws = mixup_coefficients(alpha, COUNT, fold=False, generator=seeded(0))
    assert draws.shape == (COUNT,)
    assert draws.dtype == torch.float32
    # Off the ends: next to 1, float32 has fewer values than Beta(0.01, 0.01) has mass.
    points = torch.linspace(0.001, 0.999, 500, dtype=torch.float64)
    below = torch.searchsorted(draws.double().sort().values, points, right=True) / COUNT
    expected = torch.from_numpy(stats.beta(alpha, alpha).cdf(points.numpy()))
    # 1.63 / sqrt(n), the 1 % point of the Kolmogorov-Smirnov statistic.
    assert (below - expected).abs().max().item() < 1.63 / COUNT**0.5
    assert draws.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.01)
    assert draws.mean().item() == pytest.approx(0.5, abs=0.003)


@pytest.mark.parametrize("alpha", [1e-8, 1e8])
def test_coefficients_at_the_limits_of_alpha(alpha: float) -> None:
    draws = mixup_coefficients(alpha, 1000, generator=seeded(0))
    expected = torch.full((1000,), 1.0 if alpha < 1 else 0.5)
    torch.testing.assert_close(draws, expected, atol=1e-3, rtol=0)


def test_coefficients_are_uncorrelated_with_each_other() -> None:
    draws = mixup_coefficients(0.75, 20_000, fold=False, generator=seeded(1)).double()
    neighbours = torch.corrcoef(torch.stack([draws[1:], draws[:-1]]))[0, 1]
    halves = torch.corrcoef(draws.view(2, -1))[0, 1]
    assert abs(neighbours.item()) < 0.03
    assert abs(halves.item()) < 0.04


def test_folding_keeps_the_larger_share() -> None:
    plain = mixup_coefficients(0.75, 500, fold=False, generator=seeded(0))
    folded = mixup_coefficients(0.75, 500, generator=seeded(0))
    assert folded.tolist() == [max(x, 1 - x) for x in plain]
    assert plain.min() < 0.5
    assert folded.min() >= 0.5
    assert folded.unique().numel() > 400


def test_the_generator_is_all_the_randomness() -> None:
    before = torch.random.get_rng_state()
    generator = seeded(3)
    first = mixup_coefficients(0.75, 10, generator=generator)
    second = mixup_coefficients(0.75, 10, generator=generator)
    assert torch.equal(first, mixup_coefficients(0.75, 10, generator=seeded(3)))
    assert not torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_draws_taken_do_not_depend_on_alpha() -> None:
    left, right = seeded(3), seeded(3)
    mixup_coefficients(0.1, 10, generator=left)
    mixup_coefficients(9.0, 10, generator=right)
    assert torch.equal(left.get_state(), right.get_state())


def test_without_a_generator_the_default_one_is_used() -> None:
    before = torch.random.get_rng_state()
    try:
        torch.random.set_rng_state(seeded(5).get_state())
        actual = mixup_coefficients(0.75, 10)
    finally:
        torch.random.set_rng_state(before)
    assert torch.equal(actual, mixup_coefficients(0.75, 10, generator=seeded(5)))


def test_no_coefficients() -> None:
    assert mixup_coefficients(1.0, 0, generator=seeded(0)).shape == (0,)


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_alpha_is_checked(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"^alpha: got .*; expected a positive finite number"):
        mixup_coefficients(alpha, 3)


def test_size_is_checked() -> None:
    with pytest.raises(ValueError, match=r"^size: got -1; expected at least 0"):
        mixup_coefficients(1.0, -1)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 2, 3), (4, 1, 2, 2)])
def test_mix_against_a_loop(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=seeded(0))
    share, index = torch.tensor([0.0, 0.25, 0.75, 1.0]), torch.tensor([2, 2, 0, 1])
    actual = mix(x, share, index)
    for row, (weight, partner) in enumerate(zip(share.tolist(), index.tolist(), strict=True)):
        torch.testing.assert_close(actual[row], weight * x[row] + (1 - weight) * x[partner])


def test_mix_limits() -> None:
    x = torch.randn(3, 5, generator=seeded(0))
    index = torch.tensor([2, 0, 1])
    assert torch.equal(mix(x, torch.ones(3), index), x)
    assert torch.equal(mix(x, torch.zeros(3), index), x[index])
    half = torch.full((3,), 0.3)
    assert torch.equal(mix(x, half, torch.arange(3)), x)


def test_mixed_distributions_sum_to_one() -> None:
    probs = torch.randn(50, 4, generator=seeded(0)).softmax(-1)
    share = mixup_coefficients(0.75, 50, generator=seeded(1))
    mixed = mix(probs, share, torch.randperm(50, generator=seeded(2)))
    torch.testing.assert_close(mixed.sum(-1), torch.ones(50))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_mix_keeps_the_dtype_and_calculates_in_float32(dtype: torch.dtype) -> None:
    x = torch.randn(6, 3, generator=seeded(0)).to(dtype)
    share, index = mixup_coefficients(1.0, 6, generator=seeded(1)), torch.arange(6).flip(0)
    actual = mix(x, share, index)
    wide = share[:, None].double() * x.double() + (1 - share[:, None].double()) * x[index].double()
    assert actual.dtype == dtype
    # One rounding to the dtype, of half a unit in the last place, after float32's.
    half = torch.finfo(dtype).eps / 2
    torch.testing.assert_close(actual.double(), wide, atol=1e-6, rtol=half + 1e-6)


def test_mix_gradient_reaches_both_of_a_pair() -> None:
    x = torch.randn(4, 3, generator=seeded(0), dtype=torch.float64, requires_grad=True)
    share = torch.tensor([0.2, 0.5, 0.7, 1.0], dtype=torch.float64, requires_grad=True)
    index = torch.tensor([1, 0, 0, 2])
    assert torch.autograd.gradcheck(lambda a, b: mix(a, b, index), (x, share))
    mix(x, share.detach(), index)[0].sum().backward()
    torch.testing.assert_close(x.grad[:2, 0].tolist(), [0.2, 0.8])


BATCH = torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("name", "x", "coefficients", "index"),
    [
        ("x", torch.zeros(4, 3, dtype=torch.long), torch.ones(4), torch.arange(4)),
        ("x", torch.tensor(1.0), torch.ones(1), torch.arange(1)),
        ("coefficients", BATCH, torch.ones(3), torch.arange(4)),
        ("coefficients", BATCH, torch.tensor(0.5), torch.arange(4)),
        ("coefficients", BATCH, torch.ones(4).long(), torch.arange(4)),
        ("index", BATCH, torch.ones(4), torch.arange(3)),
        ("index", BATCH, torch.ones(4), torch.ones(4)),
        ("index", BATCH, torch.ones(4), torch.ones(4).bool()),
    ],
)
def test_mix_refuses(name: str, x: Tensor, coefficients: Tensor, index: Tensor) -> None:
    with pytest.raises(ValueError, match=f"^{name}: got .*; expected"):
        mix(x, coefficients, index)


# Three texts of 2, 4 and 1 tokens; the second is mixed with the first, the others with the third.
REAL = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
PARTNER = torch.tensor([2, 0, 1])
UNION = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
LOWEST = torch.finfo(torch.bfloat16).min
FORMS: list[Callable[[list[list[int]]], Tensor]] = [
    lambda rows: torch.tensor(rows).bool(),
    torch.tensor,
    lambda rows: torch.tensor(rows, dtype=torch.uint8),
    lambda rows: torch.tensor(rows, dtype=torch.float32),
    # Added to scores: for all heads and all queries.
    lambda rows: torch.where(torch.tensor(rows) > 0, 0.0, torch.finfo(torch.float32).min)[:, None, None],
    lambda rows: torch.where(torch.tensor(rows) > 0, 0.0, -torch.inf)[:, None, None],
    lambda rows: torch.where(torch.tensor(rows) > 0, 0.0, LOWEST)[:, None, None].bfloat16(),
    lambda rows: torch.tensor(rows).bool()[:, None, None].expand(-1, 1, 4, 4),
    # Of pairs: a query of padding looks at nothing.
    lambda rows: (torch.tensor(rows)[:, :, None] * torch.tensor(rows)[:, None])[:, None],
    # Of pairs within a window of one.
    lambda rows: torch.tensor(rows).bool()[:, None, None] & (torch.ones(4, 4).tril(1).triu(-1) > 0),
]


@pytest.mark.parametrize("form", FORMS)
def test_joined_masks_show_what_is_real_in_either(form: Callable[[list[list[int]]], Tensor]) -> None:
    masks = form(REAL)
    before = masks.clone()
    joined = join_masks(masks, PARTNER)
    assert joined.dtype == masks.dtype
    assert torch.equal(joined, form(UNION))
    assert torch.equal(masks, before)
    assert torch.equal(join_masks(masks, torch.arange(3)), masks)


def test_padding_on_the_left_is_joined_too() -> None:
    masks = torch.tensor(REAL).flip(1)
    assert join_masks(masks, PARTNER).tolist() == [row[::-1] for row in UNION]


def test_a_mixed_row_of_attention_scores_sees_the_union() -> None:
    """The softmax of scores plus the joined mask is that over the real positions of either text."""
    masks = FORMS[4](REAL)
    scores = torch.randn(3, 1, 4, 4, generator=seeded(0))
    shares = (scores + join_masks(masks, PARTNER)).softmax(-1)
    for row, width in enumerate([2, 4, 4]):
        torch.testing.assert_close(shares[row, ..., :width], scores[row, ..., :width].softmax(-1))
        assert shares[row, ..., width:].sum() == 0


@pytest.mark.parametrize(
    ("name", "masks", "index"),
    [
        ("masks", torch.ones(3), torch.arange(3)),
        ("masks", [[1, 0]], torch.arange(1)),
        ("masks", None, torch.arange(1)),
        ("index", torch.ones(3, 2), torch.arange(2)),
        ("index", torch.ones(3, 2), torch.ones(3)),
        ("index", torch.ones(3, 2), torch.ones(3, 1).long()),
    ],
)
def test_join_masks_refuses(name: str, masks: Tensor, index: Tensor) -> None:
    with pytest.raises(ValueError, match=f"^{name}: got .*; expected"):
        join_masks(masks, index)
