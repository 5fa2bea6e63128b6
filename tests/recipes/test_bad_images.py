"""Mistakes with pictures, and with settings of another modality: one line, exit status 2, nothing trained."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from datasets import Image as ImageFeature
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    pipeline,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.contract import tiny_images
from tests.contract.cases import tokenizer
from tests.recipes.tiny_pictures import PARTS, make_pictures, ran, run, save
from tests.recipes.tiny_task import TinyTask, error_line, tree
from textssl import SupervisedConfig, SupervisedTrainer


Refused = Callable[..., str]
DEEP = Image.fromarray(np.full((8, 8), 40_000, np.uint16))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return make_pictures(tmp_path / "own")


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Run, expect a refusal before any training, and give its message."""

    def refuse(script: str = "train.py", **settings: Any) -> str:
        done = run(script, tmp_path / "out", **({"method": "fixmatch"} if script == "train.py" else {}) | settings)
        assert done.code == 2, done.stdout
        assert " steps in " not in done.stderr
        assert "| method" not in done.stdout
        # A folder with a record alone is free for the next try.
        out = tmp_path / "out"
        assert not out.exists() or [path.name for path in out.iterdir()] in ([], ["run.json"])
        return error_line(done.stderr)

    return refuse


def inner(files: dict[str, Path], flag: str) -> Path:
    folder = files[f"{flag}_file"]
    return folder if flag == "unlabeled" else folder / "dog"


# Pictures


@pytest.mark.parametrize("backend", ["image", "features"])
@pytest.mark.parametrize("flag", PARTS)
def test_a_picture_of_16_bits(flag: str, backend: str, files: dict[str, Path], refused: Refused) -> None:
    bad = save(DEEP, inner(files, flag) / "deep.png")
    message = refused(**files, backend=backend)
    assert message.startswith(f"error: {flag}_file: {files[f'{flag}_file']}: column 'image': 1 of ")
    assert "have more than 8 bits a channel, which pipeline cuts off at 255" in message
    assert str(bad) in message
    assert "100 % of its pixels. Save them with 8 bits" in message
    assert "skip_corrupt_images=True leaves them out" in message


def test_pictures_of_16_bits_are_left_out_or_read_as_pipeline_reads_them(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """Left out where 8 bits cannot hold them, whatever the suffix of their mode; read where they can."""
    for flag in PARTS:
        save(DEEP, inner(files, flag) / "deep.png")
    path = inner(files, "test") / "dark.png"
    save(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 4), path)
    done = ran("train.py", tmp_path / "out", method="supervised", **files, skip_corrupt_images=True)
    assert "few (own files): 12 labeled, 24 unlabeled, 10 held out" in done.printed
    folder = tmp_path / "out" / "supervised"
    model, processor = (kind.from_pretrained(folder) for kind in (AutoModelForImageClassification, AutoImageProcessor))
    row = Dataset.from_dict({"image": [str(path)], "label": [1]}).cast_column("image", ImageFeature())
    args = SupervisedConfig(output_dir=str(tmp_path / "again"), use_cpu=True, report_to=[])
    trainer = SupervisedTrainer(model, args, train_dataset=_three(row), processing_class=processor)
    told = pipeline("image-classification", model=model, image_processor=processor)(str(path), top_k=3)
    scores = {entry["label"]: entry["score"] for entry in told}
    logits = torch.as_tensor(trainer.predict(row).predictions)[0]
    for number, probability in enumerate(logits.softmax(-1).tolist()):
        assert scores[model.config.id2label[number]] == pytest.approx(probability, abs=1e-5)


def _three(row: Dataset) -> Dataset:
    return Dataset.from_dict({"image": row["image"][:] * 3, "label": [0, 1, 2]}).cast_column("image", ImageFeature())


@pytest.mark.parametrize("backend", ["image", "features"])
@pytest.mark.parametrize("flag", PARTS)
def test_a_corrupt_picture(flag: str, backend: str, files: dict[str, Path], refused: Refused) -> None:
    bad = inner(files, flag) / "000.png"  # the first of all, at which other things look as well
    bad.write_bytes(b"no picture")
    message = refused(**files, backend=backend)
    assert message.startswith(f"error: {flag}_file: ")
    assert "images cannot be decoded; the first is row " in message
    assert str(bad) in message
    assert "skip_corrupt_images=True leaves them out" in message


