"""Classifiers that begin as a logistic regression on the embeddings of the labeled examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer

from tests.contract.cases import model, texts, tokenizer
from textssl import SupervisedConfig
from textssl.cli.data.task_data import TaskData
from textssl.cli.task_setups.probe_head import ProbeHeadModels, head_line, is_sentence_encoder, resolved_head
from textssl.hub import DataFacts, SplitFacts


NAMES = ("bad", "fair", "good")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny sentence encoder, which pools by the mean and normalises."""
    folder = tmp_path_factory.mktemp("encoder")
    model(dropout=0.1).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


@pytest.fixture(scope="module")
def data() -> TaskData:
    drawn, labels = texts(24, 1)
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(NAMES))})
    labeled = Dataset.from_dict({"text": drawn, "label": labels}, features=features)
    facts = SplitFacts(labeled=24, unlabeled=None, held_out=None, seed=0)
    return TaskData(
        "text", "text", labeled, None, None, None, NAMES, DataFacts(name="few", origin="own files"), facts, None
    )


@torch.no_grad()
def embedded(folder: Path, given: list[str], max_length: int, side: str) -> np.ndarray:
    """By hand: the mean of the last states of the tokens that are no padding, of length 1."""
    network, tokens = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    tokens.truncation_side = "left" if side == "start" else "right"
    vectors = []
    for text in given:
        batch = tokens(text, truncation=True, max_length=max_length, return_tensors="pt")
        vector = network(**batch).last_hidden_state[0].mean(0)
        vectors.append((vector / vector.norm()).numpy())
    return np.stack(vectors)


@pytest.mark.parametrize("truncation", ["end", "start"])
def test_a_model_begins_as_the_logistic_regression(
    truncation: str, encoder: Path, data: TaskData, tmp_path: Path
) -> None:
    """That of scikit-learn, on texts that are cut as in training."""
    config = SupervisedConfig(output_dir=str(tmp_path), use_cpu=True, max_length=6, truncation=truncation)
    made: Any = ProbeHeadModels(str(encoder), tokenizer(), config).make(str(encoder), data, seed=0).eval()
    vectors = embedded(encoder, data.labeled["text"], 6, truncation)
    reference = LogisticRegression(C=10.0, max_iter=10_000, tol=1e-8).fit(vectors, data.labeled["label"])
    with torch.no_grad():
        found = made.head(torch.from_numpy(vectors)).softmax(-1).numpy()
    np.testing.assert_allclose(found, reference.predict_proba(vectors), atol=2e-3)
    assert [made.config.id2label[i] for i in range(3)] == list(NAMES)


def test_the_same_again_and_another_second_network(encoder: Path, data: TaskData, tmp_path: Path) -> None:
    models = ProbeHeadModels(str(encoder), tokenizer(), SupervisedConfig(output_dir=str(tmp_path), use_cpu=True))
    first, again, second, second_again = (
        models.make(str(encoder), data, seed, of) for seed, of in [(0, 0), (0, 0), (7, 1), (7, 1)]
    )
    assert torch.equal(first.head.weight, again.head.weight)
    assert torch.equal(second.head.weight, second_again.head.weight)
    assert not torch.allclose(first.head.weight, second.head.weight, atol=1e-2)


def test_which_head_is_meant(encoder: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert [is_sentence_encoder(name) for name in ("embedded", str(encoder), str(plain))] == [True, True, False]
    assert [resolved_head("auto", name) for name in (str(encoder), str(plain))] == ["probe", "random"]
    assert [resolved_head(head, str(plain)) for head in ("probe", "random")] == ["probe", "random"]
    assert resolved_head("random", "embedded") == "random"


def test_a_model_of_the_hub_that_cannot_be_asked_has_a_random_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is such a model is for the loader to say."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not is_sentence_encoder("nobody/nothing")


def test_what_a_classifier_begins_with_is_told(data: TaskData) -> None:
    assert "logistic regression on the embeddings of the 24 labeled examples" in head_line("probe", data)
    assert head_line("random", data) == "head: new, at random"
