"""ONNX exports: equal to the model on all kinds of inputs, and usable by the code of their README."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import Ended
from tests.inference import saved_models as saved
from textssl.errors import UserError
from textssl.inference import export_onnx, load_classifier
from textssl.models import HogEncoderConfig, PooledImageClassifier, PooledImageClassifierConfig
from textssl.models.modeling_hog_encoder import save_hog_encoder


pytest.importorskip("onnxruntime")
TEXTS = ["a good film", "bad", "the fair actor " * 40, "good good bad film , the end"]
KINDS = {
    "pooled": saved.save_pooled,
    "ensemble": saved.save_ensemble,
    "adapters": saved.save_adapters,
    "head_tail": saved.save_head_tail,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a model, and its export."""
    place = tmp_path_factory.mktemp("plain")
    return place / "model", export_onnx(load_classifier(saved.save_plain(place / "model")), place / "exported")


def exported(classifier: Any, tmp_path: Path) -> Path:
    return export_onnx(classifier, tmp_path / "exported")


def test_a_text_model_is_answered_as_by_the_model(plain: tuple[Path, Path]) -> None:
    classifier, found = map(load_classifier, plain)
    np.testing.assert_allclose(found.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_answered_as_by_the_model(kind: str, tmp_path: Path) -> None:
    classifier = load_classifier(KINDS[kind](tmp_path / "model"))
    folder = exported(classifier, tmp_path)
    found = load_classifier(folder)
    assert found.label_names == classifier.label_names
    np.testing.assert_allclose(found.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-5)
    assert not list(folder.parent.glob(".exported*"))


@pytest.mark.slow
def test_pairs_are_answered_as_by_the_model(tmp_path: Path) -> None:
    classifier = load_classifier(saved.save_pairs(tmp_path / "model"))
    pairs = [(first, second) for first in TEXTS for second in TEXTS[:2]]
    found = load_classifier(exported(classifier, tmp_path))
    np.testing.assert_allclose(found.predict_proba(pairs), classifier.predict_proba(pairs), atol=1e-5)


def code_of(folder: Path) -> str:
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[0]


def test_the_code_of_the_readme_needs_neither_torch_nor_textssl(
    plain: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier, folder = load_classifier(plain[0]), plain[1]
    code = code_of(folder)
    assert set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)) == {
        "json",
        "numpy",
        "onnxruntime",
        "pathlib",
        "tokenizers",
    }
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(code.replace('["Some text."]', repr(TEXTS)), names)
    assert capsys.readouterr().out.strip() == str(classifier.predict(TEXTS))
    probs = np.exp(names["logits"]) / np.exp(names["logits"]).sum(1, keepdims=True)
    np.testing.assert_allclose(probs, classifier.predict_proba(TEXTS), atol=1e-5)


@pytest.mark.slow
def test_images_and_vectors(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)) for _ in range(3)]
    classifier = load_classifier(saved.save_images(tmp_path / "image"))
    found = load_classifier(exported(classifier, tmp_path / "a"))
    np.testing.assert_allclose(found.predict_proba(images), classifier.predict_proba(images), atol=1e-5)
    classifier = load_classifier(saved.save_vectors(tmp_path / "vectors"))
    vectors = rng.normal(size=(5, classifier.reader.size)).astype(np.float32)
    folder = exported(classifier, tmp_path / "b")
    found = load_classifier(folder)
    np.testing.assert_allclose(found.predict_proba(vectors), classifier.predict_proba(vectors), atol=1e-5)
    assert "vectors" in code_of(folder)


def test_a_file_that_differs_is_not_kept(
    plain: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textssl.inference import onnx_export

    classifier = load_classifier(plain[0])
    classifier.model.classifier.bias.data[0] += 0.01
    monkeypatch.setattr(
        onnx_export, "_write_network", lambda classifier, batch, path: shutil.copy(plain[1] / "model.onnx", path)
    )
    with pytest.raises(UserError, match=r"differ from those of the model by 1\.0e-02"):
        exported(classifier, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(plain: tuple[Path, Path]) -> None:
    classifier, before = load_classifier(plain[0]), sorted(plain[0].iterdir())
    for overwrite in (False, True):
        with pytest.raises(UserError, match="is not empty"):
            export_onnx(classifier, plain[0], overwrite=overwrite)
    assert sorted(plain[0].iterdir()) == before


def test_the_command(
    command_line: Callable[..., Ended], plain: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textssl.inference import onnx_export

    monkeypatch.setattr(
        onnx_export, "_write_network", lambda classifier, batch, path: shutil.copy(plain[1] / "model.onnx", path)
    )
    model, output = plain[0], tmp_path / "exported"
    ended = command_line("export", model, "-o", output)
    assert ended.code == 0
    assert ended.out.startswith(f"{output}: model.onnx (")
    assert ended.err.splitlines()[-1] == f"next: textssl serve {output}"
    assert len(ended.err.splitlines()) == 2, ended.err
    assert "is not empty" in command_line("export", model, "-o", output).error
    assert command_line("export", model, "-o", output, "--overwrite").code == 0
    (output / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_classifier(output)


def test_an_export_is_not_exported_again(plain: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is an ONNX export already"):
        exported(load_classifier(plain[1]), tmp_path)


def test_flat_places_of_images_are_answered_as_by_the_model(tmp_path: Path) -> None:
    """A gradient of zero divided by its length."""
    from PIL import Image

    settings = {"input_size": 4 * 9 * 25 + 3 * 16, "standardize": False, "num_labels": 3}
    config = PooledImageClassifierConfig(encoder=HogEncoderConfig().to_dict(), **settings)
    network = PooledImageClassifier(config)
    saved.named(network).save_pretrained(tmp_path / "model")
    save_hog_encoder(tmp_path / "encoder")
    shutil.copy(tmp_path / "encoder" / "preprocessor_config.json", tmp_path / "model")
    classifier = load_classifier(tmp_path / "model")
    half = Image.new("RGB", (48, 48), (90, 90, 90))
    half.paste((200, 0, 0), (0, 0, 24, 48))
    images = [half, Image.new("RGB", (48, 48), "white"), Image.new("RGB", (48, 48))]
    found = load_classifier(exported(classifier, tmp_path)).predict_proba(images)
    np.testing.assert_allclose(found, classifier.predict_proba(images), atol=1e-5)
