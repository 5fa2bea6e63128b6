"""The choice among classifiers of images, of one channel here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageClassification

from tests.contract import tiny_images
from textssl.fit import fit_classifier
from textssl.fit.candidates.finetuning import FineTuning
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining


pytestmark = pytest.mark.slow


class Short(FineTuning):
    def steps(self, data: object) -> int:
        return 2


def test_images_are_classified_by_the_folder_as_by_the_result(tmp_path: Path) -> None:
    tiny_images.model().save_pretrained(tmp_path / "encoder")
    tiny_images.processor().save_pretrained(tmp_path / "encoder")
    result = fit_classifier(
        tiny_images.dataset(15, 1), tiny_images.dataset(20, 2, labels=False), image_column="image",
        encoder=str(tmp_path / "encoder"), output_dir=tmp_path / "out", progress=False,
        candidates=[Probe(), SelfTraining(), Short()],
    )  # fmt: skip
    assert [row.name for row in result.candidates] == ["probe", "self_training", "finetuning"]
    assert not [row.status for row in result.candidates if row.status.startswith("skipped")]
    drawn, _ = tiny_images.images(12, 3)
    probs = result.predict_proba(drawn)
    np.testing.assert_allclose(probs.sum(1), 1)
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "out" / "model").eval()
    assert model.config.num_channels == 1
    with torch.no_grad():
        logits = model(**tiny_images.processor()(drawn, return_tensors="pt")).logits
    np.testing.assert_allclose(logits.softmax(-1).numpy(), probs, atol=1e-5)
    assert [model.config.id2label[i] for i in range(3)] == list(result.label_names)
