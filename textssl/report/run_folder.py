"""The report of a run from its folder."""

from __future__ import annotations

from pathlib import Path

from textssl.errors import UserError
from textssl.report.contents import FILE, RunReport
from textssl.report.from_results import report_of_results


__all__ = ["read_run"]


def read_run(path: Path) -> tuple[RunReport, Path]:
    """What the run in a folder reports; of a run that wrote no report, what its results tell.

    Args:
        path: the folder of a run, or its ``report.json`` or page.

    Returns:
        The report and the folder.

    Raises:
        UserError: no such folder, or it holds no run.
    """
    if not path.exists():
        raise UserError(f"run: {str(path)!r} does not exist; expected the folder of a run of fit, train or compare")
    folder = path if path.is_dir() else path.parent
    if (folder / FILE).is_file():
        return RunReport.read(folder), folder
    report = report_of_results(folder)
    if report is None:
        parent = folder.resolve().parent
        near = f"; {str(parent)!r} holds one" if (parent / FILE).is_file() else ""
        raise UserError(f"run: {str(path)!r} holds no {FILE}; expected the folder of fit, train or compare{near}")
    return report, folder
