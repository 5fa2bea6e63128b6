"""The presets of a method for whatever the flags name: a source, own files, a backend, an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...sources.named import SOURCES
from ..arguments import Preset
from ..data.modality import modality_of_files
from ..options import BACKENDS, ORIGINS
from ..task_setups.probe_head import resolved_feature_head, resolved_head
from .base import Presets
from .features import feature_presets
from .image import image_presets
from .text import text_presets


__all__ = ["presets_for"]


def presets_for(
    method: str,
    source: str = "imdb",
    output_dir: str | None = None,
    cpu: Preset | None = None,
    paper: Preset | None = None,
    **changes: Any,
) -> Callable[[Mapping[str, Any]], Presets]:
    """Presets of a method for whatever the flags name: a source, own files, a backend, an encoder.

    Args:
        method: a key of ``METHODS``.
        source: the data set, where the flags name none.
        output_dir: of the runs; by default it is named by the method and the data.
        cpu: changes of the preset ``cpu`` alone.
        paper: changes of the preset ``paper`` alone.
        **changes: of both presets.
    """

    def choose(flags: Mapping[str, Any]) -> Presets:
        name = str(flags.get("source", source)).partition(":")[0]
        name = source if name in ORIGINS else name
        modality: str = SOURCES[name].modality if name in SOURCES else "text"
        backend, own = str(flags.get("backend", "auto")), flags.get("train_file")
        head, model = str(flags.get("head", "auto")), str(flags.get("model", "embedded"))
        if own is not None:
            name, modality = Path(str(own)).stem, modality_of_files(str(own), backend)
        if backend not in BACKENDS or backend == "auto":
            backend = modality
        shared = {"num_labeled": 50 if backend == "image" else 100, **changes}
        if backend == "text":
            shared["head"] = resolved_head(head, model)
        if backend == "features":
            shared["head"] = resolved_feature_head(head, model, modality)
        makers: dict[str, Callable[..., Presets]] = {
            "text": text_presets,
            "image": image_presets,
            "features": feature_presets,
        }
        presets = makers[backend](output_dir or f"outputs/{method}_{name}", method, **shared)
        own_changes = {"cpu": cpu or {}, "paper": paper or {}}
        return {preset: {**settings, **own_changes[preset]} for preset, settings in presets.items()}

    return choose
