"""The parts of the page: marked words, numbers, where marks lie."""

from __future__ import annotations

import itertools
import math

import pytest

from textssl.report import Bin, Candidate, ClassShares, Curve, Item, PseudoLabelQuality, ViewExample
from textssl.report.html.formats import interval, number, percent, points, seconds, signed, ticks
from textssl.report.html.interval_chart import comparison
from textssl.report.html.items import Images, shown_example
from textssl.report.html.line_chart import curve_panels
from textssl.report.html.pseudo_labels import pseudo_labels
from textssl.report.html.score_charts import confusion, reliability
from textssl.report.html.share_chart import share_panels, shares
from textssl.report.html.shown import cut, preview, visible
from textssl.report.html.word_diff import word_diff


def marked(before: str, after: str) -> str:
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(marks[change].format(text) for change, text in word_diff(before, after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a good film", "a good film", "a good film"),
        ("a good film", "a fine film", "a [-good-]{+fine+} film"),
        ("a very good film", "a rather fine film", "a [-very good-]{+rather fine+} film"),
        ("one two", "one two three", "one two {+three+}"),
        ("one two three", "two three", "[-one-] two three"),
        ("one two", "", "[-one two-]"),
        ("", "one", "{+one+}"),
        ("", "", ""),
        ("a  b\nc", "a b c", "a b c"),
        ("good, not bad.", "good; not bad!", "good[-,-]{+;+} not bad[-.-]{+!+}"),
        ("\u6211\u559c\u6b22\u7535\u5f71", "\u6211\u7231\u7535\u5f71", "\u6211[-\u559c\u6b22-]{+\u7231+}\u7535\u5f71"),
        # A Devanagari word is one word, vowel signs and all.
        ("\u092b\u093f\u0932\u094d\u092e", "\u092b\u093f\u0932\u094d\u092e\u0947", None),
    ],
)
def test_changed_words_are_marked(before: str, after: str, expected: str | None) -> None:
    expected = f"[-{before}-]{{+{after}+}}" if expected is None else expected
    assert marked(before, after) == expected


@pytest.mark.parametrize("seed", range(30))
def test_both_texts_can_be_read_off_the_marks(seed: int) -> None:
    import random

    rng = random.Random(seed)
    before, after = (" ".join(rng.choices("abcde", k=rng.randrange(12))) for _ in range(2))
    pieces = word_diff(before, after)
    assert " ".join(text for change, text in pieces if change != "added").split() == before.split()
    assert " ".join(text for change, text in pieces if change != "removed").split() == after.split()


def test_numbers_as_a_person_reads_them() -> None:
    space = "\u00a0"
    assert [percent(x) for x in (0.8712, 0, 1, -0.05, None)] == [
        f"87.1{space}%",
        f"0.0{space}%",
        f"100.0{space}%",
        f"\u22125.0{space}%",
        "\u2013",
    ]
    assert [points(0.0312), points(-0.0312), signed(-0.25)] == ["+3.1", "\u22123.1", "\u22120.250"]
    assert [number(x) for x in (0, 0.03714, 1.5, 1234.5, 1e-9, -2.0)] == [
        "0",
        "0.0371",
        "1.50",
        "1,234",
        "1.0e\u221209",
        "\u22122.00",
    ]
    assert [seconds(x).replace(space, " ") for x in (0.5, 48, 99.7, 262, 3725)] == [
        "0.5 s",
        "48 s",
        "1 min 40 s",
        "4 min 22 s",
        "1 h 2 min",
    ]
    assert interval(0.8, 0.9, percent) == f"80.0 to 90.0{space}%"
    assert interval(None, 0.9, percent) == ""


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.71, 0.88), (3, 587), (-2.5, 1e6), (1e-7, 3e-7), (0, 12345)])
def test_ticks_are_few_round_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 5
    assert all(low - 1e-9 * (high - low) <= tick <= high + 1e-9 * (high - low) for tick in found)
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert all(math.isclose(step, steps[0]) for step in steps)
    digits = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert min(abs(digits - good) for good in (1, 2, 2.5, 5)) < 1e-6


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, float("nan")), (0, float("inf"))])
def test_an_axis_without_length_has_one_tick(low: float, high: float) -> None:
    assert ticks(low, high) == [low]


