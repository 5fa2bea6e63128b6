from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from scipy import stats
from torch import Tensor

from textssl.functional import keyed_normal, keyed_uniform


ALL = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def split_mix(seed: int) -> Iterator[int]:
    """SplitMix64 as its authors publish it, in whole numbers."""
    state = seed
    while True:
        state = (state + GOLDEN) & ALL
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ALL
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ALL
        yield z ^ (z >> 31)


def first(seed: int) -> int:
    """The hash of one number: what SplitMix64 gives first."""
    return next(split_mix(seed & ALL))


def naive(key: int, salt: int, count: int) -> list[float]:
    # SplitMix64 adds its step before it hashes; the inner hash of the salt is such a draw, the outer one is not.
    start = first(((key & ALL) ^ first(salt)) - GOLDEN)
    numbers = []
    for bits in islice(split_mix(start), count):
        radius = math.sqrt(-2 * math.log(((bits >> 32) + 0.5) / 2**32))
        numbers.append(radius * math.cos(2 * math.pi * (bits & 0xFFFFFFFF) / 2**32))
    return numbers


def test_the_oracle_is_split_mix() -> None:
    """First numbers of the reference implementation for seed 1234567."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert list(islice(split_mix(1234567), 4)) == published


@pytest.mark.parametrize("key", [0, 1, -1, 12345, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("salt", [0, 7, -3, 2**40 + 5])
def test_numbers_are_box_muller_of_split_mix(key: int, salt: int) -> None:
    got = keyed_normal(torch.tensor([key]), (4, 5), salt)
    assert got.shape == (1, 4, 5)
    assert got.dtype == torch.float32
    expected = torch.tensor(naive(key, salt, 20)).view(1, 4, 5)
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("key", [0, -1, 2**63 - 1])
@pytest.mark.parametrize("salt", [0, -3])
def test_uniform_numbers_are_the_upper_bits_of_split_mix(key: int, salt: int) -> None:
    got = keyed_uniform(torch.tensor([key]), (4, 5), salt)
    assert got.shape == (1, 4, 5)
    assert got.dtype == torch.float32
    start = first(((key & ALL) ^ first(salt)) - GOLDEN)
    expected = [((bits >> 41) + 0.5) / 2**23 for bits in islice(split_mix(start), 20)]
    # To the bit: float32 holds each of them.
    assert got.flatten().tolist() == expected


def test_uniform_numbers_are_uniform_and_never_reach_an_end() -> None:
    u = keyed_uniform(torch.arange(16), (128, 256), 3).flatten().double()
    assert stats.kstest(u.numpy(), "uniform").statistic < 1.63 / u.numel() ** 0.5
    # Standard errors of mean and variance are sqrt(1/12n) and sqrt(1/180n).
    assert u.mean().item() == pytest.approx(0.5, abs=4 / (12 * u.numel()) ** 0.5)
    assert u.var().item() == pytest.approx(1 / 12, abs=4 / (180 * u.numel()) ** 0.5)
    counts = torch.histc(u, 64, 0, 1)
    assert stats.chisquare(counts.numpy()).pvalue > 0.001
    assert 2**-24 <= u.min() < 1e-4
    assert 1 - 1e-4 < u.max() <= 1 - 2**-24
    # What the largest and the smallest bits would give.
    assert torch.tensor(((2**23 - 1) + 0.5) / 2**23).item() < 1


def test_uniform_numbers_draw_classes_by_their_probability() -> None:
    """By Gumbel's rule, and apart from example to example and from salt to salt."""
    probs = torch.tensor([0.05, 0.6, 0.35])
    for salt in (0, 1):
        u = keyed_uniform(torch.arange(40_000), (3,), salt)
        drawn = (probs.log() - (-u.log()).log()).argmax(-1)
        counts = torch.bincount(drawn, minlength=3)
        assert stats.chisquare(counts.numpy(), (probs * 40_000).numpy()).pvalue > 0.001


def test_uniform_neighbours_keys_and_salts_are_uncorrelated() -> None:
    u, salted = (keyed_uniform(torch.arange(9), (64, 128), salt) for salt in (4, 5))
    for a, b in ((u[..., 1:], u[..., :-1]), (u[:, 1:], u[:, :-1]), (u[1:], u[:-1]), (u, salted)):
        assert abs(correlation(a, b)) < 4


def test_uniform_numbers_depend_on_the_example_alone() -> None:
    keys, before = torch.tensor([5, 2, 9]), torch.get_rng_state()
    u = keyed_uniform(keys, (6,), 1)
    assert torch.equal(keyed_uniform(keys[[2, 0]], (6,), torch.tensor(1)), u[[2, 0]])
    assert torch.equal(keyed_uniform(keys, (9,), 1)[:, :6], u)
    shifted = keyed_uniform(keys[:1], (3,), 1, torch.tensor([[2, 3, 4]]))
    assert torch.equal(shifted[0], u[0, 2:5])
    assert torch.equal(before, torch.get_rng_state())
    assert keyed_uniform(torch.empty(2, dtype=torch.long, device="meta"), (3,), 0).device.type == "meta"
    with pytest.raises(ValueError, match=r"shape: got .*; expected no empty axis"):
        keyed_uniform(keys, (0,), 1)


