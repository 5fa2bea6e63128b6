"""Extension of Sphinx that writes the pages of methods and of the API before the sources are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api_pages import PARTS, api_page, config_page
from command_pages import commands_page
from docutils import nodes
from method_pages import METHODS, method_page, methods_table
from references import prepare, resolve, short_signature
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


__all__ = ["setup", "write_pages"]


def generated() -> dict[str, str]:
    """All pages that are made, by their path below the documentation."""
    described: dict[int, str] = {}
    pages = {f"methods/{name}.md": method_page(name) for name in METHODS}
    pages["reference/commands.md"] = commands_page()
    pages["reference/config.md"] = config_page()
    pages |= {f"reference/api/{part}.md": api_page(part, described) for part in PARTS}
    return pages


def write_pages(app: Sphinx) -> None:
    """Write what has changed, and remove pages of what is gone."""
    folder, pages = Path(app.srcdir), generated()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in [*folder.glob("methods/*.md"), *folder.glob("reference/api/*.md")]:
        if path.name != "index.md" and path.relative_to(folder).as_posix() not in pages:
            path.unlink()


class MethodsTable(SphinxDirective):
    """All methods, a line each."""

    def run(self) -> list[nodes.Node]:
        """Parse the table as if it stood on the page."""
        return self.parse_text_to_nodes(methods_table())


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.add_directive("methods-table", MethodsTable)
    app.connect("builder-inited", write_pages)
    # Before napoleon, which reads Google's sections.
    app.connect("autodoc-process-docstring", prepare, priority=400)
    app.connect("autodoc-process-signature", short_signature)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
