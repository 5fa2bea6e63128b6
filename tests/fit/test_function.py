"""``textssl.fit`` on data of any kind, whatever was imported before; and what its result can do."""

from __future__ import annotations

import inspect
import json
import pydoc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
from huggingface_hub import constants

import textssl
from tests.contract import tiny_texts
from tests.hub_server import LocalHub, local_hub  # noqa: F401  (a fixture)
from textssl import FitResult, UserError
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining


NAMES = ["bad", "fair", "good"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_texts.model().bert.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def settings(encoder: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    cache = tmp_path_factory.mktemp("cache")
    candidates = [Probe(), SelfTraining()]
    return {"encoder": encoder, "max_length": 16, "cache_dir": cache, "candidates": candidates, "progress": False}


def drawn(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts of a class's own words."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(f"w{5 * (i % 3) + rng.integers(5)}" for _ in range(6)) for i in range(count)]
    return texts, [NAMES[i % 3] for i in range(count)]


TEXTS, LABELS = drawn(18, 1)
MANY = drawn(40, 2)[0]
HELD = drawn(12, 3)[0]


@pytest.fixture(scope="module")
def expected(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What data sets give."""
    labeled = datasets.Dataset.from_dict({"text": TEXTS, "label": LABELS})
    unlabeled = datasets.Dataset.from_dict({"text": MANY})
    result = textssl.fit_classifier(labeled, unlabeled, output_dir=tmp_path_factory.mktemp("out") / "fit", **settings)
    return result.predict_proba(HELD)


FRAME = pd.DataFrame({"review": TEXTS, "sentiment": LABELS})
INPUTS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "frames": (FRAME, pd.DataFrame({"body": MANY}), {}),
    "lists": (TEXTS, MANY, {"labels": LABELS}),
    "arrays": (np.array(TEXTS), pd.Series(MANY), {"labels": np.array(LABELS)}),
    "pairs": (list(zip(TEXTS, LABELS, strict=True)), datasets.Dataset.from_dict({"text": MANY}), {}),
    "dicts": (FRAME.to_dict("records"), [{"text": text} for text in MANY], {}),
    "gaps": (TEXTS + MANY, None, {"labels": LABELS + [None] * 40}),
    "nan": (pd.DataFrame({"text": TEXTS + MANY, "label": LABELS + [np.nan] * 40}), None, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*INPUTS, "files"])
def test_data_of_any_kind_give_the_same(
    kind: str, settings: dict[str, Any], expected: np.ndarray, tmp_path: Path
) -> None:
    if kind == "files":
        FRAME.to_csv(tmp_path / "few.csv", index=False)
        pd.Series(MANY, name="text").to_csv(tmp_path / "many.csv", index=False)
        result = textssl.fit(tmp_path / "few.csv", str(tmp_path / "many.csv"), **settings)
    else:
        labeled, unlabeled, more = INPUTS[kind]
        result = textssl.fit(labeled, unlabeled, **more, **settings)
    np.testing.assert_allclose(result.predict_proba(HELD), expected, atol=1e-6)


def test_nothing_is_left_but_what_was_asked_for(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    result = textssl.fit(FRAME, MANY, **settings)
    assert [*(tmp_path / "temporary").iterdir()] == []
    kept = textssl.fit(FRAME, MANY, output_dir=tmp_path / "kept", **settings)
    assert (tmp_path / "kept" / "model" / "fit.json").is_file()
    np.testing.assert_allclose(kept.predict_proba(HELD), result.predict_proba(HELD), atol=1e-6)
    with pytest.raises(UserError, match=r"holds the result of other settings: seed was 0, now 1; choose another"):
        textssl.fit(FRAME, MANY, output_dir=tmp_path / "kept", seed=1, **settings)


@pytest.fixture(scope="module")
def result(settings: dict[str, Any]) -> FitResult:
    return textssl.fit(FRAME, MANY, **settings)


def test_predictions_of_any_kind_of_texts(result: FitResult) -> None:
    told = result.predict(HELD)
    assert set(told) <= set(NAMES)
    rows = datasets.Dataset.from_dict({"text": HELD})
    kinds: Sequence[Any] = (
        tuple(HELD), np.array(HELD), pd.Series(HELD, index=range(5, 17)), rows["text"], rows,
        pd.DataFrame({"id": range(12), "review": HELD}), pd.DataFrame({"other": HELD}), iter(HELD),
    )  # fmt: skip
    for inputs in kinds:
        assert result.predict(inputs) == told
    assert result.predict([]) == []
    assert result.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("one text", "inputs: got a string; expected a list of texts"),
        (["a", None], "inputs: row 1 is None; expected a text"),
        ([1, 2], "inputs: row 0 is 1; expected a text"),
        (pd.DataFrame({"a": ["b"], "c": ["d"]}), "inputs: no column 'review'; its columns are ['a', 'c']"),
        (7, "inputs: got int; expected a list"),
        (
            ["a", "b \ud800"],
            "inputs: the text of row 1 holds '\\ud800', half of a character; leave it out, as by "
            "text.encode(errors='ignore').decode()",
        ),
    ],
)
def test_inputs_that_cannot_be_predicted(result: FitResult, inputs: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        result.predict(inputs)
    assert str(caught.value) == message


def test_a_saved_result_is_loaded_again(result: FitResult, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "model")
    again = FitResult.load(folder)
    np.testing.assert_allclose(again.predict_proba(HELD), result.predict_proba(HELD), atol=1e-6)
    assert again.predict(pd.DataFrame({"id": range(12), "review": HELD})) == result.predict(HELD)
    assert str(again) == str(result)
    assert again.to_dict() == json.loads((folder / "fit.json").read_text())
    with pytest.raises(UserError, match="a file; expected a folder to write into"):
        result.save(folder / "config.json")
    (folder / "fit.json").unlink()
    with pytest.raises(UserError, match=r"has no fit\.json of a choice; textssl\.inference\.load_classifier loads"):
        FitResult.load(folder)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_push_holds_the_model_and_nothing_else(
    result: FitResult, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ENDPOINT": hub.url, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True}.items():
        monkeypatch.setattr(constants, name, value)
    assert result.push_to_hub("me/news", private=True, token="hf_test") == f"{hub.url}/me/news"
    files = hub.repos["me/news"].files
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(files)
    assert not [name for name in files if name.endswith((".bin", ".pkl", ".pt"))]
    assert hub.private["me/news"]
    assert not [name for name, content in files.items() if b"hf_test" in content]
    hub.account = None
    with pytest.raises(UserError, match="the token is not valid"):
        result.push_to_hub("me/news", token="hf_test")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((TEXTS, MANY), {"labels": LABELS[:-1]}), "labels: got 17 labels for 18 rows of labeled"),
        (((TEXTS, MANY), {}), "labeled: no column of labels (label_column); its columns are ['text']. Without labels"),
        (((TEXTS, MANY), {"labels": [None] * 18}), "labeled: no row has a label in column 'label'"),
        (((TEXTS, MANY), {"labels": ["a", 1] * 9}), "labeled: labels are of several kinds"),
        (((FRAME, ["a", "\udc00"]), {}), "unlabeled: the text of row 1 holds '\\udc00', half of a character"),
        (
            ((FRAME, pd.DataFrame({"review": ["\ud800"]}, dtype=object)), {}),
            "unlabeled: a text holds '\\ud800', half of a character",
        ),
        (((FRAME, [1.5]), {}), "unlabeled: got a list of float values"),
    ],
)
def test_mistakes_are_one_line(arguments: Any, message: str, settings: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        textssl.fit(*arguments[0], **arguments[1], **settings)
    assert str(caught.value).startswith(message)


def test_names_of_classes_are_enough(settings: dict[str, Any]) -> None:
    about = {"bad": "w0 w1 w2", "fair": "w5 w6 w7", "good": "w10 w11 w12"}
    more = {name: value for name, value in settings.items() if name != "candidates"}
    result = textssl.fit(MANY, label_descriptions=about, **more)
    assert result.num_labeled == 0
    assert result.label_names == ("bad", "fair", "good")


def test_it_is_a_function_and_a_package() -> None:
    assert list(inspect.signature(textssl.fit).parameters)[:3] == ["labeled", "unlabeled", "labels"]
    assert inspect.ismodule(textssl.fit)
    assert "result = textssl.fit(labeled, unlabeled)" in pydoc.plain(pydoc.render_doc(textssl.fit))


def test_whatever_was_imported_before_it_is_the_package_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    package = sys.modules["textssl.fit"]
    # An import of a module of the package puts the package there; without one the front does.
    assert textssl.fit is package
    monkeypatch.delattr(textssl, "fit")
    assert textssl.fit is package
    assert callable(package)
    assert textssl.fit.FitResult is FitResult
    with pytest.raises(UserError, match="labeled: got int"):
        textssl.fit(7)
