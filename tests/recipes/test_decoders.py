"""A recipe on a decoder whose tokenizer has no padding token, as GPT-2's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from transformers import AutoTokenizer, pipeline

from tests.contract.tiny_decoders import decoder, tokenizer
from tests.recipes.tiny_task import TinyTask


def test_texts_are_padded_with_the_end_token(
    call: Callable[[Sequence[str]], int], task: TinyTask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gpt2"
    decoder("gpt2").save_pretrained(folder)
    tokenizer(pad=None).save_pretrained(folder)
    assert call(task.flags("out", model=folder, max_steps=4, baseline_steps=4)) == 0
    assert "has no padding token; texts are padded with [SEP]" in caplog.text
    for stage in ("supervised", "uda"):
        saved = tmp_path / "cwd" / "out" / stage
        assert AutoTokenizer.from_pretrained(saved).pad_token == "[SEP]"
        assert json.loads((saved / "config.json").read_text())["pad_token_id"] == 3
        assert len(pipeline("text-classification", model=str(saved), device="cpu")(["w1 w2", "w3"], batch_size=2)) == 2
