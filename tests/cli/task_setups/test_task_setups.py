"""What a recipe prepares for each backend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.contract import tiny_images
from tests.contract.cases import labeled, model, tokenizer, unlabeled
from textssl import SSLConfig, UserError
from textssl.augment import OneOf
from textssl.augment.image import CTAugment, HorizontalFlip
from textssl.augment.text import TextCTAugment, TfIdfReplacement, UniformReplacement
from textssl.cli.data.loading import load_task
from textssl.cli.data.task_data import TaskData
from textssl.cli.options import RecipeOptions
from textssl.cli.run.config import run_config
from textssl.cli.run.folder import RunFolder
from textssl.cli.task_setups import FeatureTaskSetup, ImageTaskSetup, TextTaskSetup, task_setup_class
from textssl.cli.task_setups.model_loading import label_settings
from textssl.cli.task_setups.text_models import load_classifier
from textssl.data.vectors import feature_array
from textssl.features import FeatureClassifier, SentenceEncoder
from textssl.hub import DataFacts, SplitFacts
from textssl.sources.named import SOURCES


NAMES = ("bad", "fair", "good")
BOTH = {"weak", "weak_2", "strong"}


def config(**settings: Any) -> SSLConfig:
    return SSLConfig(**{"output_dir": "out", "use_cpu": True, "report_to": [], "max_length": 16, **settings})


def task(modality: str, **changes: Any) -> TaskData:
    if modality == "text":
        parts: dict[str, Any] = {"column": "text", "labeled": labeled(), "unlabeled": unlabeled()}
        parts["test"] = labeled(12, seed=3)
    else:
        parts = {"column": "image", "labeled": tiny_images.dataset(9, 1), "test": tiny_images.dataset(12, 3)}
        parts["unlabeled"] = tiny_images.dataset(20, 2, labels=False)
    facts = {"data_facts": DataFacts(name="toys"), "split_facts": SplitFacts()}
    return TaskData(
        **{"modality": modality, **parts, "validation": None, "label_names": NAMES, **facts, "split": None, **changes}
    )


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    # The base alone: an encoder has no use for the head, and says so.
    model().bert.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def vectors(dataset: datasets.Dataset, column: str = "features") -> np.ndarray:
    return np.array(dataset[column][:], np.float32)


# Which


@pytest.mark.parametrize(
    ("backend", "modality", "expected"),
    [
        ("auto", "text", TextTaskSetup),
        ("auto", "image", ImageTaskSetup),
        ("text", "text", TextTaskSetup),
        ("image", "image", ImageTaskSetup),
        ("features", "text", FeatureTaskSetup),
        ("features", "image", FeatureTaskSetup),
    ],
)
def test_the_backend_and_the_data_decide(backend: str, modality: str, expected: type) -> None:
    assert task_setup_class(RecipeOptions(backend=backend), task(modality)) is expected


@pytest.mark.parametrize(("backend", "modality"), [("image", "text"), ("text", "image")])
def test_one_modality_is_not_the_other(backend: str, modality: str) -> None:
    told = f"backend: got '{backend}'; toys holds {modality}; allowed: auto, {modality}, features"
    with pytest.raises(UserError, match=told):
        task_setup_class(RecipeOptions(backend=backend), task(modality))


# Text


def test_the_views_of_texts(encoder: str, tmp_path: Path) -> None:
    options = RecipeOptions(model=encoder, strong="uniform", second_view="tfidf", replace=0.3)
    kind = TextTaskSetup(options, config(), task("text"), BOTH)
    assert kind.strong == "uniform"
    kind.prepare(tmp_path)
    strong, second = kind.augmentations["strong"], kind.augmentations["weak_2"]
    assert isinstance(strong, UniformReplacement)
    assert not isinstance(strong, TfIdfReplacement)
    assert strong.p == 0.3
    assert isinstance(second, TfIdfReplacement)
    assert second.p == 0.1


def test_strong_views_that_adapt(encoder: str, tmp_path: Path) -> None:
    given = config(keep_end=True, text_column="review")
    texts = {
        name: part.rename_column("text", "review")
        for name, part in (("labeled", labeled()), ("unlabeled", unlabeled()))
    }
    kind = TextTaskSetup(RecipeOptions(model=encoder, strong="ctaugment"), given, task("text", **texts), BOTH)
    kind.prepare(tmp_path)
    strong: Any = kind.augmentations["strong"]
    assert isinstance(strong, TextCTAugment)
    assert strong.column == "review"
    assert {bins[0].keep_last for name, bins in strong.operations.items() if name != "identity"} == {16}
    assert strong.operations["tfidf"][0].statistics.num_texts == len(unlabeled())
    flipped = config(max_length=128, horizontal_flip=True)
    images = ImageTaskSetup(RecipeOptions(strong="ctaugment"), flipped, task("image"), {"weak", "strong"})
    images.prepare(tmp_path)
    strong = images.augmentations["strong"]
    assert isinstance(strong, CTAugment)
    assert any(isinstance(step, HorizontalFlip) for step in strong.weak.steps)
    # Nobody wants a strong view.
    unused = ImageTaskSetup(RecipeOptions(strong="ctaugment"), flipped, task("image"), {"weak"})
    unused.prepare(tmp_path)
    assert unused.augmentations == {}


@pytest.mark.parametrize(("second", "views"), [("same", {"weak", "weak_2"}), ("tfidf", {"weak"})])
def test_views_that_nobody_wants_are_not_made(second: str, views: set[str], encoder: str, tmp_path: Path) -> None:
    kind = TextTaskSetup(RecipeOptions(model=encoder, second_view=second), config(), task("text"), views)
    assert kind.strong == "none"
    kind.prepare(tmp_path)
    assert kind.augmentations == {}
    assert list(tmp_path.iterdir()) == []


def test_a_text_classifier_knows_its_labels_and_depends_on_the_seed_alone(encoder: str) -> None:
    heads = []
    for seed in (1, 1, 2):
        torch.rand(3)
        network = TextTaskSetup(RecipeOptions(model=encoder), config(seed=seed), task("text"), {"weak"}).make_model()
        assert network.config.id2label == dict(enumerate(NAMES))
        heads.append(network.get_parameter("classifier.weight"))
    assert heads[0].equal(heads[1])
    assert not heads[0].equal(heads[2])


# Images


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_the_embedded_image_model_takes_what_a_pipeline_gives(mode: str) -> None:
    """Three channels, of images of any mode, at the size of the first, so that proportions are kept."""
    images = [image.resize((30, 20)).convert(mode) for image in tiny_images.images(9, 1)[0]]
    data = datasets.Dataset.from_dict({"image": images, "label": [0, 1, 2] * 3})
    given = task("image", labeled=data.cast_column("image", datasets.Image()))
    kind = ImageTaskSetup(RecipeOptions(), config(max_length=128), given, {"weak", "strong"})
    network = kind.make_model()
    pixels = kind.processing_class(images[0].convert("RGB"), return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 20, 30)
    assert pixels.min() >= -1
    assert pixels.max() <= 1
    assert network.eval()(pixel_values=pixels).logits.shape == (1, 3)
    assert network.config.id2label == dict(enumerate(NAMES))
    assert kind.augmentations == {}


# Features


def test_features_of_texts_are_the_encoder_s(encoder: str, tmp_path: Path) -> None:
    given = task("text")
    kind = FeatureTaskSetup(RecipeOptions(model=encoder), config(), given, {"weak"})
    kind.prepare(tmp_path)
    expected = SentenceEncoder(encoder, max_length=16)(given.test["text"][:])
    np.testing.assert_allclose(vectors(kind.data.test), expected, rtol=1e-2, atol=1e-2)
    assert kind.data.labeled["label"][:] == given.labeled["label"][:]
    assert kind.data.validation is None
    assert "features" not in given.labeled.column_names


def test_the_strong_view_of_features_is_one_of_changed_texts(encoder: str, tmp_path: Path) -> None:
    options = RecipeOptions(model=encoder, strong="uniform", replace=0.5)
    kind = FeatureTaskSetup(options, config(), task("text"), BOTH)
    kind.prepare(tmp_path)
    way = kind.augmentations["strong"]
    assert isinstance(way, OneOf)
    row = kind.data.unlabeled[0]
    seen = {tuple(way(row, np.random.default_rng(seed))["features"]) for seed in range(20)}
    assert seen == {tuple(row["features_strong_0"]), tuple(row["features_strong_1"])}
    assert tuple(row["features"]) not in seen


def test_noise_needs_no_preparation(encoder: str, tmp_path: Path) -> None:
    kind = FeatureTaskSetup(RecipeOptions(model=encoder), config(), task("text"), BOTH)
    assert kind.strong == "noise"
    kind.prepare(tmp_path)
    assert kind.augmentations == {}
    assert kind.data.unlabeled.column_names == ["text", "features"]


def test_pixels_as_features(tmp_path: Path) -> None:
    given = task("image")
    kind = FeatureTaskSetup(RecipeOptions(), config(max_length=128), given, {"weak", "strong"})
    kind.prepare(tmp_path)
    expected = np.stack([np.asarray(image, np.float32).ravel() / 255 for image in given.unlabeled["image"]])
    np.testing.assert_allclose(vectors(kind.data.unlabeled), expected, rtol=1e-6)
    assert list(tmp_path.iterdir()) == []
    assert kind.pipeline is None
    assert "gray values" in str(kind.features_alone)


def test_a_head_is_standardised_by_the_unlabeled_examples(tmp_path: Path) -> None:
    kind = FeatureTaskSetup(RecipeOptions(), config(max_length=128), task("image"), {"weak"})
    kind.prepare(tmp_path)
    head = kind.make_model()
    assert isinstance(head, FeatureClassifier)
    rows = feature_array(kind.data.unlabeled, "features").astype(np.float64)
    np.testing.assert_allclose(head.mean.numpy(), rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(head.std.numpy(), rows.std(0), rtol=1e-4)
    assert head.config.id2label == dict(enumerate(NAMES))
    assert torch.equal(head.head.weight, kind.make_model().get_parameter("head.weight"))


@pytest.mark.parametrize("given", ["text", "image"])
def test_a_head_of_features_begins_as_the_logistic_regression(given: str, encoder: str, tmp_path: Path) -> None:
    """That of scikit-learn on the features as they are, though the head reads them standardised."""
    options = RecipeOptions(model=encoder if given == "text" else "pixels", head="probe")
    args = config() if given == "text" else config(max_length=128)
    kind = FeatureTaskSetup(options, args, task(given), {"weak"})
    kind.prepare(tmp_path)
    x, y = vectors(kind.data.labeled), kind.data.labeled["label"][:]
    reference = LogisticRegression(C=10.0, max_iter=20_000, tol=1e-8).fit(x, y)
    head = kind.make_model().eval()
    held_out = vectors(kind.data.test)
    with torch.no_grad():
        found = head(torch.from_numpy(held_out)).logits.softmax(-1).numpy()
    np.testing.assert_allclose(found, reference.predict_proba(held_out), atol=2e-3)
    second = kind.make_model(of=1).get_parameter("head.weight")
    assert not torch.allclose(head.get_parameter("head.weight"), second, atol=1e-3)


def test_which_heads_of_features_begin_anew(encoder: str) -> None:
    """Those on pixels, which no encoder made."""
    assert FeatureTaskSetup(RecipeOptions(model=encoder), config(), task("text"), {"weak"}).head == "probe"
    assert FeatureTaskSetup(RecipeOptions(), config(max_length=128), task("image"), {"weak"}).head == "random"
    told = FeatureTaskSetup(RecipeOptions(model=encoder, head="random"), config(), task("text"), {"weak"})
    assert told.head == "random"


def test_a_trainer_of_features_is_not_told_of_texts(encoder: str) -> None:
    given = config(text_column="review", max_length=16, mu=5)
    texts = task("text", labeled=labeled().rename_column("text", "review"), column="review")
    told = FeatureTaskSetup(RecipeOptions(model=encoder), given, texts, {"weak"}).trainer_config(given)
    assert (told.text_column, told.max_length, told.mu) == ("text", 128, 5)
    assert (given.text_column, given.max_length) == ("review", 16)


def test_a_trainer_of_pixels_is_not_told_of_images() -> None:
    given = config(image_column="picture", skip_corrupt_images=True, max_length=128)
    told = FeatureTaskSetup(RecipeOptions(), given, task("image"), {"weak"}).trainer_config(given)
    assert (told.image_column, told.skip_corrupt_images) == ("image", False)


@pytest.mark.parametrize(("backend", "flipped"), [("auto", True), ("features", False)])
def test_a_source_that_may_be_mirrored_is_so_as_images_alone(
    backend: str, flipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for it, so a head on pixels must not refuse it."""
    monkeypatch.setitem(SOURCES, "digits", replace(SOURCES["digits"], flip=True))
    given, options = config(max_length=128), RecipeOptions(source="digits", backend=backend, num_validation=0)
    data = load_task(options, given)
    kind = task_setup_class(options, data)
    run = RunFolder("out", [options, given])
    made = run_config(options, given, data, kind.modality.name, run)
    assert made.horizontal_flip is flipped
    kind(options, made, data, {"weak"})


