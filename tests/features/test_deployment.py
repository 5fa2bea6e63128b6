"""A classifier of features becomes one of texts or images, with the same answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageClassification, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tests.contract.cases import model, texts, tokenizer
from tests.features.test_image_encoders import pictures, saved, vit
from textssl import UserError
from textssl.features import (
    FeatureClassifier,
    FeatureClassifierConfig,
    SentenceEncoder,
    VisionEncoder,
    deployable,
    features_of,
    head_of,
    save_deployable,
)
from textssl.features.merging import merged
from textssl.modalities.text.truncation import trained_with
from textssl.models import PooledImageClassifier, PooledTextClassifier
from textssl.models.modeling_ensemble import Ensemble
from textssl.self_training.teachers import load_teacher


NAMES = {0: "bad", 1: "fair", 2: "good"}
LENGTH = 12


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As sentence-transformers writes it: the mean of the tokens, brought to length 1."""
    folder = tmp_path_factory.mktemp("encoder")
    model().bert.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True})
    )
    return str(folder)


@pytest.fixture(scope="module")
def some() -> list[str]:
    return [*texts(9, 4)[0], "", " ".join(texts(9, 5)[0])]


@pytest.fixture
def vectors(encoder: str, some: list[str], tmp_path: Path) -> np.ndarray:
    exact = SentenceEncoder(encoder, max_length=LENGTH, bf16=False)
    return features_of(some, encoder=exact, cache_dir=tmp_path / "cache", progress=False)


def head(source: Any, size: int = 32, sizes: tuple[int, ...] = (), seed: int = 0, **changes: Any) -> FeatureClassifier:
    torch.manual_seed(seed)
    told = {} if source is None else source.settings.for_config()
    labels: dict[str, Any] = {"id2label": NAMES, "label2id": {name: i for i, name in NAMES.items()}}
    shape = {"input_size": size, "hidden_sizes": sizes, "initializer_range": 0.3, "dropout": 0.1}
    made = FeatureClassifier(FeatureClassifierConfig(**{**shape, **labels, **told, **changes})).eval()
    if made.config.standardize:
        made.fit_standardization(np.random.default_rng(seed).normal(size=(50, size)))
    return made


def answers(classifier: Any, features: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return classifier(features=torch.from_numpy(features)).logits.numpy()


def piped(task: str, folder: Path, inputs: list[Any], **options: Any) -> np.ndarray:
    classify = pipeline(task, model=str(folder), top_k=None, function_to_apply="none")
    rows = [{part["label"]: part["score"] for part in row} for row in classify(inputs, **options)]
    return np.array([[row[name] for name in NAMES.values()] for row in rows])


# Texts


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(), (8,), (8, 4)])
@pytest.mark.parametrize("count", [1, 2])
def test_a_pipeline_on_raw_texts_gives_the_logits_of_the_features(
    sizes: tuple[int, ...], count: int, encoder: str, some: list[str], vectors: np.ndarray, tmp_path: Path
) -> None:
    """One head, or the two of an ensemble; texts that are empty, of different lengths and too long."""
    source = SentenceEncoder(encoder, max_length=LENGTH)
    heads = [head(source, sizes=sizes, seed=seed, standardize=seed == 0) for seed in range(count)]
    classifier = heads[0] if count == 1 else Ensemble.of(heads)
    folder = save_deployable(classifier, tmp_path / "model", encoder)
    expected = answers(classifier, vectors)
    assert np.ptp(expected, axis=0).min() > 0.01
    np.testing.assert_allclose(piped("text-classification", folder, some, truncation=True), expected, atol=1e-5)
    assert trained_with(AutoTokenizer.from_pretrained(folder)) == (LENGTH, "end")
    # One encoder, however many heads there were; and no name of this machine's folder.
    loaded = AutoModelForSequenceClassification.from_pretrained(folder)
    assert isinstance(loaded, PooledTextClassifier)
    assert sum("word_embeddings" in name for name, _ in loaded.named_parameters()) == 1
    assert encoder not in (folder / "config.json").read_text()


