"""Which labels are right: examples in two groups, told apart by their losses."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ...forward.device_transfer import to_device
from ...state import broadcast_from_first, rank


if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

__all__ = ["DividedLabels", "Division", "divide", "normalized"]

logger = logging.getLogger(__name__)

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
    from sklearn.mixture import GaussianMixture

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
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        # The authors stop after ten rounds, whether it has converged or not; k-means finds one value alone.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(2, random_state=0, **FIT).fit(x)


class DividedLabels(nn.Module):
    """What each of K networks thinks of N labels, equal on every process: all of it in ``state_dict``.

    Args:
        networks: K.
        size: N.
        threshold: tau, above which a label counts as clean.
        epochs: so many epochs' losses are averaged before they are fitted.

    Attributes:
        probs: w, how likely each label is right by each network [K, N]; 1 until the first division.
        mixtures: means, variances and weights of the two components [K, 3, 2].
        losses: normalised, of the last epochs [K, epochs, N]; empty where one epoch counts.
        divisions: how often the labels were divided, a scalar.
    """

    probs: Tensor
    mixtures: Tensor
    losses: Tensor
    divisions: Tensor

    def __init__(self, networks: int, size: int, threshold: float, epochs: int) -> None:
        super().__init__()
        self.threshold, self.epochs = threshold, epochs
        self.register_buffer("probs", torch.ones(networks, size))
        self.register_buffer("mixtures", torch.zeros(networks, 3, 2))
        self.register_buffer("losses", torch.zeros(networks, epochs if epochs > 1 else 0, size))
        self.register_buffer("divisions", torch.zeros((), dtype=torch.long))

    def update(self, losses: Tensor) -> None:
        """Divide anew: on the first process, from which all have the result. Every process must call it.

        Args:
            losses: [K, N], the same on every process.

        Raises:
            ValueError: a network without a finite loss.
        """
        if rank() == 0:
            for number, row in enumerate(losses.cpu().double().numpy()):
                division = divide(self._averaged(number, normalized(row)))
                fitted = np.stack([division.means, division.variances, division.weights])
                for state, found in ((self.probs, division.probs), (self.mixtures, fitted)):
                    state[number] = to_device(torch.from_numpy(found).float(), state.device)
        self.divisions += 1
        for state in (self.probs, self.mixtures, self.losses):
            state.copy_(broadcast_from_first(state))
        for number, row in enumerate((self.probs > self.threshold).any(-1).tolist(), start=1):
            if not row:
                logger.warning(
                    "no label passes clean_threshold %s by network %d: all are used, each as far as it is likely",
                    self.threshold,
                    number,
                )

    def passed(self, number: int) -> Tensor:
        """Whether each label [N] counts as clean by a network; all do where none does."""
        passed = self.probs[number] > self.threshold
        return passed | ~passed.any()

    def _averaged(self, number: int, losses: np.ndarray) -> np.ndarray:
        """Mean over the last epochs, this one included."""
        if self.epochs == 1:
            return losses
        kept, epoch = self.losses[number], int(self.divisions)
        kept[epoch % self.epochs] = to_device(torch.from_numpy(losses).float(), kept.device)
        mean: np.ndarray = kept[: epoch + 1].double().mean(0).cpu().numpy()
        return mean
