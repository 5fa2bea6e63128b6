"""The documentation builds, its links lead somewhere, its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Hand-written ones; pages that Sphinx makes are checked by its build.
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
]


def names(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """Markdown without what stands in code, where brackets are no links and ``#`` is no heading."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *(```+)[^\n]*\n.*?^ *\1 *$", "", text, flags=re.DOTALL | re.MULTILINE))


@cache
def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub and MyST make them."""
    text = re.sub(
        r"^ *(```+)[^\n]*\n.*?^ *\1 *$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_of_a_page(page: Path) -> None:
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            missing.append(link)
    assert not missing


def test_a_wrong_link_is_seen() -> None:
    """An oracle that sees nothing would find nothing wrong."""
    page = ROOT / "docs" / "guides" / "saving.md"
    assert "secrets" in anchors(page)
    assert "no-such-heading" not in anchors(page)
    assert without_code("`[a](b)` [c](d)\n```python\nx[0](1)\n```\n").split() == ["[c](d)"]


def test_the_readme_leads_to_the_documentation() -> None:
    """From its index every page is reached: Sphinx refuses a page that is in no table of contents."""
    assert "](docs/index.md)" in (ROOT / "README.md").read_text()


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    """By the command of ``make docs``, which also refuses pages in no table of contents and broken references."""
    (command,) = re.findall(
        r"python -m sphinx (.*) docs docs/_build/html$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    arguments = [*command.split(), "-d", str(tmp_path / "doctrees"), "docs", str(tmp_path / "html")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr.strip()
    assert (tmp_path / "html" / "index.html").exists()