def test_features_in_bfloat16_give_nearly_the_same(encoder: str, some: list[str], tmp_path: Path) -> None:
    source = SentenceEncoder(encoder, max_length=LENGTH, bf16=True)
    rounded = features_of(some, encoder=source, cache_dir=tmp_path, progress=False)
    classifier = head(source, sizes=(8,))
    deployed, read = deployable(classifier, source)
    with torch.no_grad():
        got = deployed(**read(some, truncation=True, padding=True, return_tensors="pt")).logits.softmax(-1)
    apart = np.abs(got.numpy() - torch.from_numpy(answers(classifier, rounded)).softmax(-1).numpy()).max()
    assert 0 < apart < 0.02


@pytest.mark.slow
def test_the_embedded_encoder_is_found_by_its_checksum() -> None:
    source = SentenceEncoder("embedded", max_length=64)
    deployed, read = deployable(head(source, 384))
    assert (deployed.config.pooling, deployed.config.normalize) == ("mean", True)
    assert (read.model_max_length, deployed.config.feature_encoder) == (64, source.name)


def test_a_head_is_found_again_within_the_model(encoder: str, vectors: np.ndarray, tmp_path: Path) -> None:
    classifier = head(SentenceEncoder(encoder, max_length=LENGTH), sizes=(8,))
    folder = save_deployable(classifier, tmp_path / "model", encoder)
    found, processing_class = load_teacher(str(folder), "features")
    assert isinstance(found, FeatureClassifier)
    assert processing_class is None
    np.testing.assert_allclose(answers(found.eval(), vectors), answers(classifier, vectors), atol=1e-6)
    assert answers(head_of(deployable(classifier, encoder)[0]), vectors).shape == (11, 3)


@pytest.mark.slow
def test_a_head_alone_is_a_teacher_of_texts_where_its_encoder_is_known(encoder: str, tmp_path: Path) -> None:
    head(SentenceEncoder("embedded", max_length=64), 384).save_pretrained(tmp_path / "known")
    found, read = load_teacher(str(tmp_path / "known"), "text")
    assert isinstance(found, PooledTextClassifier)
    assert trained_with(read) == (64, "end")
    head(SentenceEncoder(encoder, max_length=LENGTH)).save_pretrained(tmp_path / "unknown")
    with pytest.raises(UserError, match="encoder: got None; the features were made by a model of files sha256:"):
        load_teacher(str(tmp_path / "unknown"), "text")


# Images


@pytest.mark.parametrize("count", [1, 2])
def test_a_pipeline_on_images_gives_the_logits_of_the_features(count: int, tmp_path: Path) -> None:
    source, images = VisionEncoder(saved(vit(), tmp_path / "vit")), pictures(5)
    heads = [head(source, 16, sizes=(8,), seed=seed) for seed in range(count)]
    classifier = heads[0] if count == 1 else Ensemble.of(heads)
    folder = save_deployable(classifier, tmp_path / "model", source)
    expected = answers(classifier, source(images))
    np.testing.assert_allclose(piped("image-classification", folder, images), expected, atol=1e-5)
    assert isinstance(AutoModelForImageClassification.from_pretrained(folder), PooledImageClassifier)
    by_name, _ = deployable(classifier, str(tmp_path / "vit"))
    assert by_name.config.feature_encoder == source.name
    assert isinstance(load_teacher(str(folder), "features")[0], FeatureClassifier)


# Several heads as one


def test_heads_that_cannot_be_one_are_named() -> None:
    with pytest.raises(UserError, match="networks: number 1 has hidden layers 0, the first one 1"):
        merged([head(None, sizes=(8,)), head(None)])
    with pytest.raises(UserError, match="networks: number 1 has activation relu, the first one gelu"):
        merged([head(None, sizes=(8,)), head(None, sizes=(8,), activation="relu")])


def test_heads_of_different_widths_are_one() -> None:
    features = np.random.default_rng(1).normal(size=(7, 32)).astype(np.float32)
    heads = [head(None, sizes=(8, 5)), head(None, sizes=(4, 6), seed=1), head(None, sizes=(2, 2), seed=2)]
    one = merged(heads)
    assert one.config.hidden_sizes == (14, 13)
    np.testing.assert_allclose(answers(one, features), np.mean([answers(h, features) for h in heads], 0), atol=1e-5)


