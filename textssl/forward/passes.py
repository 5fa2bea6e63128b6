"""Cutting rows of unequal length into a few passes of like length."""

from __future__ import annotations

from collections.abc import Sequence

import torch


__all__ = ["pass_overhead", "plan_passes"]

# Cost of one more pass in padded positions: on a GPU a launch costs as much as thousands of positions.
PASS_OVERHEAD = {"cpu": 256, "cuda": 16_384}


def pass_overhead(device: torch.device) -> int:
    """Cost of one more pass on a device, in padded positions."""
    return PASS_OVERHEAD.get(device.type, PASS_OVERHEAD["cuda"])


def plan_passes(lengths: Sequence[int], overhead: int | None) -> list[list[int]]:
    """Group rows so that the fewest padded positions are computed.

    A pass of n rows whose longest has l positions costs ``n * l + overhead``. Rows sorted by length are cut
    into contiguous groups of least total cost; found exactly by dynamic programming over distinct lengths.

    Args:
        lengths: length of each row, in positions.
        overhead: cost of one more pass, in positions; ``None`` gives one pass in the given order.

    Returns:
        Row numbers of each pass. Every row is in exactly one pass.
    """
    if overhead is None or len(lengths) < 2:
        return [list(range(len(lengths)))]
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    # A cut only ever pays between rows of unequal length.
    cuts = [0]
    cuts += [i for i in range(1, len(order)) if lengths[order[i]] != lengths[order[i - 1]]]
    cuts.append(len(order))
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(cuts)):
        longest = lengths[order[cuts[end] - 1]]
        best.append(
            min((best[begin][0] + (cuts[end] - cuts[begin]) * longest + overhead, begin) for begin in range(end))
        )
    passes: list[list[int]] = []
    end = len(cuts) - 1
    while end > 0:
        begin = best[end][1]
        passes.append(order[cuts[begin] : cuts[end]])
        end = begin
    if len(passes) == 1:
        return [list(range(len(lengths)))]
    return passes[::-1]
