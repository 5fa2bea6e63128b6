"""``textssl methods``: the list, the page of a method, and mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.command_line import Ended
from textssl.methods import METHODS


CommandLine = Callable[..., Ended]


def test_the_list_has_a_line_for_every_method(command_line: CommandLine) -> None:
    ended = command_line("methods")
    assert ended.code == 0
    assert set(METHODS) <= {line.split(" ")[0] for line in ended.out.splitlines()}
    # By hand: (1 + 2 + 7 (2 + 2)) / 3 passes, and one step of supervised training.
    assert re.search(r"^fixmatch +unlabeled, strong view +10\.3  a confident label", ended.out, re.MULTILINE)
    assert re.search(r"^supervised +labels alone +1\.0  cross entropy", ended.out, re.MULTILINE)
    assert all(len(line) <= 100 for line in ended.out.splitlines())
    assert ended.err.endswith("next: textssl methods fixmatch\n")


def test_the_list_as_json(command_line: CommandLine) -> None:
    listed = command_line("methods", "--json").json
    assert [method["name"] for method in listed] == sorted(METHODS)
    (uda,) = [method for method in listed if method["name"] == "uda"]
    assert (uda["needs"], uda["relative_cost"], uda["trainer"]) == (["unlabeled", "strong view"], 5.0, "UDATrainer")


@pytest.mark.parametrize("written", ["mean-teacher", "MeanTeacher"])
def test_the_page_of_a_method(command_line: CommandLine, written: str) -> None:
    ended = command_line("methods", written)
    assert ended.code == 0
    for part in ("https://arxiv.org/abs/1703.01780", "WHEN IT FAILS", "COST", "--teacher_decay (alpha)", "RELATIONS"):
        assert part in ended.out
    assert "textssl train --method mean_teacher" in ended.out
    assert "``" not in ended.out
    assert ":class:" not in ended.out


def test_every_page_is_whole(command_line: CommandLine) -> None:
    for name, trainer in METHODS.items():
        page = command_line("methods", name, "--json").json
        assert page["formula"] or name == "supervised"
        assert {"Views", "State", "Cost", "When it fails"} <= page["parts"].keys()
        fields = {setting["name"] for setting in page["settings"]}
        assert fields <= trainer.config_class.__dataclass_fields__.keys()
        assert all(setting["description"] for setting in page["settings"])


def test_a_method_that_is_none(command_line: CommandLine) -> None:
    message = command_line("methods", "fixmach").error
    assert message.startswith("method: got 'fixmach'; did you mean fixmatch? allowed: adversarial, ")
