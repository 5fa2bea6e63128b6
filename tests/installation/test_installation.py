"""What ``textssl doctor`` looks at: packages, engines, folders, the Hub."""

from __future__ import annotations

import importlib.metadata
import os
import re
import stat
import tomllib
from pathlib import Path

import pytest

from textssl.installation import packages
from textssl.installation.engines import engine_parts
from textssl.installation.hub import folder_parts, hub_parts
from textssl.installation.machine import machine_parts
from textssl.installation.packages import EXTRAS, optional_packages, required_packages
from textssl.installation.part import BROKEN, FINE, MISSING


def test_every_extra_says_what_it_is_for() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {*EXTRAS} == {*project["optional-dependencies"]} - {"docs", "test"}


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Stands in for what is installed."""
    known: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in known:
            raise importlib.metadata.PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(packages.importlib.metadata, "version", version)
    return known


REQUIREMENTS = ["torch>=2.6", "pillow>=10", "peft>=0.21; extra == 'lora'", "pytest>=8; extra == 'test'"]


def test_needed_packages(versions: dict[str, str]) -> None:
    versions |= {"torch": "2.13.0+cpu", "pillow": "9.0"}
    torch, pillow = required_packages(REQUIREMENTS, load=lambda name: name)
    assert (torch.state, torch.found) == (FINE, "2.13.0+cpu")
    assert (pillow.state, pillow.found, pillow.install) == (
        BROKEN,
        "9.0, which is not >=10",
        "pip install 'pillow>=10'",
    )
    del versions["pillow"]
    assert required_packages(REQUIREMENTS, load=lambda name: name)[1].state == BROKEN


def test_a_needed_package_that_cannot_be_imported(versions: dict[str, str]) -> None:
    versions |= {"torch": "2.13.0", "pillow": "12.0"}

    def load(name: str) -> None:
        if name == "PIL":
            raise ImportError("libjpeg.so:\n no such file")

    torch, pillow = required_packages(REQUIREMENTS, load=load)
    assert torch.state == FINE
    assert pillow.found == "12.0 cannot be imported: ImportError: libjpeg.so: no such file"


def test_optional_packages(versions: dict[str, str]) -> None:
    (peft,) = optional_packages(REQUIREMENTS)
    assert (peft.name, peft.state, peft.install) == ("peft", MISSING, "pip install 'textssl[lora]'")
    assert peft.enables == EXTRAS["lora"]
    versions["peft"] = "0.21.1"
    assert optional_packages(REQUIREMENTS)[0].state == FINE


def test_apertium_and_its_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the program: two directions of one pair, one direction of another."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [part.state for part in engine_parts() if part.name == "Apertium"] == [MISSING]
    program = tmp_path / "apertium"
    program.write_text("#!/bin/sh\necho eng-spa\necho '  spa-eng'\necho eng-cat\necho eng-spa-tagger\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (apertium,) = [part for part in engine_parts() if part.name == "Apertium"]
    assert (apertium.state, apertium.found) == (FINE, "there and back: eng-spa")


def test_a_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_somebody")
    login = hub_parts()[-1]
    assert (login.name, login.state, login.found) == ("login", FINE, "yes")
    assert "secret" not in str([part.as_json() for part in hub_parts()])


def test_folders_that_can_and_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTSSL_CACHE", str(tmp_path / "mine"))
    embeddings = folder_parts()[-1]
    assert embeddings.state == FINE
    assert re.fullmatch(rf"{tmp_path}/mine/embeddings, \d+ GiB free", embeddings.found)
    assert not (tmp_path / "mine").exists(), "looking makes no folder"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert {part.state for part in folder_parts()} == {MISSING}


def test_the_machine() -> None:
    parts = {part.name: part.found for part in machine_parts()}
    assert re.fullmatch(r"\d+\.\d+ GiB, \d+\.\d+ GiB of it free", parts["memory"])
    assert "cores" in parts["processor"]
