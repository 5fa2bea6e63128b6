"""A text classifier from names of classes and unlabeled texts alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.contract import tiny_texts
from textssl.errors import UserError
from textssl.features import SentenceEncoder
from textssl.fit import fit_classifier, fit_from_names
from textssl.fit.prediction import predict_logits


DESCRIPTIONS = {"a": "w0 w1 w2", "b": ["w5 w6 w7", "w8 w9"]}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_texts.model().bert.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    return str(folder)


def texts() -> datasets.Dataset:
    rng = np.random.default_rng(0)
    own = [0, 5]
    return datasets.Dataset.from_list(
        [{"text": " ".join(f"w{own[i % 2] + rng.integers(5)}" for _ in range(8))} for i in range(40)]
    )


def test_the_folder_answers_for_raw_texts_what_the_result_says(encoder: str, tmp_path: Path) -> None:
    result = fit_from_names(
        texts(), ["a", "b"], label_descriptions=DESCRIPTIONS, template="{}", encoder=encoder, output_dir=tmp_path,
        max_length=32, progress=False,
    )  # fmt: skip
    assert (result.probs.argmax(1) == np.arange(40) % 2).mean() > 0.9
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert model.config.id2label == {0: "a", 1: "b"}
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    logits = predict_logits(model.eval(), tokenizer, texts()["text"][:], "text", 32)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    # The features were computed in bfloat16 where the processor has it.
    np.testing.assert_allclose(probs, result.probs, atol=0.02)
    assert set(result.to_label) <= set(range(40))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sport"], "label_names: got"),
        (["sport", "sport"], "label_names: got"),
        ("sport", "label_names: got 'sport'"),
        (["sport", "3"], "label_descriptions: no description for class '3'"),
    ],
)
def test_mistakes_are_told_before_the_encoder_is_loaded(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        fit_from_names(texts(), names, encoder=str(tmp_path / "nowhere"), output_dir=tmp_path)


def test_one_label_a_class_is_helped_by_names_that_agree_with_it(encoder: str, tmp_path: Path) -> None:
    rows = texts()
    labeled = rows.select([0, 1]).add_column("label", ["a", "b"])
    common: dict[str, Any] = {
        "encoder": encoder, "level": "fast", "max_length": 32, "template": "{}", "progress": False,
    }  # fmt: skip
    named = fit_classifier(labeled, rows, label_descriptions=DESCRIPTIONS, output_dir=tmp_path / "named", **common)
    assert named.chosen == ("names-self-training",)
    exchanged = {"a": DESCRIPTIONS["b"], "b": DESCRIPTIONS["a"]}
    other = fit_classifier(labeled, rows, label_descriptions=exchanged, output_dir=tmp_path / "other", **common)
    assert other.chosen == ("probe",)


@pytest.mark.slow
def test_runs_share_embeddings(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one run embedded another with a folder of its own does not, of the same texts, descriptions and length."""
    rows, passes = texts(), []
    embed = SentenceEncoder.__call__

    def counted(self: SentenceEncoder, given: list[str]) -> np.ndarray:
        passes.append(len(given))
        return embed(self, given)

    monkeypatch.setattr(SentenceEncoder, "__call__", counted)
    common: dict[str, Any] = {
        "label_descriptions": DESCRIPTIONS, "template": "{}", "encoder": encoder, "cache_dir": tmp_path / "cache",
        "max_length": 32, "progress": False,
    }  # fmt: skip
    fit_from_names(rows, ["a", "b"], output_dir=tmp_path / "names", **common)
    assert sum(passes) == len({*rows["text"][:]}) + 3
    passes.clear()
    labeled = rows.select(range(4)).add_column("label", ["a", "b"] * 2)
    fit_classifier(labeled, rows, level="fast", output_dir=tmp_path / "labels", **common)
    assert passes == []
    assert not [*(tmp_path / "names").glob("*embeddings*"), *(tmp_path / "labels").glob("*embeddings*")]
