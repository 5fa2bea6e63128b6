"""What a corpus job is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np


__all__ = ["Job"]


class Job(Protocol):
    """A function of the rows of a batch, which a process can send to another.

    It is pickled with what its constructor set, so it loads its models when the first batch comes. What it gives for
    a row must not depend on rows of other calls; on rows of the same call it may.
    """

    @property
    def name(self) -> str:
        """All that the results depend on beside the rows: model, revision, settings."""
        ...

    def __call__(self, rows: dict[str, list[Any]]) -> Mapping[str, np.ndarray | Sequence[str]]:
        """Compute.

        Args:
            rows: the columns of n > 0 rows.

        Returns:
            Columns with the same names, types and widths in each call: an array [n] or [n, D] of floats (finite),
            integers or booleans, or n strings.
        """
        ...
