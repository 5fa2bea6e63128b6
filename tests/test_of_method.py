"""``pytest --method NAME``: which tests it takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.of_method import ROOT, all_methods, methods_of
from textssl.methods import METHODS


class Described:
    """A test as pytest describes it; without parameters it has no ``callspec``."""

    def __init__(self, path: Path, parameters: dict[str, Any]) -> None:
        self.path = path
        if parameters:
            self.callspec = SimpleNamespace(params=parameters)


def item(path: str, **parameters: Any) -> Any:
    return Described(ROOT / path, parameters)


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


@pytest.mark.slow
def test_the_option_leaves_nothing_else() -> None:
    files = ["tests/methods/test_vat.py", "tests/functional/test_policies.py", "tests/methods/test_uda.py"]
    items, dropped = [item(file) for file in files], []
    config: Any = SimpleNamespace(
        option=SimpleNamespace(method=["vat"]),
        hook=SimpleNamespace(pytest_deselected=lambda items: dropped.extend(items)),
    )
    expected = items[:1], items[1:]
    conftest.pytest_collection_modifyitems(config, items)
    assert (items, dropped) == expected
    config.option.method = None
    conftest.pytest_collection_modifyitems(config, items)
    assert items == expected[0]


def test_a_name_of_no_method_is_refused() -> None:
    config: Any = SimpleNamespace(option=SimpleNamespace(method=["uda", "vta"]))
    with pytest.raises(pytest.UsageError, match="--method: got vta; allowed: adversarial, co_training, "):
        conftest.pytest_configure(config)
