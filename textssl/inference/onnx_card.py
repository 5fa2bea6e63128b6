"""The README of an exported classifier: code that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


__all__ = ["onnx_card"]

TOKENIZERS = """\
import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({length}, direction="{direction}")
tokenizer.enable_padding(pad_id={pad_id}, pad_token="{pad_token}")
session = onnxruntime.InferenceSession("model.onnx")
names = json.loads(Path("classifier.json").read_text())["label_names"]

rows = tokenizer.encode_batch(["Some text."])
inputs = {{
{inputs}
}}
logits = session.run(None, inputs)[0]
print([names[number] for number in logits.argmax(1)])
"""
ARRAYS = {
    "input_ids": '"input_ids": np.array([row.ids for row in rows])',
    "attention_mask": '"attention_mask": np.array([row.attention_mask for row in rows])',
    "token_type_ids": '"token_type_ids": np.array([row.type_ids for row in rows])',
}
VECTORS = """\
import json
from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
names = json.loads(Path("classifier.json").read_text())["label_names"]

vectors = np.zeros((1, {size}), np.float32)
logits = session.run(None, {{"features": vectors}})[0]
print([names[number] for number in logits.argmax(1)])
"""
OURS = """\
from textssl.inference import load_classifier

classifier = load_classifier(".")
print(classifier.predict([{example}]))
"""


def onnx_card(described: Mapping[str, Any], tokenizer: Any, model: str) -> str:
    """The README.

    Args:
        described: the content of ``classifier.json``.
        tokenizer: as it was saved; ``None`` for other inputs.
        model: name of the model that was exported.
    """
    if described["modality"] == "features":
        code, needs = VECTORS.format(size=described["input_size"]), "onnxruntime and numpy"
    elif _is_plain(described, tokenizer):
        direction = "left" if described["truncation"] == "start" else "right"
        arrays = "\n".join(f"    {ARRAYS[name]}," for name in described["inputs"])
        values = {"pad_id": tokenizer.pad_token_id, "pad_token": tokenizer.pad_token, "inputs": arrays}
        code = TOKENIZERS.format(length=described["max_length"], direction=direction, **values)
        needs = "onnxruntime, tokenizers and numpy"
    else:
        examples = {"image": '"some_image.png"', "text": '"Some text."'}
        example = '("Some text.", "Another text.")' if described["pairs"] else examples[described["modality"]]
        code, needs = OURS.format(example=example), "textssl[onnx]"
    labels = ", ".join(f"`{' '.join(str(name).split())}`" for name in described["label_names"])
    return (
        f"# {model.rstrip('/').rpartition('/')[2]} as ONNX\n\nLabels: {labels}\n\n"
        f"In this folder, with {needs}:\n\n```python\n{code}```\n"
    )


def _is_plain(described: Mapping[str, Any], tokenizer: Any) -> bool:
    """Whether the library tokenizers alone reads texts as training did."""
    return (
        described["modality"] == "text"
        and not described["pairs"]
        and described["truncation"] != "head_tail"
        and getattr(tokenizer, "is_fast", False)
        and set(described["inputs"]) <= set(ARRAYS)
        # Most tokenizers take a text as it is; some clean it before, in Python.
        and type(tokenizer).__module__.startswith(("transformers.tokenization", "transformers.models"))
    )
