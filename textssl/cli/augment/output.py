"""Views of texts for a person: changes marked on a terminal or in plain characters, JSON, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from ...report.html.word_diff import Piece, word_diff
from .program import ShownRow, ShownViews


__all__ = ["as_csv", "as_json", "place", "print_in_color", "text_lines"]

# Longer texts are shown by their beginning, unless they go to a file.
CHARACTERS = 600
STYLES = {"same": "", "removed": "red strike", "added": "bold green"}


def text_lines(shown: ShownViews) -> Iterator[str]:
    """Plain lines: what was taken out in ``[-...-]``, what was put in in ``{+...+}``."""
    for row in shown.rows:
        yield f"{place(row)}: {_cut(row.original)}"
        for name, view in row.views.items():
            yield f"    {name}: {_plain(row.original, view)}"
        yield ""


def print_in_color(shown: ShownViews) -> None:
    """The same on a terminal, with what was taken out struck through and what was put in in bold."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=False)
    for row in shown.rows:
        console.print(Text.assemble((f"{place(row)}: ", "bold"), _cut(row.original)))
        for name, view in row.views.items():
            line = Text.assemble((f"{name}: ", "cyan"))
            if view == row.original:
                line.append("unchanged", "dim")
            else:
                for piece in _within(word_diff(row.original, view)):
                    line.append(_visible(piece.text), STYLES[piece.change])
            console.print(Padding(line, (0, 0, 0, 4)))
        console.print()


def place(row: ShownRow) -> str:
    """Where a person finds a row."""
    return f"row {row.row}" if row.line is None else f"line {row.line} (row {row.row})"


def _plain(original: str, view: str) -> str:
    if view == original:
        return "unchanged"
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(marks[piece.change].format(_visible(piece.text)) for piece in _within(word_diff(original, view)))


def _within(pieces: list[Piece]) -> Iterator[Piece]:
    """The first pieces, as many as have room."""
    left = CHARACTERS
    for piece in pieces:
        if len(piece.text) > left:
            yield Piece(piece.change, f"{piece.text[:left]} ...")
            return
        yield piece
        left -= len(piece.text)


def _cut(text: str) -> str:
    return _visible(text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]} ...")


def _visible(text: str) -> str:
    """What would move the cursor is a blank, or escaped."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else repr(letter)[1:-1] for letter in text
    )


def as_json(shown: ShownViews) -> dict[str, Any]:
    """All of it as plain values; of images the rows alone."""
    rows: list[dict[str, Any]] = []
    for row in shown.rows:
        entry: dict[str, Any] = {"row": row.row, "line": row.line}
        if shown.modality == "text":
            views = {
                name: {"text": view, "changes": [piece._asdict() for piece in word_diff(row.original, view)]}
                for name, view in row.views.items()
            }
            entry |= {"original": row.original, "views": views}
        rows.append(entry)
    return {"modality": shown.modality, "notes": shown.notes, "strengths": shown.strengths, "rows": rows}


def as_csv(shown: ShownViews) -> bytes:
    """Row, line, the text, and a column for each view."""
    file = io.StringIO(newline="")
    names = list(shown.rows[0].views)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["row", "line", "original", *names])
    for row in shown.rows:
        writer.writerow([row.row, row.line, row.original, *(row.views[name] for name in names)])
    return file.getvalue().encode()
