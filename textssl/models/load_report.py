"""The table that transformers logs of weights that did not fit, without what an encoder is expected to leave out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


__all__ = ["Loading", "quiet_load_report"]

POOLER = "pooler"
TITLE = "LOAD REPORT"
MISSING, UNEXPECTED = "MISSING", "UNEXPECTED"

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Parameters of one module share a row: ``pooler.dense.{bias, weight}``.
_ROW = re.compile(r"^(\S.*?)\s*\|\s*([A-Z]+)\b")

_reporter = logging.getLogger("transformers.modeling_utils")


@dataclass
class Loading:
    """What is loaded: to be filled in when it is there.

    Attributes:
        encoder: what came out, the model of transformers.
        needs_pooler: whether a pooler that the weights lack is news.
    """

    encoder: Any = None
    needs_pooler: bool = False

    def expects(self, name: str, status: str) -> bool:
        """Whether a row is of a pooler that nobody reads, or of a head or a decoder that weights hold too."""
        if status == MISSING:
            return not self.needs_pooler and POOLER in name
        root = name.removeprefix(f"{self.encoder.base_model_prefix}.").partition(".")[0]
        return status == UNEXPECTED and (root == POOLER or not hasattr(self.encoder, root))


@contextmanager
def quiet_load_report() -> Iterator[Loading]:
    """Hold back what transformers reports of loaded weights, and log it at the end unless all of it was expected.

    Yields:
        Where to put what was loaded. Without an encoder every report is logged.
    """
    held: list[logging.LogRecord] = []
    loading = Loading()

    def passes(record: logging.LogRecord) -> bool:
        is_report = TITLE in record.getMessage()
        if is_report:
            held.append(record)
        return not is_report

    _reporter.addFilter(passes)
    try:
        yield loading
    finally:
        _reporter.removeFilter(passes)
        for record in held:
            rows = _rows(record.getMessage())
            if loading.encoder is None or not rows or not all(loading.expects(*row) for row in rows):
                _reporter.handle(record)


def _rows(report: str) -> list[tuple[str, str]]:
    """Name and status in each row of the table, below its head."""
    lines = (_COLOURS.sub("", line) for line in report.splitlines())
    return [(found[1], found[2]) for line in lines if (found := _ROW.match(line))]
