"""Pseudo-labels of a file, as one of two processes."""

from __future__ import annotations

from textssl.corpus.outputs import OutputFile
from textssl.corpus.pseudo_labels import pseudo_label_file


def label_file(teacher: str, given: str, out: str) -> int | None:
    """Rows that were written; ``None`` where another process wrote them."""
    done = pseudo_label_file(teacher, given, OutputFile(out), rows_per_shard=3, progress=False)
    return None if done is None else done.kept
