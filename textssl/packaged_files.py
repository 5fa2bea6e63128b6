"""Files that installed packages carry, found without importing the packages and verified by their checksums."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError


__all__ = ["PackageFile", "package_file"]


@dataclass(frozen=True)
class PackageFile:
    """A file inside an installed package, the SHA-256 it must have, and the command that installs the package."""

    package: str
    version: str
    path: str
    sha256: str
    install: str = "pip install 'textssl[embedded]'"


def package_file(file: PackageFile) -> Path:
    """Find a file of an installed package without importing the package, and verify it."""
    remedy = f"{file.install} brings {file.package} {file.version}"
    try:
        found = Path(str(importlib.metadata.distribution(file.package).locate_file(file.path)))
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(f"the package {file.package} is not installed; {remedy}") from error
    if not found.is_file():
        raise UserError(f"{str(found)!r} is missing; {remedy}")
    with found.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != file.sha256:
        raise UserError(f"{str(found)!r} has the SHA-256 {digest[:12]}..., not {file.sha256[:12]}...; {remedy}")
    return found
