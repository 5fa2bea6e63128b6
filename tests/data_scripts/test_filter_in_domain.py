from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
)

from data_scripts import filter_in_domain
from textssl.data.tables import load_table
from textssl.retrieval.in_domain import predict_probs, select_in_domain


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    words = ["[PAD]", "[UNK]", "good", "bad", "film"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )
    config = BertConfig(
        vocab_size=5,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        initializer_range=1.0,
        id2label={0: "negative", 1: "positive"},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(config).save_pretrained(root / "classifier")
        BertModel(config).save_pretrained(root / "encoder")
    for name in ("classifier", "encoder"):
        tokenizer.save_pretrained(root / name)
    return root


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["good", "bad", "film", "x"], size=5)) for _ in range(30)]
    path = tmp_path / "texts.csv"
    path.write_text("id,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(texts)))
    return path


def run(model, table, output, *more):
    command = ["--model", str(model), "--table", str(table), "--output", str(output)]
    return filter_in_domain.main([*command, "--keep", "8", *more])


def test_a_table_is_filtered(folders, table, tmp_path, capsys):
    output = tmp_path / "kept.parquet"
    assert run(folders / "classifier", table, output, "--threshold", "0.6") == 0
    model = AutoModelForSequenceClassification.from_pretrained(folders / "classifier")
    tokenizer = AutoTokenizer.from_pretrained(folders / "classifier")
    dataset = load_table(table, label_column=None)
    probs = predict_probs(model, tokenizer, dataset, progress=False)
    rows = select_in_domain(probs, 8, 0.6)
    kept = load_table(output, label_column=None)
    assert kept["id"][:] == rows.tolist()
    assert kept["label"][:] == [["negative", "positive"][i] for i in probs[rows].argmax(axis=1)]
    np.testing.assert_allclose(kept["confidence"][:], probs[rows].max(axis=1), atol=1e-6)
    assert f"kept {len(rows)} of 30 texts" in capsys.readouterr().out


def test_shares_and_unbalanced(folders, table, tmp_path):
    output = tmp_path / "kept.parquet"
    assert run(folders / "classifier", table, output, "--keep", "0.5", "--unbalanced") == 0
    assert len(load_table(output, label_column=None)) == 15


def test_a_named_data_set(folders, tmp_path, capsys):
    output = tmp_path / "kept.parquet"
    command = ["--model", str(folders / "classifier"), "--dataset", "rotten_tomatoes"]
    command += ["--source", "embedded", "--output", str(output), "--keep", "50"]
    assert filter_in_domain.main([*command, "--batch_size", "256"]) == 0
    assert "of 7464 texts" in capsys.readouterr().out
    # Their own labels stay.
    assert {"label", "predicted_label", "confidence"} <= {*load_table(output).column_names}


def error_of(capsys, *arguments):
    assert run(*arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("filter_in_domain: error: ")
    return error


def test_models_that_cannot_work(folders, table, tmp_path, capsys):
    output = tmp_path / "kept.parquet"
    error = error_of(capsys, folders / "encoder", table, output)
    assert "is a BertModel, no classifier" in error
    assert "no folder" in error_of(capsys, tmp_path / "none", table, output)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((folders / "classifier" / "config.json").read_text())
    assert "model: " in error_of(capsys, broken, table, output)
    assert not output.exists()


def test_output_that_cannot_work(folders, table, tmp_path, capsys):
    model = folders / "classifier"
    output = tmp_path / "kept.parquet"
    output.write_text("precious")
    assert "exists; pass --overwrite" in error_of(capsys, model, table, output)
    assert output.read_text() == "precious"
    assert "expected a file that ends in .csv," in error_of(capsys, model, table, tmp_path / "kept.xlsx")
    assert "no folder" in error_of(capsys, model, table, tmp_path / "none" / "kept.parquet")
    assert run(model, table, output, "--overwrite") == 0
    assert len(load_table(output, label_column=None)) <= 8


def test_input_that_cannot_work(folders, table, tmp_path, capsys):
    model, output = folders / "classifier", tmp_path / "kept.parquet"
    assert "no such file" in error_of(capsys, model, tmp_path / "none.csv", output)
    assert "no column 'review'" in error_of(capsys, model, table, output, "--text_column", "review")
    assert "keep: " in error_of(capsys, model, table, output, "--keep", "0")
    assert "no text reaches 1.0" in error_of(capsys, model, table, output, "--threshold", "1.0")
    assert not output.exists()
