"""The page of a report: one HTML file that needs neither a network nor a script."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from textssl.errors import UserError
from textssl.files import is_disk_full, write_atomically
from textssl.report.contents import FILE, RunReport
from textssl.report.html import formats
from textssl.report.html.interval_chart import CandidateRow, Comparison, comparison, is_loss
from textssl.report.html.items import Images, ShownText, shown_example, shown_text
from textssl.report.html.line_chart import curve_panels
from textssl.report.html.pseudo_labels import pseudo_labels
from textssl.report.html.score_charts import confusion, recall_interval, reliability
from textssl.report.html.share_chart import share_panels, shares
from textssl.report.html.shown import cut, visible
from textssl.report.parts import Evaluation, Item, Mistake, Uncertain, ViewExample
from textssl.report.strict_json import parsed, plain


__all__ = ["PAGE", "render_page", "write_page"]

PAGE = "report.html"
# Facts with such a word in their names belong to the last section.
HOW = {"version", "versions", "device", "seed", "seeds", "python", "commit"}


def write_page(report: RunReport, folder: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """Write the page of a run, in one step.

    Args:
        report: of the run.
        folder: of the run; links on the page are to files in it.
        path: the file; ``report.html`` in ``folder`` by default.

    Returns:
        The file.

    Raises:
        UserError: a name of no page, or the file cannot be written.
        OSError: the disk is full.
    """
    path = Path(folder) / PAGE if path is None else Path(path)
    if path.is_dir():
        raise UserError(f"output: got the folder {str(path)!r}; expected a file, such as {str(path / PAGE)!r}")
    if path.suffix.lower() not in (".html", ".htm"):
        # A table of the person's would be replaced.
        raise UserError(f"output: got {str(path)!r}; expected a file that ends in .html")
    page = render_page(report, link=_link(report.uncertain_file, Path(folder), path)).encode()
    try:
        return write_atomically(path, page)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise UserError(f"output: {str(path)!r} cannot be written ({error.strerror})") from error


def render_page(report: RunReport, link: str | None = None) -> str:
    """The page as HTML.

    Args:
        report: of a run.
        link: address of the file with the examples to label next.
    """
    # As if it were read from its file: numbers of NumPy become Python's, and what is no number ``None``.
    text = json.dumps(plain(report, "report"), ensure_ascii=False).encode(errors="replace")
    report = parsed(RunReport, json.loads(text), FILE)
    images, evaluation, style = Images(), report.evaluation, _style()
    parts = _parts(report, images)
    how = [fact for fact in report.facts if HOW & {*fact[0].lower().split()}]
    html: str = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            report=report,
            e=evaluation,
            measured_on="" if evaluation is None else _measured_on(evaluation),
            facts=[fact for fact in report.facts if fact not in how],
            how=how,
            sections=_sections(parts, report, bool(report.command or how)),
            link=link,
            against=_against(parts["comparison"], report),
            given_back="this run" if report.kind == "train" else "chosen",
            images_left_out=images.left_out,
            style=Markup(style),
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            **parts,
        )
    )
    return html


def _against(compared: Comparison | None, report: RunReport) -> CandidateRow | None:
    """The candidate of which the evaluation is, if it was compared with a baseline on the same examples."""
    if compared is None or report.evaluation is None or is_loss(report.candidate_metric):
        return None
    chosen = [row for row in compared.rows if row.candidate.chosen]
    same = len(chosen) == 1 and chosen[0].candidate.mean == report.evaluation.accuracy
    return chosen[0] if same and chosen[0].verdict else None


def _measured_on(evaluation: Evaluation) -> str:
    """In words, with the number of examples."""
    number = f"{evaluation.count:,}"
    stated = re.search(rf"(?<![\d,]){number}(?![\d,])", evaluation.measured_on)
    return evaluation.measured_on if stated else f"{number} examples: {evaluation.measured_on}"


def _parts(report: RunReport, images: Images) -> dict[str, Any]:
    """What the sections show."""
    evaluation, classes, metric = report.evaluation, report.classes, report.candidate_metric
    table = () if evaluation is None else evaluation.confusion
    panels, tables = share_panels(report.class_shares, classes) if classes else ([], [])
    return {
        "comparison": comparison(report.candidates, metric) if report.candidates else None,
        "has_log_loss": not is_loss(metric) and any(one.log_loss is not None for one in report.candidates),
        "curves": curve_panels(report.curves),
        "shares": shares(report.class_shares, classes) if report.class_shares and classes else None,
        "share_panels": panels,
        "share_tables": tables,
        "pseudo_labels": pseudo_labels(report.pseudo_labels, classes) if report.pseudo_labels else None,
        "confusion": confusion(table, classes) if table else None,
        "reliability": None if evaluation is None else reliability(evaluation.reliability),
        "examples": [shown_example(example, images) for example in report.examples if _is_seen(example)],
        "mistakes": [_case(mistake, images) for mistake in report.mistakes],
        "uncertain": [_case(uncertain, images) for uncertain in report.uncertain],
    }


def _sections(parts: dict[str, Any], report: RunReport, how: bool) -> list[tuple[str, str]]:
    """Address and title of each section that has something to show."""
    found = {
        ("candidates", "Candidates" if report.kind == "fit" else "Comparison"): parts["comparison"],
        ("curves", "Learning curves"): parts["curves"],
        ("shares", "Class shares"): parts["shares"],
        ("pseudo-labels", "Quality of pseudo-labels"): parts["pseudo_labels"],
        ("confusion", "Confusion"): parts["confusion"],
        ("reliability", "Reliability"): parts["reliability"],
        ("classes", "Each class"): report.evaluation and report.evaluation.per_class,
        ("views", "Examples and their views"): parts["examples"],
        ("mistakes", "Most confident mistakes"): parts["mistakes"],
        ("label-next", "Label these next"): parts["uncertain"],
        ("reproduce", "How to reproduce"): how,
    }
    return [section for section, content in found.items() if content]


def _is_seen(example: ViewExample) -> bool:
    """Of features alone there is nothing to look at."""
    return example.original != Item() or any(item != Item() for _, item in example.views)


def _case(case: Mistake | Uncertain, images: Images) -> tuple[Any, ShownText | None, str | None]:
    text = case.item.text
    return case, None if text is None else shown_text(text), images.shown(case.item.image)


def _link(file: str | None, folder: Path, page: Path) -> str | None:
    """Address, relative to the page, of a file in the folder of the run; none of a file elsewhere."""
    if not file or PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        return None
    target = folder / file
    if not target.is_file():
        return None
    return quote("./" + Path(os.path.relpath(target, page.parent)).as_posix())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("textssl.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    names = ("count", "interval", "number", "percent", "points", "seconds", "signed")
    environment.filters |= {name: getattr(formats, name) for name in names}
    environment.filters |= {"cut": cut}
    environment.globals |= {"is_loss": is_loss, "recall_interval": recall_interval}
    environment.globals |= {"percent": formats.percent, "number": formats.number}
    return environment


@cache
def _style() -> str:
    return (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
