"""The command line of a comparison: flags of training, methods, seeds and what they ask for."""

from __future__ import annotations

import pytest

from textssl.cli.compare.flags import named_values, numbers, own_flags, training_flags
from textssl.cli.compare.request import CompareRequest, requested_grid
from textssl.errors import UserError


def test_flags_keep_their_values() -> None:
    words = ["--max-steps", "6", "--bf16", "--class_weights", "1", "-2.5", "--model=a=b", "--max_steps", "7"]
    assert training_flags(words) == {
        "max_steps": ("7",),
        "bf16": (),
        "class_weights": ("1", "-2.5"),
        "model": ("a=b",),
    }


REFUSED = [
    (["--seed", "3"], "--seeds"),
    (["--num-labeled=3"], "--labels"),
    (["--output_dir", "x"], "-o"),
    (["--baseline_steps=4"], "--set supervised.max_steps"),
    (["--push_to_hub"], "not for a comparison"),
    (["-x"], "no such flag"),
    (["few.csv"], "no such flag"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_the_grid_decides_is_no_flag(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        training_flags(words)


def test_settings_of_single_methods() -> None:
    found = own_flags(["mean-teacher.teacher-decay=0.9", "mean_teacher.mu=2", "uda.model=a=b"])
    assert found == {"mean_teacher": {"teacher_decay": ("0.9",), "mu": ("2",)}, "uda": {"model": ("a=b",)}}


@pytest.mark.parametrize("setting", ["uda", "uda.mu", "mu=2", ".mu=2", "uda.=2", "uda.seed=2"])
def test_settings_of_another_form_are_refused(setting: str) -> None:
    with pytest.raises(UserError, match=r"^set: "):
        own_flags([setting])


def test_numbers_and_names() -> None:
    assert numbers("labels", "50, 20,50", 1) == (20, 50)
    assert named_values(" uda,vat, uda ,") == ("uda", "vat")
    for text in ("", "x", "0", "1.5", "-3"):
        with pytest.raises(UserError, match=r"^labels: got"):
            numbers("labels", text, 1)


@pytest.mark.parametrize(("text", "seeds"), [("3", (0, 1, 2)), ("7,0,7", (0, 7)), ("5,", (5,))])
def test_seeds_are_counted_or_named(text: str, seeds: tuple[int, ...]) -> None:
    assert requested_grid(CompareRequest(source="imdb", methods="uda", seeds=text), None).seeds == seeds


def test_cells_are_added_with_the_settings_of_the_folder() -> None:
    first = CompareRequest(["few.csv", "many.csv", "--max_steps", "6"], methods="UDA,mean-teacher", seeds="2")
    before = requested_grid(first, None)
    assert before.methods == ("uda", "mean_teacher")
    assert before.data == {"train_file": "few.csv", "unlabeled_file": "many.csv"}
    more = requested_grid(CompareRequest(add="vat", seeds="3", settings=["vat.mu=2"]), before)
    assert more.methods == ("uda", "mean_teacher", "vat")
    assert (more.seeds, more.flags, more.data) == ((0, 1, 2), before.flags, before.data)
    assert more.own == {"vat": {"mu": ("2",)}}


MISTAKES = [
    (CompareRequest(), "labeled: got none"),
    (CompareRequest(["few.csv"]), "methods: got none"),
    (CompareRequest(["few.csv"], methods="uda,fixmtach"), "did you mean fixmatch"),
    (CompareRequest(["a.csv", "b.csv", "c.csv"], methods="uda"), "c.csv: expected at most two files"),
    (CompareRequest(["few.csv"], methods="uda", source="imdb"), "beside few.csv"),
    (CompareRequest(methods="uda", source="imdb", test="held.csv"), "test: got 'held.csv'"),
    (CompareRequest(["few.csv"], methods="uda", seeds="0"), "seeds: got '0'"),
    (CompareRequest(["few.csv"], methods="uda", seeds="three"), "seeds: got 'three'"),
]


@pytest.mark.parametrize(("asked", "message"), MISTAKES)
def test_mistakes_are_one_line(asked: CompareRequest, message: str) -> None:
    with pytest.raises(UserError, match=message):
        requested_grid(asked, None)
