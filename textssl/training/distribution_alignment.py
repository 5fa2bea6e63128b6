"""The setting ``distribution_alignment``: which class distribution predictions are aligned with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..state import DistributionAlignment


if TYPE_CHECKING:
    from ..objective import Task


__all__ = ["ALIGNMENTS", "Alignment", "alignment_prior", "make_distribution_alignment", "parsed_alignment"]

Alignment = str | list[float] | dict[str, float]

ALIGNMENTS = ("none", "labeled", "uniform", "sqrt", "estimated")
# What these settings were called when there were two of them.
FORMER = {"true": "labeled", "false": "none"}


def parsed_alignment(
    given: Sequence[float | str] | Mapping[str, float] | str | bool | None,
    name: str = "distribution_alignment",
    words: Sequence[str] = ALIGNMENTS,
) -> Alignment:
    """The setting as one of ``words``, as C numbers, or as numbers by class name.

    As a flag it is a word, ``0.3,0.7``, ``0.3 0.7``, or ``'{"negative": 0.3, "positive": 0.7}'``. ``True`` and
    ``False`` are ``"labeled"`` and ``"none"``.

    Args:
        given: the setting.
        name: of the setting.
        words: that are allowed.

    Raises:
        UserError: another word, or numbers that are no shares.
    """
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], str):
        # A flag is a list of words.
        given = given[0]
    if given is None or isinstance(given, bool | str):
        word = str(given).lower()
        word = FORMER.get(word, word)
        if word in words:
            return word
    expected = f"allowed: {', '.join(words)}, a share for each class, or shares by class name"
    try:
        parsed: Any = given
        if isinstance(given, str):
            parsed = json.loads(given) if given.startswith("{") else given.strip("[] ").replace(",", " ").split()
        if isinstance(parsed, Mapping):
            shares = {str(label): float(share) for label, share in parsed.items()}
            return dict(zip(shares, _checked(list(shares.values())), strict=True))
        return _checked([float(share) for share in parsed])
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: got {given!r}; {expected}") from error


def alignment_prior(
    setting: Alignment,
    labeled_prior: Sequence[float],
    label_names: Sequence[str],
    name: str = "distribution_alignment",
) -> tuple[float, ...]:
    """The distribution that a setting names, or that of the labeled examples, from which others are made.

    Args:
        setting: what :func:`parsed_alignment` gave.
        labeled_prior: share of each class among the labeled examples, C numbers.
        label_names: of the classes, for shares by name.
        name: of the setting.

    Returns:
        C shares with sum one.

    Raises:
        UserError: another number of shares than of classes, or other names.
    """
    classes = len(labeled_prior)
    if setting == "uniform":
        return (1 / classes,) * classes
    if isinstance(setting, str):
        return tuple(labeled_prior)
    if isinstance(setting, dict):
        if sorted(setting) != sorted(label_names):
            raise UserError(f"{name}: got shares of {', '.join(setting)}; the classes are {', '.join(label_names)}")
        setting = [setting[label] for label in label_names]
    if len(setting) != classes:
        raise UserError(f"{name}: got {len(setting)} shares; expected {classes}, one per class")
    total = math.fsum(setting)
    return tuple(share / total for share in setting)


def make_distribution_alignment(
    setting: Alignment | None, task: Task, *, decay: float | None = None, window: int | None = None
) -> DistributionAlignment | None:
    """What aligns predictions as ``distribution_alignment`` asks for; None for ``"none"``.

    Args:
        setting: what :func:`parsed_alignment` gave.
        task: of the run.
        decay: of the mean of predictions.
        window: steps of that mean, instead.

    Raises:
        UserError: shares that are not those of the task's classes.
    """
    if setting is None or setting == "none":
        return None
    prior = alignment_prior(setting, task.class_prior, task.label_names)
    return DistributionAlignment(prior, decay, window, setting if setting in ("sqrt", "estimated") else "prior")


def _checked(shares: list[float]) -> list[float]:
    if not all(math.isfinite(share) and share >= 0 for share in shares) or not math.fsum(shares) > 0:
        raise ValueError("shares are finite, not negative and not all zero")
    return shares
