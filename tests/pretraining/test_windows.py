"""The corpus: every token of every text is in one window, and held-out texts share none."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from tests.contract.cases import tokenizer
from textssl.errors import UserError
from textssl.pretraining.corpus import joined_texts, split_texts, windows_of


CLS, SEP, MASK = 2, 3, 4


def table(texts: list[str | None], column: str = "text") -> datasets.Dataset:
    return datasets.Dataset.from_dict({column: texts, "label": [0] * len(texts)})


def test_windows_of_a_text_in_a_row_are_its_tokens(tmp_path: Path) -> None:
    texts = [" ".join(f"w{(i * 7 + k) % 60}" for k in range(i)) for i in (1, 6, 7, 20)]
    found = windows_of(joined_texts(table(texts), "text"), "text", tokenizer(), 8, tmp_path / "a.arrow")["input_ids"]
    assert all(row[0] == CLS and row[-1] == SEP and 3 <= len(row) <= 8 for row in found)
    # Six words have room beside the two special tokens.
    assert [len(row) - 2 for row in found] == [1, 6, 6, 1, 6, 6, 6, 2]
    tokens = [token for row in found for token in row[1:-1]]
    assert tokens == [tokenizer().convert_tokens_to_ids(word) for text in texts for word in text.split()]


def test_texts_without_words_give_no_window(tmp_path: Path) -> None:
    texts = joined_texts(table(["", "  ", "[MASK]", "[SEP] [MASK]", "w1"]), "text")
    assert windows_of(texts, "text", tokenizer(), 8, tmp_path / "a.arrow")["input_ids"] == [[CLS, 6, SEP]]
    assert len(windows_of(texts.select([0, 1]), "text", tokenizer(), 8, tmp_path / "b.arrow")) == 0


def test_windows_lie_in_a_file_and_one_that_is_there_is_read(tmp_path: Path) -> None:
    texts, path = joined_texts(table(["w1 w2", "w3"]), "text"), tmp_path / "deep" / "a.arrow"
    first = windows_of(texts, "text", tokenizer(), 8, path)
    written = path.stat().st_mtime_ns
    assert [Path(file["filename"]) for file in first.cache_files] == [path]
    assert windows_of(texts, "text", tokenizer(), 8, path)["input_ids"] == first["input_ids"]
    assert path.stat().st_mtime_ns == written
    assert [entry.name for entry in path.parent.iterdir()] == ["a.arrow"]


def test_several_data_sets_are_joined_in_their_order() -> None:
    other = table(["c"]).cast_column("text", datasets.Value("large_string"))
    assert joined_texts([table(["a", "b"]), other], "text")["text"] == ["a", "b", "c"]


def test_held_out_texts_are_a_share_and_no_others() -> None:
    texts = table([f"text {i}" for i in range(100)])
    train, held_out = split_texts(texts, 0.07, seed=3)
    assert len(held_out) == 7
    assert sorted([*train["text"], *held_out["text"]]) == sorted(texts["text"])
    assert split_texts(texts, 0.07, seed=3)[1]["text"] == held_out["text"]
    assert split_texts(texts, 0.07, seed=4)[1]["text"] != held_out["text"]
    assert len(split_texts(texts, 0.001, seed=3)[1]) == 1
    assert len(split_texts(texts, 0.0, seed=3)[1]) == 0


def test_what_cannot_be_a_corpus_is_refused() -> None:
    with pytest.raises(UserError, match="dataset: got no rows"):
        joined_texts(table([]).cast_column("text", datasets.Value("string")), "text")
    with pytest.raises(UserError, match="row 1"):
        joined_texts(table(["a", None]), "text")
    with pytest.raises(UserError, match="text_column"):
        joined_texts(table(["a"], "review"), "text")
    with pytest.raises(UserError, match=r"validation_share: got 0\.9; of 2 texts none"):
        split_texts(table(["a", "b"]), 0.9, seed=0)