def test_texts_are_cut_between_words_and_never_within_a_letter() -> None:
    assert cut("short", 10) == "short"
    assert cut("one two three four", 12) == "one two thre\u2026"
    assert cut("one two three four", 14) == "one two three\u2026"
    assert preview("x" * 100, 10) == "x" * 10
    assert preview("aaaaae\u0301bbbb", 6) == "aaaaa"
    assert preview("aaaaa\u200daaa", 5) == "aaaa"


def test_what_cannot_be_seen_is_named() -> None:
    assert visible("a\x00b\u202ec\td\ne\r\nf\x85") == "a[U+0000]b[U+202E]c\td\ne\nf[U+0085]"
    # Arabic with its marks, joined emoji and a zero-width non-joiner are as they were.
    kept = "\u0645\u064e\u0631\u062d\u0628\u0627 \U0001f469\u200d\U0001f680 \u0646\u0645\u06cc\u200c\u062e\u0648\u0627"
    assert visible(kept) == kept
    assert visible(3) == 3


def test_a_line_has_a_gap_where_a_value_is_missing() -> None:
    (panel,) = curve_panels([Curve("loss", "loss", "uda", (0, 50, 100, 150, 200), (2.0, 1.0, None, 1.0, None))])
    (line,) = panel.lines
    # From 46 to 342 across and from 168 (0) to 12 (1.05 times the largest value) up.
    assert line.path == "M46,19.4 120,93.7"
    assert line.dots == ((46.0, 19.4), (120.0, 93.7), (268.0, 93.7))
    assert line.last == "1.00"
    assert panel.table.rows == (
        ("0", "2.00"),
        ("50", "1.00"),
        ("100", "\u2013"),
        ("150", "1.00"),
        ("200", "\u2013"),
    )


def test_losses_have_charts_of_their_own_and_runs_share_them() -> None:
    def curve(name: str, group: str, run: str) -> Curve:
        return Curve(name, group, run, (1, 2), (0.5, 0.25))

    panels = curve_panels(
        [
            curve("supervised", "loss", "supervised"),
            curve("supervised", "loss", "uda"),
            curve("unsupervised", "loss", "uda"),
            *(curve(f"threshold of {name}", "threshold", "freematch") for name in "ab"),
            Curve("mask rate", "mask rate", "uda", (1, 2), (None, float("nan"))),
        ]
    )
    # A group whose values are all missing is no chart.
    assert [(panel.title, [line.name for line in panel.lines]) for panel in panels] == [
        ("Supervised loss", ["supervised", "uda"]),
        ("Unsupervised loss", ["uda"]),
        ("Threshold", ["threshold of a", "threshold of b"]),
    ]
    # The method is drawn as a method, whichever comes first.
    assert [line.style for line in panels[0].lines] == [1, 0]


def test_many_lines_are_split_into_charts_on_one_scale() -> None:
    curves = [Curve(f"threshold of {n}", "threshold", "freematch", (1, 2), (0.1 * n, 0.9)) for n in range(8)]
    panels = curve_panels(curves)
    assert len(panels) == 8
    assert len({panel.frame.up for panel in panels}) == 1


def test_an_accuracy_is_never_magnified_beyond_a_fifth() -> None:
    (panel,) = curve_panels([Curve("validation", "accuracy", "uda", (1, 2, 3), (0.800, 0.801, 0.802))])
    heights = [float(point.split(",")[1]) for point in panel.lines[0].path[1:].split()]
    # 0.2 points on an axis of 22 points that is 156 high.
    assert heights[0] - heights[-1] == pytest.approx(156 * 0.002 / 0.22, abs=0.15)


