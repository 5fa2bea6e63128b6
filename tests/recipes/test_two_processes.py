"""`accelerate launch` of two processes: one run, one table, one set of files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.recipes.tiny_task import ROOT, TinyTask, environment, finished, launch
from textssl.cli.program import run_program
from textssl.errors import UserError
from textssl.report import RunReport


pytestmark = pytest.mark.ddp
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch"]
TWO = [
    "--multi_gpu",
    "--num_processes",
    "2",
    "--num_machines",
    "1",
    "--mixed_precision",
    "no",
    "--dynamo_backend",
    "no",
]


@pytest.fixture(scope="module")
def two(task: TinyTask, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    cwd = tmp_path_factory.mktemp("two")
    words = ["-m", "textssl", "train", "--method", "uda", *task.flags("out", per_device_train_batch_size=4)]
    # Any free port: runs beside each other must not meet.
    launcher = [*LAUNCH, *TWO, "--main_process_port", "0"]
    done = finished(launch(words, cwd, launcher=launcher, env=_own(cwd)))
    return cwd, done.stdout + done.stderr


def _own(cwd: Path) -> dict[str, str]:
    return {**environment(), "HF_HOME": str(cwd / "home"), "PYTHONPATH": str(ROOT)}


def test_a_mistake_that_only_the_first_process_meets_is_one_line(task: TinyTask, tmp_path: Path) -> None:
    """The folder is looked at by the first process alone; the others meet that it is gone."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    words = ["-m", "textssl", "train", "--method", "uda", "--processes", "2", *task.flags("out")]
    done = launch(words, tmp_path, env=_own(tmp_path))
    assert done.returncode == 2
    told = "error: output_dir: out holds files that are no run; choose another --output_dir"
    assert done.stderr.splitlines()[-1] == told
    assert "Traceback" not in done.stderr


def test_they_were_two(two: tuple[Path, str]) -> None:
    results = json.loads((two[0] / "out" / "results.json").read_text())
    assert {stage: result["processes"] for stage, result in results.items()} == {"supervised": 2, "uda": 2}


def test_everything_is_printed_once(two: tuple[Path, str]) -> None:
    for text in (
        "preset cpu",
        "own files",
        "| method ",
        "| supervised |",
        "| uda ",
        "\naccuracy on 30 held-out examples",
    ):
        assert two[1].count(text) == 1, text


def test_everything_is_written_once(two: tuple[Path, str]) -> None:
    cwd = two[0]
    assert {path.name for path in cwd.iterdir()} <= {"out", "home"}
    out = cwd / "out"
    files = {"label_next.csv", "report.html", "report.json", "results.json", "run.json"}
    assert {path.name for path in out.iterdir()} == files | {"plots", "supervised", "uda"}
    report = RunReport.read(out)
    # The pseudo-labels of both processes are counted: each step has two batches.
    mu = json.loads((out / "uda" / "training_args.json").read_text())["mu"]
    assert {quality.count for quality in report.pseudo_labels} == {2 * 4 * mu}
    assert ", 2 processes" in dict(report.facts)["device"]
    rows = json.loads((out / "results.json").read_text())["uda"]["history"]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 13))
    # Each process keeps its own random state, and nothing else.
    checkpoint = {path.name for path in (out / "uda" / "checkpoint-12").iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth", "seal.json"} <= checkpoint
    assert not [path for path in out.rglob("*") if path.suffix in (".tmp", ".part")]


def test_the_first_process_tells_the_mistake_of_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever ends first has the others ended by the launcher, so the others wait."""
    waited: list[float] = []
    monkeypatch.setattr("textssl.cli.program.time.sleep", waited.append)

    def mistaken() -> None:
        raise UserError("mu: got 0")

    for rank, waits in (("0", 0), ("1", 1)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(SystemExit) as end:
            run_program(mistaken)
        assert end.value.code == 2
        assert capsys.readouterr().err == "error: mu: got 0\n"
        assert len(waited) == waits
    assert waited[0] >= 10
