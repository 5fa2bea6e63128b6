"""What the methods of the mixing family share: their settings, and how pairs and coefficients are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .. import functional as F
from ..config import SSLConfig, check_allowed, check_positive
from ..errors import UserError
from ..forward.backend import Backend
from ..forward.device_transfer import to_device
from ..forward.inside import check_run_once, hidden_layers
from ..forward.mix import Mix
from ..objective import Objective


__all__ = ["Mixer", "MixingConfig", "MixingObjective", "check_distribution", "check_not_compiled"]

PLACES = ("input", "hidden", "pooled")
# The layers of BERT-base that MixText mixes, as shares of its depth.
DEPTHS = (7 / 12, 9 / 12, 12 / 12)


@dataclass
class MixingConfig(SSLConfig):
    """Arguments of a method that mixes examples in pairs.

    Args:
        alpha: of the Beta distribution that the coefficients lambda come from.
        per_example: draw a coefficient for each example, not for the batch.
        mix_at: what is mixed: ``input``, pixels, features or word embeddings; ``hidden``, the output of a hidden
            layer (TMix), drawn for each batch out of ``mix_layers``; or ``pooled``, the vector of the whole example
            that the last linear layer reads. Token ids cannot be mixed.
        mix_layers: numbers of hidden layers, from 1; by default those at 7, 9 and 12 twelfths of the depth.

    Raises:
        UserError: a value out of range.
    """

    alpha: float | None = field(
        default=None, metadata={"help": "Of the Beta distribution of mixing coefficients. Default: the paper's."}
    )
    per_example: bool = field(default=False, metadata={"help": "A coefficient for each example, not for the batch."})
    mix_at: str | None = field(
        default=None, metadata={"help": "What is mixed: input, hidden or pooled. Default: the method's."}
    )
    mix_layers: list[int] | None = field(
        default=None, metadata={"help": "For hidden: numbers of layers, one of which is drawn for each batch."}
    )

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha)
        check_allowed("mix_at", self.mix_at, PLACES)
        if self.mix_layers is not None and not self.mix_layers:
            raise UserError("mix_layers: got none; expected at least one number of a hidden layer")
        super().__post_init__()


class Mixer:
    """Draws who is mixed with whom, how much, and at which place. Draws are those of torch's generator on the host.

    Args:
        config: of the method, its open fields filled.
        fold: whether each mixed row stays nearest its own, by max(lambda, 1 - lambda).
    """

    def __init__(self, config: Any, fold: bool) -> None:
        self.config = config
        self.fold = fold
        self.layers: list[int] = []

    def check(self, backend: Backend, model: nn.Module) -> None:
        """Raise UserError unless the model can be mixed where the config says.

        Args:
            backend: of the modality.
            model: the student.
        """
        if self.config.mix_at == "input":
            backend.check_continuous(model)
        if self.config.mix_at == "hidden":
            check_not_compiled(self.config, "mix_at='hidden'")
            # Trainer switches it on later than the model can be looked at.
            check_run_once(bool(self.config.gradient_checkpointing))
            self.layers = self.config.mix_layers or self._usual_layers(backend, model)
            backend.check_hidden(model, self.layers)
        elif self.config.mix_layers is not None:
            raise UserError(
                f"mix_layers: got {self.config.mix_layers}; mix_at is {self.config.mix_at!r}, not 'hidden'"
            )

    def _usual_layers(self, backend: Backend, model: nn.Module) -> list[int]:
        # A backend without hidden layers says so better than the search for them.
        backend.check_hidden(model, [])
        depth = len(hidden_layers(model))
        return sorted({math.ceil(share * depth) for share in DEPTHS})

    def draw(self, sizes: Sequence[int], device: torch.device) -> Mix:
        """A mix of ``sum(sizes)`` rows.

        Args:
            sizes: of groups of rows; partners are drawn from the same group. One group mixes all with all.
            device: of the rows.
        """
        total = sum(sizes)
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        partners = torch.cat([torch.randperm(size) + start for size, start in zip(sizes, starts, strict=True)])
        drawn = F.mixup_coefficients(self.config.alpha, total if self.config.per_example else 1, fold=self.fold)
        coefficients = drawn.expand(total)
        at: str | int = self.config.mix_at
        if at == "hidden":
            at = self.layers[int(torch.randint(len(self.layers), ()))]
        return Mix(partners.tolist(), to_device(partners, device), to_device(coefficients, device), at)


class MixingObjective(Objective):
    """A method that mixes the examples of a batch by its ``mixer``."""

    mixes_examples = True
    mixer: Mixer

    def takes_class_weights(self) -> bool:
        """Not of labels that are mixed."""
        return False

    def takes_loss_function(self) -> bool:
        """Not of labels that are mixed."""
        return False

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Raise UserError unless the model can be mixed where it is asked to be."""
        super().check_model(backend, model)
        self.mixer.check(backend, model)


def check_distribution(name: str, given: Sequence[float] | None, num_labels: int) -> tuple[float, ...]:
    """The class distribution given, or the uniform one.

    Raises:
        UserError: not one share per class, a negative one, or a sum that is not one.
    """
    if given is None:
        return (1 / num_labels,) * num_labels
    if len(given) != num_labels or min(given) < 0 or not abs(sum(given) - 1) <= 1e-6:
        raise UserError(
            f"{name}: got {list(given)}; expected {num_labels} shares, one per class, of 0 or more, that sum to one"
        )
    return tuple(given)


def check_not_compiled(config: SSLConfig, what: str) -> None:
    """Raise UserError where the model will be compiled: what is hooked into it then would pass unnoticed.

    Args:
        config: of the run.
        what: the setting that needs hooks, as a person would write it.
    """
    if config.torch_compile:
        raise UserError(f"torch_compile: got True; {what} reaches inside the model, which must not be compiled")
