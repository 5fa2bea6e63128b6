"""The changes that a network is asked to tell: halves of a text exchanged, an image turned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from textssl import UserError
from textssl.forward.backend import Backend
from textssl.forward.base import Forward
from textssl.forward.rows import FeatureBackend, ImageBackend
from textssl.modalities.text.backend import TextBackend


# A beginning 2, an end 3, and what stands between them.
TEXTS = [[2, 10, 11, 12, 13, 14, 3], [2, 10, 11, 12, 13, 3], [2, 10, 11, 3], [2, 10, 3], [2, 3], [2]]
SWAPPED = [[2, 12, 13, 14, 10, 11, 3], [2, 12, 13, 10, 11, 3], [2, 11, 10, 3], [2, 10, 3], [2, 3], [2]]
WIDTH, PAD = 9, 7


def padded(texts: list[list[int]], side: str) -> list[list[int]]:
    fill = [[PAD] * (WIDTH - len(text)) for text in texts]
    return [f + t if side == "left" else t + f for f, t in zip(fill, texts, strict=True)]


def view(side: str) -> dict[str, Any]:
    ids = torch.tensor(padded(TEXTS, side))
    return {
        "input_ids": ids,
        "attention_mask": (ids != PAD).long(),
        "lengths": [len(text) for text in TEXTS],
        "stream": "unlabeled",
    }


def changed(backend: Backend, inputs: dict[str, Any], classes: list[int]) -> dict[str, Any]:
    return Forward(nn.Identity(), nn.Identity(), backend).changed(inputs, classes)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("classes", [[1] * 6, [0] * 6, [1, 0, 0, 1, 0, 1], [0, 1, 1, 0, 1, 0]])
def test_halves_between_the_first_and_the_last_token_are_exchanged(side: str, classes: list[int]) -> None:
    got, before = changed(TextBackend(PAD, side), view(side), classes), view(side)
    expected = [SWAPPED[row] if swap else TEXTS[row] for row, swap in enumerate(classes)]
    assert got["input_ids"].tolist() == padded(expected, side)
    assert torch.equal(got["attention_mask"], before["attention_mask"])
    assert (got["lengths"], got["stream"]) == (before["lengths"], "unlabeled")


def test_the_text_given_is_left_as_it_was() -> None:
    given = view("right")
    changed(TextBackend(PAD), given, [1] * 6)
    assert torch.equal(given["input_ids"], view("right")["input_ids"])


def test_images_are_turned_as_numpy_turns_them() -> None:
    pixels = torch.randn(6, 3, 5, 5)
    given = {"pixel_values": pixels.clone(), "lengths": [1] * 6, "stream": "unlabeled"}
    classes = [0, 1, 2, 3, 1, 0]
    got = changed(ImageBackend(), given, classes)
    for row, turns in enumerate(classes):
        for channel in range(3):
            assert np.array_equal(got["pixel_values"][row, channel], np.rot90(pixels[row, channel].numpy(), turns))
    assert (got["lengths"], got["stream"]) == ([1] * 6, "unlabeled")
    assert torch.equal(given["pixel_values"], pixels)


def test_an_image_that_is_not_square_cannot_be_turned() -> None:
    given = {"pixel_values": torch.zeros(2, 3, 4, 6), "lengths": [1, 1]}
    with pytest.raises(UserError, match=r"^pretext: got 'rotation'; a turn by 90 degrees needs .*, got 6x4"):
        changed(ImageBackend(), given, [0, 1])


def test_what_each_modality_can_be_asked() -> None:
    found = {
        type(b).__name__: (b.pretext, b.pretext_classes) for b in (TextBackend(), ImageBackend(), FeatureBackend())
    }
    assert found == {"TextBackend": ("order", 2), "ImageBackend": ("rotation", 4), "FeatureBackend": (None, 0)}
    with pytest.raises(NotImplementedError):
        changed(FeatureBackend(), {"features": torch.zeros(1, 2), "lengths": [1]}, [0])
