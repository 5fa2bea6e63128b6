"""What a recipe hands to a translator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from textssl import FixMatchConfig
from textssl.cli.options import RecipeOptions
from textssl.cli.task_setups import strong_view as module


class Recorder:
    identity, deterministic = "recorder", True

    def __init__(self) -> None:
        self.texts: list[str] = []

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        self.texts += texts
        return [text.upper() for text in texts]


TEXT = "A heading\n\nOne two.  Three four\nfive six @you"


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"max_length": 32}, TEXT),
        ({"max_length": 4}, "A heading\n\nOne two."),
        ({"max_length": 4, "truncation": "start"}, "four\nfive six @you"),
    ],
)
def test_a_translator_is_given_the_text_as_it_is_written(
    tmp_path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], shown: str
) -> None:
    engine = Recorder()
    monkeypatch.setattr(module, "_engine", lambda name, options: engine)
    config = FixMatchConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], **settings)
    data = Dataset.from_dict({"text": [TEXT]})
    module.strong_view(RecipeOptions(strong="apertium"), config, data, tmp_path / "translations")
    assert engine.texts == [shown]


def test_both_ends_of_a_long_text_stay_apart(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Recorder()
    monkeypatch.setattr(module, "_engine", lambda name, options: engine)
    config = FixMatchConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], max_length=8, truncation="head_tail")
    words = [f"w{i}" for i in range(40)]
    data = Dataset.from_dict({"text": [" ".join(words)]})
    module.strong_view(RecipeOptions(strong="apertium"), config, data, tmp_path / "translations")
    head, tail = engine.texts[0].split("\n")
    assert [*head.split(), *tail.split()] == [*words[: len(head.split())], *words[-len(tail.split()) :]]
    assert len(head.split()) + len(tail.split()) == 8
