"""What CTAugment has learned in a run: how strong each of its operations may be."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from ...augment.image import CTAugment
from ...augment.text import TextCTAugment
from ...errors import UserError
from ...training.checkpoints import OBJECTIVE_TENSORS


__all__ = ["adopt_strengths"]

RATES = "bin_rates.0.rates"


def adopt_strengths(view: CTAugment | TextCTAugment | None, run: str | None) -> list[str]:
    """Give a view the rates of the newest checkpoint of a run, and say which it has.

    Args:
        view: the strong view, if it is one that learns.
        run: a folder; ``None`` leaves the rates at 1.

    Raises:
        UserError: a run for another view, no checkpoint, or one without such rates.
    """
    if view is None:
        if run is not None:
            raise UserError(f"run: got {run!r}; only --strong ctaugment learns its strengths")
        return []
    if run is None:
        return ["CTAugment at its initial strengths, all alike; --run FOLDER takes those that a run has learned"]
    files = sorted(Path(run).rglob(f"checkpoint-*/{OBJECTIVE_TENSORS}"), key=_step)
    if not files:
        raise UserError(f"run: {run!r} holds no checkpoint with {OBJECTIVE_TENSORS}")
    try:
        rates = load_file(files[-1]).get(RATES)
    except (OSError, SafetensorError) as error:
        raise UserError(f"run: cannot read {str(files[-1])!r}: {error}") from error
    if rates is None or rates.shape != view.rates.rates.shape:
        raise UserError(f"run: {str(files[-1].parent)!r} has no strengths of such a CTAugment")
    view.rates.rates.copy_(rates)
    return [f"CTAugment at the strengths of {files[-1].parent}"]


def _step(file: Path) -> int:
    found = re.fullmatch(r"checkpoint-(\d+)", file.parent.name)
    return -1 if found is None else int(found[1])
