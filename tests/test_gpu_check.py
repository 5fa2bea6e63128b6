"""The GPU check where there is no GPU: it is skipped in one line, and its parts run on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu import figures, run, test_contract
from tests.gpu.device import why_not
from tests.gpu.workload import SIZES


TINY = SIZES["tiny"]


@pytest.mark.slow
@pytest.mark.skipif(why_not() is None, reason="there is a GPU")
def test_without_a_device_it_is_skipped_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "tests/gpu/run.py", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=run.ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout == f"GPU check: skipped, no CUDA device is visible to PyTorch {torch.__version__}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", [figures.STOCK, *figures.METHODS])
def test_figures_of_a_step(method: str) -> None:
    found = figures.step_figures(method, TINY, "cpu", steps=figures.WARM_UP + 1, rounds=1)
    assert found["trainer_ms"] > 0
    assert found["ratio"] == pytest.approx(found["trainer_ms"] / found["bare_ms"])


def test_figures_of_loading_and_images() -> None:
    assert figures.loading_figures("uda", TINY, "cpu", figures.WARM_UP + 1)["workers_0_ms"] > 0
    assert figures.image_figures(32, 8, "cpu", rounds=1)["device_per_s"] > 0


def test_a_wait_for_the_device_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own message, once in each step that is counted."""
    message = "called a synchronizing CUDA operation (Triggered internally at CUDAFunctions.cpp:273.)"

    class Waiting(figures.SyncCounter):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if figures.WARM_UP < state.global_step < state.max_steps:
                figures.warnings.warn(message, stacklevel=1)

    monkeypatch.setattr(figures, "SyncCounter", Waiting)
    found = figures.sync_figures("uda", TINY, "cpu", steps=figures.WARM_UP + 4)
    assert found["syncs_per_step"] == pytest.approx(3 / 3)
    assert list(found["lines"].values()) == [3]


def test_what_fails_or_has_no_time_left_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("out of memory")

    work = [("step", "uda", broken), ("step", "fixmatch", lambda: {"ratio": 1.0})]
    monkeypatch.setattr(figures, "jobs", lambda size, device: iter(work))
    figures.measure(TINY, "cpu", 60.0, tmp_path / "a.json")
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["step"] == {"uda": {"error": "RuntimeError: out of memory"}, "fixmatch": {"ratio": 1.0}}
    figures.measure(TINY, "cpu", -1.0, tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text())["step"]["uda"] == {"not_measured": "no time left"}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_contract_runs(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = tmp_path / "records.tsv"
    monkeypatch.setattr(test_contract, "DEVICE", "cpu")
    monkeypatch.setenv("TEXTSSL_GPU_CHECK_RECORDS", str(records))
    test_contract.test_loss_equals_that_of_the_cpu("uda", "text", {}, precision, tmp_path / "a")
    test_contract.test_trains_and_evaluates("uda", "text", {}, precision, tmp_path / "b")
    test_contract.test_unlabeled_term_alone_moves_the_encoder("uda", "text", {}, precision, tmp_path / "c")
    test_contract.test_resume("uda", "text", {}, tmp_path / "d")
    found = run.largest(records)
    assert found["resume"] == {"largest": 0.0, "of": "uda text"}
    assert found[f"loss {precision}"]["largest"] <= test_contract.TOLERANCE[precision]
    assert (found[f"loss {precision}"]["largest"] == 0) == (precision == "fp32")


def test_the_report_has_all_that_was_measured(tmp_path: Path) -> None:
    records = tmp_path / "records.tsv"
    records.write_text("loss fp32\tuda text\t1e-06\nloss fp32\tvat text\t2e-05\nresume\tuda text\t0.0\n")
    report = {
        "figures": {
            "machine": {"": {"device": "Card", "torch": "2.13", "cuda": "13.0", "transformers": "5.24"}},
            "step": {"uda": {"trainer_ms": 31.25, "ratio": 1.02}, "fixmatch": {"error": "RuntimeError: no"}},
            "syncs": {"uda": {"syncs_per_step": 0.5, "lines": {"trainer.py:1": 5}}},
        },
        "differences": run.largest(records),
        "tests": {"exit_code": 1, "counts": {"failed": 1, "passed": 9}, "failed": ["tests/gpu/test_contract.py::x"]},
        "seconds": 301.0,
    }
    text = run.as_markdown(report)
    assert text.startswith("## Card\n")
    assert "| step | trainer_ms | ratio | error |" in text
    assert "| uda | 31.2 | 1.02 |  |" in text
    assert "| fixmatch |  |  | RuntimeError: no |" in text
    assert "| syncs | syncs_per_step |" in text
    assert "| loss fp32 | 2.00e-05 | vat text |" in text
    assert "Contract: 1 failed, 9 passed (exit code 1)\n- tests/gpu/test_contract.py::x" in text
