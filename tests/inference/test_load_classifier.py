"""Saved classifiers of each kind, loaded again: their probabilities are those of transformers' own pipelines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForMaskedLM, pipeline

from tests.contract import tiny_features, tiny_images
from tests.contract.tiny_texts import model, texts, tokenizer
from tests.features.test_deployment import encoder, head  # noqa: F401, a fixture
from tests.inference import saved_models
from tests.inference.saved_models import NAMES, named, save_plain
from textssl.errors import UserError
from textssl.features import SentenceEncoder
from textssl.inference import load_classifier
from textssl.models.modeling_ensemble import Ensemble
from textssl.pipelines import HeadTailPipeline


TEXTS = [*texts(40, 3)[0], " ".join(texts(9, 5)[0]), "w1", "[SEP] w2 \n w3"]


def piped(task: str, inputs: list[Any], options: dict[str, Any] | None = None, **made: Any) -> np.ndarray:
    answers = pipeline(task, top_k=None, device="cpu", **made)(inputs, **(options or {}))
    scores = [{part["label"]: part["score"] for part in row} for row in answers]
    return np.array([[row[name] for name in NAMES] for row in scores])


@pytest.mark.parametrize("save", [saved_models.save_plain, saved_models.save_pooled, saved_models.save_ensemble])
def test_texts_get_the_probabilities_of_the_pipeline(save: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    found = load_classifier(folder, batch_size=7)
    probs = found.predict_proba(TEXTS)
    assert (probs.dtype, found.label_names, found.modality) == (np.float64, NAMES, "text")
    expected = piped("text-classification", TEXTS, {"truncation": True}, model=str(folder))
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    assert np.ptp(probs, axis=0).min() > 0.05
    assert found.predict(TEXTS) == [NAMES[number] for number in expected.argmax(1)]
    assert found.predict_proba([]).shape == (0, 3)


def test_a_decoder_is_read_whatever_its_padding(tmp_path: Path) -> None:
    folder = saved_models.save_decoder(tmp_path / "model")
    expected = piped("text-classification", TEXTS, {"truncation": True}, model=str(folder))
    np.testing.assert_allclose(load_classifier(folder, batch_size=7).predict_proba(TEXTS), expected, atol=1e-5)


def test_adapters_are_put_on_their_base(tmp_path: Path) -> None:
    from peft import AutoPeftModelForSequenceClassification

    folder = saved_models.save_adapters(tmp_path / "model")
    network = AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=3).merge_and_unload()
    named(network)
    reader = AutoTokenizer.from_pretrained(folder)
    expected = piped("text-classification", TEXTS, {"truncation": True}, model=network, tokenizer=reader)
    found = load_classifier(folder)
    assert found.label_names == NAMES
    np.testing.assert_allclose(found.predict_proba(TEXTS), expected, atol=1e-5)
    shutil.rmtree(tmp_path / "model_base")
    with pytest.raises(UserError, match="model_base"):
        load_classifier(folder)


def test_texts_lose_their_middle_as_in_training(tmp_path: Path) -> None:
    folder = saved_models.save_head_tail(tmp_path / "model")
    expected = piped("text-classification", TEXTS, model=str(folder), pipeline_class=HeadTailPipeline)
    np.testing.assert_allclose(load_classifier(folder).predict_proba(TEXTS), expected, atol=1e-5)


def test_pairs_are_read_as_pairs_where_training_did(tmp_path: Path) -> None:
    folder = saved_models.save_pairs(tmp_path / "model")
    both = list(zip(TEXTS, reversed(TEXTS), strict=True))
    as_dicts = [{"text": first, "text_pair": second} for first, second in both]
    expected = piped("text-classification", as_dicts, {"truncation": True}, model=str(folder))
    found = load_classifier(folder)
    assert found.pairs
    np.testing.assert_allclose(found.predict_proba(both), expected, atol=1e-5)
    np.testing.assert_allclose(found.predict_proba(as_dicts), expected, atol=1e-5)
    with pytest.raises(UserError, match="row 1; expected a pair of texts"):
        found.predict([both[0], "w1"])
    alone = piped("text-classification", TEXTS, {"truncation": True}, model=str(folder))
    np.testing.assert_allclose(load_classifier(folder, pairs=False).predict_proba(TEXTS), alone, atol=1e-5)


def test_a_tokenizer_that_no_training_saved_cuts_at_the_positions_of_the_model(tmp_path: Path) -> None:
    named(model()).save_pretrained(tmp_path)
    reader = tokenizer()
    reader.save_pretrained(tmp_path)
    expected = piped("text-classification", TEXTS, {"truncation": True, "max_length": 32}, model=str(tmp_path))
    np.testing.assert_allclose(load_classifier(tmp_path).predict_proba(TEXTS), expected, atol=1e-5)
    (tmp_path / "fit.json").write_text(json.dumps({"max_length": 6}))
    expected = piped("text-classification", TEXTS, {"truncation": True, "max_length": 6}, model=str(tmp_path))
    np.testing.assert_allclose(load_classifier(tmp_path).predict_proba(TEXTS), expected, atol=1e-5)


def test_images_get_the_probabilities_of_the_pipeline(tmp_path: Path) -> None:
    folder = saved_models.save_images(tmp_path / "model")
    images, _ = tiny_images.images(9, 4)
    images[3].save(tmp_path / "one.png")
    # Grey, as the model has one channel: the pipeline would make them RGB.
    expected = piped("image-classification", images, model=str(folder), image_processor=_Gray())
    found = load_classifier(folder, batch_size=4)
    assert found.modality == "image"
    np.testing.assert_allclose(found.predict_proba(images), expected, atol=1e-5)
    np.testing.assert_allclose(found.predict_proba([tmp_path / "one.png"]), expected[3:4], atol=1e-5)
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"bad.png' of row 1 cannot be read"):
        found.predict([images[0], str(tmp_path / "bad.png")])


class _Gray:
    """The processor for images that a pipeline has made RGB."""

    def __new__(cls) -> Any:
        class Gray(type(tiny_images.processor())):  # type: ignore[misc]
            def __call__(self, images: Any, **options: Any) -> Any:
                return super().__call__(images.convert("L"), **options)

        return Gray(size={"height": 8, "width": 8}, image_mean=[0.5], image_std=[0.25])


def test_vectors_are_taken_where_no_encoder_is_known(tmp_path: Path) -> None:
    networks = [tiny_features.model(seed=seed) for seed in (0, 1)]
    named(networks[0]).save_pretrained(tmp_path / "one")
    Ensemble.of([named(network) for network in networks]).save_pretrained(tmp_path / "two")
    vectors = np.array(tiny_features.dataset(12, 3)["features"], np.float32)
    with torch.no_grad():
        logits = [network.eval()(features=torch.from_numpy(vectors)).logits for network in networks]
    for name, expected in (("one", logits[0]), ("two", (logits[0] + logits[1]) / 2)):
        found = load_classifier(tmp_path / name)
        assert found.modality == "features"
        np.testing.assert_allclose(found.predict_proba(vectors), expected.softmax(-1).numpy(), atol=1e-6)
    with pytest.raises(UserError, match=r"shape \[12, 15\]; expected \[n, 16\]"):
        found.predict(vectors[:, :15])
    vectors[4, 2] = np.nan
    with pytest.raises(UserError, match="row 4 has nan"):
        found.predict(vectors)


def test_a_head_embeds_texts_with_the_encoder_that_is_given(encoder: str, tmp_path: Path) -> None:  # noqa: F811
    source = SentenceEncoder(encoder, max_length=12, bf16=False)
    classifier = head(source, sizes=(8,))
    classifier.save_pretrained(tmp_path / "head")
    assert load_classifier(tmp_path / "head").modality == "features"
    found = load_classifier(tmp_path / "head", encoder=encoder)
    with torch.no_grad():
        expected = classifier(features=torch.from_numpy(source(TEXTS))).logits.softmax(-1).numpy()
    np.testing.assert_allclose(found.predict_proba(TEXTS), expected, atol=1e-5)
    with pytest.raises(UserError, match="encoder: "):
        load_classifier(tmp_path / "head", encoder=str(tmp_path))
    save_plain(tmp_path / "plain")
    with pytest.raises(UserError, match="only a head on features"):
        load_classifier(tmp_path / "plain", encoder=encoder)


def test_gray_values_are_features_where_training_took_them(tmp_path: Path) -> None:
    classifier = head(None, size=64, encoder="pixels", standardize=False)
    classifier.save_pretrained(tmp_path)
    images, _ = tiny_images.images(5, 2)
    rows = np.stack([np.asarray(image, np.float32).reshape(-1) / 255 for image in images])
    with torch.no_grad():
        expected = classifier(features=torch.from_numpy(rows)).logits.softmax(-1).numpy()
    found = load_classifier(tmp_path)
    assert found.modality == "image"
    np.testing.assert_allclose(found.predict_proba(images), expected, atol=1e-6)
    with pytest.raises(UserError, match="row 0 has 4x4 pixels; the model takes 64"):
        found.predict([Image.new("L", (4, 4))])


# Where a model is


def test_the_folder_above_leads_to_the_model(tmp_path: Path) -> None:
    save_plain(tmp_path / "fit" / "model")
    assert load_classifier(tmp_path / "fit").place.folder == tmp_path / "fit" / "model"
    save_plain(tmp_path / "run" / "uda")
    save_plain(tmp_path / "run" / "supervised")
    with pytest.raises(UserError, match=r"holds 2 models; choose one: .*/run/supervised, .*/run/uda$"):
        load_classifier(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps({"settings": {"method": "uda"}}))
    assert load_classifier(str(tmp_path / "run")).place.folder == tmp_path / "run" / "uda"
    (tmp_path / "run" / "run.json").write_text(json.dumps({"settings": {"method": "vat"}}))
    save_plain(tmp_path / "run" / "vat" / "checkpoint-20")
    with pytest.raises(UserError, match=r"unfinished run of vat; its last checkpoint is '.*/vat/checkpoint-20'"):
        load_classifier(tmp_path / "run")


def test_a_checkpoint_takes_the_tokenizer_of_the_folder_around_it(tmp_path: Path) -> None:
    save_plain(tmp_path)
    expected = load_classifier(tmp_path).predict_proba(TEXTS)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "checkpoint-2").mkdir(exist_ok=True)
        shutil.copy(tmp_path / name, tmp_path / "checkpoint-2" / name)
    np.testing.assert_array_equal(load_classifier(tmp_path / "checkpoint-2").predict_proba(TEXTS), expected)


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def empty(folder: Path) -> None:
    no_folder(folder)
    folder.mkdir()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def no_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def list_as_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def cut_weights(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickled_weights(folder: Path) -> None:
    no_weights(folder)
    torch.save({}, folder / "pytorch_model.bin")


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def language_model(folder: Path) -> None:
    BertForMaskedLM(BertConfig.from_pretrained(folder)).save_pretrained(folder)


def encoder_alone(folder: Path) -> None:
    model().bert.save_pretrained(folder)


def untrained_head(folder: Path) -> None:
    encoder_alone(folder)
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["BertForSequenceClassification"]}
    (folder / "config.json").write_text(json.dumps(config))


def other_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"]}')


def unknown_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "own-kind"}')


def regression(folder: Path) -> None:
    AutoModelForSequenceClassification.from_config(BertConfig(**SMALL, num_labels=1)).save_pretrained(folder)


SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 99}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_folder, "no folder"),
        (empty, "holds no model (no config.json)"),
        (no_config, "model.safetensors without config.json"),
        (no_tokenizer, "has no tokenizer; save it beside the model: tokenizer.save_pretrained("),
        (broken_config, "cannot be loaded ("),
        (list_as_config, "cannot be loaded ("),
        (cut_weights, "cannot be loaded ("),
        (no_weights, "cannot be loaded ("),
        (pickled_weights, "cannot be loaded ("),
        (broken_tokenizer, "cannot be loaded ("),
        (language_model, "is a BertForMaskedLM, no classifier"),
        (encoder_alone, "is a BertModel, no classifier"),
        (untrained_head, "holds no trained classifier; it lacks classifier.bias"),
        (other_kind, "is a Wav2Vec2ForCTC, no classifier"),
        (unknown_kind, "has the model_type 'own-kind'; expected a classifier of texts or images"),
        (regression, "expected at least 2 classes"),
    ],
)
def test_what_is_no_classifier_is_one_line(damage: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "model")
    damage(folder)
    with pytest.raises(UserError) as refused:
        load_classifier(folder)
    message = str(refused.value)
    assert message.startswith("model: ")
    assert said in message
    assert "\n" not in message


def test_other_places_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "labeled.csv").write_text("text,label\n")
    with pytest.raises(UserError, match="a file; expected the folder of a model"):
        load_classifier(tmp_path / "labeled.csv")
    with pytest.raises(UserError, match="model: 'nobody/nothing' cannot be loaded"):
        load_classifier("nobody/nothing")
    with pytest.raises(UserError, match="batch_size: got 0"):
        load_classifier(save_plain(tmp_path / "model"), batch_size=0)
    with pytest.raises(UserError, match="got a string; expected a list of texts"):
        load_classifier(tmp_path / "model").predict("w1")
    with pytest.raises(UserError, match="got None in row 1; expected a text"):
        load_classifier(tmp_path / "model").predict(["w1", None])


def test_probabilities_that_are_no_numbers_are_never_labels(tmp_path: Path) -> None:
    network = model()
    network.classifier.bias.data[0] = float("nan")
    classifier = load_classifier(saved_models.save_text(tmp_path / "model", network))
    with pytest.raises(UserError, match="gives probabilities that are not finite"):
        classifier.predict(["w1 w2"])


def test_half_a_character_is_one_line(tmp_path: Path) -> None:
    classifier = load_classifier(saved_models.save_plain(tmp_path / "model"))
    with pytest.raises(UserError, match=r"inputs: the text of row 1 holds '\\ud83d', half of a character"):
        classifier.predict(["w1 \U0001f600", "w2 \ud83d"])
