"""From feature vectors to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...errors import UserError


__all__ = ["FeatureEncoder"]


class FeatureEncoder:
    """Stacks vectors of one size.

    Args:
        size: D, numbers in a vector.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, rows: Sequence[Any], keys: Sequence[Any] | None = None) -> dict[str, Any]:
        """Stack ``rows``.

        Args:
            rows: B vectors [D], arrays or lists; arrays of float32 are fastest.
            keys: not needed; stacking costs less than looking up.

        Returns:
            ``features`` [B, D] in float32, and ``lengths``, a list of B ones.

        Raises:
            UserError: a vector of another size, such as an augmentation may make.
        """
        try:
            stacked = np.array(rows, dtype=np.float32) if len(rows) else np.empty((0, self.size), np.float32)
            shape = stacked.shape
        except ValueError:
            shape = ()
        if shape != (len(rows), self.size):
            found = sorted({str(list(np.shape(row))) for row in rows})
            raise UserError(f"features: got vectors of shape {', '.join(found)}; expected [{self.size}]")
        return {"features": torch.from_numpy(stacked), "lengths": [1] * len(rows)}
