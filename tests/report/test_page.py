"""The page of a report: what is on it, what is not, and that no text of the data becomes a part of it."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.run_reports import CLASSES, image_report, text_report
from tests.report.strict_html import parsed_page
from textssl.errors import UserError
from textssl.report import (
    Candidate,
    ClassShares,
    Curve,
    Evaluation,
    Item,
    Mistake,
    PseudoLabelQuality,
    RunReport,
    Uncertain,
    ViewExample,
)
from textssl.report.html import render_page, write_page


HOSTILE = (
    '"><img src=x onerror=alert(1)><script>hacked=1</script></title></style></textarea><!--{{ 7*7 }}{% raw %}'
    "\u202egnp.exe \x00\x1b[31m\ud800 \u2028 javascript:alert(1) &lt;b&gt;]]>"
)


def hostile(value: Any, name: str = "") -> Any:
    """The same report, with hostile text in all strings but those of our own."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{field.name: hostile(getattr(value, field.name), field.name) for field in fields(value)})
    if isinstance(value, tuple):
        return tuple(hostile(item, name) for item in value)
    # Names stay apart by their beginning; an image is not a text.
    return value[:3] + HOSTILE if isinstance(value, str) and name != "kind" else value


@pytest.mark.parametrize("make", [text_report, image_report, lambda: hostile(text_report())])
def test_the_page_is_valid_and_whole_for_a_screen_reader(make: Callable[[], RunReport]) -> None:
    page = render_page(make(), link="./label_next.csv")
    assert parsed_page(page).complaints == []
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')


SECTIONS = {
    "candidates": "Comparison",
    "curves": "Learning curves",
    "class_shares": "Class shares",
    "pseudo_labels": "Quality of pseudo-labels",
    "examples": "Examples and their views",
    "mistakes": "Most confident mistakes",
    "uncertain": "Label these next",
}


@pytest.mark.parametrize(("field", "title"), SECTIONS.items())
def test_a_section_without_data_is_left_out(field: str, title: str) -> None:
    report = text_report()
    assert f">{title}</h2>" in render_page(report)
    without = render_page(replace(report, **{field: ()}))
    assert title not in without
    assert parsed_page(without).complaints == []


def test_an_evaluation_has_three_sections() -> None:
    report = text_report()
    titles = ("Confusion", "Reliability", "Each class")
    page, without = render_page(report), render_page(replace(report, evaluation=None))
    assert all(f">{title}</h2>" in page and title not in without for title in titles)


def test_the_least_report_says_that_nothing_was_measured() -> None:
    page = render_page(RunReport(kind="train", title="vat"))
    assert parsed_page(page).complaints == []
    assert "No accuracy was measured." in page
    assert "<nav" not in page
    assert page.count("<h2") == 1


def test_the_result_comes_with_its_interval_and_the_number_of_examples() -> None:
    text = " ".join("".join(parsed_page(render_page(text_report())).texts).split())
    assert (
        "87.8 % accuracy, 85.8 to 89.7 % (95 % interval)on 1,000 examples: held-out examples of news_test.csv"
        "+11.6 (+8.9 to +14.3) points against supervised: better"
    ) in text.replace("\u00a0", " ")


def test_what_lost_is_called_worse_and_what_is_not_known_is_no_gain() -> None:
    page = " ".join("".join(parsed_page(render_page(image_report())).texts).split()).replace("\u00a0", " ")
    assert "fixmatch lost to supervised" in page
    assert "\u22123.2 (\u22126.0 to \u22120.4)worse" in page
    assert "+0.3 (\u22122.0 to +2.6)no clear difference" in page


def test_of_log_losses_less_is_better() -> None:
    candidates = (
        Candidate("probe", (), 0.5, 0.4, 0.6),
        Candidate("uda", (), 0.4, 0.3, 0.5, -0.1, -0.15, -0.05),
        Candidate("vat", (), 0.7, 0.6, 0.8, 0.2, 0.1, 0.3),
    )
    page = render_page(RunReport(kind="fit", title="t", candidates=candidates, candidate_metric="log-loss"))
    assert "\u22120.100 (\u22120.150 to \u22120.050)<br>better" in page
    assert "+0.200 (+0.100 to +0.300)<br>worse" in page
    assert "Less is better." in page


