"""The page of a report as it may leave this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from textssl.report.contents import FILE, RunReport
from textssl.report.html import render_page


__all__ = ["shared_report"]


def shared_report(model: Path, with_examples: bool = False) -> bytes | None:
    """The page of the run that a model comes from.

    Args:
        model: its folder; the report is there or in the folder around it.
        with_examples: leave texts and images of the data in it.

    Returns:
        HTML in UTF-8; ``None`` where there is no report.

    Raises:
        UserError: a report that is damaged.
    """
    for folder in (model, model.resolve().parent):
        if (folder / FILE).is_file():
            report = RunReport.read(folder)
            if not with_examples:
                report = replace(report, examples=(), mistakes=(), uncertain=(), uncertain_file=None)
            return render_page(report).encode()
    return None
