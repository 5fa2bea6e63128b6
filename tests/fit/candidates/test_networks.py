"""Fine-tuned candidates on a tiny encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.contract import tiny_texts
from tests.fit.fit_data import encoded_data
from textssl.fit.candidates import CANDIDATES, networks
from textssl.fit.candidates.contrastive import Contrastive, pair_loss
from textssl.fit.candidates.finetuning import FineTuning, FineTuningWithTeacher, FineTuningWithUnlabeled
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.networks import NetworkCandidate
from textssl.fit.data import FitData


NETWORKS = [candidate for candidate in CANDIDATES if isinstance(candidate, NetworkCandidate)]


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons are of float32, on any machine."""
    full = {"use_cpu": True, "bf16": False}
    for module in (networks, __import__("textssl.fit.candidates.finetuning", fromlist=["precision"])):
        monkeypatch.setattr(module, "precision", lambda: dict(full))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> FitData:
    return encoded_data(tmp_path_factory.mktemp("encoder"))


def test_a_head_as_a_model_gives_its_logits_of_raw_texts(data: FitData, tmp_path: Path) -> None:
    trained = Probe().train(data, tmp_path)
    model = trained.model().eval()
    tokens = tiny_texts.tokenizer()(list(data.unlabeled.rows["text"]), padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(tokens["input_ids"], tokens["attention_mask"]).logits
    np.testing.assert_allclose(logits.numpy(), trained.logits(data.unlabeled), atol=1e-4)
    assert [model.config.id2label[i] for i in range(3)] == list(data.label_names)


@pytest.mark.slow
@pytest.mark.parametrize("candidate", NETWORKS, ids=lambda candidate: candidate.name)
def test_a_network_is_a_function_of_data_and_seed_and_is_read_as_it_was_written(
    candidate: NetworkCandidate, data: FitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(candidate), "steps", lambda self, data: 3)
    teacher = np.random.default_rng(0).dirichlet(np.ones(3), 30) if candidate.takes_teacher else None
    first, second = (candidate.train(data, tmp_path / "work", teacher) for _ in range(2))
    logits = first.logits(data.unlabeled)
    assert logits.shape == (30, 3)
    assert logits.dtype == np.float64
    np.testing.assert_array_equal(logits, second.logits(data.unlabeled))
    assert not np.allclose(logits, Probe().train(data, tmp_path).logits(data.unlabeled), atol=1e-3)

    (tmp_path / "saved").mkdir()
    candidate.save(first, tmp_path / "saved")
    np.testing.assert_array_equal(logits, candidate.load(data, tmp_path / "saved").logits(data.unlabeled))
    files = {path.suffix for path in (tmp_path / "saved" / "model").iterdir()}
    assert files == {".json", ".safetensors"}
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved" / "model")
    assert [loaded.config.id2label[i] for i in range(3)] == list(data.label_names)


@pytest.mark.parametrize(
    "candidate",
    [
        FineTuning(learning_rate=1e-12, head_learning_rate=1e-12),
        FineTuningWithUnlabeled("uda", "uda", learning_rate=1e-12, head_learning_rate=1e-12, tsa="none"),
    ],
    ids=lambda candidate: candidate.name,
)
def test_without_a_learning_rate_fine_tuning_is_the_probe(
    candidate: FineTuning, data: FitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(candidate), "steps", lambda self, data: 3)
    tuned, probe = (c.train(data, tmp_path).logits(data.unlabeled) for c in (candidate, Probe()))
    np.testing.assert_allclose(tuned, probe, atol=1e-4)


def test_a_teacher_is_followed(data: FitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that names one class for all: its student does so after a few long steps."""
    candidate = FineTuningWithTeacher(
        "student", "distillation", teacher_weight=1.0, learning_rate=1e-2, head_learning_rate=0.1
    )
    monkeypatch.setattr(type(candidate), "steps", lambda self, data: 12)
    teacher = np.tile([0.02, 0.02, 0.96], (30, 1))
    found = candidate.train(data, tmp_path, teacher).logits(data.unlabeled).argmax(1)
    assert (found == 2).mean() > 0.9


def test_pairs_weigh_by_kind_as_in_a_naive_loop() -> None:
    vectors, labels = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)), [0, 0, 1, 1, 1, 2, 0]
    same, other = [], []
    for i in range(7):
        for j in range(i):
            cosine = float(vectors[i] @ vectors[j] / vectors[i].norm() / vectors[j].norm())
            (same if labels[i] == labels[j] else other).append((cosine - (labels[i] == labels[j])) ** 2)
    expected = (sum(same) / len(same) + sum(other) / len(other)) / 2
    assert float(pair_loss(vectors, torch.tensor(labels))) == pytest.approx(expected, abs=1e-6)
    assert float(pair_loss(vectors[:2], torch.tensor([0, 0]))) == pytest.approx(same[0], abs=1e-6)
    assert float(pair_loss(vectors[:1], torch.tensor([0]))) == 0


def test_contrastive_fine_tuning_brings_a_class_together(
    data: FitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Contrastive, "steps", lambda self, data: 25)

    def gap(vectors: np.ndarray) -> float:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines, same = unit @ unit.T, data.labels[:, None] == data.labels
        return float(cosines[same & ~np.eye(9, dtype=bool)].mean() - cosines[~same].mean())

    network = Contrastive(learning_rate=1e-3).train(data, tmp_path).model()
    tokens = tiny_texts.tokenizer()(list(data.labeled.rows["text"]), padding=True, return_tensors="pt")
    with torch.no_grad():
        tuned = network.embed(tokens["input_ids"], tokens["attention_mask"]).numpy()
    assert gap(tuned) > gap(data.labeled.features) + 0.3


def test_seconds_grow_with_the_steps(data: FitData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_measured", {(data.encoder, data.max_length, 30): 0.5})
    candidate = FineTuning()
    # Two batches of eight in a pass over nine labels.
    assert candidate.seconds(data) == pytest.approx(3 + 12 * 8 * 0.5)
