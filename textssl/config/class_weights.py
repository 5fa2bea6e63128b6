"""Weights of classes in the loss of the labeled examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import UserError


__all__ = ["parsed_class_weights", "weights_of_classes"]

BALANCED = "balanced"
EXPECTED = "expected numbers of 0 or more, one per class, or 'balanced'"


def parsed_class_weights(given: Sequence[float | str] | str | None) -> list[float] | str | None:
    """The setting ``class_weights`` as a list, ``"balanced"`` or ``None``; as a flag it is ``1,2.5,1`` or ``1 2.5 1``.

    Raises:
        UserError: other words, or numbers that are no weights.
    """
    if isinstance(given, list) and len(given) == 1:
        # A flag is a list of words.
        given = str(given[0])
    if given is None or str(given).lower() == "none":
        return None
    if given == BALANCED:
        return BALANCED
    try:
        parts = given.strip("[] ").replace(",", " ").split() if isinstance(given, str) else given
        weights = [float(part) for part in parts]
    except (TypeError, ValueError) as error:
        raise UserError(f"class_weights: got {given!r}; {EXPECTED}") from error
    if not weights or not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise UserError(f"class_weights: got {given!r}; {EXPECTED}")
    return weights


def weights_of_classes(setting: Sequence[float] | str, prior: Sequence[float]) -> list[float]:
    """The weight of an example of each class; the mean over all labeled examples is one.

    So the labeled term keeps its size beside the others, and no micro-batch is divided by weights of its own, which
    would make a large batch another thing than several small ones.

    Args:
        setting: numbers, of which only the ratios matter; or ``"balanced"``: all classes count alike, as in
            scikit-learn.
        prior: share of each class among the labeled examples.

    Raises:
        UserError: another number of weights than of classes, or no example that counts.
    """
    if isinstance(setting, str):
        present = sum(share > 0 for share in prior)
        return [1 / (present * share) if share > 0 else 0.0 for share in prior]
    if len(setting) != len(prior):
        raise UserError(f"class_weights: got {len(setting)} numbers; expected {len(prior)}, one per class")
    mean = sum(weight * share for weight, share in zip(setting, prior, strict=True))
    if not mean > 0:
        raise UserError(f"class_weights: got {list(setting)}; expected one above 0 of a class that has examples")
    return [weight / mean for weight in setting]
