"""Docstrings, which are written for people, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


__all__ = ["DOCS", "as_markdown", "table"]

DOCS = Path(__file__).parents[1]
ROLE = re.compile(r":(class|func|meth|mod|attr|data|exc):`")
PAGE = re.compile(r"\(?docs/([\w/]+\.md)\)?")


def as_markdown(docstring: str, folder: str) -> str:
    """``docstring`` without its first line's quotes, as Markdown of a page in ``folder`` of the documentation.

    Indented blocks are formulas and become code. Other lines of a paragraph are joined, for a line that a docstring
    begins with ``+`` or a number is no list.
    """
    blocks = []
    for paragraph in re.split(r"\n\s*\n", docstring.strip("\n")):
        lines = paragraph.splitlines()
        if all(line.startswith("    ") for line in lines):
            blocks.append("\n".join(["```text", *[line[4:] for line in lines], "```"]))
        elif lines[0].startswith("- "):
            blocks.append(paragraph)
        else:
            blocks.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(block if block.startswith("```") else _inline(block, folder) for block in blocks)


def _inline(text: str, folder: str) -> str:
    """Roles of Sphinx as MyST writes them, pages that are named as links, and ``<`` that opens no tag."""
    text = ROLE.sub(lambda found: f"{{py:{found[1]}}}`", text)
    parts = re.split(r"(`+[^`]*`+)", text)
    for number in range(0, len(parts), 2):
        parts[number] = PAGE.sub(lambda found: _link(found, folder), parts[number].replace("<", "&lt;"))
    return "".join(parts)


def _link(found: re.Match[str], folder: str) -> str:
    """The page by its own title; in brackets where it was."""
    up = "../" * len(Path(folder).parts)
    title = (DOCS / found[1]).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    link = f"[{title}]({up}{found[1]})"
    return f"({link})" if found[0].startswith("(") else link


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown; bars within cells are escaped."""
    head = list(head)
    lines = [head, ["---"] * len(head), *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
