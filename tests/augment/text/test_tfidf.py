from __future__ import annotations

import json
import math
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from textssl.augment.text import (
    SplitText,
    TfIdfReplacement,
    UniformReplacement,
    WordStatistics,
    split_words,
)
from textssl.errors import UserError


# N = 4. Words of the texts: a b c | a b b d | a e | a b .
TINY = ["a b c", "A b  b d", "a E", "a b."]

# On paper. df: a 4, b 3, and 1 for each of c, d, e and the full stop.
# idf = ln(N / df): a 0, b ln(4/3), the others ln 4.
LN4, LN43 = math.log(4), math.log(4 / 3)
IDF = {"a": 0.0, "b": LN43, ".": LN4, "c": LN4, "d": LN4, "e": LN4}
# S = idf * sum of relative frequencies: b occurs as 1/3 + 2/4 + 1/3 = 7/6, c 1/3, d 1/4, e 1/2, "."
# 1/3. S: a 0, b .335629, c .462098, d .346574, e .693147, "." .462098; the largest is that of e.
# max S - S: a .693147, b .357518, c .231049, d .346574, e 0, "." .231049; their sum is 1.859337.
Q = {"a": 0.372793, "b": 0.192283, ".": 0.124264, "c": 0.124264, "d": 0.186397, "e": 0.0}


def zipf_corpus(texts: int = 300, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    words = np.array([f"w{i}" for i in range(500)])
    weights = 1 / np.arange(1, 501)
    weights /= weights.sum()
    return [" ".join(rng.choice(words, rng.integers(20, 80), p=weights)) for _ in range(texts)]


def naive(texts: list[list[str]], text: list[str], p: float) -> tuple[dict[str, float], list[float]]:
    """The formulas of the paper's appendix and code, with plain loops: q and P."""
    df: Counter[str] = Counter()
    for words in texts:
        df.update(set(words))
    idf = {word: math.log(len(texts) / count) for word, count in df.items()}
    score: Counter[str] = Counter()
    for words in texts:
        for word in words:
            score[word] += idf[word] / len(words)
    rest = {word: max(score.values()) - value for word, value in score.items()}
    q = {word: value / sum(rest.values()) for word, value in rest.items()}
    c: Counter[str] = Counter()
    for word in text:
        c[word] += idf.get(word, math.log(len(texts))) / len(text)
    gaps = [max(c.values()) - c[word] for word in text]
    return q, [gap / sum(gaps) * p * len(text) for gap in gaps]


def augment(augmentation: TfIdfReplacement | UniformReplacement, text: str, seed: int) -> str:
    return augmentation({"text": text}, np.random.default_rng(seed))["text"]


def test_statistics_by_hand() -> None:
    statistics = WordStatistics.fit(TINY)
    assert statistics.words == ("a", "b", ".", "c", "d", "e")
    assert statistics.num_texts == 4
    assert statistics.df.tolist() == [4, 3, 1, 1, 1, 1]
    np.testing.assert_allclose(statistics.idf, list(IDF.values()), atol=1e-15)
    expected = [17 / 12, 7 / 6, 1 / 3, 1 / 3, 1 / 4, 1 / 2]
    np.testing.assert_allclose(statistics.frequency, expected)
    expected = [0, 7 / 6 * LN43, LN4 / 3, LN4 / 3, LN4 / 4, LN4 / 2]
    np.testing.assert_allclose(statistics.score, expected, atol=1e-15)


def test_replacement_probs_by_hand() -> None:
    q = TfIdfReplacement.fit(TINY).replacement_probs
    np.testing.assert_allclose(q, list(Q.values()), atol=1e-6)


def test_replacement_chances_by_hand() -> None:
    # "b c c a", L = 4: c(b) = .28768 / 4 = .07192, c(c) = 2 * 1.38629 / 4 = .69315 = C, c(a) = 0.
    # C - c: .62123, 0, 0, .69315; sum 1.31437. P = that / sum * .5 * 4.
    augmentation = TfIdfReplacement.fit(TINY, p=0.5)
    chances = augmentation.replacement_chances("B c C a")
    np.testing.assert_allclose(chances, [0.945283, 0, 0, 1.054717], atol=2e-6)


def test_an_unknown_word_has_the_idf_of_one_text() -> None:
    # "x y a": x and y unknown, each ln 4 / 3 = C; only a, with c = 0, can go: P = p L = 1.5.
    augmentation = TfIdfReplacement.fit(TINY, p=0.5)
    np.testing.assert_allclose(augmentation.replacement_chances("x y a"), [0, 0, 1.5])
    # "x X y a": x twice, 2 ln 4 / 4 = C; gaps 0, 0, ln 4 / 4, ln 4 / 2, so P = 0, 0, 2/3, 4/3 at p
    # L = 2.
    np.testing.assert_allclose(augmentation.replacement_chances("x X y a"), [0, 0, 2 / 3, 4 / 3])


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.3, 0.7, 1.0])
def test_agrees_with_the_naive_loop(p: float) -> None:
    corpus = zipf_corpus()
    cut = [text.split() for text in corpus]
    augmentation = TfIdfReplacement.fit(corpus, p=p)
    for text in [*cut[:20], [*cut[0], "new", "words", "new"]]:
        q, chances = naive(cut, text, p)
        np.testing.assert_allclose(augmentation.replacement_chances(" ".join(text)), chances)
    ours = dict(zip(augmentation.statistics.words, augmentation.replacement_probs.tolist(), strict=True))
    assert ours.keys() == q.keys()
    np.testing.assert_allclose([ours[word] for word in q], list(q.values()), atol=1e-15)


