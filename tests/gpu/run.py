"""The GPU check: figures and the contract of every method on one CUDA device, in under eight minutes.

    make gpu [GPU_OUT=FOLDER]

It needs a Python with PyTorch for CUDA, and nothing from a network. What a machine lacks besides may lie as wheels
in a folder (``make gpu-wheels`` fills it where there is a package index); they are installed into a temporary folder.
Without a CUDA device it prints one line and exits with 0. It writes ``report.json`` and ``report.md``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


ROOT = Path(__file__).parents[2]
# Of the time that is left once the figures are measured, tests keep some to be reported.
MARGIN = 15.0
VERSIONS = {"PyTorch": "torch", "CUDA": "cuda", "Transformers": "transformers"}


def why_not() -> str | None:
    """Why nothing can be checked here, or ``None``."""
    if importlib.util.find_spec("torch") is None:
        return f"PyTorch is not installed for {sys.executable}"
    import torch

    if not torch.cuda.is_available():
        return f"no CUDA device is visible to PyTorch {torch.__version__}"
    return None


def environment(wheels: Path, site: Path, records: Path) -> dict[str, str]:
    """Variables of the processes that measure and test."""
    paths = [str(ROOT)]
    found = sorted(str(wheel) for wheel in wheels.glob("*.whl"))
    if found:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
        subprocess.run([*command, "--upgrade", "--target", str(site), *found], check=True)
        paths.insert(0, str(site))
    paths += [path for path in [os.environ.get("PYTHONPATH")] if path]
    return {
        "CUDA_VISIBLE_DEVICES": "0",
        **os.environ,
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(paths),
        "TEXTSSL_GPU_CHECK_RECORDS": str(records),
        "TOKENIZERS_PARALLELISM": "false",
    }


def run_figures(out: Path, seconds: float, env: dict[str, str]) -> dict[str, Any]:
    """Figures as :mod:`tests.gpu.figures` measures them; those that a time-out cut off are missing."""
    command = [sys.executable, "-m", "tests.gpu.figures", "--output", str(out), "--seconds", str(seconds)]
    try:
        # One figure may begin at the last moment.
        done = subprocess.run(command, env=env, cwd=ROOT, timeout=seconds + 60)
        problem = None if done.returncode == 0 else f"figures.py exited with {done.returncode}"
    except subprocess.TimeoutExpired:
        problem = "figures.py took too long"
    path = out / "figures.json"
    figures: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return figures if problem is None else {**figures, "problem": {"": {"error": problem}}}


def run_tests(out: Path, seconds: float, env: dict[str, str], processes: int) -> dict[str, Any]:
    """Outcomes of the contract; every process of pytest has the one device."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "tests/gpu"]
    # Of this device the results matter, not what its build of PyTorch deprecates.
    command += ["-W", "default"]
    if importlib.util.find_spec("xdist") is not None:
        command += ["-n", str(processes), "--dist", "worksteal"]
    log = out / "tests.log"
    with log.open("w") as file:
        try:
            code = subprocess.run(command, env=env, cwd=ROOT, stdout=file, stderr=file, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            code = 124
    text = log.read_text()
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)\b", text)}
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", text, flags=re.MULTILINE)
    return {"exit_code": code, "counts": counts, "failed": failed}


def largest(records: Path) -> dict[str, dict[str, Any]]:
    """Of each kind of recorded value the largest, and whose it was."""
    found: dict[str, dict[str, Any]] = {}
    for line in records.read_text().splitlines() if records.is_file() else []:
        kind, name, value = line.split("\t")
        if float(value) >= found.get(kind, {}).get("largest", -1.0):
            found[kind] = {"largest": float(value), "of": name}
    return found


def as_markdown(report: dict[str, Any]) -> str:
    """The report as one section: the machine, a table of each kind, the outcome of the tests."""
    figures = dict(report["figures"])
    machine = figures.pop("machine", {}).get("", {})
    lines = [f"## {machine.get('device', 'unknown device')}", ""]
    versions = {name: machine.get(key) for name, key in VERSIONS.items()}
    lines += [", ".join(f"{name} {version}" for name, version in versions.items())]
    for table, rows in figures.items():
        columns = list(dict.fromkeys(key for row in rows.values() for key in row if key != "lines"))
        lines += ["", f"| {table} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        lines += [f"| {name} | {' | '.join(_cell(row.get(key)) for key in columns)} |" for name, row in rows.items()]
    lines += ["", "| largest difference | | of |", "|---|---|---|"]
    lines += [f"| {kind} | {row['largest']:.2e} | {row['of']} |" for kind, row in report["differences"].items()]
    counts = ", ".join(f"{number} {word}" for word, number in report["tests"]["counts"].items())
    lines += ["", f"Contract: {counts or 'nothing ran'} (exit code {report['tests']['exit_code']})"]
    lines += [f"- {name}" for name in report["tests"]["failed"]]
    return "\n".join([*lines, "", f"{report['seconds']:.0f} s in all", ""])


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,.3g}" if isinstance(value, float) and value < 1000 else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "outputs/gpu")
    parser.add_argument("--wheels", type=Path, default=ROOT / ".wheels")
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--processes", type=int, default=max(1, min(6, (os.cpu_count() or 1) // 2)))
    arguments = parser.parse_args()
    reason = why_not()
    if reason is not None:
        print(f"GPU check: skipped, {reason}")
        return 0
    begin = time.monotonic()
    out = arguments.output.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        records = Path(temporary, "records.tsv")
        env = environment(arguments.wheels.resolve(), Path(temporary, "site"), records)
        figures = run_figures(out, 60 * arguments.minutes * 0.4, env)
        left = 60 * arguments.minutes - (time.monotonic() - begin) - MARGIN
        tests = run_tests(out, max(left, MARGIN), env, arguments.processes)
        seconds = time.monotonic() - begin
        report = {"figures": figures, "differences": largest(records), "tests": tests, "seconds": seconds}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    text = as_markdown(report)
    (out / "report.md").write_text(text)
    print(text)
    return 1 if tests["exit_code"] or "problem" in figures else 0


if __name__ == "__main__":
    sys.exit(main())
