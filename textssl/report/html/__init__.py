"""The report of a run as one HTML file."""

from __future__ import annotations

from textssl.report.html.page import PAGE, render_page, write_page


__all__ = ["PAGE", "render_page", "write_page"]
