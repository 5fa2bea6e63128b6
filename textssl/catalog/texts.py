"""The page of a method for a terminal."""

from __future__ import annotations

import textwrap
from importlib import import_module
from typing import Any

from .docstrings import plain_text
from .settings import Setting, method_settings
from .summaries import MethodSummary


__all__ = ["cost_line", "method_details", "method_text", "train_command"]

ORDER = ("Views", "State", "Cost", "When it fails", "Differs from the paper in", "Relations")
INDENT = "    "


def method_details(summary: MethodSummary) -> dict[str, Any]:
    """All that there is to say of a method, as plain values; its config is imported."""
    parts = {name: plain_text(text) for name, text in summary.parts.items()}
    settings = [
        {
            "name": setting.name,
            "symbol": setting.symbol,
            "default": setting.default.replace("`", ""),
            "description": plain_text(setting.description),
        }
        for setting in _settings_of(summary)
    ]
    lead = parts.pop("")
    return {
        **summary.as_json(),
        "formula": lead.partition("\n\n")[2],
        "views": {stream: list(names) for stream, names in summary.views.items()},
        "parts": parts,
        "settings": settings,
        "bibtex": summary.citation.bibtex if summary.citation else None,
        "command": train_command(summary),
    }


def method_text(summary: MethodSummary, width: int) -> str:
    """What :func:`method_details` tells, as lines for a person.

    Args:
        summary: of the method.
        width: of a line.
    """
    details = method_details(summary)
    paper = summary.citation
    facts = [
        ("needs", ", ".join(summary.needs) or "labeled examples alone"),
        ("works on", ", ".join(summary.modalities)),
        ("a step costs", cost_line(summary)),
        ("in Python", f"textssl.{summary.trainer}, textssl.{summary.config}"),
    ]
    if paper is not None:
        link = f", https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else ""
        facts.append(("paper", f"{paper.title} ({paper.year}){link}"))
    lines = [f"{summary.title} ({summary.name})", "", _wrapped(_capital(summary.idea), width), ""]
    lines += [_filled(value, width, f"{name:<14}", " " * 14) for name, value in facts]
    if details["formula"]:
        lines += ["", _wrapped(details["formula"], width)]
    parts: dict[str, str] = details["parts"]
    for name in [*[name for name in ORDER if name in parts], *[name for name in parts if name not in ORDER]]:
        lines += ["", name.upper(), _wrapped(_capital(parts[name]), width)]
    lines += ["", "SETTINGS", *_setting_lines(details["settings"], width)]
    lines += ["", "TO RUN IT", f"{INDENT}{details['command']}"]
    return "\n".join(lines)


def cost_line(summary: MethodSummary) -> str:
    """What a step costs, and what is done outside of steps."""
    if summary.cost is None or summary.relative_cost is None:
        return "not stated"
    of = f" (mu = {summary.mu} unlabeled examples for each labeled one)" if "unlabeled" in summary.views else ""
    line = f"{summary.relative_cost:.1f} steps of supervised training on as many labels{of}"
    return f"{line}; {summary.cost.besides}" if summary.cost.besides else line


def train_command(summary: MethodSummary) -> str:
    """The command that trains by the method on one's own files."""
    unlabeled = " unlabeled.csv" if "unlabeled" in summary.needs else ""
    return f"textssl train --method {summary.name} labeled.csv{unlabeled}"


def _settings_of(summary: MethodSummary) -> list[Setting]:
    config: Any = getattr(import_module("textssl"), summary.config)
    return method_settings(config)


def _setting_lines(settings: list[dict[str, str]], width: int) -> list[str]:
    lines = []
    for setting in settings:
        symbol = f" ({setting['symbol']})" if setting["symbol"] else ""
        lines.append(f"{INDENT}--{setting['name']}{symbol}, default {setting['default']}")
        lines.append(_filled(setting["description"], width, INDENT * 2, INDENT * 2))
    return [*lines, f"{INDENT}Those that all methods have: textssl train --method NAME --help"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _wrapped(text: str, width: int) -> str:
    """Paragraphs filled to a width; formulas and lists as they stand."""
    blocks = text.split("\n\n")
    return "\n\n".join(block if block.startswith(("    ", "- ")) else textwrap.fill(block, width) for block in blocks)


def _filled(text: str, width: int, first: str, others: str) -> str:
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=others)