def test_candidates_lie_in_order_within_the_chart() -> None:
    shown = comparison(
        [Candidate("a", (0.7, 0.9), 0.8, 0.75, 0.85), Candidate("b", (), 0.6, 0.5, 0.7, -0.2)], "accuracy"
    )
    a, b = shown.rows
    assert a.at is not None
    assert b.at is not None
    assert b.start is not None
    assert a.end is not None
    assert 3 <= b.start < b.at < a.at < a.end < a.dots[1] <= 97
    assert (a.at - b.at) / (a.dots[1] - b.start) == pytest.approx((0.8 - 0.6) / (0.9 - 0.5), abs=1e-3)
    assert shown.baseline == a.at
    assert b.verdict == "no interval"


def test_candidates_without_scores_are_a_table_alone() -> None:
    shown = comparison([Candidate("a", note="skipped: no time")], "accuracy")
    assert not shown.scored
    assert shown.rows[0].at is None


def test_shades_and_mistakes_of_a_table_of_counts() -> None:
    found = confusion([[90, 10, 0], [1, 198, 1], [0, 0, 0]], ["a", "b", "c"])
    shades = [[shade for _, shade in cells] for _, _, cells in found.rows]
    assert shades[0][0] > shades[0][1] > shades[0][2] == 0
    assert shades[1] == [1, 9, 1]
    assert shades[2] == [0, 0, 0]
    assert [pair[:3] for pair in found.pairs] == [("a", "b", "10"), ("b", "a", "1"), ("b", "c", "1")]


def test_empty_bins_have_no_mark() -> None:
    assert reliability([Bin(0, 0.5, None, None, 0)]) is None
    found = reliability([Bin(0, 0.5, None, None, 0), Bin(0.5, 1, 0.8, 0.5, 40)])
    assert found is not None
    ((across, up, low, high, few),) = found.marks
    assert (across, up, few) == (46 + 0.8 * 292, 132.0, False)
    assert high < up < low
    assert "100" in found.told


def test_of_many_classes_those_that_differ_are_drawn() -> None:
    classes = [f"c{n}" for n in range(40)]
    even = [1 / 40] * 40
    moved = [*even[:39], 0.5]
    series = [ClassShares("labels", (tuple(even),)), ClassShares("pseudo-labels", (tuple(even), tuple(moved)), (1, 9))]
    found = shares(series, classes)
    assert found.left_out == 16
    assert found.rows[-1].name == "c39"
    assert len(found.table.rows) == 40
    panels, tables = share_panels(series, classes)
    assert len(panels) == 6
    assert panels[-1].title == "c39"
    assert [line.name for line in panels[-1].lines] == ["pseudo-labels", "labels"]
    assert len(tables[0][1].rows) == 2


def test_pseudo_labels_of_which_few_were_kept_come_with_their_doubt() -> None:
    found = pseudo_labels(
        [PseudoLabelQuality(10, 0.0, None, count=240), PseudoLabelQuality(30, 0.0083, 0.5, (None, 0.5), 240)],
        ("a", "b"),
    )
    # One of two: Wilson's interval, from scipy's binomtest(1, 2).proportion_ci(method="wilson").
    assert found.told.replace("\u00a0", " ") == (
        "0.8 % of 240 unlabeled examples (2) are kept at step 30, and 50.0 % of those are right "
        "(95 % interval: 9.5 to 90.5 %)."
    )
    assert [row[:1] for row in found.classes.rows] == [("b",)]
    assert found.panel is not None
    right, kept = found.panel.lines
    # The first step has no accuracy, so its line is a single dot with its interval.
    assert len(right.errors) == 1
    assert kept.errors == ()
    nothing = pseudo_labels([PseudoLabelQuality(5, 0.0, None, count=100)], ())
    assert nothing.told.replace("\u00a0", " ") == "0.0 % of 100 unlabeled examples (0) are kept at step 5."


def test_the_end_of_a_cut_text_is_no_change() -> None:
    text = " ".join(f"w{number}" for number in range(500))
    view = shown_example(ViewExample(Item(text), (("strong", Item("new " + text)),)), Images()).views[0]
    assert [tuple(piece) for piece in view.pieces if piece.change != "same"] == [("added", "new")]
    whole = shown_example(ViewExample(Item("one two"), (("strong", Item("one")),)), Images()).views[0]
    assert [tuple(piece) for piece in whole.pieces if piece.change != "same"] == [("removed", "two")]