@pytest.mark.slow
def test_they_are_standard_normal() -> None:
    z = keyed_normal(torch.arange(16), (128, 256), 3).flatten()
    count = z.numel()
    # 1.63 / sqrt(n), the 1 % point of the Kolmogorov-Smirnov statistic.
    assert stats.kstest(z.double().numpy(), "norm").statistic < 1.63 / count**0.5
    z = z.double()
    # Standard errors of the first four moments are sqrt(1/n), sqrt(2/n), sqrt(15/n), sqrt(96/n).
    for power, value, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert (z**power).mean().item() == pytest.approx(value, abs=4 * (spread / count) ** 0.5)


def test_extremes_are_finite_and_as_rare_as_they_should_be() -> None:
    z = keyed_normal(torch.arange(16), (128, 256), 5)
    assert torch.isfinite(z).all()
    beyond = (z.abs() > 3.5).sum().item()
    expected = z.numel() * 2 * stats.norm.sf(3.5)
    assert abs(beyond - expected) < 4 * expected**0.5


def correlation(a: Tensor, b: Tensor) -> float:
    """In standard errors of independent numbers."""
    pair = torch.stack([a.flatten(), b.flatten()]).double()
    return torch.corrcoef(pair)[0, 1].item() * pair.shape[1] ** 0.5


@pytest.mark.parametrize("power", [1, 2])
def test_neighbours_keys_and_salts_are_uncorrelated(power: int) -> None:
    z, salted = (keyed_normal(torch.arange(9), (64, 128), salt) ** power for salt in (4, 5))
    pairs = {
        "component": (z[..., 1:], z[..., :-1]),
        "position": (z[:, 1:], z[:, :-1]),
        "key": (z[1:], z[:-1]),
        "key xor 1": (z[0:8:2], z[1:8:2]),
        "salt": (z, salted),
        "key for salt": (z[5:], salted[4:-1]),
    }
    for name, (a, b) in pairs.items():
        assert abs(correlation(a, b)) < 4, name


def test_keys_that_differ_in_one_bit_share_nothing() -> None:
    keys = torch.tensor([0] + [2**bit for bit in range(63)])
    z = keyed_normal(keys, (256,), 0)
    assert len({tuple(row) for row in z.tolist()}) == 64
    assert torch.corrcoef(z.double()).fill_diagonal_(0).abs().max().item() < 5 / 256**0.5


def test_a_row_depends_on_no_other_and_a_prefix_on_no_width() -> None:
    keys = torch.tensor([5, 2, 9])
    z = keyed_normal(keys, (7, 6), 1)
    assert torch.equal(keyed_normal(keys[[2, 0]], (7, 6), 1), z[[2, 0]])
    assert torch.equal(keyed_normal(keys, (12, 6), 1)[:, :7], z)
    assert torch.equal(keyed_normal(keys, (42,), 1), z.flatten(1))


def test_positions_count_from_where_they_are_told() -> None:
    keys = torch.tensor([5, 2])
    z = keyed_normal(keys, (4, 3), 1)
    shifted = keyed_normal(keys, (6, 3), 1, torch.tensor([[0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]))
    assert torch.equal(shifted[0, 2:], z[0])
    assert torch.equal(shifted[1, :4], z[1])


def test_the_salt_may_be_a_tensor_and_no_generator_moves() -> None:
    before = torch.get_rng_state()
    a, b = (keyed_normal(torch.arange(3), (5,), salt) for salt in (2**40, torch.tensor(2**40)))
    assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())


def test_no_examples_and_no_waiting_for_the_device() -> None:
    assert keyed_normal(torch.empty(0, dtype=torch.long), (3, 2), 0).shape == (0, 3, 2)
    # A tensor on "meta" has no values to read.
    keys = torch.empty(4, dtype=torch.long, device="meta")
    for salt in (7, torch.tensor(7, device="meta")):
        z = keyed_normal(keys, (3, 2), salt, torch.empty(4, 3, dtype=torch.long, device="meta"))
        assert z.shape == (4, 3, 2)
        assert z.device.type == "meta"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(2), (3,), 0), r"keys: got .*; expected an integer tensor"),
        ((torch.zeros(2, dtype=torch.int32), (3,), 0), r"keys: got torch.int32; expected int64"),
        ((torch.zeros(2, 1, dtype=torch.long), (3,), 0), r"keys: got .*; expected an integer tensor of shape \[B\]"),
        ((torch.zeros(2, dtype=torch.long), (), 0), r"shape: got .*; expected no empty axis"),
        ((torch.zeros(2, dtype=torch.long), (3, 0), 0), r"shape: got \[3, 0\]; expected no empty axis"),
        ((torch.zeros(2, dtype=torch.long), (3,), torch.zeros(2, dtype=torch.long)), "salt: got"),
        ((torch.zeros(2, dtype=torch.long), (3,), torch.tensor(1.0)), "salt: got"),
        ((torch.zeros(2, dtype=torch.long), (3, 4), 0, torch.zeros(2, 4, dtype=torch.long)), "positions: got"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        keyed_normal(*arguments)
