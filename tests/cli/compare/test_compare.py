"""``textssl compare`` from files to tables, on features of a tiny encoder, one cell after the other."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import Ended
from tests.recipes.tiny_task import TinyTask, make_task, tree
from textssl.cli.compare import cells, program
from textssl.cli.compare.processes import Answer
from textssl.errors import UserError
from textssl.features.encoders import SentenceEncoder
from textssl.report.paired_accuracy import paired_accuracy


CommandLine = Callable[..., Ended]


class Here:
    """Calls what a process would."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = 1

    def start(self, function: str, *arguments: Any, log: Path | None = None, variables: Any = None) -> Any:
        module, _, name = function.partition(":")
        with contextlib.ExitStack() as stack:
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(contextlib.redirect_stdout(stack.enter_context(log.open("a"))))
            try:
                return Done(Answer(getattr(import_module(module), name)(*arguments)))
            except UserError as error:
                return Done(Answer(reason=str(error)))

    def wait(self, running: Sequence[Any], seconds: float | None = None) -> list[Any]:
        return [*running]


class Done:
    def __init__(self, answered: Answer) -> None:
        self.answered = answered

    def answer(self) -> Answer:
        return self.answered

    def stop(self) -> None:
        """It has ended."""


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "Processes", Here)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    return make_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def encoded() -> Iterator[list[str]]:
    """Each text that the encoder reads, as often as it does."""
    texts: list[str] = []
    encode = SentenceEncoder.__call__

    def counting(self: Any, batch: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        texts.extend(batch)
        return encode(self, batch, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SentenceEncoder, "__call__", counting)
        yield texts


@pytest.fixture(scope="module")
def words(task: TinyTask, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The command, without methods, seeds and folder."""
    cache = tmp_path_factory.mktemp("cache")
    return [
        "compare", task.folder / "few.csv", task.folder / "many.jsonl", "--test", task.folder / "held_out.csv",
        "--backend", "features", "--model", task.folder / "model", "--max_steps", 3, "--max_length", 16,
        "--logging_steps", 1, "--embedding-cache", cache,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared") / "out"


def figures(out: Path) -> dict[tuple[str, int], dict[str, str]]:
    with (out / "compare.csv").open(newline="") as file:
        return {(row["method"], int(row["seed"])): row for row in csv.DictReader(file)}


def texts_of(task: TinyTask) -> set[str]:
    rows = [json.loads(line) for line in (task.folder / "many.jsonl").read_text().splitlines()]
    for name in ("few.csv", "held_out.csv"):
        with (task.folder / name).open(newline="") as file:
            rows += csv.DictReader(file)
    return {row["text"] for row in rows}


@pytest.mark.slow
def test_a_method_beside_the_baseline(
    command_line: CommandLine, words: list[object], out: Path, encoded: list[str], task: TinyTask
) -> None:
    first = command_line(*words, "--methods", "uda", "--seeds", 1, "-o", out)
    assert first.code == 0, first.err
    found = figures(out)
    assert [*found] == [("supervised", 0), ("uda", 0)]
    # One seed: paired by example, from what both predicted.
    kept = {m: np.load(out / m / "seed_0" / m / "measured_predictions.npz") for m in ("supervised", "uda")}
    right = {method: part["probs"].argmax(1) == part["labels"] for method, part in kept.items()}
    assert float(found["uda", 0]["accuracy"]) == pytest.approx(right["uda"].mean())
    low, high = (100 * bound for bound in paired_accuracy(right["uda"], right["supervised"])[1:])
    assert f"{low:+.2f} to {high:+.2f}" in first.out
    assert "paired interval over 30 examples of one seed" in first.out
    texts = texts_of(task)
    assert {text: encoded.count(text) for text in texts} == dict.fromkeys(texts, 1)


@pytest.mark.slow
def test_a_cell_that_fails_is_shown_and_tried_again_and_no_other_runs_twice(
    command_line: CommandLine, out: Path, encoded: list[str], task: TinyTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, count, train = tree(out / "uda"), len(encoded), cells.train_recipe

    def failing(method: str, *args: Any, **kwargs: Any) -> Any:
        raise UserError("the disk burns")

    monkeypatch.setattr(cells, "train_recipe", failing)
    ended = command_line("compare", "-o", out, "--add", "noisy_student")
    assert ended.code == 1
    assert "3 cells, 2 of them done" in ended.err
    assert "failed: noisy_student, seed 0: the disk burns" in ended.out
    assert re.search(r"^noisy_student +failed", ended.out, re.MULTILINE)
    assert figures(out)["noisy_student", 0]["reason"] == "the disk burns"
    monkeypatch.setattr(cells, "train_recipe", train)
    again = command_line("compare", "-o", out)
    assert again.code == 0, again.err
    assert [row["status"] for row in figures(out).values()] == ["done"] * 3
    assert tree(out / "uda") == before
    assert not {*encoded[count:]} & texts_of(task)
    teacher = json.loads((out / "noisy_student" / "seed_0" / "run.json").read_text())["settings"]["teacher"]
    assert Path(teacher) == out / "supervised" / "seed_0" / "supervised"


@pytest.mark.slow
def test_the_same_command_runs_nothing_and_all_files_agree(command_line: CommandLine, out: Path) -> None:
    again = command_line("compare", "-o", out, "--json")
    assert again.code == 0
    assert "3 cells, 3 of them done" in again.err
    assert again.json == json.loads((out / "compare.json").read_text())
    accuracies = {row["method"]: row["accuracy"] for row in again.json["cells"]}
    assert {one["method"]: one["accuracy"]["mean"] for one in again.json["methods"]} == accuracies
    assert {path.suffix for path in out.glob("compare.*")} == {".md", ".csv", ".json", ".png", ".svg"}
    assert "--methods uda,noisy_student --seeds 1" in (out / "compare.md").read_text()
    report = json.loads((out / "report.json").read_text())
    assert {one["name"]: one["mean"] for one in report["candidates"]} == accuracies
    assert "uda" in {curve["run"] for curve in report["curves"]}
    assert "noisy_student" in (out / "report.html").read_text()


@pytest.mark.slow
def test_a_cell_is_the_run_of_train(command_line: CommandLine, words: list[object], out: Path, tmp_path: Path) -> None:
    flags = [word for word in words[1:] if word != "--test"]
    flags[2] = f"--test_file={flags[2]}"
    alone = tmp_path / "alone"
    done = command_line("train", "--method", "uda", *flags, "--seed", 0, "--no_baseline", "--output_dir", alone)
    assert done.code == 0, done.err
    pair = [np.load(path / "uda" / "measured_predictions.npz")["probs"] for path in (alone, out / "uda" / "seed_0")]
    assert np.array_equal(*pair)


MISTAKES = [
    (["--methods", "uda,fixmtach"], "did you mean fixmatch"),
    (["--methods", "uda,vat", "--threshold", "0.9"], "threshold: vat has no such setting; for uda alone: --set uda."),
    (["--methods", "uda", "--learning_rat", "1"], "--learning_rat: no such flag; did you mean learning_rate?"),
    (["--methods", "uda", "--sets", "uda.mu=1"], "--sets: no such flag; did you mean set?"),
    (["--methods", "uda", "--set", "uda.treshold=1"], "did you mean threshold?"),
    (["--methods", "uda", "--set", "vat.mu=1"], "the methods here are supervised, uda"),
    (["--methods", "uda", "--set", "uda.threshold=3"], "uda: threshold: got 3"),
    (["--methods", "uda", "--learning_rate", "fast"], "fast"),
    (["--methods", "uda", "--seed", "3"], "--seeds"),
    (["--methods", "uda", "--labels", "2,500"], "num_labeled: got 2"),
]


@pytest.mark.parametrize(("more", "message"), MISTAKES)
def test_mistakes_are_found_before_the_first_cell_and_leave_nothing(
    command_line: CommandLine, words: list[object], tmp_path: Path, more: list[str], message: str
) -> None:
    ended = command_line(*words, *more, "-o", tmp_path / "out")
    assert message in ended.error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_another_comparison_in_the_folder_is_refused(
    command_line: CommandLine, words: list[object], out: Path
) -> None:
    before = tree(out)
    other = [word if word != 3 else 4 for word in words]
    assert "max_steps was 3, is 4" in command_line(*other, "--methods", "uda", "-o", out).error
    assert tree(out) == before
