"""``textssl doctor``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

import pytest

from tests.command_line import Ended


CommandLine = Callable[..., Ended]


def test_nothing_that_is_needed_is_broken_here(command_line: CommandLine) -> None:
    found = command_line("doctor", "--json")
    assert found.code == 0
    assert found.json["ok"]
    torch = [part for part in found.json["sections"]["Needed packages"] if part["name"] == "torch"]
    assert torch[0]["found"] == importlib.metadata.version("torch")
    said = command_line("doctor")
    assert said.code == 0
    assert said.err == "all that is needed works\n"
    for section in found.json["sections"]:
        assert f"\n{section}\n" in said.out


def test_a_package_that_is_too_old_is_broken(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "5.0.0" if name == "transformers" else version(name)
    )
    ended = command_line("doctor")
    assert ended.code == 1
    assert "5.0.0, which is not <6,>=5.19" in ended.out
    assert ended.err == "broken: transformers\n"
