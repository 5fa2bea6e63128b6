from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pytest
from datasets import Dataset

from textssl.augment.text.back_translation import BackTranslation
from textssl.augment.text.translation_guard import TranslationGuard, TranslationReport
from textssl.errors import UserError


TEXT = "this is not a good film"


@pytest.mark.parametrize(
    ("text", "translation", "reason"),
    [
        (TEXT, "this is not one good movie", ""),
        ("fine film", "good movie, that", "text too short"),
        (TEXT, "not a film", "translation too short"),
        (TEXT, "not good", "translation too short"),
        (TEXT, " ", "translation empty"),
        (TEXT, " " * len(TEXT), "translation empty"),
        (TEXT, TEXT + " as they have told me so often", "translation too long"),
        (TEXT, "this is a good movie, really", ""),
        (TEXT, TEXT, "unchanged"),
        ("@united is a good airline", "@Joined is a good airline", "handle or link lost"),
        ("see http://t.co/a for more", "see http://t.co/A for more", "handle or link lost"),
        ("a good film #fail", "one good movie #fail", ""),
    ],
)
def test_reasons_by_hand(text: str, translation: str, reason: str) -> None:
    assert TranslationGuard().reason(text, translation) == reason


def test_negation_on_request() -> None:
    guard = TranslationGuard(keep_negation=True)
    assert guard.reason(TEXT, "this is a good movie, really") == "negation lost"
    assert guard.reason(TEXT, "this isn't a good movie, no") == ""
    assert guard.reason("a rather good film", "not a good film, that") == ""
    german = TranslationGuard(keep_negation=True, negations=["nicht", "kein"])
    assert german.reason("das ist nicht gut so", "das ist so gut, ja") == "negation lost"
    assert german.reason("das ist not gut so", "das ist so gut, ja") == ""


@pytest.mark.parametrize(
    "text",
    ["NOT me", "don't", "don\u2019t", "dont go", "cannot", "I have no idea", "Nobody came", "without it", "ain't"],
)
def test_what_negates_in_english(text: str) -> None:
    assert TranslationGuard().negates(text)


@pytest.mark.parametrize("text", ["notable", "know", "nothings", "another", "can", "want to", "knot", "noon"])
def test_what_does_not(text: str) -> None:
    assert not TranslationGuard().negates(text)


@pytest.mark.parametrize("negations", ["not", [], ["", " "]])
def test_bad_negations(negations) -> None:
    with pytest.raises(UserError, match="negations: got"):
        TranslationGuard(negations=negations)


class Listed:
    """Translates by a list; what is not in it comes back cut to three letters, as by a broken program."""

    identity, deterministic = "listed", True

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        return [self.known.get(text, text[:3]) for text in texts]


def translated(known: int, of: int) -> BackTranslation:
    texts = [f"this is no good text, number {i}" for i in range(of)]
    view = BackTranslation(Listed({text: text.replace("no good", "bad") for text in texts[:known]}))
    data = view.add_column(Dataset.from_dict({"text": texts}), reasons=True, progress=False)
    assert data["back_translation"][:] == [text.replace("no good", "bad") for text in texts[:known]] + texts[known:]
    assert data["back_translation_kept_reason"][:] == [""] * known + ["translation too short"] * (of - known)
    return view


def test_above_a_fifth_kept_is_warned_of(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        # 2 of 10 is a fifth, and not above.
        assert translated(8, 10).report.kept_share == 0.2
        assert caplog.text == ""
        translated(0, 24)
    told = "back-translation by listed: kept as they are: 24 of 24 texts (100%): 24 translation too short"
    assert told in caplog.text


def test_report_by_hand() -> None:
    report = translated(6, 10).report
    assert (report.texts, dict(report.kept)) == (10, {"translation too short": 4})
    # The four others have no translation of which to say it.
    assert (report.negated, report.negation_lost) == (6, 6)
    assert report.lines() == [
        "kept as they are: 4 of 10 texts (40%): 4 translation too short",
        "negation lost in translation: 6 of 6 texts that negate (100%)",
    ]
    assert TranslationReport().lines() == ["kept as they are: 0 of 0 texts"]


def test_the_view_keeps_what_the_guard_refuses() -> None:
    view = BackTranslation(Listed({TEXT: "this is a good movie, really"}), keep_negation=True)
    assert view({"text": TEXT}, np.random.default_rng(0)) == {"text": TEXT}
    view = BackTranslation(Listed({TEXT: "this is a good movie, really"}))
    assert view({"text": TEXT}, np.random.default_rng(0)) == {"text": "this is a good movie, really"}
