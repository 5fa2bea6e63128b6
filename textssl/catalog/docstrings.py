"""Docstrings of methods, which are written for people: their parts, and their words without markup."""

from __future__ import annotations

import re


__all__ = ["idea_of", "plain_text", "sections", "title_of"]

SECTION = re.compile(r"\*([^*\n]+?)\.\*\s+")
ROLE = re.compile(r":\w+:`[~.]*([^`]*)`")
# The paper in brackets at the end of a first line.
CITED = re.compile(r"\s*\([^()]*\b\d{4}\b[^()]*\)(?=\.?$)")


def sections(docstring: str) -> dict[str, str]:
    """The parts of a method's docstring: what precedes the first ``*Name.*`` under ``""``, then each by its name."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for paragraph in re.split(r"\n\s*\n", docstring.strip("\n")):
        if start := SECTION.match(paragraph):
            name = start[1]
            found[name] = []
            paragraph = paragraph[start.end() :]
        found[name].append(paragraph)
    return {key: "\n\n".join(paragraphs) for key, paragraphs in found.items()}


def title_of(docstring: str) -> str:
    """What the first line of a module calls the method."""
    return docstring.partition(":")[0]


def idea_of(docstring: str, cited: bool = True) -> str:
    """The idea in one sentence, as the first line of a module has it; the paper in brackets only if ``cited``."""
    idea = docstring.partition("\n")[0].partition(": ")[2]
    return idea if cited else CITED.sub("", idea)


def plain_text(docstring: str) -> str:
    """Paragraphs of a docstring for a terminal: each on one line, formulas as they stand."""
    blocks = []
    for paragraph in re.split(r"\n\s*\n", docstring.strip("\n")):
        lines = paragraph.splitlines()
        as_it_is = all(line.startswith("    ") for line in lines) or lines[0].startswith("- ")
        blocks.append(paragraph if as_it_is else " ".join(line.strip() for line in lines))
    return ROLE.sub(r"`\1`", "\n\n".join(blocks)).replace("``", "`").replace("**", "")
