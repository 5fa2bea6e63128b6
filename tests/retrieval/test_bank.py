"""Banks of sentences: what is in them, where it is from, and what a kill or a cut file does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from textssl.errors import UserError
from textssl.retrieval import Bank, build_bank, open_bank, random_bank_sample
from textssl.retrieval.bank import BankFacts
from textssl.retrieval.keys import KeySet, sentence_keys


def built(sources, folder: Path, **settings) -> Bank:
    return build_bank(sources, folder, progress=False, **settings)


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted((folder / "shards").iterdir())}


def table_of(*texts: str | None) -> Dataset:
    return Dataset.from_dict({"text": list(texts)})


@pytest.mark.slow
def test_sentences_are_cut_traced_and_kept_once(tmp_path: Path) -> None:
    first = table_of("A fine film. It made me laugh!", "a  FINE film. Too bad. No.", None)
    second = table_of("It made me LAUGH! And then I cried about it.")
    bank = built({"first": first, "second": second}, tmp_path / "bank")
    assert len(bank) == 3
    assert bank.rows([2, 0, 1]).to_pylist() == [
        {"text": "And then I cried about it.", "source": "second", "document": 0},
        {"text": "A fine film.", "source": "first", "document": 0},
        {"text": "It made me laugh!", "source": "first", "document": 0},
    ]
    # "Too bad." has 8 characters, "No." has 3.
    counts = [(s.documents, s.sentences, s.duplicates, s.short) for s in bank.facts.sources]
    assert counts == [(3, 2, 1, 2), (1, 1, 1, 0)]


def test_files_of_all_kinds_give_the_same_sentences(tmp_path: Path) -> None:
    texts = ["Eins und zwei, und mehr.", "\u00e4 sentence with \u201cquotes\u201d in it", "the third one, at last"]
    table = pa.table({"id": [1, 2, 3], "body": texts})
    (tmp_path / "a.txt").write_text("\ufeff" + "\r\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "a.csv").write_text("id,body\n" + "".join(f'{i},"{t}"\n' for i, t in enumerate(texts)))
    (tmp_path / "a.tsv").write_text("id\tbody\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(texts)))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"id": 1, "body": t}) + "\n" for t in texts))
    pq.write_table(table, tmp_path / "a.parquet")
    Dataset(table).save_to_disk(tmp_path / "saved")
    for name in ("a.txt", "a.csv", "a.tsv", "a.jsonl", "a.parquet", "saved"):
        bank = built([tmp_path / name], tmp_path / f"bank-{name}", text_column="body")
        rows = bank.rows(range(3)).to_pylist()
        assert rows == [{"text": t, "source": name, "document": i} for i, t in enumerate(texts)], name


def test_long_lines_are_cut_between_characters(tmp_path: Path) -> None:
    """A cut by bytes, as at 10,000 bytes, would break a character of three."""
    text = "\u2603" * 10_000 + " and then words, at last."
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    bank = built([tmp_path / "long.txt"], tmp_path / "bank", max_chars=100)
    sentences = bank.texts(range(len(bank)))
    assert set(sentences[0]) == {"\u2603"}
    assert max(map(len, sentences)) <= 100
    assert sentences[-1].endswith("at last.")


def test_a_wrong_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "wrong.txt").write_bytes(b"a good line here\nand a bad \xff one\n")
    with pytest.raises(UserError, match=r"wrong.txt' is no UTF-8 near line 1"):
        built([tmp_path / "wrong.txt"], tmp_path / "bank")


def test_one_sentence_is_a_bank(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("Only this one sentence")
    bank = built([tmp_path / "one.txt"], tmp_path / "bank")
    assert bank.texts([0]) == ["Only this one sentence"]


MANY = [f"Text {i} has a first sentence. And {i} has a second one. Some are the same." for i in range(5000)]


def test_shards_do_not_change_what_is_found_nor_does_a_kill(tmp_path: Path) -> None:
    whole = built({"many": table_of(*MANY)}, tmp_path / "whole")
    parts = built({"many": table_of(*MANY)}, tmp_path / "parts", shard_sentences=2500)
    assert len(whole.facts.shards) == 1
    # Documents pass by in batches of 1024; each has two sentences of its own, and all have a third in common.
    assert [shard.rows for shard in parts.facts.shards] == [4097, 4096, 1808]
    assert whole.texts(range(len(whole))) == parts.texts(range(len(parts)))
    before = files_of(tmp_path / "parts")
    # As after a kill between the second shard and the third: neither is in the description.
    facts = json.loads((tmp_path / "parts" / "bank.json").read_text())
    facts["shards"] = facts["shards"][:1]
    facts["sources"][0] |= {"documents": 2048, "sentences": 4097, "duplicates": 2047, "complete": False}
    (tmp_path / "parts" / "bank.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"not finished, it lacks sentences of \['many'\]"):
        open_bank(tmp_path / "parts")
    resumed = built({"many": table_of(*MANY)}, tmp_path / "parts", shard_sentences=2500)
    after = files_of(tmp_path / "parts")
    assert resumed.fingerprint == parts.fingerprint
    assert resumed.facts == parts.facts
    assert {name: content for name, (content, _) in after.items()} == {n: c for n, (c, _) in before.items()}
    first = min(before)
    assert after[first] == before[first]


def test_a_bank_stopped_in_the_middle_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "many.txt").write_text("\n".join(MANY))
    write = BankFacts.write

    def stop_after_two(facts: BankFacts, folder: Path) -> None:
        write(facts, folder)
        if len(facts.shards) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BankFacts, "write", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            built([tmp_path / "many.txt"], tmp_path / "bank", shard_sentences=2500)
    before = files_of(tmp_path / "bank")
    assert len(before) == 2
    resumed = built([tmp_path / "many.txt"], tmp_path / "bank", shard_sentences=2500)
    after = files_of(tmp_path / "bank")
    assert {name: after[name] for name in before} == before
    fresh = built([tmp_path / "many.txt"], tmp_path / "fresh", shard_sentences=2500)
    assert resumed.fingerprint == fresh.fingerprint


def test_a_bank_grows_and_its_shards_stay(tmp_path: Path) -> None:
    old, new = table_of("A sentence of the old bank."), table_of("a sentence of the OLD bank.", "And quite a new one.")
    bank = built({"old": old}, tmp_path / "bank")
    before = files_of(tmp_path / "bank")
    with pytest.raises(UserError, match=r"has \['old'\] and not 'new'; pass add"):
        built({"new": new}, tmp_path / "bank")
    grown = built({"new": new}, tmp_path / "bank", add=True)
    assert grown.texts(range(len(grown))) == ["A sentence of the old bank.", "And quite a new one."]
    assert grown.fingerprint != bank.fingerprint
    after = files_of(tmp_path / "bank")
    assert {name: after[name] for name in before} == before
    again = built({"old": old, "new": new}, tmp_path / "bank")
    assert again.facts == grown.facts
    with pytest.raises(UserError, match="'old' is another than in the bank"):
        built({"old": new}, tmp_path / "bank", add=True)
    with pytest.raises(UserError, match=r"min_chars: got 3, and the bank .* was built with 10"):
        built({"old": old}, tmp_path / "bank", min_chars=3)


def test_cut_and_changed_shards_are_refused(tmp_path: Path) -> None:
    bank = built({"many": table_of(*MANY[:50])}, tmp_path / "bank")
    path = tmp_path / "bank" / bank.facts.shards[0].file
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(UserError, match=f"{path.name}' is corrupt"):
        open_bank(tmp_path / "bank")
    path.write_bytes(content.replace(b"first", b"thirs"))
    open_bank(tmp_path / "bank")
    with pytest.raises(UserError, match=f"{path.name}' was changed"):
        open_bank(tmp_path / "bank", verify=True)
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name}' is missing"):
        open_bank(tmp_path / "bank")


@pytest.mark.parametrize(
    ("sources", "settings", "message"),
    [
        ({}, {}, "sources: got {}"),
        ("one.txt", {}, "expected a list"),
        (["no.txt"], {}, "no such file: 'no.txt'"),
        ({"a": table_of("short")}, {}, r"\['a'\] hold no sentence of 10 characters"),
        ({"a": Dataset.from_dict({"body": ["x"]})}, {}, "no column 'text'"),
        ({"a": Dataset.from_dict({"text": [1]})}, {}, "holds int64, not strings"),
        ({"a": table_of("x")}, {"min_chars": 0}, "min_chars: got 0"),
        ({"a": table_of("x")}, {"max_chars": 5}, "max_chars: got 5"),
        ({"a": table_of("x")}, {"shard_sentences": 0}, "shard_sentences: got 0"),
        ([__file__], {}, "ends in '.py'; allowed are .txt"),
    ],
)
def test_what_cannot_be_a_bank(sources, settings, message, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        built(sources, tmp_path / "bank", **settings)


def test_files_without_the_column_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body\n1,x\n")
    with pytest.raises(UserError, match=r"a.csv' has no column 'text'; its columns are \['id', 'body'\]"):
        built([tmp_path / "a.csv"], tmp_path / "bank")
    (tmp_path / "b.jsonl").write_text('{"text": 1}\n')
    with pytest.raises(UserError, match="holds int64, not strings"):
        built([tmp_path / "b.jsonl"], tmp_path / "b")
    (tmp_path / "c.csv").write_text("")
    with pytest.raises(UserError, match="hold no sentence"):
        built([tmp_path / "c.csv"], tmp_path / "c")
    with pytest.raises(UserError, match=r"is no bank of sentences"):
        open_bank(tmp_path / "nowhere")


def test_keys_are_of_case_and_white_space_folded_text() -> None:
    keys = sentence_keys(["A  b\tC", "a B c", "a b c.", "STRASSE", "stra\u00dfe"])
    assert keys.dtype == np.uint64
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4]


def test_a_key_set_is_a_set() -> None:
    rng = np.random.default_rng(0)
    known, seen = KeySet(), set()
    for size in (0, 1, 5, 100, 3, 1000, 7, 2000):
        keys = rng.integers(0, 3000, size).astype(np.uint64)
        new = known.add(keys)
        for key, is_new in zip(keys.tolist(), new.tolist(), strict=True):
            assert is_new == (key not in seen)
            seen.add(key)
    assert len(known) == len(seen)


def test_a_random_sample_is_of_the_whole_bank(tmp_path: Path) -> None:
    bank = built({"many": table_of(*MANY[:100])}, tmp_path / "bank")
    sample = random_bank_sample(bank, 50, seed=3)
    assert len(set(sample.tolist())) == 50
    assert (np.diff(sample) > 0).all()
    assert 0 <= sample[0] < 50 < sample[-1] < len(bank)
    np.testing.assert_array_equal(sample, random_bank_sample(bank, 50, seed=3))
    assert sample.tolist() != random_bank_sample(bank, 50, seed=4).tolist()
    np.testing.assert_array_equal(random_bank_sample(bank, len(bank), seed=0), np.arange(len(bank)))
    with pytest.raises(UserError, match=f"k: got 1000, and the bank .* has {len(bank)} sentences"):
        random_bank_sample(bank, 1000, seed=0)
