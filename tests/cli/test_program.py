"""How a program ends, as its caller sees it: status, one line or a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fork_server import run_python
from textssl.cli import program
from textssl.cli.program import run_program
from textssl.errors import UserError


ROOT = Path(__file__).parents[2]


def fails(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def status(main: Callable[[], object]) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        run_program(main)
    return end.value.code


def test_success_is_zero_and_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(lambda: "whatever") == 0
    assert capsys.readouterr() == ("", "")


def test_a_mistake_is_two_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(fails(UserError("mu: got 0;\n  expected a number above 0"))) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: mu: got 0; expected a number above 0\n"


def test_a_mistake_that_quotes_a_token_is_told_without_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "from-the-environment")
    told = "b: no such flag: hf_ofAPerson0123, from-the-environment"
    assert status(fails(UserError(told))) == 2
    assert capsys.readouterr().err == "error: b: no such flag: <TOKEN>, <TOKEN>\n"


def test_an_interrupt_is_130_and_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(fails(KeyboardInterrupt())) == 130
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--resume_from_checkpoint" in err


def test_another_process_waits_for_the_first_to_speak(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher ends all processes when one ends; a mistake that only one makes must still be told."""
    waited: list[float] = []
    monkeypatch.setattr(program.time, "sleep", waited.append)
    for rank, expected in (("0", []), ("1", [program.PATIENCE])):
        waited.clear()
        monkeypatch.setenv("RANK", rank)
        assert status(fails(UserError("wrong"))) == 2
        assert capsys.readouterr().err == "error: wrong\n"
        assert waited == expected


def test_only_the_first_process_speaks_of_an_interrupt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert status(fails(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [ValueError("a defect"), OSError("a defect"), RuntimeError("a defect")])
def test_a_defect_is_no_mistake_of_the_user(error: Exception) -> None:
    """It keeps its traceback."""
    with pytest.raises(type(error), match="a defect"):
        run_program(fails(error))


def test_a_program_that_exits_by_itself_keeps_its_status() -> None:
    assert status(fails(SystemExit(7))) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "code", "lines"),
    [
        ("raise UserError('wrong')", 2, ["error: wrong"]),
        ("signal.raise_signal(signal.SIGINT)", 130, None),
        ("pass", 0, []),
    ],
)
def test_as_a_process(body: str, code: int, lines: list[str] | None) -> None:
    program = (
        "import signal\nfrom textssl.cli.program import run_program\nfrom textssl.errors import UserError\n"
        f"def main():\n    {body}\nrun_program(main)"
    )
    done = run_python(["-c", program], cwd=ROOT, timeout=60)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert lines is None or done.stderr.splitlines() == lines


IN_A_CYCLE = """
import atexit, os
from pathlib import Path

import torch
import torch.distributed as dist
import transformers.trainer

from textssl.cli.program import run_program


def tell(when):
    names = [Path(f"/proc/self/task/{task}/comm").read_text() for task in os.listdir("/proc/self/task")]
    print(when, "with" if "gloo" in "".join(names) else "without", flush=True)


def main():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
    model.itself = model
    model(torch.ones(1, 2)).sum().backward()
    tell("during")


atexit.register(tell, "after")
run_program(main)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed in /proc")
def test_no_thread_of_the_process_group_is_left() -> None:
    """One that asks for the interpreter while it ends aborts the process; a model in a cycle keeps the group alive."""
    done = run_python(["-c", IN_A_CYCLE], cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith(("during", "after"))]
    assert told == ["during with", "after without"]
