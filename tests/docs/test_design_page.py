"""What the page on the design points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_surface import MAY_IMPORT


ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "contributing" / name for name in ("design.md", "new_method.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"`((?:textssl|tests|recipes|data_scripts)/[\w/.]*)`", page.read_text()))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_names_in_the_table_stand_in_their_files() -> None:
    rows = re.findall(r"^\| [^|]+ \| (.*) \|$", PAGES[0].read_text(), re.MULTILINE)
    pairs = [pair for row in rows for pair in re.findall(r"`([\w.]+)` (?:in|of) `(t[\w/]+\.py)`", row)]
    assert len(pairs) > 10
    for name, path in pairs:
        text = (ROOT / path).read_text()
        for part in name.split("."):
            assert re.search(rf"^\s*(?:class|def) {part}\b|^{part}\b", text, re.MULTILINE), (name, path)


def test_layers_are_in_the_order_of_imports() -> None:
    table = PAGES[0].read_text().partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \|", table, re.MULTILINE)
    layer = {name: number for number, row in enumerate(rows) for name in re.findall(r"`(\w+)`", row)}
    assert set(layer) == set(MAY_IMPORT)
    wrong = [
        (room, other)
        for room, others in MAY_IMPORT.items()
        for other in others - {"textssl"}
        if layer[other] > layer[room]
    ]
    assert not wrong
