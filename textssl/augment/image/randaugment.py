"""RandAugment: a few operations drawn at random for each image, and the strong view that FixMatch makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import UserError
from ..views import Chain
from .cutout import Cutout
from .operations import FIXMATCH, UDA, Operation
from .pixels import check_gray, check_share, image_of
from .weak import weak_view


__all__ = ["RandAugment", "strong_view"]

# Pick, whether to apply, strength, and two for the sign or the place.
DRAWS = 5


class RandAugment:
    """Applies N operations to each image, drawn with replacement (Cubuk et al., 2019, arXiv:1909.13719).

    The tables:

    - ``"fixmatch"``: the 14 operations of table 12 of Sohn et al. (2020, arXiv:2001.07685). Without a
      ``magnitude`` each strength is uniform over the operation's range.
    - ``"uda"``: the 15 operations of the code of Xie et al. (2020, arXiv:1904.12848), with inversion and a small
      cutout. Without a ``magnitude`` each operation's is uniform over 1, 2, ..., 9.

    *Differs from the papers in.* The code of both applies a drawn operation with probability 0.5, of which the
    papers say nothing; ``p=1.0`` follows their wording. Translation is by a share of the side, as FixMatch's paper
    says: its code for CTAugment passes that share on as pixels, which hardly moves an image. UDA's code moves and
    cuts by pixels of a 32-pixel image; here they are the same share of any. Uncovered pixels are gray, as in
    FixMatch's code; UDA's puts the mean of the data set. FixMatch's code for CIFAR draws whole magnitudes from 1 to
    9 and enhances, posterizes and translates over other ranges than its table.

    Args:
        n: N, operations per image.
        magnitude: M, one strength for all operations, from 0 (weakest) to 10; random for each if ``None``.
        p: probability of applying a drawn operation.
        operations: ``"fixmatch"``, ``"uda"``, or names: their ranges are FixMatch's, and those of UDA for
            ``invert`` and ``cutout``, which FixMatch does not have.
        fill: gray of uncovered pixels, 0 to 255.
        column: what holds the image.

    Raises:
        UserError: n below 1, a magnitude that is no whole number from 0 to 10, p outside [0, 1], an unknown table
            or operation, or a fill outside 0 to 255.
    """

    def __init__(
        self,
        n: int = 2,
        magnitude: int | None = None,
        p: float = 0.5,
        operations: str | Sequence[str] = "fixmatch",
        fill: int = 127,
        column: str = "image",
    ) -> None:
        if not isinstance(n, int) or n < 1:
            raise UserError(f"n: got {n!r}; expected a whole number of 1 or more")
        if magnitude is not None and magnitude not in range(11):
            raise UserError(f"magnitude: got {magnitude!r}; expected a whole number from 0 to 10, or None")
        check_share("p", p)
        check_gray("fill", fill)
        table = _table(operations)
        self.names = [name for name, _ in table]
        self.operations = [operation for _, operation in table]
        self.n = n
        self.strength = None if magnitude is None else magnitude / 10
        self.whole = operations == "uda"
        self.p = p
        self.fill = fill
        self.column = column

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return ``example`` with its image changed."""
        image = image_of(example, self.column)
        draws = rng.random((self.n, DRAWS)).tolist()
        for pick, gate, uniform, x, y in draws:
            if gate < self.p:
                operation = self.operations[int(pick * len(self.operations))]
                image = operation(image, self._strength(uniform), (x, y), self.fill)
        return {**example, self.column: image}

    def _strength(self, uniform: float) -> float:
        if self.strength is not None:
            return self.strength
        return (1 + int(9 * uniform)) / 10 if self.whole else uniform


def _table(operations: str | Sequence[str]) -> list[tuple[str, Operation]]:
    tables = {"fixmatch": FIXMATCH, "uda": UDA}
    if isinstance(operations, str):
        if operations not in tables:
            raise UserError(f"operations: got {operations!r}; expected one of {sorted(tables)}, or names")
        return list(tables[operations].items())
    known = {**UDA, **FIXMATCH}
    unknown = [name for name in operations if name not in known]
    if unknown or not operations:
        raise UserError(f"operations: got {unknown or 'none'}; expected names out of {sorted(known)}")
    return [(name, known[name]) for name in operations]


def strong_view(
    flip: bool = False,
    n: int = 2,
    magnitude: int | None = None,
    p: float = 0.5,
    operations: str | Sequence[str] = "fixmatch",
    cutout: float = 0.5,
    fill: int = 127,
    column: str = "image",
) -> Chain:
    """FixMatch's strong view: the weak one, then RandAugment, then Cutout (arXiv:2001.07685, section 2.3).

    Args:
        flip: whether mirror images are of the same class: true of animals and clothes, not of digits.
        n: N, operations per image.
        magnitude: M, from 0 to 10; random if ``None``.
        p: probability of applying a drawn operation.
        operations: ``"fixmatch"``, ``"uda"``, or names.
        cutout: side of the square, as a share of the shorter side of the image.
        fill: gray of the square and of uncovered pixels, 0 to 255.
        column: what holds the image.

    Raises:
        UserError: as :class:`RandAugment` and :class:`Cutout` do.
    """
    randaugment = RandAugment(n, magnitude, p, operations, fill, column)
    return Chain([*weak_view(flip, column=column).steps, randaugment, Cutout(cutout, fill=fill, column=column)])
