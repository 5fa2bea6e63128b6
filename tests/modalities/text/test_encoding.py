"""The encoder against the tokenizer's own output."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

import textssl.modalities.text.encoding as encoding
from tests.contract.cases import WORDS, texts, tokenizer
from textssl.augment.text import TfIdfReplacement, split_words
from textssl.modalities.text.encoding import TextEncoder


TEXTS = [*texts(12, seed=5)[0], "", "w1", "Unknown, w2!", " ".join(WORDS)]


@pytest.fixture
def own() -> PreTrainedTokenizerFast:
    """A tokenizer that a test may change."""
    copied: PreTrainedTokenizerFast = pickle.loads(pickle.dumps(tokenizer()))
    return copied


class Counted:
    """Passes calls on, and counts the texts."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.seen: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __call__(self, texts: Sequence[str], **kwargs: Any) -> Any:
        self.seen += texts
        return self.inner(texts, **kwargs)


def reference(tokenizer: Any, texts: Sequence[str], max_length: int, side: str) -> dict[str, list[list[int]]]:
    tokenizer.truncation_side = side
    return dict(tokenizer([str(text) for text in texts], truncation=True, max_length=max_length, padding=True))


def widened(rows: list[list[int]], multiple: int, fill: int, side: str) -> list[list[int]]:
    """Padded by hand: with a cut of its own the tokenizer takes only lengths that are such a multiple."""
    width = len(rows[0])
    while width % multiple:
        width += 1
    more = [fill] * (width - len(rows[0]))
    return [more + row if side == "left" else row + more for row in rows]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("keep_end", [False, True])
@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize(("max_length", "multiple"), [(6, 1), (6, 8), (32, 1), (100, 8), (3, 4)])
def test_ids_and_mask_are_the_tokenizers(
    split: bool, keep_end: bool, padding_side: str, max_length: int, multiple: int, own: PreTrainedTokenizerFast
) -> None:
    own.padding_side = padding_side
    given = [split_words(text) for text in TEXTS] if split else TEXTS
    encoded = TextEncoder(own, max_length, "start" if keep_end else "end", multiple)(given)
    expected = reference(own, TEXTS, max_length, "left" if keep_end else "right")
    assert encoded["input_ids"].tolist() == widened(expected["input_ids"], multiple, 0, padding_side)
    assert encoded["attention_mask"].tolist() == widened(expected["attention_mask"], multiple, 0, padding_side)
    assert encoded["lengths"] == [sum(row) for row in expected["attention_mask"]]
    assert encoded["input_ids"].dtype == encoded["attention_mask"].dtype == torch.int64
    assert all(type(length) is int for length in encoded["lengths"])


@pytest.mark.parametrize("keep_end", [False, True])
def test_replaced_words_encode_as_the_text_they_make(keep_end: bool, own: PreTrainedTokenizerFast) -> None:
    replace = TfIdfReplacement.fit(TEXTS[:12], p=0.5)
    changed = [replace({"text": text}, np.random.default_rng(i))["text"] for i, text in enumerate(TEXTS)]
    assert changed != TEXTS
    encoded = TextEncoder(own, 8, "start" if keep_end else "end")(changed)
    expected = reference(own, changed, 8, "left" if keep_end else "right")
    assert encoded["input_ids"].tolist() == expected["input_ids"]


def test_a_text_that_remembers_its_cut_never_reaches_the_tokenizer_again(own: PreTrainedTokenizerFast) -> None:
    encoder = TextEncoder(own, 16)
    encoder([split_words(text) for text in TEXTS])
    counted = Counted(own)
    encoder.tokenizer = counted  # type: ignore[assignment]
    encoder([split_words(" ".join(text.split()[::-1])) for text in TEXTS])
    assert counted.seen == []


def test_static_texts_are_tokenized_once(own: PreTrainedTokenizerFast) -> None:
    encoder, counted = TextEncoder(own, 16), Counted(own)
    encoder.tokenizer = counted  # type: ignore[assignment]
    first = encoder(["w1 w2", "w3"], keys=[(0, 1), (1, 1)])
    again = encoder(["w3", "w4", "w1 w2"], keys=[(1, 1), None, (0, 1)])
    encoder(["w4"], keys=[None])
    encoder(["w4"])
    assert counted.seen == ["w1 w2", "w3", "w4", "w4", "w4"]
    assert torch.equal(again["input_ids"][[2, 0]], first["input_ids"])


def test_the_cache_is_bounded(own: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "CACHED_ROWS", 3)
    encoder, counted = TextEncoder(own, 16), Counted(own)
    encoder.tokenizer = counted  # type: ignore[assignment]
    rows = [f"w{i}" for i in range(5)]
    plain = TextEncoder(own, 16)(rows)
    for _ in range(2):
        assert torch.equal(encoder(rows, keys=list(range(5)))["input_ids"], plain["input_ids"])
    assert counted.seen == [*rows, "w3", "w4"]


def test_a_changed_batch_leaves_the_cache_alone(own: PreTrainedTokenizerFast) -> None:
    encoder = TextEncoder(own, 16)
    before = encoder(["w1 w2"], keys=[0])
    before["input_ids"].zero_()
    assert encoder(["w1 w2"], keys=[0])["input_ids"].tolist() == [[2, 6, 7, 3]]


def test_nothing_to_encode_is_an_empty_batch(own: PreTrainedTokenizerFast) -> None:
    empty = TextEncoder(own, 16)([])
    assert empty["input_ids"].shape == empty["attention_mask"].shape == (0, 0)
    assert empty["lengths"] == []


def test_an_encoder_travels_to_a_worker_process(own: PreTrainedTokenizerFast) -> None:
    """DataLoader's spawned workers receive it as a pickle."""
    encoder = TextEncoder(own, 16, "start")
    encoder(TEXTS, keys=list(range(len(TEXTS))))
    copied = pickle.loads(pickle.dumps(encoder))
    given = [split_words(text) for text in TEXTS]
    assert torch.equal(copied(given)["input_ids"], encoder(given)["input_ids"])
