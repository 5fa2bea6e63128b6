"""What is said before a run begins: the data, what was chosen for the person, how long each training is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from accelerate import PartialState

from ...config import SSLConfig
from ...modalities.text.encoding import TextEncoder
from ...training.truncation_report import excess_of
from ..console import say
from .resolved import ResolvedRun
from .schedule import plan_of


__all__ = ["own_settings", "plan_lines", "tell_truncated"]

logger = logging.getLogger(__name__)

# More than this share of cut texts is a warning.
MANY = 0.1

LOST = {"end": "lose their end", "start": "lose their start", "head_tail": "lose their middle"}


def plan_lines(resolved: ResolvedRun) -> Iterator[str]:
    """Lines for a person on what will be done."""
    options, config, data = resolved.options, resolved.config, resolved.data
    yield from (f"changed: {note}" for note in resolved.notes)
    yield plan_of(resolved.method, resolved.length, options, config, data)
    chosen = ", ".join(f"{name} {_shown(value)}" for name, value in own_settings(resolved).items())
    yield f"{resolved.method} with {chosen}" if chosen else f"{resolved.method} has no settings of its own"
    yield f"seed {config.seed}; output folder {config.output_dir}"


def own_settings(resolved: ResolvedRun) -> dict[str, Any]:
    """The method's own settings that matter in this run, and their values."""
    config, shared = resolved.config, {entry.name for entry in fields(SSLConfig)}
    own = {entry.name: getattr(config, entry.name) for entry in fields(config) if entry.name not in shared}
    if resolved.length.of == "unlabeled":
        own["mu"] = config.mu
    return {name: value for name, value in own.items() if value not in (None, False, "none", 0)}


def tell_truncated(resolved: ResolvedRun, encode: TextEncoder | None) -> None:
    """Say how many texts are longer than the model reads; if they are many, as a warning."""
    if encode is None or not PartialState().is_main_process:
        return
    data, config = resolved.data, resolved.config
    parts = [("labeled", data.labeled), *([("unlabeled", data.unlabeled)] if data.unlabeled is not None else [])]
    shares = {name: excess_of(rows, encode, data.columns).share for name, rows in parts}
    if not any(shares.values()):
        say(f"texts: none is longer than max_length {config.max_length}")
        return
    told = " and ".join(f"{100 * share:.2g} % of the {name}" for name, share in shares.items())
    line = f"texts: {told} ones are longer than max_length {config.max_length} tokens and {LOST[encode.truncation]}"
    if max(shares.values()) > MANY:
        logger.warning(line)
    else:
        say(line)
    if encode.truncation == "head_tail":
        logger.warning(
            "truncation: got 'head_tail'; transformers' own text-classification pipeline cuts the end of long texts: "
            "load the saved model with pipeline(..., pipeline_class=HeadTailPipeline), from textssl.pipelines"
        )


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
