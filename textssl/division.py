"""Which labels are right: examples in two groups, told apart by their losses."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture


__all__ = ["Division", "divide", "normalized"]

# Of the authors' code.
FIT = {"max_iter": 10, "tol": 1e-2, "reg_covar": 5e-4}


@dataclass(frozen=True)
class Division:
    """A mixture of two normal distributions over losses; the first has the smaller mean.

    Args:
        probs: [N] float64, of each label the probability that it is right.
        means: [2], of the normalised losses.
        variances: [2].
        weights: [2], share of the examples in each; sums to one. ``(1, 0)`` where one distribution serves as well.
    """

    probs: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    weights: np.ndarray


def normalized(losses: np.ndarray) -> np.ndarray:
    """Losses [N] on a scale from 0, the smallest, to 1, the largest; all 0 where they are equal.

    One that is not finite is left as it is, and has no part in the scale.

    Raises:
        ValueError: another rank, or no finite loss.
    """
    finite = np.isfinite(losses)
    if losses.ndim != 1 or not finite.any():
        raise ValueError(
            f"losses must be [N], some of them finite; got shape {list(losses.shape)}, "
            f"{int(finite.sum())} finite: the network may have diverged"
        )
    low, high = losses[finite].min(), losses[finite].max()
    with np.errstate(invalid="ignore"):
        return (losses - low) / ((high - low) or 1.0)


def divide(losses: np.ndarray) -> Division:
    """Fit the mixture, and say how likely each example is of its component of small losses.

    Labels that are right are learned sooner than wrong ones (the memorisation effect), so that after a short training
    their losses are smaller. Where nothing tells two groups apart, because the losses are equal or a single normal
    distribution explains them as well (by the Bayesian information criterion), every label counts as right. A loss
    that is not finite has probability 0.

    The posterior of the paper rises again beyond the means where one variance is much larger than the other, so that
    the largest losses may be called clean. Here an example of a loss above the larger mean is never more likely clean
    than one at that mean, and one below the smaller mean never less than one there; between the two it falls anyway.

    Args:
        losses: [N], in nats or normalised: the scale does not matter.

    Raises:
        ValueError: another rank, or no finite loss.

    Source: Li, Socher and Hoi, 2020, arXiv:2002.07394, section 3.1; the fit is that of the authors' code.
    """
    finite = np.isfinite(losses)
    x = normalized(np.asarray(losses, dtype=np.float64))[finite, None]
    probs = np.zeros(len(losses))
    one = GaussianMixture(1, **FIT).fit(x) if len(x) > 2 else None
    two = _fitted(x) if len(x) > 2 else None
    if one is None or two is None or one.bic(x) <= two.bic(x):
        probs[finite] = 1.0
        return Division(probs, np.full(2, x.mean()), np.full(2, x.var()), np.array([1.0, 0.0]))
    order = np.argsort(two.means_[:, 0])
    low, high = two.means_[order]
    of_low = int(order[0])
    posterior, (at_low, at_high) = two.predict_proba(x)[:, of_low], two.predict_proba([low, high])[:, of_low]
    posterior = np.where(x[:, 0] > high, np.minimum(posterior, at_high), posterior)
    probs[finite] = np.where(x[:, 0] < low, np.maximum(posterior, at_low), posterior)
    return Division(probs, two.means_[order, 0], two.covariances_[order, 0, 0], two.weights_[order])


def _fitted(x: np.ndarray) -> GaussianMixture:
    with warnings.catch_warnings():
        # The authors stop after ten rounds, whether it has converged or not; k-means finds one value alone.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(2, random_state=0, **FIT).fit(x)
