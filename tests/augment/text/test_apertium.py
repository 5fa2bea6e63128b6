from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textssl.augment.text.apertium import ApertiumEngine
from textssl.errors import UserError


# Stands in for the program: "eng-spa" appends an o to every word, "spa-eng" an x. FAKE says how it
# misbehaves.
FAKE_PROGRAM = r"""#!{python} -ISs
import os, re, subprocess, sys, time
if sys.argv[1] == "-l":
    print("  eng-spa\n  spa-eng\n  eng-cat")
    sys.exit()
option, mode = sys.argv[1:]
assert option == "-u"
fake = os.environ.get("FAKE", "")
text = sys.stdin.buffer.read().decode()
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(mode + " " + str(text.count("\n\n")) + "\n")
if fake == "broken" or (fake == "crash" and "CRASH" in text):
    print("lt-proc: core\ndumped", file=sys.stderr)
    sys.exit(1)
if fake == "hang" and "HANG" in text:
    child = subprocess.Popen(["sleep", "60"])
    with open(os.environ["FAKE_LOG"] + ".child", "w") as log:
        log.write(str(child.pid))
    time.sleep(60)
if fake == "silent" and "SILENT" in text:
    text = text.replace("SILENT", "")
if fake == "drop" and "DROP" in text:
    text = "".join(line for line in text.splitlines(True) if "DROP" not in line)
if fake == "split" and "SPLIT" in text:
    text = text.replace("SPLIT", "SP\nLIT")
if fake == "shift" and "\n\n" in text[:-2] and "SHIFT" in text:
    text = text.replace("\n\n", "\nSHIFT\n", 1)
if fake == "eat" and "EAT" in text:
    text = re.sub("(EAT )[\ue000-\ue1ff]", r"\1", text)
suffix = dict([("eng-spa", "o"), ("spa-eng", "x")])[mode]
text = re.sub(r"\w+", lambda word: word[0] + suffix, text)
if fake == "marks":
    text = re.sub(r"\b(?=xyzzy)", "*", text)
    text = re.sub(r"\b(?=plugh)", "@", text)
    text = re.sub(r"\b(?=frotz)", "#", text)
sys.stdout.buffer.write(text.encode())
"""


def round_trip(text: str) -> str:
    return " ".join(word + "ox" for word in text.split())


