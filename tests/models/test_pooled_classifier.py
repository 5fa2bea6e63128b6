"""A classifier that pools an encoder's states, against sentence-transformers and scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from textssl.models import PooledClassifierConfig, PooledTextClassifier, embedded_model_path


TEXTS = [
    "A good film.",
    "Terrible",
    "It begins slowly, but the second half is among the best that this year has brought to the screen.",
    "The goalkeeper saved a penalty in the last minute",
    "Shares fell",
    "Not bad at all",
]
LABELS = [0, 1, 0, 2, 2, 0]
NAMES = ["pos", "neg", "other"]


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    return SentenceTransformer(str(embedded_model_path()), device="cpu").encode(TEXTS)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(embedded_model_path())


@pytest.fixture(scope="module")
def pooled() -> PooledTextClassifier:
    return PooledTextClassifier.from_encoder("embedded", NAMES).eval()


@pytest.mark.slow
@torch.no_grad()
def test_vectors_are_those_of_sentence_transformers(
    pooled: PooledTextClassifier, tokenizer: Any, embeddings: np.ndarray
) -> None:
    assert (pooled.config.pooling, pooled.config.normalize, pooled.config.max_seq_length) == ("mean", True, 256)
    vectors = pooled.embed(**tokenizer(TEXTS, padding=True, return_tensors="pt"))
    np.testing.assert_allclose(vectors.numpy(), embeddings, atol=1e-6)


@torch.no_grad()
def test_step_0_is_the_logistic_regression(
    pooled: PooledTextClassifier, tokenizer: Any, embeddings: np.ndarray, tmp_path: Path
) -> None:
    regression = LogisticRegression(C=10).fit(embeddings, LABELS)
    pooled.set_linear_head(regression.coef_, regression.intercept_)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    expected = regression.decision_function(embeddings)
    np.testing.assert_allclose(pooled(**inputs).logits.numpy(), expected, atol=1e-4)

    pooled.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert type(loaded) is PooledTextClassifier
    assert type(AutoConfig.from_pretrained(tmp_path)) is PooledClassifierConfig
    assert torch.equal(loaded(**inputs).logits, pooled(**inputs).logits)
    assert loaded.state_dict().keys() == pooled.state_dict().keys()
    answers: Any = pipeline("text-classification", model=str(tmp_path), top_k=None)(TEXTS)
    probs = regression.predict_proba(embeddings)
    for answer, own in zip(answers, probs, strict=True):
        scores = {entry["label"]: entry["score"] for entry in answer}
        assert scores == pytest.approx(dict(zip(NAMES, own, strict=True)), abs=1e-4)
