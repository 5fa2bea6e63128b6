from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textssl.augment.text.untranslated import cut_lines, hide_names, join_lines, names_lost, show_names


@pytest.mark.parametrize(
    ("text", "lines", "separators"),
    [
        ("", [], [""]),
        (" \n", [], [" \n"]),
        ("one line", ["one line"], ["", ""]),
        ("Title\n\nOne.  Two  b. c\n", ["Title", "One.", "Two  b. c"], ["", "\n\n", "  ", "\n"]),
        ("  a\r\n\tb c\td ", ["a", "b c", "d"], ["  ", "\r\n\t", "\t", " "]),
        ("a\x0bb\x85c\u2029d", ["a", "b", "c", "d"], ["", "\x0b", "\x85", "\u2029", ""]),
    ],
)
def test_cut_by_hand(text: str, lines: list[str], separators: list[str]) -> None:
    assert cut_lines(text) == (lines, separators)


@given(st.text(st.sampled_from("ab. \t\n\r\x0b\x85\u2028\xa0")))
def test_nothing_is_lost_and_no_line_has_a_break(text: str) -> None:
    lines, separators = cut_lines(text)
    assert join_lines(lines, separators) == text
    assert len(separators) == len(lines) + 1
    assert all(len(line.splitlines()) == 1 and line == line.strip() and "\t" not in line for line in lines)
    assert all(separators[1:-1])


NAMES = [
    ("hi @united, and @us_2!", ["@united", "@us_2"]),
    ("@a@social.org is one", ["@a@social.org"]),
    ("#fail #2024 a#b &#39; ##", ["#fail", "#2024"]),
    ("see https://t.co/x_y?a=b#c, or (http://a.de/b_(c)).", ["https://t.co/x_y?a=b#c", "http://a.de/b_(c"]),
    ("www.x.com. and x.co.uk/a/b: bit.ly/2", ["www.x.com", "x.co.uk/a/b", "bit.ly/2"]),
    ("write to a.b@c.org or b@d", ["a.b@c.org"]),
    ("one [SEP] two <mask> [sep] <b>", ["[SEP]", "<mask>"]),
    ("U.S. e.g. end.Next 3.5 ... me@home", []),
    ("größe @größe", ["@größe"]),
]


@pytest.mark.parametrize(("text", "names"), NAMES)
def test_names_by_hand(text: str, names: list[str]) -> None:
    masked, hidden = hide_names(text)
    assert list(hidden.values()) == names
    assert not any(name in masked for name in names)
    assert show_names(masked, hidden) == text
    for name in names:
        assert names_lost(text, text.replace(name, name[:-1], 1))
    assert not names_lost(text, text + " more")


def test_a_name_that_is_missing_or_stands_twice_is_told() -> None:
    masked, hidden = hide_names("@a and @b")
    first, second = hidden
    assert show_names(f"{second} y {first}", hidden) == "@b y @a"
    assert show_names(first, hidden) is None
    assert show_names(masked + first, hidden) is None


def test_a_name_as_often_as_it_stood() -> None:
    assert names_lost("@a @a", "@a")
    assert not names_lost("@a @a", "@a, @a")


def test_more_names_than_there_are_characters_for() -> None:
    text = " ".join(f"@n{i}" for i in range(600))
    masked, hidden = hide_names(text)
    assert len(hidden) == 512
    assert show_names(masked, hidden) == text


@pytest.mark.parametrize("part", [".", "a.", "@", "#", "a@", "http://", "www.", " ", "-", "<|", "\ue000"])
def test_long_texts_take_linear_time(part: str) -> None:
    start = time.perf_counter()
    hide_names(part * 20_000)
    cut_lines(part * 20_000)
    assert time.perf_counter() - start < 3
