"""Estimates of a class distribution: closed forms on two classes, a naive loop, known mixtures, and limits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from textssl.functional import estimate_prior_bbse, estimate_prior_em, geometric_mean_prior


HALF = torch.tensor([0.5, 0.5], dtype=torch.float64)


def rows(*groups: tuple[int, list[float]], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor([row for count, row in groups for _ in range(count)], dtype=dtype)


def naive_em(probs: list[list[float]], source: list[float], goal: list[float], s: float, steps: int) -> list[float]:
    """Equation 2.9 in Python's own numbers, its mean mixed with ``goal``."""
    prior = list(source)
    for _ in range(steps):
        sums = [0.0] * len(source)
        for row in probs:
            weighed = [p * a / b for p, a, b in zip(row, prior, source, strict=True)]
            sums = [t + w / sum(weighed) for t, w in zip(sums, weighed, strict=True)]
        prior = [(1 - s) * t / len(probs) + s * g for t, g in zip(sums, goal, strict=True)]
    return prior


def test_em_finds_the_maximum_of_the_likelihood_of_two_classes() -> None:
    # An exact classifier of a coin that shows class 0 as heads in 0.8 and class 1 in 0.2: heads come in
    # 0.8 a + 0.2 (1 - a), which is 13 of 20 at a = 0.75.
    probs = rows((13, [0.8, 0.2]), (7, [0.2, 0.8]))
    torch.testing.assert_close(estimate_prior_em(probs, HALF, steps=500), torch.tensor([0.75, 0.25]).double())
    # Heads in 19 of 20 are more than any share explains: (0.95 - 0.2) / 0.6 > 1.
    torch.testing.assert_close(
        estimate_prior_em(rows((19, [0.8, 0.2]), (1, [0.2, 0.8])), HALF, steps=2000),
        torch.tensor([1.0, 0.0]).double(),
    )


def test_em_undoes_the_source_prior() -> None:
    # The same coin, by a classifier that was trained on 0.9 to 0.1: its odds are nine times those of the coin.
    probs = rows((13, [7.2 / 7.4, 0.2 / 7.4]), (7, [1.8 / 2.6, 0.8 / 2.6]))
    source = torch.tensor([0.9, 0.1]).double()
    torch.testing.assert_close(estimate_prior_em(probs, source, steps=500), torch.tensor([0.75, 0.25]).double())


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_em_equals_a_naive_loop(shrinkage: float) -> None:
    generator = torch.Generator().manual_seed(0)
    probs = torch.randn(40, 4, generator=generator, dtype=torch.float64).mul(2).softmax(-1)
    source, goal = [0.1, 0.2, 0.3, 0.4], [0.4, 0.4, 0.1, 0.1]
    actual = estimate_prior_em(
        probs, torch.tensor(source).double(), shrinkage=shrinkage, towards=torch.tensor(goal).double(), steps=7
    )
    expected = naive_em(probs.tolist(), source, goal, shrinkage, 7)
    torch.testing.assert_close(actual, torch.tensor(expected).double(), atol=1e-7, rtol=0)


def test_em_of_an_exact_mixture_is_its_prior() -> None:
    # Every outcome x as often as the mixture has it: the probabilities are exact, so the maximum is the prior itself.
    likelihood = torch.tensor([[0.6, 0.2, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.1, 0.1, 0.2, 0.6]]).double()
    wanted, source = torch.tensor([0.7, 0.1, 0.2]).double(), torch.tensor([0.2, 0.5, 0.3]).double()
    joint = source[:, None] * likelihood
    counts = (wanted @ likelihood * 100).round().long()  # 45, 22, 13, 20
    probs = (joint / joint.sum(0)).T.repeat_interleave(counts, 0)
    torch.testing.assert_close(estimate_prior_em(probs, source, steps=3000), wanted, atol=1e-6, rtol=0)


def test_limits() -> None:
    source = torch.tensor([0.3, 0.7]).double()
    certain = rows((3, [1.0, 0.0]), (1, [0.0, 1.0]))
    quarter = torch.tensor([0.75, 0.25]).double()
    torch.testing.assert_close(estimate_prior_em(certain, source), quarter)
    torch.testing.assert_close(estimate_prior_bbse(certain, certain[:2], torch.tensor([0, 0])), quarter)
    says_nothing = source.repeat(9, 1)
    torch.testing.assert_close(estimate_prior_em(says_nothing, source), source)
    labels = torch.tensor([0, 1, 1, 1, 0, 0, 1, 0, 1])
    torch.testing.assert_close(estimate_prior_bbse(says_nothing, says_nothing, labels, towards=source), source)
    torch.testing.assert_close(estimate_prior_em(certain, source, shrinkage=1.0), source)
    torch.testing.assert_close(
        estimate_prior_bbse(certain, certain, torch.tensor([0, 0, 0, 1]), shrinkage=1.0, towards=source), source
    )


