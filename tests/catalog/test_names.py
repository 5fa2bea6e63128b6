"""Methods as people write them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from textssl import METHODS, UserError
from textssl.catalog.names import method_named, method_names
from textssl.catalog.summaries import first_lines


def test_they_are_those_of_the_registry() -> None:
    assert list(method_names()) == sorted(METHODS)
    for name, line in first_lines().items():
        told = sys.modules[METHODS[name].objective_class.__module__].__doc__ or ""
        assert told.startswith(line.rstrip("."))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("uda", "uda"),
        ("UDA", "uda"),
        ("mean-teacher", "mean_teacher"),
        ("MeanTeacher", "mean_teacher"),
        ("fix_match", "fixmatch"),
        ("Pi-Model", "pi_model"),
        ("mixup pseudo label", "mixup_pseudo_label"),
    ],
)
def test_case_and_dashes_do_not_matter(written: str, meant: str) -> None:
    assert method_named(written) == meant


@pytest.mark.parametrize("written", [*METHODS])
def test_each_method_means_itself(written: str) -> None:
    assert method_named(written) == method_named(written.upper()) == method_named(written.replace("_", "-")) == written


@pytest.mark.parametrize(
    ("written", "near"),
    [("uad", "uda"), ("fixmach", "fixmatch"), ("mean_teachr", "mean_teacher"), ("mixtxt", "mixtext")],
)
def test_the_nearest_is_named(written: str, near: str) -> None:
    with pytest.raises(UserError, match=f"method: got '{written}'; did you mean {near}\\? allowed: adversarial, "):
        method_named(written)


@pytest.mark.slow
def test_listing_them_loads_no_library_that_takes_long() -> None:
    code = (
        "import sys\nfrom textssl.cli.main import main\ntry:\n    main(['train', '--help'])\nexcept SystemExit:\n"
        "    pass\nprint('LOADED', sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in ended.stdout
    assert all(name in ended.stdout for name in METHODS)
