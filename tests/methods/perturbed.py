"""What the tests of methods that perturb the continuous input share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn
from transformers import BertForSequenceClassification


MODALITIES = ["text", "image", "features"]
# A text's words are what its embeddings stand for.
MODEL_INPUT = {"text": "inputs_embeds", "image": "pixel_values", "features": "features"}


class IdsOnly(BertForSequenceClassification):
    """A model without continuous input."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:  # type: ignore[override]
        return super().forward(input_ids=input_ids, attention_mask=attention_mask)


@contextmanager
def recorded(network: nn.Module, name: str) -> Iterator[list[SimpleNamespace]]:
    """What each call of the model was given as ``name``, and its logits; one call for each pass where none is cut."""
    calls: list[SimpleNamespace] = []

    def note(module: nn.Module, args: Any, inputs: dict[str, Any], output: Any) -> None:
        given = inputs.get(name)
        calls.append(SimpleNamespace(input=None if given is None else given.detach(), logits=output.logits.detach()))

    hook = network.register_forward_hook(note, with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()


def terms_of(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, Any]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def norm(x: Tensor) -> float:
    return math.sqrt(sum(v * v for v in x.flatten().tolist()))