def test_more_texts_than_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = zipf_corpus(50)
    whole = WordStatistics.fit(corpus)
    monkeypatch.setattr("textssl.augment.text.word_statistics.TEXTS_AT_ONCE", 7)
    parts = WordStatistics.fit(iter(corpus))
    assert parts.words == whole.words
    assert parts.df.tolist() == whole.df.tolist()
    assert parts.num_texts == 50
    np.testing.assert_allclose(parts.frequency, whole.frequency)


def test_share_replaced_is_the_sum_of_clipped_chances() -> None:
    corpus = zipf_corpus()
    augmentation = TfIdfReplacement.fit(corpus, p=0.7)
    replaced = expected = variance = 0.0
    for seed, text in enumerate(corpus):
        # In upper case an old word differs from each new one.
        words = augment(augmentation, text.upper(), seed).split()
        replaced += sum(word.islower() for word in words)
        chances = np.minimum(augmentation.replacement_chances(text), 1)
        expected += chances.sum()
        variance += (chances * (1 - chances)).sum()
    assert abs(replaced - expected) < 4 * math.sqrt(variance)


@pytest.mark.slow
def test_each_position_is_replaced_with_its_own_chance_by_words_from_q() -> None:
    augmentation = TfIdfReplacement.fit(TINY, p=0.5)
    rng = np.random.default_rng(0)
    draws = 20_000
    stayed = np.zeros(4)
    inserted: Counter[str] = Counter()
    for _ in range(draws):
        words = augmentation({"text": "B C C A"}, rng)["text"].words
        stayed += [word.isupper() for word in words]
        inserted.update(word for word in words if not word.isupper())
    # C has the highest score; A has P > 1; B stays with probability 1 - .945283.
    assert stayed[1] == stayed[2] == draws
    assert stayed[3] == 0
    assert abs(stayed[0] / draws - 0.054717) < 4 * math.sqrt(0.0547 * 0.9453 / draws)
    assert "e" not in inserted
    total = inserted.total()
    chi2 = sum((inserted[w] - total * q) ** 2 / (total * q) for w, q in Q.items() if q)
    assert chi2 < 23.5  # the 99.99 % point for 4 degrees of freedom


@pytest.mark.parametrize("text", ["", "  \n", "one", "a", "x y z", "a a a", "c d e"])
def test_texts_that_stay(text: str) -> None:
    example = {"text": text, "label": 1}
    result = TfIdfReplacement.fit(TINY, p=1.0)(example, np.random.default_rng(0))
    assert result == example
    assert result is not example
    assert type(result["text"]) is SplitText


def test_scores_that_differ_by_rounding_only_are_equal() -> None:
    # tf * idf of the two words is the same number on paper: 3 ln 5 = ln 125, in floats it is not.
    assert 3 * math.log(5) / 4 != math.log(125) / 4
    corpus = ["rare"] + ["common"] * 25 + ["filler"] * 99
    augmentation = TfIdfReplacement.fit(corpus, p=1.0)
    text = "rare common common common"
    assert augmentation.replacement_chances(text).tolist() == [0, 0, 0, 0]


def test_p_zero_is_the_identity() -> None:
    augmentation = TfIdfReplacement.fit(TINY, p=0.0)
    assert all(augment(augmentation, "B c  a, d.", seed) == "B c  a, d." for seed in range(50))


