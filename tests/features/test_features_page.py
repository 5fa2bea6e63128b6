"""The page on features: its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from transformers import pipeline


pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "features.md").read_text()


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTSSL_CACHE", str(tmp_path / "cache"))
    answers, training = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(training, "features.md", "exec"), {})
    # In place of the folder that the recipe's command writes.
    exec(compile(answers.replace("outputs/fixmatch_few/fixmatch", "my_classifier"), "features.md", "exec"), {})
    classify = pipeline("text-classification", model="my_classifier")
    assert [row["label"] for row in classify(["A fine film.", "Dull."])] == ["positive", "negative"]
