from __future__ import annotations

import json

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from data_scripts import retrieve
from textssl.data.tables import load_table
from textssl.retrieval import build_bank


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
def folder(tmp_path_factory):
    """A bank, a labeled table, an evaluation table, and a classifier that was never trained."""
    root = tmp_path_factory.mktemp("retrieve")
    build_bank({"made up": Dataset.from_dict({"text": SENTENCES})}, root / "bank", progress=False)
    labeled = "text,label\nI loved this film,good\nI hated this film,bad\n"
    (root / "labeled.csv").write_text(labeled)
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


def run(folder, output, *more):
    names = {"--bank": "bank", "--labeled": "labeled.csv", "--teacher": "teacher", "--evaluation": "test.csv"}
    command = [part for flag, name in names.items() for part in (flag, str(folder / name))]
    return retrieve.main([*command, "--output", str(output), *more])


def test_sentences_of_the_task_come_back_and_those_of_the_test_do_not(folder, tmp_path, capsys):
    output = tmp_path / "found"
    assert run(folder, output, "--num_neighbors", "3", "--balance", "none") == 0
    assert f"{output}: " in capsys.readouterr().out
    rows = load_table(output / "retrieved.parquet")
    assert set(rows["text"]) < {*SENTENCES[:6]} - {SENTENCES[1]}
    record = json.loads((output / "provenance.json").read_text())
    assert record["cleaning"]["evaluation_exact"] == 1
    assert run(folder, output, "--num_neighbors", "3", "--balance", "none") == 2
    assert "give --resume to go on in it" in capsys.readouterr().err
    assert run(folder, output, "--num_neighbors", "3", "--balance", "none", "--resume") == 0
    assert load_table(output / "retrieved.parquet").to_dict() == rows.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_neighbors", "9"], "num_neighbors: got 9, and the bank"),
        (["--queries", "median"], "queries: got 'median'"),
        (["--bank", "nowhere"], "'nowhere' is no bank of sentences"),
        (["--labeled", "nowhere.csv"], "no such file"),
        (["--engine", "spark", "--num_neighbors", "1"], "engine: got 'spark'"),
    ],
)
def test_bad_input_is_one_line(arguments, message, folder, tmp_path, capsys):
    assert run(folder, tmp_path / "found", *arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("retrieve: error: ")
    assert message in error
