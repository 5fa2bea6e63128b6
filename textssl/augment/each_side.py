"""An augmentation of one text, on both texts of a pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from .plans import LateAugmentation
from .views import Augmentation, Column, Example


__all__ = ["EachSide"]


class EachSide:
    """Changes both texts of a pair, each by itself, by an augmentation that changes one.

    The rng draws for the first text, then for the second, so that their changes are independent.

    Args:
        augmentation: an augmentation that changes the first of ``columns`` and looks at no other.
        columns: of the two texts.

    Raises:
        UserError: not two columns; an augmentation that cannot act on both (:class:`Column`, which reads a text that
            was prepared for one of them, or one that acts later than in the workers, for which see
            :func:`textssl.augment.text.for_pairs`).

    Example:
        >>> EachSide(WordSwap(column="premise"), ("premise", "hypothesis"))  # doctest: +SKIP
    """

    def __init__(self, augmentation: Augmentation, columns: Sequence[str]) -> None:
        if isinstance(columns, str) or len(set(columns)) != 2:
            raise UserError(f"columns: got {columns!r}; expected the names of two columns")
        if isinstance(augmentation, Column):
            raise UserError(
                f"augmentation: got Column({augmentation.name!r}), which was prepared for one text; for a pair, "
                "Chain([Column(one, column=first), Column(other, column=second)])"
            )
        if isinstance(augmentation, LateAugmentation):
            raise UserError(
                f"augmentation: got {type(augmentation).__name__}, which acts on whole examples; see for_pairs"
            )
        self.augmentation = augmentation
        self.columns = tuple(columns)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return ``example`` with both texts changed.

        Raises:
            UserError: it lacks the second text.
        """
        first, second = self.columns
        if second not in example:
            raise UserError(f"columns: got {second!r}; the example has {sorted(example)}")
        changed = self.augmentation(example, rng)
        return {**changed, second: self.augmentation({**example, first: example[second]}, rng)[first]}
