"""Files of views: a table of texts, a sheet of images."""

from __future__ import annotations

from pathlib import Path

from ...errors import UserError
from ...files import write_atomically
from .output import as_csv
from .program import ShownViews
from .sheet import contact_sheet


__all__ = ["check_output", "write_views"]

SUFFIXES = {"text": ".csv", "image": ".png"}


def check_output(output: str | None) -> None:
    """Raise UserError for a file of neither kind, before anything is computed."""
    if output is not None and Path(output).suffix.lower() not in SUFFIXES.values():
        raise UserError(f"output: got {output!r}; expected a file .csv for texts, .png for images")


def write_views(shown: ShownViews, output: str | None) -> Path:
    """Write the views, and return where.

    Raises:
        UserError: no file for images, or one of the other kind.
    """
    suffix = SUFFIXES[shown.modality]
    if output is None:
        raise UserError(f"output: got none; images are written to a file: -o views{suffix}")
    path = Path(output)
    if path.suffix.lower() != suffix:
        raise UserError(f"output: got {output!r}; views of {shown.modality}s go to a file {suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, as_csv(shown) if shown.modality == "text" else contact_sheet(shown))
    return path