def test_nothing_on_the_page_is_fetched_and_its_policy_holds_its_one_style() -> None:
    page = render_page(image_report())
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert style is not None
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page


def test_hostile_text_is_text(tmp_path: Path) -> None:
    report = hostile(text_report())
    page = write_page(report, tmp_path).read_text(encoding="utf-8")
    parser = parsed_page(page)
    assert parser.complaints == []
    assert "script" not in parser.tags
    assert "img" not in parser.tags
    # All of it is still there to be read, but characters that cannot be seen are named.
    text = "".join(parser.texts)
    assert "<script>hacked=1</script></title></style>" in text
    assert "{{ 7*7 }}{% raw %}" in text
    assert "[U+202E]gnp.exe [U+0000][U+001B]" in text
    assert not re.search("[\x00\x1b\u202e\u2028\ud800]", page)


def test_a_link_leads_only_to_a_file_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "a b.csv").write_text("text")
    (tmp_path.parent / "outside.csv").write_text("text")
    for name, link in {
        "a b.csv": 'href="./a%20b.csv"',
        "../outside.csv": None,
        str(tmp_path.parent / "outside.csv"): None,
        "javascript:alert(1)": None,
        "missing.csv": None,
    }.items():
        page = write_page(replace(text_report(), uncertain_file=name), tmp_path).read_text()
        assert ('<a href="./' in page) == (link is not None), name
        assert link is None or link in page
    elsewhere = write_page(replace(text_report(), uncertain_file="a b.csv"), tmp_path, tmp_path / "docs" / "x.html")
    assert 'href="./../a%20b.csv"' in elsewhere.read_text()


def test_long_texts_are_folded_and_cut(tmp_path: Path) -> None:
    text = "word " * 200_000
    report = RunReport(
        kind="train",
        title="t",
        examples=(ViewExample(Item(text), (("strong", Item(text.replace("word", "term"))),)),),
        mistakes=(Mistake(Item(text), "a", "b", 0.9), Mistake(Item("x" * 1_000_000), "a", "b", 0.9)),
        uncertain=(Uncertain(Item("short"), "b", 0.5),),
    )
    start = time.perf_counter()
    page = render_page(report)
    assert time.perf_counter() - start < 2
    assert len(page) < 120_000
    assert "First 3,999 of 1,000,000 characters" in page
    assert "The rest of the text is left out here." in page
    assert page.count("word word") < 2_000


def test_images_that_are_none_or_too_many_are_left_out() -> None:
    good = image_report().mistakes[0]
    broken = [replace(good, item=Item(image=image)) for image in ("x", "PHN2Zz4=", '"><script>', "")]
    page = render_page(replace(image_report(), mistakes=(good, *broken), examples=(), uncertain=()))
    assert page.count("<img") == 1
    assert "4 images are left out" in page
    assert page.count("no preview") == 4


def many() -> RunReport:
    """A run of 150 classes, thousands of logged steps and long texts."""
    names = tuple(f"class {number}" for number in range(150))
    steps = tuple(range(1, 5001))
    curves = tuple(
        Curve(f"threshold of {name}", "threshold", "freematch", steps, (0.5,) * len(steps)) for name in names[:30]
    )
    even = tuple(1 / len(names) for _ in names)
    table = tuple(tuple(3 if row == column else 1 for column in range(150)) for row in range(150))
    text = Item("A long text of many words that repeats itself. " * 40)
    return RunReport(
        kind="train",
        title="freematch",
        classes=names,
        curves=(*curves, Curve("supervised", "loss", "freematch", steps, (1.0,) * len(steps))),
        class_shares=(
            ClassShares("labels", (even,)),
            ClassShares("pseudo-labels", tuple(even for _ in range(100)), tuple(range(0, 5000, 50))),
        ),
        evaluation=Evaluation("test", 22_800, 0.02, 0.01, 0.03, confusion=table),
        examples=tuple(ViewExample(text, (("weak", text), ("strong", Item(str(text.text)[::-1])))) for _ in range(20)),
        mistakes=tuple(Mistake(text, "class 0", "class 1", 0.9, n) for n in range(20)),
        uncertain=tuple(Uncertain(text, "class 1", 0.9, n) for n in range(20)),
    )