def test_a_class_that_the_source_never_had_is_not_estimated() -> None:
    source = torch.tensor([0.5, 0.5, 0.0])
    probs = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.0, 0.0, 1.0]])
    assert estimate_prior_em(probs, source)[2] == 0
    towards = torch.tensor([0.25, 0.25, 0.5])
    assert estimate_prior_em(probs, source, shrinkage=0.4, towards=towards)[2].item() == pytest.approx(0.2, abs=1e-6)
    assert estimate_prior_em(probs, source).sum().item() == pytest.approx(1, abs=1e-6)
    # No row says anything of the classes that are there: the source stays.
    torch.testing.assert_close(estimate_prior_em(probs[2:], source), source)


def test_bbse_by_hand() -> None:
    # Columns (0.8, 0.2) and (0.3, 0.7); the mean prediction (0.65, 0.35) is 0.7 of one and 0.3 of the other.
    held_out, labels = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.3, 0.7]]).double(), torch.tensor([0, 0, 1])
    probs = torch.tensor([[0.6, 0.4], [0.7, 0.3]]).double()
    torch.testing.assert_close(
        estimate_prior_bbse(probs, held_out, labels), torch.tensor([0.7, 0.3]).double(), atol=1e-6, rtol=0
    )
    # Along the simplex: 0.5 (a - 0.7)^2 + 0.25 * 2 (a - 0.5)^2 is least at 0.6.
    torch.testing.assert_close(
        estimate_prior_bbse(probs, held_out, labels, ridge=0.25), torch.tensor([0.6, 0.4]).double()
    )
    # And half of that way towards (0.1, 0.9).
    shrunk = estimate_prior_bbse(probs, held_out, labels, shrinkage=0.5, towards=torch.tensor([0.1, 0.9]).double())
    torch.testing.assert_close(shrunk, torch.tensor([0.4, 0.6]).double(), atol=1e-6, rtol=0)
    # (0.9, 0.1) would need a share of 1.2.
    torch.testing.assert_close(
        estimate_prior_bbse(torch.tensor([[0.9, 0.1]]).double(), held_out, labels), torch.tensor([1.0, 0.0]).double()
    )


def test_bbse_of_a_known_mixture() -> None:
    generator = torch.Generator().manual_seed(1)
    columns = torch.rand(5, 5, generator=generator, dtype=torch.float64).add(torch.eye(5) * 3)
    columns = columns / columns.sum(0)
    prior = torch.tensor([0.5, 0.0, 0.3, 0.05, 0.15]).double()
    actual = estimate_prior_bbse((columns @ prior)[None], columns.T, torch.arange(5))
    torch.testing.assert_close(actual, prior, atol=1e-6, rtol=0)


def test_geometric_mean() -> None:
    # Square roots of 0.64 * 0.16 and 0.36 * 0.84 are 0.32 and 0.5499.
    mean = geometric_mean_prior(torch.tensor([0.64, 0.36]), torch.tensor([0.16, 0.84]))
    torch.testing.assert_close(mean, torch.tensor([0.3678, 0.6322]), atol=1e-4, rtol=0)
    a, b = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.2, 0.0, 0.8])
    assert geometric_mean_prior(a, b).tolist() == [1, 0, 0]
    assert geometric_mean_prior(a[1:], torch.tensor([0.0, 1.0])).tolist() == [0, 0]
    torch.testing.assert_close(geometric_mean_prior(HALF, HALF), HALF)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes(dtype: torch.dtype) -> None:
    probs, half = rows((13, [0.8, 0.2]), (7, [0.2, 0.8]), dtype=dtype), HALF.to(dtype)
    labels = torch.tensor([0] * 13 + [1] * 7)
    for prior in (estimate_prior_em(probs, half), estimate_prior_bbse(probs, probs, labels)):
        assert prior.dtype == dtype
        assert prior.float().sum().item() == pytest.approx(1, abs=1e-2)
    assert geometric_mean_prior(half, half).dtype == dtype


def test_arguments_are_checked() -> None:
    probs = rows((2, [0.5, 0.5]))
    labels = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="source_prior"):
        estimate_prior_em(probs, torch.ones(3))
    with pytest.raises(ValueError, match="shrinkage"):
        estimate_prior_em(probs, HALF, shrinkage=1.5)
    with pytest.raises(ValueError, match="steps"):
        estimate_prior_em(probs, HALF, steps=0)
    with pytest.raises(ValueError, match="towards"):
        estimate_prior_em(probs, HALF, towards=torch.ones(3))
    with pytest.raises(ValueError, match="held_out_labels"):
        estimate_prior_bbse(probs, probs, labels.float())
    with pytest.raises(ValueError, match="ridge"):
        estimate_prior_bbse(probs, probs, labels, ridge=-1.0)
    with pytest.raises(ValueError, match="held_out_probs"):
        estimate_prior_bbse(probs, torch.ones(2, 3), labels)
    with pytest.raises(ValueError, match="b: got"):
        geometric_mean_prior(HALF, torch.ones(3))
