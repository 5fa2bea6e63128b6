"""The page on views of texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from textssl.augment.text import split_words
from textssl.augment.text.translation_guard import (
    EMPTY,
    NAME_LOST,
    NEGATION_LOST,
    TEXT_TOO_SHORT,
    TOO_LONG,
    TOO_SHORT,
    UNCHANGED,
)


PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "text_views.md").read_text(encoding="utf-8")


def test_the_examples_run() -> None:
    shared: dict[str, Any] = {}
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        exec(example, shared)


def test_the_table_of_units_is_right() -> None:
    rows = re.findall(r"^\| `(\S+)` \| ((?:`\S+` ?)+)", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for written, units in rows:
        assert split_words(written).words == tuple(re.findall(r"`(\S+)`", units))


def test_all_reasons_are_told() -> None:
    for reason in (TEXT_TOO_SHORT, EMPTY, TOO_SHORT, TOO_LONG, NAME_LOST, NEGATION_LOST, UNCHANGED):
        assert f"`{reason}`" in PAGE
