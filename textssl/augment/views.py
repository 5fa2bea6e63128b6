"""Augmentations that hold for any modality, and the protocol that all of them follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import UserError


__all__ = ["Augmentation", "Chain", "Column", "Identity", "OneOf"]

Example = dict[str, Any]


class Augmentation(Protocol):
    """A pure function: the same example and an equally seeded rng give the same result. The example is kept."""

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return the changed example."""
        ...


class Identity:
    """The example as it is."""

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return ``example``."""
        return example


class Column:
    """A view prepared offline, such as a back-translation, read from a column of the data set.

    Args:
        name: the column.
        column: what it takes the place of.

    Raises:
        UserError: when called on an example without the column; the message lists the columns.
    """

    def __init__(self, name: str, column: str = "text") -> None:
        self.name = name
        self.column = column

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return ``example`` with the prepared column in place."""
        if self.name not in example:
            raise UserError(f"view column: got {self.name!r}; the data have {sorted(example)}")
        return {**example, self.column: example[self.name]}


class OneOf:
    """One of several views, picked by the rng.

    Args:
        choices: augmentations.
        weights: probability of each, summing to one; equal by default.

    Raises:
        UserError: no choices, or weights that are no probabilities of them.
    """

    def __init__(self, choices: Sequence[Augmentation], weights: Sequence[float] | None = None) -> None:
        if not choices:
            raise UserError("choices: got none; expected at least one augmentation")
        shares = [1 / len(choices)] * len(choices) if weights is None else list(weights)
        if len(shares) != len(choices) or min(shares) < 0 or not abs(sum(shares) - 1) <= 1e-6:
            raise UserError(f"weights: got {shares} for {len(choices)} choices; expected one probability for each")
        self.choices = list(choices)
        self.edges = np.cumsum(shares)[:-1]

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return the picked view of ``example``."""
        picked = int(np.searchsorted(self.edges, rng.random(), side="right"))
        return self.choices[picked](example, rng)


class Chain:
    """Several augmentations, one after the other.

    Args:
        steps: augmentations, first to last.
    """

    def __init__(self, steps: Sequence[Augmentation]) -> None:
        self.steps = list(steps)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return ``example`` after all steps."""
        for step in self.steps:
            example = step(example, rng)
        return example
