"""Probes of CTAugment: labeled examples under operations of all strengths, which move the rates of their bins.

ReMixMatch: Berthelot et al., 2020, arXiv:1911.09785, section 3.2. Any method may have a strong view that adapts:
each policy gets one view of the labeled stream, and after each optimizer step, those of the warm start included, the
model that is evaluated looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .. import functional as F
from ..augment.plans import HITS, PROBE, AdaptiveAugmentation
from ..forward.device_transfer import to_device
from ..modalities.base import stem_of
from ..objective import Objective
from ..state import BinRates


if TYPE_CHECKING:
    from ..augment import Augmentation
    from ..forward.base import Forward
    from ..objective import Batch


__all__ = ["adopt_rates", "update_rates", "with_probe_views"]

Views = Mapping[str, tuple[str, ...]]


def with_probe_views(views: Views, augmentations: Mapping[str, Augmentation]) -> tuple[Views, dict[str, Augmentation]]:
    """The views of a method and how they are made, with a probe of the labeled stream for each policy among them.

    Views that are made by one augmentation share a policy, and so a probe. The first is ``"probe"``, the second
    ``"probe_2"``.

    Args:
        views: for each stream, the names of its views.
        augmentations: for each name, how the view is made.
    """
    used = [augmentations.get(view) for view in sorted({view for names in views.values() for view in names})]
    policies = {
        id(augmentation.rates): augmentation for augmentation in used if isinstance(augmentation, AdaptiveAugmentation)
    }
    names = _names(len(policies))
    probes = {name: augmentation.probe_copy() for name, augmentation in zip(names, policies.values(), strict=True)}
    return {**views, "labeled": (*views["labeled"], *names)} if names else views, {**augmentations, **probes}


def adopt_rates(objective: Objective, views: Mapping[str, Sequence[str]], augmentations: Mapping[str, Any]) -> None:
    """Make the rates of all probes a part of ``objective``, so that they are saved, restored and moved with it.

    They are set to 1: an augmentation that served another run before starts over.
    """
    if names := [view for view in views["labeled"] if stem_of(view) == PROBE]:
        policies: list[BinRates] = [augmentations[name].rates for name in names]
        for rates in policies:
            rates.reset()
        objective.add_module("bin_rates", nn.ModuleList(policies))


@torch.no_grad()
def update_rates(objective: Objective, forward: Forward, batches: Sequence[Batch]) -> None:
    """Show the evaluated model the probes of a step, and move the rates; every process must call it.

    Args:
        objective: what :func:`adopt_rates` gave the rates to; without any nothing is done.
        forward: runs the model that the objective evaluates, in evaluation mode.
        batches: the micro-batches of the step on this process.
    """
    rates: Any = getattr(objective, "bin_rates", None)
    if rates is None:
        return
    # Not before: to name the model may be to build an ensemble, and most runs have no probes.
    model = objective.evaluated(forward.unwrapped)
    for view, policy in zip(_names(len(rates)), rates, strict=True):
        probes = [batch["labeled"][view] for batch in batches]
        probs = torch.cat(forward(*probes, model=model, dropout=False)).softmax(-1)
        agreement = F.agreement(probs, torch.cat([batch["labeled"]["labels"] for batch in batches]))
        _record(policy, [row for probe in probes for row in probe[HITS]], agreement)


def _names(count: int) -> list[str]:
    """Of as many probes."""
    return [PROBE if number == 1 else f"{PROBE}_{number}" for number in range(1, count + 1)]


def _record(rates: BinRates, hits: list[list[tuple[int, int]]], agreement: torch.Tensor) -> None:
    """Tell ``rates`` the agreement [B] of each example under the operations and bins that it met."""
    flat = [(row, *hit) for row, found in enumerate(hits) for hit in found]
    table = torch.tensor(flat, dtype=torch.long).reshape(-1, 3)
    rows, operations, bins = to_device(table, agreement.device).unbind(1)
    rates.update(operations, bins, agreement.index_select(0, rows))
