"""Warnings are kept for a report, and still shown."""

from __future__ import annotations

import logging

import pytest

from textssl.notices import recorded_warnings


def test_each_message_is_kept_once(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("textssl.somewhere.deep")
    with recorded_warnings() as messages:
        logger.warning("take %s", "care")
        logger.warning("take care")
        logger.info("nothing")
        logging.getLogger("another").warning("not ours")
        logger.error("worse")
    logger.warning("too late")
    assert messages == ["take care", "worse"]
    assert [record.getMessage() for record in caplog.records].count("take care") == 2


def test_without_any_handler_they_are_shown_as_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's last resort writes to standard error where nobody listens; listening must not silence it."""
    root, package = logging.getLogger(), logging.getLogger("textssl")
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(package, "handlers", [])
    with recorded_warnings():
        logging.getLogger("textssl.x").warning("seen")
    assert capsys.readouterr().err == "seen\n"
    assert package.handlers == []
