"""Whether the data of a recipe are texts or images, without reading them."""

from __future__ import annotations

from pathlib import Path

from ...sources.named import SOURCES
from ..options import RecipeOptions


__all__ = ["modality_of_files", "modality_of_task"]


def modality_of_task(options: RecipeOptions, default: str) -> str:
    """``"text"`` or ``"image"``, without reading any data."""
    if options.train_file is None:
        name, _ = options.named_source(default)
        return SOURCES[name].modality if name in SOURCES else "text"
    return modality_of_files(options.train_file, options.backend)


def modality_of_files(train_file: str, backend: str) -> str:
    """What own files hold: as ``backend`` says, else images where it is a folder that no data set was saved in."""
    if backend in ("text", "image"):
        return backend
    folder = Path(train_file)
    return "image" if folder.is_dir() and not (folder / "state.json").is_file() else "text"