@pytest.mark.parametrize("backend", ["image", "features"])
def test_corrupt_pictures_left_out(
    backend: str, files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for flag in PARTS:
        (inner(files, flag) / "000.png").write_bytes(b"no picture")
    with caplog.at_level(logging.WARNING):
        done = ran("train.py", tmp_path / "out", method="fixmatch", **files, backend=backend, skip_corrupt_images=True)
    assert "few (own files): 12 labeled, 24 unlabeled, 9 held out" in done.printed
    told = [text for text in caplog.messages if "cannot be decoded" in text]
    assert [text.split(":")[0] for text in told] == [str(files[f"{flag}_file"]) for flag in PARTS]
    assert all("They are left out" in text and "000.png" in text for text in told)


def test_wide_pictures_are_told_of_once_for_each_set(
    files: dict[str, Path], keeps_sizes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A model that takes 8x8 pixels squeezes them; the small ResNet takes the proportions of the first."""
    tiny_images.processor().save_pretrained(keeps_sizes)
    for path in files["train_file"].rglob("*.png"):
        Image.open(path).resize((16, 8)).save(path)
    with caplog.at_level(logging.WARNING):
        ran("train.py", tmp_path / "out", method="fixmatch", **files, model=keeps_sizes)
    told = [text for text in caplog.messages if "squeezes" in text]
    assert len(told) == 1
    assert told[0].startswith("train_dataset: column 'image': the image processor squeezes all images into 8x8")
    for part in ("unlabeled", "test"):
        for path in files[f"{part}_file"].rglob("*.png"):
            Image.open(path).resize((16, 8)).save(path)
    caplog.clear()
    ran("train.py", tmp_path / "wide", method="fixmatch", **files, baseline=False)
    assert not [text for text in caplog.messages if "squeezes" in text]


def test_a_class_of_corrupt_pictures_alone(files: dict[str, Path], refused: Refused) -> None:
    for path in inner(files, "train").iterdir():
        path.write_bytes(b"no picture")
    message = refused(**files, skip_corrupt_images=True)
    assert "train_file" in message
    assert "no example of class 'dog' (id 1)" in message


def test_a_class_without_pictures(files: dict[str, Path], refused: Refused) -> None:
    (files["train_file"] / "emu").mkdir()
    message = refused(**files)
    assert message.startswith("error: train_file: the class folder ")
    assert str(files["train_file"] / "emu") in message
    assert "holds no images; images are files .png, .jpg" in message


def test_a_class_that_training_does_not_know(files: dict[str, Path], refused: Refused) -> None:
    (files["test_file"] / "dog").rename(files["test_file"] / "emu")
    message = refused(**files)
    assert message.startswith("error: test_file: the class folder ")
    assert "is not among the known labels ['cat', 'dog', 'owl']" in message


def test_one_class_only(files: dict[str, Path], refused: Refused) -> None:
    for name in ("dog", "owl"):
        shutil.rmtree(files["train_file"] / name)
    assert "train_file: " in (message := refused(**files))
    assert "has one class, ('cat',); expected two or more" in message


def test_a_folder_that_is_not_there(files: dict[str, Path], refused: Refused) -> None:
    message = refused(**files | {"unlabeled_file": "nowhere"}, backend="image")
    assert message == "error: unlabeled_file: no such file or folder: 'nowhere'"


@pytest.fixture
def keeps_sizes(tmp_path: Path) -> Path:
    """A model whose processor does not resize."""
    processor = ViTImageProcessorPil(do_resize=False, image_mean=[0.5], image_std=[0.5])
    for part in (tiny_images.model(), processor):
        part.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("every", [False, True], ids=["one", "all"])
@pytest.mark.parametrize("flag", PARTS)
def test_pictures_of_several_sizes_where_none_is_resized(
    flag: str, every: bool, files: dict[str, Path], keeps_sizes: Path, refused: Refused
) -> None:
    """One picture among others, or a whole set beside the others."""
    paths = sorted(files[f"{flag}_file"].rglob("*.png"))
    for path in paths if every else paths[-1:]:
        Image.open(path).resize((10, 8)).save(path)
    message = refused(**files, model=keeps_sizes)
    assert "images of several sizes, and the image processor does not resize them" in message
    assert "8x8" in message
    assert "10x8" in message
    assert "dataset: column 'image'" in message


def test_pictures_of_one_size_need_no_resizing(files: dict[str, Path], keeps_sizes: Path, tmp_path: Path) -> None:
    ran("train.py", tmp_path / "out", method="fixmatch", **files, model=keeps_sizes, baseline=False)


@pytest.mark.parametrize("size", [(10, 8), (4, 16)])
@pytest.mark.parametrize("flag", PARTS)
def test_pictures_of_several_sizes_as_features(
    flag: str, size: tuple[int, int], files: dict[str, Path], refused: Refused
) -> None:
    """Also where they have equally many pixels."""
    path = sorted(files[f"{flag}_file"].rglob("*.png"))[-1]
    Image.open(path).resize(size).save(path)
    message = refused(**files, backend="features")
    assert "backend: got 'features', for which all images must have one size; the first is 8x8" in message
    assert f"{size[0]}x{size[1]}" in message


# Settings of another modality

DIGITS = {"source": "digits", "labels": 20, "num_test": 20}
ON_IMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "keep_end": ({"keep_end": True}, "keep_end: got True; it is for text, and the model takes pixel_values"),
    "max_length": ({"max_length": 64}, "max_length: got 64; it is for text, and the model takes pixel_values"),
    "strong": ({"strong": "tfidf"}, "strong: got 'tfidf'; here allowed: auto, randaugment, ctaugment"),
    "lengths": (
        {"train_sampling_strategy": "group_by_length"},
        "train_sampling_strategy: got 'group_by_length'; it is for text, and the model takes pixel_values",
    ),
    "backend": (
        {"backend": "text", "warm_start_steps": 0},
        "backend: got 'text'; digits holds image; allowed: auto, image, features",
    ),
    "pixels and length": (
        {"backend": "features", "max_length": 64},
        "max_length: got 64; it is for text, and the model takes features",
    ),
    "pixels and words": (
        {"backend": "features", "strong": "tfidf"},
        "strong: got 'tfidf'; for features of images allowed: auto, noise",
    ),
    "pixels and flips": (
        {"backend": "features", "horizontal_flip": True},
        "horizontal_flip: got True; it is for image, and the model takes features",
    ),
    "decay": ({"ema_decay": 1.0}, "ema_decay: got 1.0; expected a number in [0, 1)"),
    "negative decay": ({"ema_decay": -0.1}, "ema_decay: got -0.1; expected a number in [0, 1)"),
    "size": ({"method": "vat", "epsilon": -1}, "epsilon: got -1.0; expected 0 or more"),
    "share": ({"method": "vat", "relative_epsilon": -1}, "relative_epsilon: got -1.0; expected 0 or more"),
    "both": (
        {"method": "adversarial", "epsilon": 1, "relative_epsilon": 0.1},
        "epsilon: got 1.0 with relative_epsilon 0.1; they say the same in two ways, so set one of them",
    ),
}


@pytest.mark.parametrize(("settings", "told"), ON_IMAGES.values(), ids=ON_IMAGES.keys())
def test_settings_that_images_cannot_have(settings: dict[str, Any], told: str, refused: Refused) -> None:
    assert refused(**{**DIGITS, **settings}) == f"error: {told}"


ON_TEXTS: dict[str, tuple[dict[str, Any], str]] = {
    "flips": (
        {"horizontal_flip": True},
        "horizontal_flip: got True; it is for image, and the model takes input_ids",
    ),
    "column": ({"image_column": "x"}, "image_column: got 'x'; it is for image, and the model takes input_ids"),
    "corrupt": (
        {"skip_corrupt_images": True},
        "skip_corrupt_images: got True; it is for image, and the model takes input_ids",
    ),
    "strong": (
        {"strong": "randaugment"},
        "strong: got 'randaugment'; here allowed: auto, tfidf, uniform, apertium, tfidf+apertium, seq2seq, ctaugment",
    ),
    "features and their end": (
        {"backend": "features", "keep_end": True},
        "keep_end: got True; it is for text, and the model takes features",
    ),
    "features and flips": (
        {"backend": "features", "image_column": "x"},
        "image_column: got 'x'; it is for image, and the model takes features",
    ),
    "features longer than the encoder": (
        {"backend": "features", "max_length": 33},
        "max_length: got 33; the encoder has 32 positions",
    ),
    "features of no model": (
        {"backend": "features", "model": "no/such/model"},
        "model: no folder 'no/such/model'; give one, the owner/name of a model on the Hub, or 'embedded'",
    ),
}


def own_texts(task: TinyTask) -> dict[str, Any]:
    names = {"train_file": "few.csv", "unlabeled_file": "many.jsonl", "test_file": "held_out.csv", "model": "model"}
    return {flag: task.folder / name for flag, name in names.items()} | {"max_length": 16, "warm_start_steps": 0}


@pytest.mark.parametrize(("settings", "told"), ON_TEXTS.values(), ids=ON_TEXTS.keys())
def test_settings_that_texts_cannot_have(
    settings: dict[str, Any], told: str, task: TinyTask, refused: Refused
) -> None:
    assert refused(**{**own_texts(task), **settings}) == f"error: {told}"


def test_texts_as_images(task: TinyTask, refused: Refused) -> None:
    before = tree(task.folder)
    message = refused(**own_texts(task), backend="image")
    assert message.startswith(f"error: train_file: {task.folder / 'few.csv'}: no column 'image' (image_column)")
    assert tree(task.folder) == before


def test_a_model_whose_input_cannot_be_perturbed(task: TinyTask, tmp_path: Path, refused: Refused) -> None:
    """GPT-2 takes embeddings, but finds the end of a text by its ids; the baseline would not mind."""
    sizes = {"vocab_size": 65, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2, "initializer_range": 0.5}
    config = GPT2Config(**sizes, num_labels=3, pad_token_id=0, bos_token_id=2, eos_token_id=3)
    for part in (GPT2ForSequenceClassification(config), tokenizer()):
        part.save_pretrained(tmp_path / "gpt2")
    message = refused("vat_imdb.py", **own_texts(task) | {"model": tmp_path / "gpt2"})
    assert "model: the logits of GPT2ForSequenceClassification from inputs_embeds are not those from" in message
    assert "models such as BERT, RoBERTa, DistilBERT, DeBERTa" in message