@pytest.fixture
def fake(tmp_path: Path, monkeypatch):
    program = tmp_path / "bin" / "apertium"
    program.parent.mkdir()
    program.write_text(FAKE_PROGRAM.replace("{python}", sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    log = tmp_path / "calls"
    monkeypatch.setenv("FAKE_LOG", str(log))
    monkeypatch.setenv("FAKE", "")

    def calls() -> list[str]:
        return log.read_text().split("\n")[:-1] if log.exists() else []

    return calls


def translate(texts: list[str], **options: float) -> list[str]:
    return ApertiumEngine(**options).translate(texts, np.random.default_rng(0))


def test_each_text_keeps_its_place(fake) -> None:
    texts = [
        "a cat",
        "",
        "two\nlines",
        "  ",
        "tab\tand\r\nreturn",
        "a\x0bb\x0cc\u2028d\u2029e\x85f",
    ]
    texts += ["nul\0bell\x07", "last"]
    assert translate(texts) == [
        "aox catox",
        "",
        "twoox\nlinesox",
        "  ",
        "tabox\tandox\r\nreturnox",
        "aox\x0bbox\x0ccox\u2028dox\u2029eox\x85fox",
        "nulbellox",
        "lastox",
    ]
    # Lines: 1, 2, 3, 6, 1 and 1.
    assert fake() == ["eng-spa 14", "spa-eng 14"]


def test_lines_and_paragraphs_come_back_in_their_places(fake) -> None:
    text = "\n  RUSSIA IN GAS DEAL \n\n\n\tIndia has  signed.\r\n > It said so.\n--\n\n"
    expected = "\n  RUSSIAox INox GASox DEALox \n\n\n\tIndiaox hasox signedox.\r\n > Itox saidox soox.\n--\n\n"
    # Spaces within a line become one.
    assert translate([text]) == [expected]
    assert sum(map(str.isspace, expected)) == sum(map(str.isspace, text)) - 1


NAMES = [
    ("@united thanks for it", "@united thanksox forox itox"),
    ("see http://t.co/a_b?c=1&d=2.", "seeox http://t.co/a_b?c=1&d=2."),
    ("(www.x.org/y) or aa.com!", "(www.x.org/y) orox aa.com!"),
    ("mail a.b+c@x-y.co.uk now", "mailox a.b+c@x-y.co.uk nowox"),
    ("#NoWay #fail", "#NoWay #fail"),
    ("one [SEP] two</s>", "oneox [SEP] twoox</s>"),
    ("RT @a_b: @a_b @c", "RTox @a_b: @a_b @c"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "expected"), NAMES)
def test_names_come_through_unchanged(fake, text: str, expected: str) -> None:
    assert translate([text]) == [expected]


def test_a_line_that_loses_a_name_stays_as_it_is(fake, monkeypatch, caplog) -> None:
    monkeypatch.setenv("FAKE", "eat")
    with caplog.at_level(logging.WARNING):
        assert translate(["one EAT @a b\ntwo @b"]) == ["one EAT @a b\ntwoox @b"]
    assert "a handle or link got lost in 1 of 2 lines; left as they are" in caplog.text


def test_placeholders_of_a_text_itself_stay(fake) -> None:
    # Characters that the engine uses itself are the text's own here.
    assert translate(["a \ue000 @b \ue001 @c"]) == ["aox \ue000 @b \ue001 @c"]


def test_nothing_to_translate_calls_nothing(fake) -> None:
    assert translate([]) == []
    assert translate(["", " \n", "?!", "@a http://b.de"]) == ["", " \n", "?!", "@a http://b.de"]
    assert fake() == []


def test_other_tilde_goes_to_the_program_and_comes_back(fake) -> None:
    assert translate(["see ~2005"]) == ["seeox ~2005ox"]


def test_lone_surrogate_does_not_stop_a_job(fake) -> None:
    assert translate(["bad \ud800", "good"]) == ["badox ?", "goodox"]


@pytest.mark.parametrize("processes", [1, 3])
def test_calls_are_bounded_and_results_in_order(fake, monkeypatch, processes: int) -> None:
    monkeypatch.setattr("textssl.augment.text.apertium.CALL_LINES", 256)
    texts = [f"w{i}" for i in range(300)]
    assert translate(texts, processes=processes) == [f"w{i}ox" for i in range(300)]
    # 300 = 256 + 44.
    assert sorted(fake()) == sorted([f"{m} {n}" for m in ("eng-spa", "spa-eng") for n in (256, 44)])


def test_long_texts_make_smaller_calls(fake) -> None:
    translate(["a" * 300_000, "b" * 300_000, "c"])
    assert fake()[:2] == ["eng-spa 1", "eng-spa 2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("misbehaviour", "word"),
    [("drop", "DROP"), ("crash", "CRASH"), ("silent", "SILENT"), ("split", "SPLIT")],
)
def test_the_text_at_fault_alone_stays_as_it_is(fake, monkeypatch, caplog, misbehaviour, word) -> None:
    monkeypatch.setenv("FAKE", misbehaviour)
    texts = [f"a{i}" for i in range(20)]
    texts[7] = word
    expected = [f"a{i}ox" for i in range(20)]
    expected[7] = word
    with caplog.at_level(logging.WARNING):
        assert translate(texts) == expected
    assert len(caplog.records) == 1
    assert word in caplog.text


def test_dropped_line_hidden_by_another_is_found(fake, monkeypatch) -> None:
    # As many lines come out as went in, but the second text stands in the gap after the first.
    monkeypatch.setenv("FAKE", "shift")
    assert translate(["aSHIFT", "b", "c"]) == ["aSHIFTox", "box", "cox"]


@pytest.mark.slow
def test_hanging_call_is_ended_with_its_children(fake, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAKE", "hang")
    start = time.perf_counter()
    assert translate(["one", "HANG", "two"], timeout=1.0) == ["oneox", "HANG", "twoox"]
    assert time.perf_counter() - start < 20
    child = Path(f"/proc/{(tmp_path / 'calls.child').read_text()}/stat")
    deadline = time.time() + 5
    while time.time() < deadline and child.exists() and child.read_text().split()[2] != "Z":
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_broken_program_is_an_error_and_not_a_copy_of_the_data(fake, monkeypatch) -> None:
    monkeypatch.setenv("FAKE", "broken")
    with pytest.raises(UserError, match=r"fails on the text 'yes'.*lt-proc: core dumped"):
        translate(["one", "two", "three"])


def test_marks_of_the_program_go_and_those_of_the_text_stay(fake, monkeypatch) -> None:
    monkeypatch.setenv("FAKE", "marks")
    texts = [
        "a xyzzy, (plugh) frotz",
        "*** a # 1 *starred* me@home xyzzy # frotz @ plugh plugh",
        "2 * 3",
    ]
    assert translate(texts) == [
        "aox xyzzyox, (plughox) frotzox",
        "*** aox # 1ox *starredox* meox@homeox xyzzyox # frotzox @ plughox plughox",
        "2ox * 3ox",
    ]


def test_not_installed(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install apertium apertium-eng-spa"):
        ApertiumEngine()


def test_missing_pair(fake) -> None:
    with pytest.raises(UserError, match="does not translate cat-eng; installed are eng-spa, spa-eng"):
        ApertiumEngine(pivot="cat")


@pytest.mark.parametrize("options", [{"processes": 0}, {"timeout": 0}])
def test_options_out_of_range(fake, options) -> None:
    with pytest.raises(UserError, match="processes must be at least 1 and timeout positive"):
        ApertiumEngine(**options)


def test_identity_tells_the_pair(fake) -> None:
    assert ApertiumEngine().identity == "apertium eng-spa spa-eng by lines"
    assert ApertiumEngine().deterministic


def installed() -> bool:
    return shutil.which("apertium") is not None and Path("/usr/share/apertium/modes/eng-spa.mode").exists()


real = pytest.mark.skipif(not installed(), reason="apertium-eng-spa is not installed")
NUMBERS = ["two", "three", "four", "five", "six"]


@real
def test_real_round_trip_reads_like_the_text() -> None:
    texts = ["The house is red.", "I have two cats.", "My brother eats bread."]
    back = translate(texts)
    for text, result, words in zip(texts, back, ("house red", "two cats", "brother bread"), strict=True):
        assert set(words.split()) <= set(result.lower().rstrip(".").split()), (text, result)


@real
@pytest.mark.parametrize("text", [text for text, _ in NAMES])
def test_real_names_come_through_unchanged(text: str) -> None:
    names = [word.strip("().!:") for word in text.split() if set(word) & set("@#/") or ".co" in word]
    (back,) = translate([f"{text} is what they told me about it"])
    assert [back.count(name) >= text.count(name) for name in names] == [True] * len(names), back


@real
def test_real_headings_do_not_melt_into_sentences() -> None:
    text = "India in gas export deal\n\nIndia has signed a contract.\nIt is a big one."
    heading, gap, first, second = translate([text])[0].split("\n")
    assert gap == ""
    assert [heading, first, second] == [translate([line])[0] for line in text.split("\n") if line]


@real
def test_real_program_keeps_odd_characters_and_places() -> None:
    odd = [
        "[",
        "]]]]",
        "^",
        "$",
        "{x}",
        "<b>",
        "\\",
        "/",
        "@",
        "*",
        "#",
        "~",
        "[[/]]",
        "^a<n>$",
        "a\\",
    ]
    odd += [
        "&lt;",
        "\u00a0",
        "\u200b",
        "日本 😀",
        "...",
        "]\n[",
        "*",
        "-",
        "no stop",
        "up",
        "the house of",
    ]
    texts = [part for n, text in enumerate(odd) for part in (text, f"{NUMBERS[n % 5]} cats.")]
    back = translate(texts)
    assert len(back) == len(texts)
    for n, text in enumerate(odd):
        # A word that had crossed over would be one too many here.
        assert [word.lower() for word in back[2 * n + 1].split()][1:] == ["cats."]
        for character in "[]^${}<>\\/@*#~":
            assert back[2 * n].count(character) == text.count(character), (text, back[2 * n])


@real
def test_real_words_do_not_cross_between_texts() -> None:
    # "the red" + "car which is fast" on neighbouring lines would be reordered as one phrase.
    halves = ["I like the red", "car which is fast", "the house of", "my"]
    alone = [translate([half])[0] for half in halves]
    assert translate(halves) == alone


@real
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=[]), max_size=40), max_size=30))
def test_real_program_takes_any_unicode(texts: list[str]) -> None:
    markers = [NUMBERS[n % 5] + " dogs." for n in range(len(texts))]
    mixed = [part for pair in zip(texts, markers, strict=True) for part in pair]
    back = translate(mixed)
    assert [" ".join(line.lower().split()[1:]) for line in back[1::2]] == ["dogs."] * len(texts)
