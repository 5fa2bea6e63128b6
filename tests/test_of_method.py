"""``pytest --method NAME``: which tests it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.of_method import ROOT, all_methods, methods_of
from textssl.methods import METHODS


def item(path: str, **parameters: Any) -> Any:
    """A test as pytest describes it; without parameters it has no ``callspec``."""
    found = SimpleNamespace(path=ROOT / path)
    if parameters:
        found.callspec = SimpleNamespace(params=parameters)
    return found


def test_the_methods_are_those_of_the_package() -> None:
    assert set(all_methods()) == set(METHODS)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (item("tests/methods/test_vat.py"), {"vat"}),
        (item("tests/methods/test_vat_search.py"), {"vat"}),
        (item("tests/methods/test_mixup.py", threshold=0.5), {"mixup"}),
        (item("tests/methods/test_mixup_pseudo_label.py"), {"mixup_pseudo_label"}),
        (item("tests/methods/dividemix/test_loss_mixture.py"), {"dividemix"}),
        (item("tests/methods/naive.py"), set()),
        (item("tests/contract/test_contract.py", method="uda", modality="text", settings={}), {"uda"}),
        (item("tests/test_docs.py", name="uda"), {"uda"}),
        (item("tests/training/test_memory_settings.py", method="uda"), {"uda"}),
        (item("tests/functional/test_losses.py", method="no method"), set()),
        (item("tests/functional/test_adversarial.py"), set()),
        (item("tests/test_docs.py", page=ROOT / "docs" / "methods" / "uda.md"), {"uda"}),
        (item("tests/test_docs.py", page=ROOT / "docs" / "methods" / "index.md"), set()),
        (item("tests/test_docs.py", page=Path("uda.md")), set()),
    ],
)
def test_a_test_is_of_its_module_its_parameter_and_its_page(test: Any, expected: set[str]) -> None:
    assert methods_of(test) == expected


def test_the_option_leaves_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "--method", "vat"]
    files = ["tests/methods/test_vat.py", "tests/functional/test_policies.py", "tests/test_of_method.py"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split("::")[0] for line in done.stdout.splitlines() if "::" in line} == {"tests/methods/test_vat.py"}
    done = subprocess.run([*command[:-1], "vta", files[1]], cwd=ROOT, capture_output=True, text=True)
    assert "--method: got vta; allowed: adversarial, co_training, " in done.stderr
