"""What a finding says of training, against what the programs do with the same files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from textssl.checks import CheckReport, check_data
from textssl.cli.check.refusals import Refusals, refusals
from textssl.cli.data.loading import load_task
from textssl.cli.options import RecipeOptions
from textssl.config import SSLConfig
from textssl.fit.parts import Columns, read_parts


Rows = list[tuple[Any, ...]]
GOOD: Rows = [(f"text number {i} of the class", "ab"[i % 2]) for i in range(12)]
CONFIG = {"output_dir": "unused", "use_cpu": True, "report_to": []}


def write(path: Path, rows: Rows, head: tuple[str, ...] = ("text", "label")) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return str(path)


def labeled_with(*rows: tuple[Any, ...]) -> Rows:
    return [*GOOD, *rows]


# Kind: the labeled rows, and what fit and train make of the last ones: kept, left out, unlabeled or refused.
CASES: dict[str, tuple[Rows, str, str]] = {
    "blank texts": (labeled_with(("  ", "a")), "left out", "refused"),
    "missing labels": (labeled_with(("some other text", "")), "unlabeled", "refused"),
    "regression": ([(text, i + 0.5) for i, (text, _) in enumerate(GOOD)], "refused", "refused"),
    # Many of them look like ids, but no program keeps them as classes.
    "no classes": ([(text, f"2024-01-{i + 1:02}") for i, (text, _) in enumerate(GOOD)], "refused", "refused"),
    "one class": ([(text, "a") for text, _ in GOOD], "refused", "refused"),
    "gaps": ([(text, 2 * (i % 2)) for i, (text, _) in enumerate(GOOD)], "kept", "refused"),
    "ids": ([(text, f"id{i}") for i, (text, _) in enumerate(GOOD)], "kept", "kept"),
    "duplicates": (labeled_with(GOOD[0]), "kept", "kept"),
    "near duplicates": (labeled_with((f"{GOOD[0][0].upper()}!", "a")), "kept", "kept"),
    "contradictions": (labeled_with((GOOD[0][0], "b")), "kept", "kept"),
    "near contradictions": (labeled_with((f"{GOOD[0][0].upper()}!", "b")), "kept", "kept"),
    "html": (labeled_with(("see <b>this</b> &amp; that", "a")), "kept", "kept"),
    "control characters": (labeled_with(("some \x07 bell rings", "a")), "kept", "kept"),
    "replacement characters": (labeled_with(("caf\ufffd au lait", "a")), "kept", "kept"),
    "mojibake": (labeled_with(("cafÃ© au lait", "a")), "kept", "kept"),
    "short texts": (labeled_with(("ok", "a")), "kept", "kept"),
    "scripts": (labeled_with(("привет мир это текст", "a")), "kept", "kept"),
    "mixed scripts": (labeled_with(("hello привет world мир", "a")), "kept", "kept"),
    "similar names": (labeled_with(("text of another", "A"), ("text of yet another", "A")), "kept", "kept"),
    "spaces around labels": (labeled_with(("text of another", " a ")), "kept", "kept"),
    "words for no label": (labeled_with(("text of another", "N/A"), ("of yet another", "None")), "kept", "kept"),
    "few labels": (labeled_with(("text of another", "c")), "kept", "kept"),
    "unbalanced": (labeled_with(*[(f"more {i} of these texts", "a") for i in range(100)]), "kept", "kept"),
}


def checked(files: dict[str, str]) -> tuple[CheckReport, Refusals]:
    report = check_data(files)
    return report, refusals(files, Columns("text", None, "label"), "text")


def load_for_train(files: dict[str, str]) -> Any:
    options = RecipeOptions(
        train_file=files["labeled"], unlabeled_file=files.get("unlabeled"), test_file=files.get("test")
    )
    options.set_explicit(frozenset())
    return load_task(options, SSLConfig(**CONFIG), needs_unlabeled=False)


@pytest.mark.parametrize("kind", CASES)
def test_a_finding_says_what_becomes_of_its_rows(kind: str, tmp_path: Path) -> None:
    rows, by_fit, by_train = CASES[kind]
    files = {"labeled": write(tmp_path / "few.csv", rows)}
    report, refused = checked(files)
    (finding,) = [found for found in report.findings if found.kind == kind]
    assert (refused.fit is not None, refused.train is not None) == (by_fit == "refused", by_train == "refused")
    assert finding.fit.startswith(by_fit if by_fit != "unlabeled" else "kept, as unlabeled examples")
    assert finding.train.startswith(by_train)
    assert finding.is_refused == refused.any
    if by_fit != "refused":
        parts = read_parts(files["labeled"])
        assert parts.labeled is not None
        gone = finding.count if by_fit in ("left out", "unlabeled") else 0
        assert len(parts.labeled) == len(rows) - gone
        assert (0 if parts.unlabeled is None else len(parts.unlabeled)) == (gone if by_fit == "unlabeled" else 0)
    if by_train != "refused":
        assert len(load_for_train(files).labeled) == len(rows)


def test_rows_that_are_merged_by_their_labels_and_rows_that_are_not(tmp_path: Path) -> None:
    """Spaces do not make a class, case does."""
    rows = labeled_with(("text of another", " a "), ("text of yet another", "A"))
    files = {"labeled": write(tmp_path / "few.csv", rows)}
    assert load_for_train(files).label_names == ("A", "a", "b")
    report, _ = checked(files)
    (similar,) = [found for found in report.findings if found.kind == "similar names"]
    assert similar.fit == similar.train == "kept as 2 classes"
    assert "'A'" in similar.message


def test_dates_are_refused_in_words(tmp_path: Path) -> None:
    rows = [(text, "2024-01-0" + str(1 + i % 2)) for i, (text, _) in enumerate(GOOD)]
    _, refused = checked({"labeled": write(tmp_path / "few.csv", rows)})
    message = "column 'label' holds dates; labels are integers or strings: write the name of a class in each row"
    assert refused.fit == f"labeled: {message}"
    assert refused.train is not None
    assert refused.train.endswith(f": {message}")


def test_the_word_nan_is_no_label_to_fit_and_a_class_to_train(tmp_path: Path) -> None:
    files = {"labeled": write(tmp_path / "few.csv", labeled_with(("text of another", "nan")))}
    report, refused = checked(files)
    (finding,) = [found for found in report.findings if found.kind == "missing labels"]
    assert finding.fit == "kept, as unlabeled examples"
    assert finding.train == "kept: 'nan' is a class"
    assert not refused.any
    assert load_for_train(files).label_names == ("a", "b", "nan")


UNLABELED: Rows = [(f"unlabeled text number {i}",) for i in range(5)]


def test_blank_and_missing_texts_of_other_parts(tmp_path: Path) -> None:
    files = {
        "labeled": write(tmp_path / "few.csv", GOOD),
        "unlabeled": write(tmp_path / "many.csv", [*UNLABELED, (" ",)], ("text",)),
        "test": write(tmp_path / "test.csv", [("a held out text", "a"), (" ", "b")]),
    }
    report, refused = checked(files)
    assert not refused.any
    blank = {found.part: (found.fit, found.train) for found in report.findings if found.kind == "blank texts"}
    assert blank == {part: ("left out", "kept, with a warning") for part in ("unlabeled", "test")}
    parts, task = read_parts(files["labeled"], files["unlabeled"], files["test"]), load_for_train(files)
    assert parts.unlabeled is not None
    assert parts.test is not None
    assert (len(parts.unlabeled), len(parts.test)) == (5, 1)
    assert (len(task.unlabeled), len(task.test)) == (6, 2)


def test_missing_texts(tmp_path: Path) -> None:
    lines = ['{"text": "a text of class a", "label": "a"}', '{"text": "a text of class b", "label": "b"}']
    path = tmp_path / "few.jsonl"
    path.write_text("\n".join([*lines, '{"text": null, "label": "b"}']))
    report, refused = checked({"labeled": str(path)})
    (finding,) = [found for found in report.findings if found.kind == "missing texts"]
    assert (finding.fit, finding.train) == ("left out", "refused")
    assert (refused.fit, refused.train is not None) == (None, True)


def test_labels_that_training_does_not_know(tmp_path: Path) -> None:
    files = {
        "labeled": write(tmp_path / "few.csv", GOOD),
        "test": write(tmp_path / "test.csv", [("a held out text", "a"), ("another of them", "B")]),
    }
    report, refused = checked(files)
    (finding,) = [found for found in report.findings if found.kind == "unknown labels"]
    assert (finding.fit, finding.train, finding.advice) == ("refused", "refused", "did you mean 'b'?")
    assert refused.fit is not None
    assert refused.train is not None
    assert [found.message for found in report.findings if found.kind == "absent classes"] == [
        "no row has the label 'b'"
    ]


def test_leaks_and_what_parts_share(tmp_path: Path) -> None:
    """Counted by hand: one of each kind."""
    files = {
        "labeled": write(tmp_path / "few.csv", GOOD),
        "unlabeled": write(tmp_path / "many.csv", [*UNLABELED, GOOD[3][:1]], ("text",)),
        "test": write(tmp_path / "test.csv", [GOOD[0], (UNLABELED[0][0].upper(), "b"), ("all its own", "b")]),
    }
    report, refused = checked(files)
    assert not refused.any
    found = {(f.kind, f.part, f.message) for f in report.findings if f.kind in ("shared", "leaks", "near leaks")}
    assert found == {
        ("shared", "unlabeled", "1 of 6 texts are also in labeled"),
        ("leaks", "test", "1 of 3 texts are also in labeled"),
        ("near leaks", "test", "1 of 3 texts are in unlabeled but for case, spaces or punctuation"),
    }
    assert len(load_for_train(files).test) == 3