def test_a_corpus_of_equal_scores_inserts_uniformly() -> None:
    augmentation = TfIdfReplacement.fit(["a b", "b a"], p=1.0)
    assert augmentation.replacement_probs.tolist() == [0.5, 0.5]
    assert augment(augmentation, "new a", 0).split()[0] == "new"


def test_spacing_case_and_punctuation_of_other_words_stay() -> None:
    corpus = zipf_corpus()
    augmentation = TfIdfReplacement.fit(corpus, p=0.4)
    text = "  W1,  (W400) — W2\n\n W499's W3?! "
    split = split_words(text)
    for seed in range(30):
        result = augmentation({"text": text}, np.random.default_rng(seed))["text"]
        assert type(result) is SplitText
        assert split_words(str(result)).pieces == result.pieces
        kept = [(old, new) for old, new in zip(split.words, result.words, strict=True) if old == new]
        assert kept
        for old, new in zip(split.pieces[::2], result.pieces[::2], strict=True):
            assert new == old or (old == "" and new == " ")
        for old, new in zip(split.words, result.words, strict=True):
            assert new == old or new in augmentation.statistics.words


@pytest.mark.parametrize("kind", [TfIdfReplacement, UniformReplacement])
def test_pure_function_of_example_and_rng(kind) -> None:
    corpus = zipf_corpus(40)
    plain, remembering = kind.fit(corpus, p=0.5), kind.fit(corpus, p=0.5, remember=10)
    first = [augment(plain, text, seed) for seed, text in enumerate(corpus)]
    second = [augment(remembering, text, seed) for seed, text in reversed(list(enumerate(corpus)))]
    again = [augment(remembering, text, seed) for seed, text in enumerate(corpus)]
    copied = pickle.loads(pickle.dumps(remembering))
    assert first == second[::-1] == again
    assert first == [augment(copied, text, seed) for seed, text in enumerate(corpus)]
    assert first != [augment(plain, text, seed + 1) for seed, text in enumerate(corpus)]
    assert len(remembering._seen) == 10


def test_leaves_the_example_and_the_global_rng_alone() -> None:
    example = {"review": "b c c a", "label": 0}
    before = np.random.get_state()[1].tolist()
    augmentation = TfIdfReplacement.fit(TINY, p=1.0, column="review")
    result = augmentation(example, np.random.default_rng(0))
    assert example == {"review": "b c c a", "label": 0}
    assert result["label"] == 0
    assert np.random.get_state()[1].tolist() == before


def test_keep_last_is_the_text_cut_first() -> None:
    corpus = zipf_corpus(60)
    whole, end = TfIdfReplacement.fit(corpus), TfIdfReplacement.fit(corpus, keep_last=12)
    for seed, text in enumerate(corpus):
        tail = " ".join(text.split()[-12:])
        assert augment(end, text, seed) == augment(whole, tail, seed)


def test_uniform_replacement() -> None:
    augmentation = UniformReplacement.fit(["a b c d"])
    assert augmentation.p == 0.3
    rng = np.random.default_rng(0)
    counts: Counter[str] = Counter()
    for _ in range(5000):
        counts.update(augmentation({"text": "A B C D"}, rng)["text"].words)
    new = {word: counts[word] for word in "abcd"}
    total = sum(new.values())
    assert abs(total - 6000) < 4 * math.sqrt(20_000 * 0.3 * 0.7)
    # 21.1 is the 99.99 % point for 3 degrees of freedom.
    assert sum((count - total / 4) ** 2 / (total / 4) for count in new.values()) < 21.1
    assert augment(UniformReplacement.fit(["a b"], p=1.0), "X Y", 0) == "X Y"
    assert augment(UniformReplacement.fit(["a b"], p=1.0), "X Y Z", 0).islower()


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_save_and_load(tmp_path: Path, suffix: str) -> None:
    corpus = [*zipf_corpus(20), "Été … 我 \udc80 x\x1cy"]
    saved = TfIdfReplacement.fit(corpus, p=0.6)
    path = saved.save(tmp_path / "new" / f"words.{suffix}")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    loaded = TfIdfReplacement.load(path, p=0.6)
    assert loaded.statistics.words == saved.statistics.words
    assert loaded.statistics.frequency.tolist() == saved.statistics.frequency.tolist()
    assert loaded.statistics.df.tolist() == saved.statistics.df.tolist()
    assert augment(loaded, corpus[0], 1) == augment(saved, corpus[0], 1)
    assert UniformReplacement.load(path, column="review").column == "review"


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_damaged_files(tmp_path: Path, suffix: str) -> None:
    path = WordStatistics.fit(TINY).save(tmp_path / f"words.{suffix}")
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="no usable word statistics"):
            WordStatistics.load(path)
    # The last bytes are content in both formats: a word in JSON, a number or a letter in
    # safetensors.
    damaged = bytearray(whole)
    damaged[-4] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"words\."):
        WordStatistics.load(path)


