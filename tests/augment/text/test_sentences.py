from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textssl.augment.text.sentences import cut


PROSE = st.text(alphabet=st.sampled_from(list("ab Z.!?;,\"')(\n\t…。」é~#[]")), max_size=400)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" \n\t ", []),
        ("One", ["One"]),
        ("One. Two! Three? four.", ["One.", "Two!", "Three? four."]),
        ("Wait... What?! Yes.", ["Wait...", "What?!", "Yes."]),
        ("Dr. No met Mr. Bond vs. Prof. X.", ["Dr. No met Mr. Bond vs. Prof. X."]),
        ("J. R. R. Tolkien wrote it. I read it.", ["J. R. R. Tolkien wrote it.", "I read it."]),
        ("In the U.S. They shot it.", ["In the U.S. They shot it."]),
        (
            "It cost 3.50 at a.com. (Really.) 10 of 10!",
            ["It cost 3.50 at a.com.", "(Really.)", "10 of 10!"],
        ),
        ('He said "Stop." Then “Go!” followed.', ['He said "Stop."', "Then “Go!” followed."]),
        ("A title\n\nA first line\ngoes on", ["A title", "A first line goes on"]),
        ("好。很好\uff01", ["好。", "很好\uff01"]),
        ("Yes or no. Then go.", ["Yes or no.", "Then go."]),
    ],
)
def test_hand_cut(text: str, pieces: list[str]) -> None:
    assert cut(text) == pieces


def test_long_pieces_are_cut_at_the_strongest_mark() -> None:
    assert cut("aa bb; cc, dd ee", 13) == ["aa bb;", "cc, dd ee"]
    assert cut("aa bb cc, dd ee", 13) == ["aa bb cc,", "dd ee"]
    assert cut("aa bb cc dd ee", 13) == ["aa bb cc dd", "ee"]
    assert cut("aabbccddeeffgg", 6) == ["aabbc", "cddee", "ffgg"]
    # e.g. a lower-case letter after a full stop is no new sentence, but the best place to cut.
    assert cut("aa. bb; cc, dd ee", 14) == ["aa.", "bb; cc, dd ee"]


def test_a_piece_of_exactly_the_limit_is_cut_and_one_below_is_not() -> None:
    assert cut("x" * 299) == ["x" * 299]
    assert cut("x" * 300) == ["x" * 299, "x"]


@given(PROSE, st.integers(2, 40))
def test_nothing_is_lost_and_no_piece_is_long(text: str, max_chars: int) -> None:
    pieces = cut(text, max_chars)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) < max_chars for piece in pieces)
    assert all(piece == piece.strip() for piece in pieces)


@given(st.text(max_size=300))
def test_nothing_is_lost_of_any_unicode(text: str) -> None:
    assert "".join(" ".join(cut(text)).split()) == "".join(text.split())


@given(PROSE.map(lambda text: text.replace("。", "")))
def test_joined_pieces_are_the_text_with_single_spaces(text: str) -> None:
    # No word can be longer than the whole text, so no word is cut.
    assert " ".join(cut(text, 500)) == " ".join(text.split())


@pytest.mark.parametrize("character", [".", "!", '"', "。", "a", "A. ", "\n", ".\n\n"])
def test_long_monotonous_texts_take_linear_time(character: str) -> None:
    start = time.perf_counter()
    cut(character * 50_000)
    assert time.perf_counter() - start < 5


def test_limit_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"max_chars: got 1; expected at least 2"):
        cut("a", 1)
