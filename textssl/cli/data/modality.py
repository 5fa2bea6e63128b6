"""Whether the data of a recipe are texts or images."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ...errors import UserError
from ...own_data import read_own_data
from ...own_data.places import is_hub_name
from ...sources.named import SOURCES
from ..options import RecipeOptions


__all__ = ["modality_of_files", "modality_of_task"]


def modality_of_task(options: RecipeOptions, default: str) -> str:
    """``"text"`` or ``"image"``; own files are looked at."""
    if options.train_file is None:
        name, _ = options.named_source(default)
        return SOURCES[name].modality if name in SOURCES else "text"
    return modality_of_files(options.train_file, options.backend)


def modality_of_files(train_file: str, backend: str) -> str:
    """What own files hold: as ``backend`` says, else what is in them.

    A folder of images, a column of the feature ``Image``, and one of paths or bytes of image files are images.

    Args:
        train_file: the labeled data.
        backend: as ``--backend``; ``"features"`` and ``"auto"`` say nothing about it.
    """
    if backend in ("text", "image"):
        return backend
    path = Path(train_file)
    written = path.stat().st_mtime_ns if path.exists() else 0
    return _modality(train_file, written)


@lru_cache
def _modality(train_file: str, written: int) -> str:
    """Once for each state of a file."""
    path = Path(train_file)
    if not written and not is_hub_name(train_file):
        return "text"
    try:
        return read_own_data(train_file, "train_file").modality
    except UserError:
        # Those who read all of it tell the mistake.
        folder = path.is_dir() and not (path / "state.json").is_file()
        return "image" if folder else "text"
