"""``textssl bank``: a bank of a person's files, and what it holds of a task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from tests.command_line import Ended
from textssl.retrieval import build_bank, open_bank


CommandLine = Callable[..., Ended]

SENTENCES = [
    "What a wonderful film, I loved every minute.",
    "A masterpiece with a great cast and story.",
    "Truly enjoyable and beautifully shot.",
    "A boring mess that wasted my evening.",
    "The worst acting I have seen in years.",
    "Dull, stupid and far too long.",
    "The train to Oslo leaves at seven.",
    "Add two eggs and a cup of flour.",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank, a labeled table, an evaluation table, and a classifier that was never trained."""
    root = tmp_path_factory.mktemp("retrieve")
    build_bank({"made up": Dataset.from_dict({"text": SENTENCES})}, root / "bank", progress=False)
    (root / "labeled.csv").write_text(f'text,label\nI loved this film,good\n"Well. {SENTENCES[3]}",bad\n')
    (root / "test.csv").write_text("text\n" + SENTENCES[1] + "\n")
    backend = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "film": 2, "a": 3}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = BertConfig(vocab_size=4, **sizes, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(config).save_pretrained(root / "teacher")
    tokenizer.save_pretrained(root / "teacher")
    return root


def test_a_bank_of_files_that_grows(tmp_path: Path, command_line: CommandLine) -> None:
    (tmp_path / "a.txt").write_text("A first sentence. And a second one.\nA FIRST sentence. No.\n")
    (tmp_path / "b.csv").write_text('id;text\n1;"A third one, of another file"\n')
    bank = tmp_path / "bank"
    first = command_line("bank", "build", tmp_path / "a.txt", "-o", bank)
    assert "a.txt: 2 documents, 2 sentences; left out 1 duplicates and 1 short ones" in first.out
    assert f"next: textssl bank search {bank} LABELED.csv -o found.csv" in first.err
    assert "'b.csv'; pass add to add it" in command_line("bank", "build", tmp_path / "b.csv", "-o", bank).error
    more = command_line("bank", "build", tmp_path / "b.csv", "-o", bank, "--add", "--json")
    assert more.json["sentences"] == 3
    assert [source["name"] for source in more.json["sources"]] == ["a.txt", "b.csv"]
    assert open_bank(bank).texts(range(3))[2] == "A third one, of another file"


def test_two_files_of_one_name_are_told_apart_by_their_paths(tmp_path: Path, command_line: CommandLine) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"A sentence of the folder {name}.\n")
    ended = command_line("bank", "build", tmp_path / "one/a.txt", tmp_path / "two/a.txt", "-o", tmp_path / "bank")
    assert ended.code == 0
    rows = open_bank(tmp_path / "bank").rows([0, 1])
    assert rows["source"].to_pylist() == [str(tmp_path / "one/a.txt"), str(tmp_path / "two/a.txt")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "file: got none; give files of texts, or named data by dataset"),
        (["nowhere.txt"], "no such file or folder: 'nowhere.txt'"),
        (["a.xlsx"], "'a.xlsx' ends in '.xlsx'; allowed are .csv, .tsv"),
        (["a.csv", "--text-column", "review"], "no column 'review'"),
        (["--dataset", "imbd"], "no source 'imbd'"),
        (["--dataset", "mnist5k"], "dataset: 'mnist5k' holds image; a bank is of texts"),
    ],
)
def test_files_that_make_no_bank(
    words: list[str], message: str, tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.xlsx").write_text("x")
    (tmp_path / "a.csv").write_text("text\nA text of some words.\n")
    assert message in command_line("bank", "build", *words, "-o", "bank").error


def search(command_line: CommandLine, folder: Path, output: Path, *more: object) -> Ended:
    return command_line(
        "bank",
        "search",
        folder / "bank",
        folder / "labeled.csv",
        "-o",
        output,
        "--evaluation",
        folder / "test.csv",
        *more,
    )


def test_columns_of_texts_and_labels_are_found(folder: Path, tmp_path: Path, command_line: CommandLine) -> None:
    (tmp_path / "few.csv").write_text("review,sentiment\nI loved this film,good\nI hated this film,bad\n")
    (tmp_path / "more.jsonl").write_text('{"comment": "A sentence from elsewhere.", "n": 1}\n')
    built = command_line(
        "bank", "build", tmp_path / "more.jsonl", tmp_path / "few.csv", "-o", tmp_path / "bank", "--json"
    )
    assert built.json["sentences"] == 3
    ended = command_line("bank", "search", folder / "bank", tmp_path / "few.csv", "-o", tmp_path / "found.csv")
    assert ended.code == 0, ended.err
    assert {*pd.read_csv(tmp_path / "found.csv")["query_label"]} <= {"good", "bad"}


def test_sentences_of_the_task_come_back_and_those_of_other_files_do_not(
    folder: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    output = tmp_path / "found.csv"
    ended = search(command_line, folder, output, "--num_neighbors", "3", "--near-duplicate", "0")
    assert ended.code == 0, ended.err
    rows = pd.read_csv(output)
    assert [*rows.columns] == ["text", "similarity", "query_label", "source", "document"]
    assert {*rows["text"]} <= {*SENTENCES[:6]} - {SENTENCES[1], SENTENCES[3]}
    assert "1 stand in the evaluation data, 1 stand in the labeled examples" in ended.out
    assert ended.err.splitlines()[-1] == f"next: textssl pseudo-label MODEL {output} -o pseudo.csv"
    # The folder of stages is gone; what other tasks can use stays in the bank.
    assert {path.name for path in tmp_path.iterdir()} == {"found.csv"}
    (kept,) = (folder / "bank" / "embedded").iterdir()
    assert {path.name for path in kept.iterdir()} >= {"embeddings", "index"}
    assert "exists; give another file, or overwrite" in search(command_line, folder, output).error


def test_a_teacher_labels_what_is_found(folder: Path, tmp_path: Path, command_line: CommandLine) -> None:
    output = tmp_path / "found.jsonl"
    more = ["--teacher", folder / "teacher", "--balance", "none", "--parts", tmp_path / "parts"]
    ended = search(command_line, folder, output, *more, "--json")
    assert ended.json["left_out"]["labeled"] == 1
    assert ended.json["config"]["num_neighbors"] == len(SENTENCES)
    rows = pd.read_json(output, lines=True)
    assert {*rows["label"]} <= {"bad", "good"}
    assert (rows["probability_bad"] + rows["probability_good"] - 1).abs().max() < 1e-6
    assert "going on with" in search(command_line, folder, output, *more, "--overwrite").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_neighbors", "9"], "num_neighbors: got 9, and the bank"),
        (["--queries", "median"], "queries: got 'median'"),
        (["--threshold", "0.5"], "threshold: got 0.5, which is about a teacher's labels"),
        (["--engine", "spark", "--num_neighbors", "1"], "engine: got 'spark'"),
        (["--teacher", "nowhere"], "teacher: no folder 'nowhere'"),
        (["--evaluation", "nowhere.csv"], "no such file"),
        (["--text-column", "review"], "no column 'review'"),
        (["-o", "found.xlsx"], "output: got 'found.xlsx'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, folder: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    assert message in search(command_line, folder, tmp_path / "found.csv", *arguments).error


def test_a_folder_that_is_no_bank(folder: Path, tmp_path: Path, command_line: CommandLine) -> None:
    ended = command_line("bank", "search", tmp_path, folder / "labeled.csv", "-o", tmp_path / "found.csv")
    assert "is no bank of sentences" in ended.error


def test_several_processes_are_refused(
    folder: Path, tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert (
        "num_processes: got 2; bank search runs in one process"
        in search(command_line, folder, tmp_path / "found.csv").error
    )
