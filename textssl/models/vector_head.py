"""The head of a classifier of vectors: standardisation, hidden layers and the linear layer that makes the logits."""

from __future__ import annotations

import itertools
import math
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError


__all__ = ["ACTIVATIONS", "VectorHead", "check_head"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
# A dimension whose spread is this small a part of the largest is constant but for rounding.
CONSTANT = 1e-6
FIT_ROWS = 65_536

H = TypeVar("H", bound="VectorHead")


def check_head(config: Any) -> None:
    """Raise UserError for a head's setting that is out of range; make ``hidden_sizes`` a tuple, which JSON lacks."""
    config.hidden_sizes = tuple(config.hidden_sizes)
    if any(size < 1 for size in config.hidden_sizes):
        raise UserError(f"hidden_sizes: got {config.hidden_sizes}; expected widths of at least 1")
    if config.activation not in ACTIVATIONS:
        raise UserError(f"activation: got {config.activation!r}; allowed: {', '.join(ACTIVATIONS)}")
    if not 0 <= config.dropout < 1:
        raise UserError(f"dropout: got {config.dropout}; expected a number in [0, 1)")
    if not config.initializer_range >= 0:
        raise UserError(f"initializer_range: got {config.initializer_range}; expected 0 or more")


class VectorHead(nn.Module):
    """What classifies vectors [B, D] in a model of transformers; without hidden layers it is logistic regression.

    The weights at the start depend on torch's seed alone: He et al. (2015, arXiv:1502.01852) for hidden layers,
    a normal distribution of ``initializer_range`` for the last layer, biases 0.

    Attributes:
        mean: of each dimension [D]; 0 until :meth:`fit_standardization`. Saved in the checkpoint.
        std: standard deviation of each dimension [D]; 1 until then. Saved in the checkpoint.
        hidden: the hidden layers, each with its activation and dropout.
        head: the linear layer that makes the logits.
    """

    config: Any
    mean: Tensor
    std: Tensor
    hidden: nn.Sequential
    head: nn.Linear

    def make_head(self, size: int) -> None:
        """Add buffers and layers for vectors of ``size`` numbers, as the config says."""
        config = self.config
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        widths = [size, *config.hidden_sizes]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[config.activation](), nn.Dropout(config.dropout)]
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], int(config.num_labels or 0))

    def classify(self, vectors: Tensor) -> Tensor:
        """Logits [B, C] of vectors [B, D] of any float type."""
        x = vectors.float()
        if self.config.standardize:
            x = (x - self.mean) / self.std
        logits: Tensor = self.head(self.hidden(x.to(self.head.weight.dtype)))
        return logits

    @torch.no_grad()
    def fit_standardization(self: H, features: np.ndarray | Tensor) -> H:
        """Take mean and standard deviation of each dimension from training features.

        A constant dimension keeps its scale. Unlabeled features serve as well as labeled ones, and there are
        more of them.

        Args:
            features: [N, D].

        Returns:
            The model itself.

        Raises:
            UserError: features of another shape, none at all or not finite; or ``standardize`` is off.
        """
        if not self.config.standardize:
            raise UserError("standardize: got False; the model would not use a fitted mean and std")
        rows = features.detach().cpu().float().numpy() if isinstance(features, Tensor) else np.asarray(features)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean) or not len(rows):
            raise UserError(f"features: got shape {list(rows.shape)}; expected [N, {len(self.mean)}], N > 0")
        mean = rows.mean(0, dtype=np.float64)
        # In parts, for a copy of all rows in float64 may not fit the memory.
        parts = [rows[i : i + FIT_ROWS] for i in range(0, len(rows), FIT_ROWS)]
        std = np.sqrt(sum(np.square(part - mean).sum(0) for part in parts) / len(rows))
        if not np.isfinite(std).all():
            raise UserError("features: got nan or infinity; expected finite numbers")
        std[std <= CONSTANT * std.max()] = 1.0
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))
        return self

    @torch.no_grad()
    def set_linear_head(self: H, weight: np.ndarray | Tensor, bias: np.ndarray | Tensor) -> H:
        """Give the last layer the weights of a linear classifier, such as a logistic regression.

        The classifier must have been fitted on what the last layer reads. With ``standardize`` these are the
        standardised vectors.

        Args:
            weight: [C, D], a row for each class.
            bias: [C].

        Returns:
            The model itself.

        Raises:
            UserError: another shape, a number that is not finite, or a model with hidden layers.
        """
        if self.config.hidden_sizes:
            raise UserError(
                f"hidden_sizes: got {self.config.hidden_sizes}; a linear classifier of the vectors is the head of a "
                "model without hidden layers"
            )
        for name, given, own in (("weight", weight, self.head.weight), ("bias", bias, self.head.bias)):
            value = given if isinstance(given, Tensor) else torch.from_numpy(np.asarray(given))
            if value.shape != own.shape:
                raise UserError(f"{name}: got shape {list(value.shape)}; expected {list(own.shape)}")
            if not torch.isfinite(value).all():
                raise UserError(f"{name}: got nan or infinity; expected finite numbers")
            own.copy_(value)
        return self

    def init_head(self, module: nn.Module) -> None:
        """Draw the weights of one of the head's modules; for ``_init_weights``."""
        # Transformers guards these functions, so that what a checkpoint held stays as it is.
        if module is self:
            nn.init.zeros_(self.mean)
            nn.init.ones_(self.std)
        elif isinstance(module, nn.Linear):
            std = self.config.initializer_range if module is self.head else math.sqrt(2 / module.in_features)
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)