def test_a_large_run_makes_no_large_page() -> None:
    start = time.perf_counter()
    page = render_page(many())
    assert time.perf_counter() - start < 4
    assert len(page.encode()) < 1_500_000
    assert parsed_page(page).complaints == []
    assert "The table of 150 classes is too large for a page." in page
    assert "Each point is the mean of 21 logged values." in page


def test_a_normal_run_takes_less_than_a_second() -> None:
    report = text_report()
    render_page(report)
    start = time.perf_counter()
    page = render_page(report)
    assert time.perf_counter() - start < 1
    assert len(page) < 200_000


def test_one_measurement_of_pseudo_labels_needs_no_chart() -> None:
    quality = PseudoLabelQuality(0, 0.5, 0.9, count=200)
    page = render_page(RunReport(kind="train", title="t", pseudo_labels=(quality,), classes=CLASSES))
    assert "<svg" not in page
    # 90 of 100 kept are right: Wilson's interval, from scipy's binomtest(90, 100).proportion_ci(method="wilson").
    assert "82.6 to 94.5\u00a0%" in page


def test_of_features_there_is_nothing_to_look_at() -> None:
    page = render_page(
        RunReport(
            kind="train",
            title="t",
            examples=(ViewExample(Item(), (("strong", Item()),)),),
            mistakes=(Mistake(Item(), "a", "b", 0.9, 17),),
        )
    )
    assert "Examples and their views" not in page
    assert "no preview" not in page
    assert "row 17" in page


def test_scores_of_many_folds_have_a_table_of_their_own() -> None:
    scores = tuple(0.1 * n for n in range(10))
    report = RunReport(
        kind="fit",
        title="t",
        candidates=(Candidate("probe", scores, 0.5, log_loss=0.5), Candidate("uda", scores[:9], 0.4, log_loss=0.4)),
        candidate_metric="log-loss",
    )
    page = render_page(report)
    assert parsed_page(page).complaints == []
    assert page.count("Each run or fold") == 3
    # The log-loss has one column, as the metric.
    assert page.count(">log-loss</th>") == 1


def test_a_difference_stands_beside_the_result_only_if_it_is_of_the_same_examples() -> None:
    report = text_report()
    assert "points against" in render_page(report)
    elsewhere = replace(report.candidates[1], mean=0.5)
    assert "points against" not in render_page(replace(report, candidates=(report.candidates[0], elsewhere)))
    both = tuple(replace(candidate, chosen=True) for candidate in report.candidates)
    assert "points against" not in render_page(replace(report, candidates=both))
    assert "points against" not in render_page(replace(report, candidate_metric="log-loss"))


def test_candidates_with_baselines_of_their_own_have_no_common_line() -> None:
    candidates = tuple(
        Candidate(f"{name}, {labels} labels", (), 0.5, 0.4, 0.6, *([] if name == "supervised" else [0.1, 0.05, 0.15]))
        for labels in (10, 100)
        for name in ("supervised", "uda")
    )
    page = render_page(RunReport(kind="compare", title="t", candidates=candidates))
    assert "The dashed line" not in page
    assert "against <bdi>the baseline</bdi>" in page


def test_a_file_that_is_no_page_is_not_replaced(tmp_path: Path) -> None:
    table = tmp_path / "few.csv"
    table.write_text("text,label\n")
    with pytest.raises(UserError, match=r"few\.csv'; expected a file that ends in \.html"):
        write_page(text_report(), tmp_path, table)
    assert table.read_text() == "text,label\n"
