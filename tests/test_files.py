"""Checksums of files, against those that the standard publishes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from textssl.files import sha256_of, sha256_of_all


def test_the_checksum_is_that_of_the_standard(tmp_path: Path) -> None:
    """FIPS 180-2, appendix B.1 and B.3: "abc", and a million times "a"."""
    for content, expected in (
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ):
        path = tmp_path / "file"
        path.write_bytes(content)
        assert sha256_of(path) == expected


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "none")


def test_of_several_files_names_and_contents_count(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    paths = [tmp_path / "inner" / "one", tmp_path / "two"]
    for path, content in zip(paths, (b"abc", b""), strict=True):
        path.write_bytes(content)
    lines = (
        "inner/one\0ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
        "two\0e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
    )
    found = sha256_of_all(tmp_path, paths)
    assert found == hashlib.sha256(lines.encode()).hexdigest()
    assert sha256_of_all(tmp_path, [paths[0], paths[1].rename(tmp_path / "three")]) != found
