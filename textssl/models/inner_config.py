"""Settings of a config that is kept, as a dictionary, within another config."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any

from transformers import CONFIG_MAPPING, GenerationConfig


__all__ = ["GENERATION", "inner_setting", "kept_settings"]

# Transformers refuses to save a config that answers to one of these, unless it declares it.
GENERATION = frozenset(GenerationConfig().to_dict())
# Of pooled classifiers of texts and of images.
POOLED = "textssl-pooled"
# Of no use to whoever loads the model: a folder of this machine, and what the outer config tells.
NOT_KEPT = ("_name_or_path", "transformers_version")


def kept_settings(inner: dict[str, Any]) -> dict[str, Any]:
    """Without what nobody needs, and with numbers as keys of labels, which JSON makes strings."""
    kept = {name: value for name, value in inner.items() if name not in NOT_KEPT}
    return {**kept, "id2label": {int(number): name for number, name in (kept.get("id2label") or {}).items()}}


def inner_setting(inner: dict[str, Any], name: str) -> Any:
    """A setting by any name that the inner config knows it by; ``MISSING`` where it has none of that name."""
    kind = str(inner.get("model_type"))
    known_as = CONFIG_MAPPING[kind].attribute_map.get(name, name) if kind in CONFIG_MAPPING else name
    value = inner.get(known_as, MISSING)
    if value is MISSING and kind.startswith(POOLED):
        # It reads what it lacks from its encoder's.
        return inner_setting(inner["encoder"], name)
    # A config within a config came here as a mere dict.
    return MISSING if isinstance(value, dict) and "model_type" in value else value