# What is refused, in one line


def test_another_encoder_is_refused(encoder: str, tmp_path: Path) -> None:
    classifier = head(SentenceEncoder(encoder, max_length=LENGTH))
    with pytest.raises(
        UserError, match=r"encoder: got 'embedded', which is sha256:\w+; the features were made by sha25"
    ):
        deployable(classifier, "embedded")
    seen = VisionEncoder(saved(vit(), tmp_path / "vit"))
    other = VisionEncoder(saved(vit().train(), tmp_path / "other"))
    (tmp_path / "other" / "extra.json").write_text("{}")
    with pytest.raises(UserError, match=r"encoder: got '.*other', which is sha256:\w+; the features were made by"):
        deployable(head(seen, 16), other)
    with pytest.raises(UserError, match="encoder: its vectors have 32 numbers; the features have 16"):
        deployable(head(None, 16), encoder, max_length=LENGTH)
    # A copy of the files is the same encoder.
    shutil.copytree(encoder, tmp_path / "copy")
    deployable(classifier, tmp_path / "copy")


@pytest.mark.parametrize(
    ("told", "arguments", "message"),
    [
        ({}, {}, "encoder: got None; the classifier does not say what made its features, so name it"),
        ({}, {"encoder": "embedded"}, "max_length: got None; the classifier does not say of how many tokens"),
        ({"encoder": "pixels"}, {}, "encoder: the features are pixels, which no encoder made"),
        ({"encoder_max_length": 9}, {"encoder": "embedded", "max_length": 8}, "max_length: got 8; the features are"),
        ({}, {"encoder": 3}, "encoder: got int; expected a model, a SentenceEncoder or a VisionEncoder"),
    ],
)
def test_what_is_missing_is_named(told: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        deployable(head(None, 384, **told), **({"max_length": 9} | arguments if arguments == {} else arguments))
    with pytest.raises(UserError, match="classifier: got BertForSequenceClassification; expected a FeatureClassifier"):
        deployable(model())


@pytest.mark.parametrize("kind", ["prompt", "module"])
def test_an_encoder_that_does_more_than_pool_is_refused(kind: str, encoder: str, tmp_path: Path) -> None:
    folder = tmp_path / "special"
    shutil.copytree(encoder, folder)
    if kind == "prompt":
        settings = {"prompts": {"task": "good bad "}, "default_prompt_name": "task"}
        (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    else:
        modules = json.loads((folder / "modules.json").read_text())
        modules[2]["type"] = "sentence_transformers.models.Dense"
        (folder / "modules.json").write_text(json.dumps(modules))
    source = SentenceEncoder(str(folder), max_length=LENGTH)
    message = "such as with a prompt of its own" if kind == "prompt" else "has a module 'Dense'"
    with pytest.raises(UserError, match=f"encoder: .*{message}"):
        deployable(head(source), source)


def test_a_model_of_the_hub_is_found_by_name_and_commit(encoder: str, tmp_path: Path) -> None:
    """Of the branch that was trained on, not of what it is by now."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path / "models--some--model"
        shutil.copytree(encoder, home / "snapshots" / commit)
        shutil.copytree(encoder, home / "snapshots" / ("f" * 40))
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text(commit)
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        patch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
        trained_on = SentenceEncoder("some/model", max_length=LENGTH)
        classifier = head(trained_on)
        assert classifier.config.encoder == f"some/model@{commit}"
        (home / "refs" / "main").write_text("f" * 40)
        for named in (None, "some/model"):
            deployed, _ = deployable(classifier, named)
            assert deployed.config.feature_encoder == f"some/model@{commit}"
        with pytest.raises(UserError, match=f"which is some/model@{'f' * 40}; the features were made by some/model@0"):
            deployable(classifier, SentenceEncoder("some/model", revision="main", max_length=LENGTH))
