"""The ``textssl`` command within the process of the tests."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from textssl.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that was printed about a mistake."""
        assert self.code == 2, self
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err, self.err
        return lines[0].removeprefix("error: ")


def call(capfd: pytest.CaptureFixture[str], *words: object) -> Ended:
    capfd.readouterr()
    with _as_it_was(), pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    sys.stdout.flush()
    out, err = capfd.readouterr()
    code = ended.value.code
    return Ended(code if isinstance(code, int) else 0, out, err)


@contextmanager
def _as_it_was() -> Any:
    """Whatever a command sets for its process is taken back."""
    environment, logger = dict(os.environ), logging.getLogger("textssl")
    handlers, propagate = logger.handlers, logger.propagate
    try:
        with warnings.catch_warnings():
            yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        logger.handlers, logger.propagate = handlers, propagate
