"""The report of a run of ``train`` that left results but no report: what can be told from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textssl.errors import UserError
from textssl.report.classification_scores import wilson_interval
from textssl.report.contents import RunReport
from textssl.report.from_history import curves_of
from textssl.report.parts import Candidate


__all__ = ["report_of_results"]

BASELINES = ("supervised", "probe")
SETTINGS = ("method", "data", "model", "strong", "max_steps", "per_device_train_batch_size", "learning_rate", "seed")
LEVEL = 0.95


def report_of_results(folder: Path) -> RunReport | None:
    """What ``results.json``, or without it the ``result.json`` of each finished stage, and ``run.json`` tell.

    Args:
        folder: of the run.

    Returns:
        The report; ``None`` if nothing of a run is there.

    Raises:
        UserError: a file is damaged.
    """
    settings = (_read(folder / "run.json") or {}).get("settings")
    whole = _read(folder / "results.json")
    results = _stages(folder) if whole is None else whole
    if not isinstance(settings, dict) or not results or not all(map(_is_result, results.values())):
        return None
    method = str(settings.get("method") or list(results)[-1])
    measured_on, candidates = _candidates(results, method)
    note = "this run wrote no report: what is shown is what its results tell"
    if method not in results:
        note = f"{method} was not finished when this was written; {note}"
    return RunReport(
        kind="train",
        title=f"{method} on {settings['data']}" if settings.get("data") else method,
        facts=tuple((name, str(settings[name])) for name in SETTINGS if settings.get(name) is not None),
        findings=tuple(_findings(candidates, method)),
        warnings=(note,),
        candidates=candidates,
        candidate_measured_on=measured_on,
        candidate_level=LEVEL,
        curves=tuple(curve for name, result in results.items() for curve in curves_of(result["history"], name, ())),
    )


def _stages(folder: Path) -> dict[str, Any]:
    files = sorted(folder.glob("*/result.json"), key=lambda file: file.stat().st_mtime)
    return {file.parent.name: _read(file) for file in files}


def _is_result(result: object) -> bool:
    if not isinstance(result, dict) or not isinstance(result.get("history"), list):
        return False
    return all(isinstance(entry, dict) and "step" in entry for entry in result["history"])


def _candidates(results: Mapping[str, Any], method: str) -> tuple[str, tuple[Candidate, ...]]:
    """What they were measured on, and the stages, baselines first."""
    told, found = "", []
    for name in sorted(results, key=lambda name: name == method):
        result = results[name]
        kind = "test" if result.get("accuracy") is not None else "validation"
        accuracy = result.get("accuracy") if kind == "test" else result.get("validation_accuracy")
        count = _count(result["history"], kind)
        low = high = None
        if accuracy is not None and count:
            low, high = wilson_interval(round(accuracy * count), count, LEVEL)
            told = f"about {count:,} {'held-out' if kind == 'test' else 'validation'} examples"
        found.append(
            Candidate(
                name=name,
                scores=() if accuracy is None else (accuracy,),
                mean=accuracy,
                low=low,
                high=high,
                log_loss=result.get("log_loss"),
                seconds=result.get("seconds"),
                chosen=name == method,
            )
        )
    return told, tuple(found)


def _count(history: list[dict[str, Any]], kind: str) -> int | None:
    """Number of examples of the last evaluation, which is logged as seconds and as examples in a second."""
    for entry in reversed(history):
        seconds, speed = entry.get(f"{kind}_runtime"), entry.get(f"{kind}_samples_per_second")
        if seconds and speed:
            return round(seconds * speed)
    return None


def _findings(candidates: tuple[Candidate, ...], method: str) -> list[str]:
    measured = {candidate.name: candidate.mean for candidate in candidates if candidate.mean is not None}
    own = measured.get(method)
    if own is None:
        return []
    found = []
    for name in (name for name in BASELINES if name in measured and name != method):
        verdict = "lost to" if own < measured[name] else "is more accurate than"
        verdict = "is as accurate as" if own == measured[name] else verdict
        figures = f"{100 * own:.1f} against {100 * measured[name]:.1f} %"
        found.append(f"{method} {verdict} {name}: accuracy {figures}; whether that is chance was not tested")
    return found


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; ``None`` without the file, or if it holds something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"run: {str(path)!r} cannot be read ({' '.join(str(error).split())})") from error
    return value if isinstance(value, dict) else None
