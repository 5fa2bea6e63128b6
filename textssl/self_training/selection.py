"""Which pseudo-labeled examples a student is given, and how often each.

A teacher's probabilities become a data set in three steps: examples below a confidence are dropped, of each class the
most confident are kept, and the classes are balanced. Noisy Student (Xie et al., 2020, arXiv:1911.04252, section 2)
keeps what is at least 0.3 sure, caps every class, and duplicates examples of classes that fall short; SentAugment (Du
et al., 2021, arXiv:2010.02194, section 3) keeps the most confident of each class in the proportions of the labeled
data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .. import functional as F
from ..data.probabilities import checked_probs
from ..errors import UserError


__all__ = ["BALANCES", "NEED_A_PRIOR", "Selection", "check_selection", "select_pseudo_labels"]

BALANCES = ("none", "labeled", "uniform", "sqrt", "estimated", "duplicate")
# Those that are guessed from the probabilities.
GUESSED = ("sqrt", "estimated")
NEED_A_PRIOR = ("labeled", *GUESSED)
# Of an estimate, to the labeled shares; see docs/guides/priors.md.
SHRINKAGE = 0.5


@dataclass(frozen=True)
class Selection:
    """What was kept.

    Args:
        rows: ``[K]`` rows of the examples, sorted; one that was duplicated stands there several times.
        labels: ``[K]`` the most likely class of each.
        confidence: ``[K]`` its probability.
        available: ``[C]`` examples of each predicted class that are sure enough.
        counts: ``[C]`` rows of each class, duplicates included.
        distinct: ``[C]`` examples of each class.
        shares: ``[C]`` wanted of the classes; None where ``balance`` wants none.
    """

    rows: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    available: np.ndarray
    counts: np.ndarray
    distinct: np.ndarray
    shares: np.ndarray | None = None

    def facts(self) -> dict[str, Any]:
        """Counts for a record, and the shares that were wanted."""
        counts = {name: getattr(self, name).tolist() for name in ("available", "counts", "distinct")}
        return counts if self.shares is None else {**counts, "shares": self.shares.tolist()}

    def describe(self, label_names: Sequence[str] | None = None) -> str:
        """One line for a person."""
        names = label_names or [str(c) for c in range(len(self.counts))]
        return "; ".join(
            f"{name}: {distinct:,} of {there:,}" + (f", with copies {kept:,}" if distinct != kept else "")
            for name, kept, there, distinct in zip(
                names, self.counts.tolist(), self.available.tolist(), self.distinct.tolist(), strict=True
            )
        )


def select_pseudo_labels(
    probs: np.ndarray,
    *,
    threshold: float = 0.0,
    per_class: int | None = None,
    total: int | None = None,
    balance: str = "none",
    prior: Sequence[float] | np.ndarray | None = None,
    shares: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
) -> Selection:
    """Choose examples by a teacher's probabilities. An example counts for its most likely class.

    Args:
        probs: ``[N, C]``, N > 0; rows sum to one.
        threshold: least confidence of an example that is kept; 0 keeps all. Equal to it is enough.
        per_class: keep at most so many of a class, the most confident; of equally sure ones the earlier.
        total: keep at most so many of all.
        balance: ``none``; ``labeled``, so many of each class that their shares are those of ``prior``, the most that
            the scarcest class allows, or ``total``; ``uniform``, the same with equal shares; ``sqrt``, with the
            geometric mean of ``prior`` and the mean of ``probs``; ``estimated``, with shares by expectation
            maximisation, half shrunk to ``prior``; ``duplicate``, every class brought to ``per_class`` rows, or to
            those of the largest class, by whole copies and a random part of one.
        prior: ``[C]`` shares of the classes among the labeled examples. A class of share 0 is left out; with ``sqrt``
            and ``estimated``, which guess, also one that nothing is sure of.
        shares: ``[C]`` that were found before, in place of those that ``balance`` finds.
        seed: of the random part.

    Returns:
        Rows, labels and counts. A class that nothing is sure of stays empty, and is seen in the counts.

    Raises:
        UserError: probabilities that are none, a setting out of range, or a threshold that keeps nothing; the message
            has the highest confidence there is. A ``balance`` that needs a prior, without; with ``labeled`` and
            ``uniform``: a class that has a share and that nothing is sure of.
    """
    probs = checked_probs(probs)
    check_selection(threshold=threshold, per_class=per_class, total=total, balance=balance)
    wanted = _wanted_shares(balance, probs, prior) if shares is None else _checked_shares("shares", shares, probs)
    classes = probs.shape[1]
    confidence, predicted = probs.max(axis=1), probs.argmax(axis=1)
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] >= threshold]
    if not len(order):
        raise UserError(
            f"threshold: got {threshold}, which keeps nothing; the highest confidence is {_format_highest(confidence)}"
        )
    by_class = [order[predicted[order] == c] for c in range(classes)]
    available = np.array([len(rows) for rows in by_class])
    kept = [rows if per_class is None else rows[:per_class] for rows in by_class]
    if wanted is not None:
        kept = [rows[:n] for rows, n in zip(kept, _in_proportion(kept, wanted, total, balance), strict=True)]
    elif total is not None:
        first = np.isin(order, np.concatenate(kept)).nonzero()[0][:total]
        kept = [rows[np.isin(rows, order[first])] for rows in kept]
    distinct = np.array([len(rows) for rows in kept])
    if balance == "duplicate":
        size = int(distinct.max()) if per_class is None else per_class
        rng = np.random.default_rng([seed, 0])
        kept = [_duplicated(rows, size, rng) for rows in kept]
    rows = np.sort(np.concatenate(kept))
    counts = np.array([len(rows) for rows in kept])
    return Selection(rows, predicted[rows], confidence[rows], available, counts, distinct, wanted)


def check_selection(*, threshold: float, per_class: int | None, total: int | None, balance: str) -> None:
    """Raise UserError for a setting of :func:`select_pseudo_labels` that is out of range."""
    if not 0.0 <= threshold <= 1.0:
        raise UserError(f"threshold: got {threshold}; expected a number in [0, 1]")
    for name, size in (("per_class", per_class), ("total", total)):
        if size is not None and size < 1:
            raise UserError(f"{name}: got {size}; expected at least 1")
    if balance not in BALANCES:
        raise UserError(f"balance: got {balance!r}; allowed: {', '.join(BALANCES)}")
    if balance == "duplicate" and total is not None:
        raise UserError(f"total: got {total}; with balance 'duplicate' give per_class, the rows of each class")


def _wanted_shares(balance: str, probs: np.ndarray, prior: Sequence[float] | np.ndarray | None) -> np.ndarray | None:
    """``[C]`` shares that ``balance`` wants; None where it wants none."""
    if balance == "uniform":
        return np.full(probs.shape[1], 1 / probs.shape[1])
    if balance not in NEED_A_PRIOR:
        return None
    if prior is None:
        raise UserError(f"balance: got {balance!r}, which needs labeled examples: give prior, or 'uniform'")
    labeled = _checked_shares("prior", prior, probs)
    if balance == "labeled":
        return labeled
    source, rows = torch.from_numpy(labeled), torch.from_numpy(probs.astype(np.float64))
    if balance == "sqrt":
        return F.geometric_mean_prior(source, rows.mean(0)).numpy()
    return F.estimate_prior_em(rows, source, shrinkage=SHRINKAGE).numpy()


def _checked_shares(name: str, shares: Sequence[float] | np.ndarray, probs: np.ndarray) -> np.ndarray:
    shares = np.asarray(shares, dtype=np.float64)
    if shares.shape != probs.shape[1:] or shares.min() < 0 or not shares.sum() > 0:
        raise UserError(f"{name}: got {shares.tolist()}; expected {probs.shape[1]} shares, none of them negative")
    return shares / shares.sum()


def _in_proportion(kept: Sequence[np.ndarray], shares: np.ndarray, total: int | None, balance: str) -> list[int]:
    """Sizes of the classes in proportion to ``shares``: as many as there are of the scarcest, or ``total``."""
    there = np.array([len(rows) > 0 for rows in kept])
    if balance in GUESSED and shares[there].sum() > 0:
        shares = np.where(there, shares, 0) / shares[there].sum()
    for c in np.flatnonzero((shares > 0) & ~there):
        raise UserError(
            f"balance: got {balance!r}, and no example is sure enough for class {c}, share {shares[c]:.3f}"
        )
    size = min(len(rows) / share for rows, share in zip(kept, shares, strict=True) if share > 0)
    size = size if total is None else min(size, total)
    # Down to whole numbers, the rest to the largest remainders; a share that is 1/3 must not lose one by rounding.
    exact = size * shares + 1e-9
    sizes = np.floor(exact).astype(int)
    spare = int(size + 1e-9) - int(sizes.sum())
    for c in np.argsort(-(exact - sizes), kind="stable")[:spare]:
        sizes[c] += sizes[c] < len(kept[c])
    return [max(int(n), int(share > 0)) for n, share in zip(sizes, shares, strict=True)]


def _duplicated(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """``size`` rows: whole copies, then a random part without repeats. No rows stay none."""
    if not len(rows):
        return rows
    copies, rest = divmod(size, len(rows))
    return np.concatenate([np.tile(rows, copies), rng.choice(rows, rest, replace=False)])


def _format_highest(confidence: np.ndarray) -> str:
    return f"{float(confidence.max()):.4f}"
