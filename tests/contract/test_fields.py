"""Every field of every config acts: one that changes nothing is a defect, and so is one that no test would miss."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract import fields
from tests.contract.cases import build, first_batch
from tests.contract.knobs import KNOBS, knob, module_of, unknown_knobs
from textssl.forward import passes
from textssl.methods import METHODS


def with_values(method: str, names: list[str]) -> list[str]:
    return [name for name in names if isinstance(fields.values_of(method, name), tuple)]


COUNTED = [(method, field) for method in METHODS for field in with_values(method, fields.own_fields(method))]


@pytest.mark.parametrize(("method", "field"), COUNTED, ids=[f"{m}-{f}" for m, f in COUNTED])
def test_every_field_of_a_method_acts(method: str, field: str) -> None:
    """USB's UDA never sharpened: a setting that changes nothing is a defect."""
    assert fields.acts(method, field), f"{method}: {field} changes no weight"


@pytest.mark.parametrize("method", METHODS)
def test_fields_of_all_methods_act_in_each(method: str) -> None:
    """Or are refused. Without unlabeled examples there is no ``mu`` of them."""
    wanted = {*with_values(method, sorted(fields.EVERY_METHOD))}
    if "unlabeled" not in METHODS[method].objective_class.views:
        wanted -= {"mu"}
    idle = [field for field in sorted(wanted) if not fields.acts(method, field)]
    assert not idle, f"{method}: {', '.join(idle)}: no weight changes"


@pytest.mark.parametrize("field", fields.ANY_METHOD)
def test_fields_that_no_method_sees_act(field: str) -> None:
    assert fields.acts("uda", field)


def test_no_field_goes_without_a_check() -> None:
    lines = [line for method in METHODS for line in [*fields.missing(method), *fields.stale(method)]]
    for method in METHODS:
        lines += [
            f"{method}: {name} is no knob; there are {', '.join(KNOBS)}" for name in unknown_knobs(module_of(method))
        ]
        lines += [f"{method}: {line}" for line in fields.wrong_references(knob(method, "CONTRACT_ELSEWHERE"))]
    lines += fields.wrong_references(fields.ELSEWHERE)
    lines += [f"tests/contract/fields.py: {name} is no field that needs an entry" for name in fields.unused()]
    assert not lines, "\n".join(["", *lines])


def test_the_check_of_fields_sees_what_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that does nothing, one that nothing knows, a misspelled knob, a test that is not there."""
    assert not fields.acts("uda", "unlabeled_weight", (0.5, 0.5, {"max_steps": 1}))
    module = module_of("fixmatch")
    monkeypatch.delitem(fields.METHOD_FIELDS, "threshold")
    (line,) = fields.missing("fixmatch")
    assert line.startswith('fixmatch: threshold: no test would miss this field; add "threshold": (VALUE, OTHER)')
    assert "tests/methods/test_fixmatch.py" in line
    monkeypatch.setattr(module, "CONTRACT_FIELDS", {"threshold": (0.0, 0.5), "treshold": (0, 1)}, raising=False)
    assert fields.missing("fixmatch") == []
    assert fields.stale("fixmatch") == [
        "tests/methods/test_fixmatch.py: treshold is no field of fixmatch, or is listed twice"
    ]
    monkeypatch.setattr(module, "CONTRACT_FIELD", {}, raising=False)
    assert unknown_knobs(module) == ["CONTRACT_FIELD"]
    here = "tests/contract/test_fields.py"
    assert fields.wrong_references(
        {
            "threshold": f"{here}::test_the_check_of_fields_sees_what_it_must",
            "rampup_start": f"{here}::test_no_field_goes_without_a_check",
            "margin": f"{here}::test_of_nothing",
            "mu": "tests/none.py::test_of_nothing",
        }
    ) == [
        f"rampup_start: {here}::test_no_field_goes_without_a_check does not mention rampup_start",
        f"margin: {here}::test_of_nothing is no test of that file",
        "mu: tests/none.py::test_of_nothing is in no file of that name",
    ]


def test_the_page_names_each_test_and_each_knob() -> None:
    page = (fields.ROOT / "docs" / "contributing" / "contract.md").read_text(encoding="utf-8")
    tests = [
        test
        for name in ("test_contract.py", "test_fields.py")
        for test in re.findall(r"^def (test_\w+)", Path(__file__).with_name(name).read_text(), re.MULTILINE)
    ]
    assert [name for name in tests if f"| `{name}` |" not in page] == []
    assert [name for name in KNOBS if f"\n`{name}`\n: " not in page] == []
    named = re.findall(r"^\| `(test_\w+)` \|", page, re.MULTILINE)
    assert sorted(named) == sorted(tests)


@pytest.mark.parametrize("length_passes", [True, False])
def test_length_passes_run_rows_of_like_length_together(
    length_passes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a pass costs nothing, as many as there are lengths; otherwise one."""
    monkeypatch.setitem(passes.PASS_OVERHEAD, "cpu", 0)
    trainer = build("uda", tmp_path, length_passes=length_passes)
    view, widths = first_batch(trainer)["unlabeled"]["weak"], []
    trainer.model.register_forward_pre_hook(
        lambda _, args, given: widths.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    trainer.forward_for(trainer.model)(view)
    lengths: set[Any] = {int(mask.sum()) for mask in view["attention_mask"]}
    assert sorted(widths) == (sorted(lengths) if length_passes else [max(lengths)])
