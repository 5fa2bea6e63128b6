"""The views of a report are those that training made: of embedded texts and of images changed on the device."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

import textssl.cli.run.report_data as report_data
from tests.contract import tiny_images
from tests.contract.cases import build, first_batch
from tests.recipes.tiny_task import TinyTask, make_task
from textssl.augment.image.on_device import DeviceRandAugment
from textssl.cli.run.view_examples import view_examples
from textssl.cli.train.program import train_program
from textssl.features import SentenceEncoder


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    return make_task(tmp_path_factory.mktemp("task"))


def test_the_text_shown_is_the_one_whose_embedding_was_learned(
    task: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, Any]] = []
    make = report_data.view_examples

    def noting(trainer: Any, kind: Any, count: int) -> Any:
        found = make(trainer, kind, count)
        seen.append((trainer, found))
        return found

    monkeypatch.setattr(report_data, "view_examples", noting)
    files = [str(task.folder / name) for name in ("few.csv", "many.jsonl")]
    flags = ["--method=fixmatch", "--backend=features", "--strong=tfidf", f"--model={task.folder / 'model'}"]
    flags += ["--max_steps=2", "--no-baseline", f"--output_dir={tmp_path / 'out'}", "--max_length=16"]
    flags += ["--report_to=none", f"--embedding_cache={tmp_path / 'cache'}", "--replace=0.9"]
    train_program([*files, *flags])
    ((trainer, found),) = seen
    assert found
    batch = first_batch(trainer)["unlabeled"]
    encoder = SentenceEncoder(str(task.folder / "model"), max_length=16)
    shown = [example.views[0][1].text for example in found]
    learned = batch["strong"]["features"][: len(shown)].numpy()
    vectors = encoder([text for text in shown if text is not None])
    np.testing.assert_allclose(vectors[: len(learned)], learned, atol=2e-2)
    assert any(example.views[0][1] != example.original for example in found)


def test_an_image_that_the_device_changes_is_shown_changed(tmp_path: Path) -> None:
    problem = {
        "augmentations": {"strong": DeviceRandAugment()},
        "unlabeled_dataset": tiny_images.dataset(40, 2, labels=False),
    }
    trainer = build("fixmatch", tmp_path, "image", given=problem)
    found = view_examples(trainer, SimpleNamespace(text_view=None), 3)  # type: ignore[arg-type]
    batch = first_batch(trainer)["unlabeled"]["strong"]["pixel_values"]
    for row, example in enumerate(found):
        image = Image.open(io.BytesIO(base64.b64decode(str(dict(example.views)["strong"].image))))
        inputs = trainer.data_collator.encoded([{"image": image}])["pixel_values"][0]
        torch.testing.assert_close(inputs, batch[row], atol=2e-2, rtol=0)
    assert isinstance(trainer.train_dataset.unlabeled, datasets.Dataset)
