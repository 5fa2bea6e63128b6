"""Translations on disk, found by their content, whole after a kill at any moment.

A store is a folder of JSON-lines files, the shards, which are written once and never changed. A
shard appears under its name only when it is complete, and the name holds the checksum of its
content. Several jobs may write into one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ...errors import UserError
from ...files import write_atomically


__all__ = ["TranslationStore", "translation_key"]

_SHARD = "translations-{number:06d}-{checksum}.jsonl"
_SHARD_NAME = re.compile(r"translations-\d{6,}-(?P<checksum>[0-9a-f]{32})\.jsonl")


def translation_key(engine: str, seed: int, copy: int, text: str) -> str:
    """What a translation is stored under: the sha256, in hexadecimal, of all that it depends on.

    Args:
        engine: the ``identity`` of the engine: program, language pair, models, temperature.
        seed: of the draw.
        copy: number of the translation among several of one text, from 0.
        text: exactly as given to the engine.
    """
    content = json.dumps([engine, seed, copy, text])
    return hashlib.sha256(content.encode("ascii")).hexdigest()


class TranslationStore:
    """A map from key to translation that grows by shards.

    Only keys and file positions are held in memory, about 200 bytes a translation; texts are read
    when asked for. Opening a store reads all of it once, to check it. Shards which other jobs write
    later are not seen until the store is opened again.

    Args:
        folder: made with the first shard. None keeps the translations in memory, and nowhere else.

    Raises:
        UserError: if ``folder`` is a file, or a shard is truncated or was changed. The message
            names the shard; with that one file deleted the store opens again, and nothing else is
            lost.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._memory: dict[bytes, str] = {}
        self._places: dict[bytes, tuple[Path, int]] = {}
        self._shards = 0
        if self.folder is not None and self.folder.exists():
            if not self.folder.is_dir():
                raise UserError(f"store: got {str(self.folder)!r}, which is a file; give a folder")
            for path in sorted(self.folder.iterdir()):
                if match := _SHARD_NAME.fullmatch(path.name):
                    self._open_shard(path, match["checksum"])

    def __len__(self) -> int:
        return len(self._memory) + len(self._places)

    def __contains__(self, key: str) -> bool:
        short = bytes.fromhex(key)
        return short in self._places or short in self._memory

    def get(self, key: str) -> str | None:
        """The translation stored under a key of ``translation_key``, or None."""
        short = bytes.fromhex(key)
        if short not in self._places:
            return self._memory.get(short)
        path, offset = self._places[short]
        with path.open("rb") as shard:
            shard.seek(offset)
            return str(json.loads(shard.readline())["translation"])

    def add(self, translations: Mapping[str, str]) -> None:
        """Store translations by key. When this returns they are on the disk, as one new shard."""
        if not translations:
            return
        if self.folder is None:
            self._memory.update((bytes.fromhex(key), text) for key, text in translations.items())
            return
        lines = [
            json.dumps({"key": key, "translation": text}).encode("ascii") + b"\n" for key, text in translations.items()
        ]
        content = b"".join(lines)
        path = self.folder / _SHARD.format(number=self._shards, checksum=_checksum(content))
        write_atomically(path, content)
        self._index(path, dict(zip(translations, lines, strict=True)))

    def _open_shard(self, path: Path, checksum: str) -> None:
        content = path.read_bytes()
        if _checksum(content) != checksum:
            raise UserError(
                f"store: {path} is damaged: its content does not match the checksum in its name. "
                f"Delete this file and run again: the texts in it are translated anew, all others "
                f"are kept"
            )
        lines = content.splitlines(keepends=True)
        self._index(path, {json.loads(line)["key"]: line for line in lines})

    def _index(self, path: Path, lines: Mapping[str, bytes]) -> None:
        offset = 0
        for key, line in lines.items():
            self._places[bytes.fromhex(key)] = (path, offset)
            offset += len(line)
        self._shards += 1


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
