"""The checksum of a file against the one that the standard publishes."""

from __future__ import annotations

from pathlib import Path

import pytest

from textssl.files import sha256_of


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