# What is refused, before any model is loaded

REFUSED: dict[str, tuple[type, str, dict[str, Any], dict[str, Any], str]] = {
    "images, of words": (
        ImageTaskSetup,
        "image",
        {"strong": "tfidf"},
        {},
        "strong: got 'tfidf'; here allowed: auto, rand",
    ),
    "images, long": (ImageTaskSetup, "image", {}, {"max_length": 64}, "max_length: got 64; it is for text"),
    "images, probed": (
        ImageTaskSetup,
        "image",
        {"head": "probe"},
        {},
        "head: got 'probe'; it is for text and features",
    ),
    "texts, noisy": (TextTaskSetup, "text", {"strong": "noise"}, {}, "strong: got 'noise'; here allowed: auto, tfidf"),
    "texts, mirrored": (
        TextTaskSetup,
        "text",
        {},
        {"horizontal_flip": True},
        "horizontal_flip: got True; it is for image",
    ),
    "features, translated": (
        FeatureTaskSetup,
        "text",
        {"strong": "seq2seq"},
        {},
        "here allowed: auto, noise, tfidf, unif",
    ),
    "features, adapting": (
        FeatureTaskSetup,
        "text",
        {"strong": "ctaugment"},
        {},
        "strong: got 'ctaugment'; here allowed",
    ),
    "features, ends": (FeatureTaskSetup, "text", {}, {"keep_end": True}, "keep_end: got True; it is for text"),
    "texts, embedded": (
        TextTaskSetup,
        "text",
        {"embedding_cache": "x"},
        {},
        "embedding_cache: got 'x'; it is for --backend",
    ),
    "pixels, of words": (
        FeatureTaskSetup,
        "image",
        {"strong": "tfidf"},
        {},
        "for features of images allowed: auto, noise",
    ),
    "pixels, long": (FeatureTaskSetup, "image", {}, {"max_length": 64}, "max_length: got 64; it is for text"),
}


@pytest.mark.parametrize(("kind", "modality", "options", "settings", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit(
    kind: type[TextTaskSetup], modality: str, options: dict[str, Any], settings: dict[str, Any], told: str
) -> None:
    length = {} if modality == "text" else {"max_length": 128}
    with pytest.raises(UserError, match=told):
        kind(RecipeOptions(model="no/such/model", **options), config(**length | settings), task(modality), BOTH)


def test_labels_go_into_a_config_both_ways() -> None:
    told = label_settings(NAMES)
    assert told == {
        "num_labels": 3,
        "id2label": {0: "bad", 1: "fair", 2: "good"},
        "label2id": {"bad": 0, "fair": 1, "good": 2},
    }


def test_a_classifier_of_other_classes_gives_its_encoder(tmp_path: Path) -> None:
    trained = model()
    trained.save_pretrained(tmp_path)
    network = load_classifier(str(tmp_path), ("a", "b", "c", "d", "e"), seed=0)
    assert network.config.id2label[4] == "e"
    assert network.classifier.weight.shape[0] == 5
    torch.testing.assert_close(network.bert.state_dict(), trained.bert.state_dict())
