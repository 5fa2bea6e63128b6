"""What the tests of methods that mix examples share: draws that are known, and mixed rows run one at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.methods.naive import Row
from textssl import functional as F


def partners(size: int) -> list[int]:
    """A permutation that is known; rows of it are neither their own partners nor each other's in general."""
    return [int(i) for i in np.random.default_rng(size).permutation(size)]


def coefficients(size: int, fold: bool) -> list[float]:
    """Shares that are known, between 0.1 and 0.9."""
    drawn = 0.1 + 0.8 * np.random.default_rng(size + 1).random(size)
    return [float(max(share, 1 - share) if fold else share) for share in drawn]


def known_draws(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int, bool]]:
    """Replace what a mix draws at random; returns what was asked of the Beta distribution: alpha, size, fold."""
    asked: list[tuple[float, int, bool]] = []

    def draw(alpha: float, size: int, fold: bool) -> torch.Tensor:
        asked.append((alpha, size, fold))
        return torch.tensor(coefficients(size, fold))

    monkeypatch.setattr(F, "mixup_coefficients", draw)
    monkeypatch.setattr(torch, "randperm", lambda size: torch.tensor(partners(size)))
    return asked


def blend(a: Row, b: Row, share: float) -> Row:
    return [share * x + (1 - share) * y for x, y in zip(a, b, strict=True)]


def one_hot(label: int, classes: int = 3) -> Row:
    return [float(c == label) for c in range(classes)]


def rows_of(*views: dict[str, Any]) -> list[dict[str, torch.Tensor]]:
    """Each row of all views by itself, texts without their padding."""
    rows = []
    for view in views:
        for i, length in enumerate(view["lengths"]):
            if "input_ids" in view:
                rows.append({"input_ids": view["input_ids"][i : i + 1, :length]})
            else:
                (key,) = {"pixel_values", "features"} & view.keys()
                rows.append({key: view[key][i : i + 1]})
    return rows


@torch.no_grad()
def mixed_logits(
    model: nn.Module, a: dict[str, Any], b: dict[str, Any], share: float, layer: int | None = None
) -> Row:
    """Logits of one row mixed with another: at its input, or for a text after a layer of BERT's."""
    if "input_ids" not in a:
        ((key, x),) = a.items()
        return model(**{key: share * x + (1 - share) * b[key]}).logits[0].tolist()
    width = max(a["input_ids"].shape[1], b["input_ids"].shape[1])
    padded = [nn.functional.pad(row["input_ids"], (0, width - row["input_ids"].shape[1])) for row in (a, b)]
    if layer is None:
        words = model.bert.embeddings.word_embeddings.weight
        return model(inputs_embeds=share * words[padded[0]] + (1 - share) * words[padded[1]]).logits[0].tolist()
    states = [
        after_layer(model, ids, row["input_ids"].shape[1], layer) for ids, row in zip(padded, (a, b), strict=True)
    ]
    state = share * states[0] + (1 - share) * states[1]
    for above in model.bert.encoder.layer[layer:]:
        # Between the two every position of the common width is real.
        output = above(state, None)
        state = output if isinstance(output, torch.Tensor) else output[0]
    return model.classifier(model.bert.pooler(state))[0].tolist()


def after_layer(model: nn.Module, ids: torch.Tensor, length: int, layer: int) -> torch.Tensor:
    """The hidden state [1, T, H] of a padded text after a layer, padding not attended to."""
    mask = (torch.arange(ids.shape[1]) < length).long()[None]
    output = model.bert(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    return output.hidden_states[layer]
