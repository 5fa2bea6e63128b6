"""How an encoder makes a vector: all that the vector depends on besides the text or the image."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


__all__ = ["EncoderSettings", "settings_of"]


@dataclass(frozen=True)
class EncoderSettings:
    """What one content gives one vector by.

    Attributes:
        name: of the encoder: model and commit, or the checksum of its files.
        max_length: most tokens of a text; ``None`` for the encoder's own limit, and for images.
        pooling: how the states of the encoder become one vector; ``None`` where the encoder does not say.
        normalize: whether the vector is brought to length 1; ``None`` where the encoder does not say.
        precision: of the matrix products, ``"bfloat16"`` or ``"float32"``; ``None`` where the encoder does not say.
    """

    name: str
    max_length: int | None = None
    pooling: str | None = None
    normalize: bool | None = None
    precision: str | None = None

    @property
    def identity(self) -> str:
        """All of it, as one line."""
        return json.dumps(asdict(self), sort_keys=True)

    def describe(self) -> str:
        """For a model card: the model, and how it makes a vector."""
        parts = [self.name, self.pooling and f"pooling: {self.pooling}", self.normalize and "brought to length 1"]
        length = None if self.max_length is None else f"at most {self.max_length} tokens"
        return ", ".join(part for part in (*parts, length) if part)

    def for_config(self) -> dict[str, Any]:
        """What a :class:`textssl.features.FeatureClassifierConfig` records of the encoder."""
        return {
            "encoder": self.name,
            "encoder_max_length": self.max_length,
            "encoder_pooling": self.pooling,
            "encoder_normalize": self.normalize,
        }


def settings_of(encoder: Any) -> EncoderSettings:
    """Those of an encoder; of one of your own its ``name`` and, where it has them, ``max_length`` and ``pooling``."""
    own = getattr(encoder, "settings", None)
    if isinstance(own, EncoderSettings):
        return own
    return EncoderSettings(
        encoder.name, max_length=getattr(encoder, "max_length", None), pooling=getattr(encoder, "pooling", None)
    )