def test_tampered_content(tmp_path: Path) -> None:
    statistics = WordStatistics.fit(TINY)
    path = statistics.save(tmp_path / "words.json")
    content = json.loads(path.read_text())
    for change, message in [
        ({"df": [4, 2, 1, 1, 1, 1]}, "checksum"),
        ({"num_texts": 5}, "checksum"),
        ({"words": ["a", "b", ".", "c", "d", "f"]}, "checksum"),
        ({"version": 2}, "version is 2; this program reads 1"),
        ({"format": "other"}, "format is 'other'"),
        ({"words": 3}, "word"),
    ]:
        path.write_text(json.dumps({**content, **change}))
        with pytest.raises(UserError, match=message):
            WordStatistics.load(path)
    path.write_text("[1, 2]")
    with pytest.raises(UserError, match="no usable"):
        WordStatistics.load(path)
    other = tmp_path / "other.safetensors"
    save_file({"words": np.zeros(1)}, other)
    with pytest.raises(UserError, match="no usable"):
        WordStatistics.load(other)


@pytest.mark.parametrize(
    ("words", "df", "frequency", "message"),
    [
        (("a b",), [1], [1.0], "exactly one word"),
        (("a", ""), [1, 1], [1.0, 1.0], "exactly one word"),
        (("a",), [3], [1.0], "outside 1..N"),
        (("a",), [1], [math.nan], "not positive"),
        (("a",), [1, 1], [1.0], "differ in length"),
    ],
)
def test_a_right_checksum_over_wrong_content(
    tmp_path: Path, words: tuple[str, ...], df: list[int], frequency: list[float], message: str
) -> None:
    bad = WordStatistics(words, np.array(df), np.array(frequency), 2)
    path = bad.save(tmp_path / "words.safetensors")
    assert "words" in load_file(path)
    with pytest.raises(UserError, match=message):
        WordStatistics.load(path)


def test_save_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = WordStatistics.fit(TINY).save(tmp_path / "words.json")
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        WordStatistics.fit(["other"]).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    WordStatistics.fit(TINY, progress=True)
    assert "Counting words" in capsys.readouterr().err
    WordStatistics.fit(TINY)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("kind", [TfIdfReplacement, UniformReplacement])
def test_bad_arguments(tmp_path: Path, kind) -> None:
    def never():
        raise AssertionError("counting began")
        yield

    for p in (-0.1, 1.1, math.nan):
        with pytest.raises(UserError, match=r"p: got .*; expected a probability in \[0, 1\]"):
            kind.fit(never(), p=p)
    with pytest.raises(UserError, match="keep_last: got 0"):
        kind.fit(never(), keep_last=0)
    with pytest.raises(UserError, match="got 0 texts without a word"):
        kind.fit([])
    with pytest.raises(UserError, match="got 2 texts without a word"):
        kind.fit(["", " "])
    with pytest.raises(UserError, match=r"row 1 is None \(NoneType\)"):
        kind.fit(["a", None])
    with pytest.raises(UserError, match="got one str"):
        kind.fit("a b c")
    with pytest.raises(UserError, match=r"expected a name ending in \.safetensors or \.json"):
        kind.fit(TINY).save(tmp_path / "words.pkl")
    with pytest.raises(UserError, match="does not exist"):
        kind.load(tmp_path / "none.json")
    with pytest.raises(UserError, match="p: got 7"):
        kind.load(tmp_path / "none.json", p=7)


def test_bad_examples() -> None:
    augmentation, rng = TfIdfReplacement.fit(TINY), np.random.default_rng(0)
    with pytest.raises(UserError, match=r"column 'text' of row 17: got 3\.5 \(float\)"):
        augmentation({"text": 3.5, "index": 17}, rng)
    with pytest.raises(UserError, match=r"got 'text'; the example has \['label', 'review'\]"):
        augmentation({"review": "a", "label": 1}, rng)
