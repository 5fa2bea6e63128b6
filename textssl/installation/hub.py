"""The Hub and the folders that this machine keeps files in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from .part import FINE, MISSING, Part


__all__ = ["folder_parts", "hub_parts"]

GIB = 1 << 30


def hub_parts() -> list[Part]:
    """Where models come from, whether that is switched off, and whether somebody is logged in; never the token."""
    from huggingface_hub import constants, get_token

    host = urlsplit(constants.ENDPOINT).hostname or "?"
    offline = constants.HF_HUB_OFFLINE
    login = Part("login", FINE, "yes", "")
    if get_token() is None:
        login = Part("login", MISSING, "no", "pushing models, private and gated ones", "hf auth login")
    state = "switched off by HF_HUB_OFFLINE: only what is in the cache is found" if offline else "switched on"
    return [Part("host", FINE, host), Part("downloads", MISSING if offline else FINE, state), login]


def folder_parts() -> list[Part]:
    """Folders for downloads and embeddings: whether they can be written, and how much room there is."""
    import datasets
    from huggingface_hub import constants

    from ..features.cache import cache_folder

    folders = {
        "models of the Hub": constants.HF_HUB_CACHE,
        "data sets": str(datasets.config.HF_DATASETS_CACHE),
        "embeddings": str(cache_folder()),
    }
    return [_folder(name, Path(path)) for name, path in folders.items()]


def _folder(name: str, path: Path) -> Part:
    """The folder as it is, or where it would be made."""
    there = next(parent for parent in [path, *path.parents] if parent.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        # What is cached can still be read, and embeddings go to the folder of a run.
        keeps = "keeping what was downloaded or computed"
        return Part(name, MISSING, f"{path} cannot be written", keeps, "export HF_HOME=FOLDER")
    return Part(name, FINE, f"{path}, {shutil.disk_usage(there).free / GIB:.0f} GiB free")
