"""The choice from a person's texts to a folder that answers for raw texts, on a tiny encoder."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import textssl.models  # noqa: F401  (makes the classifiers known)
from tests.contract import tiny_texts
from textssl import FitResult, UserError, fit_classifier
from textssl.fit import search as search_module
from textssl.fit.candidates.base import Candidate
from textssl.fit.candidates.finetuning import FineTuning
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining
from textssl.fit.prediction import predict_logits
from textssl.fit.store import ResultStore


NAMES = ["bad", "fair", "good"]
COUNT: list[str] = []


class Short(FineTuning):
    def steps(self, data: object) -> int:
        return 2


class CountedProbe(Probe):
    name = "counted"

    def fit(self, data: Any) -> Any:
        COUNT.append(self.name)
        return super().fit(data)


class FailsOnAll(SelfTraining):
    """Trains on folds; on all 18 labels it fails."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "fails"

    def fit(self, data: Any) -> Any:
        if len(data.labels) == 18:
            raise RuntimeError("out of\nmemory")
        return super().fit(data)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_texts.model().bert.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    return str(folder)


def texts(count: int, seed: int) -> datasets.Dataset:
    """Texts of a class's own words: easy."""
    rng = np.random.default_rng(seed)
    rows = [
        {"text": " ".join(f"w{5 * (i % 3) + rng.integers(5)}" for _ in range(6)), "label": NAMES[i % 3]}
        for i in range(count)
    ]
    return datasets.Dataset.from_list(rows)


def fit(encoder: str, out: Path, candidates: Sequence[Candidate] | None = None, **changes: Any) -> FitResult:
    settings: dict[str, Any] = {
        "labeled": texts(18, 1),
        "unlabeled": texts(40, 2).remove_columns("label"),
        "encoder": encoder,
        "output_dir": out,
        "level": "fast",
        "max_length": 16,
        "candidates": candidates,
        "cache_dir": out.parent / "cache",
        "progress": False,
        **changes,
    }
    return fit_classifier(settings.pop("labeled"), settings.pop("unlabeled"), **settings)


@pytest.mark.slow
def test_the_folder_answers_in_a_pipeline_as_the_result_does(encoder: str, tmp_path: Path) -> None:
    result = fit(encoder, tmp_path / "out", [Probe(), SelfTraining(), Short()])
    held = texts(30, 3)
    probs = result.predict_proba(held["text"][:])
    np.testing.assert_allclose(probs.sum(1), 1)
    predicted = result.predict(held["text"][:])
    assert predicted == [result.label_names[i] for i in probs.argmax(1)]
    told = pipeline("text-classification", model=str(tmp_path / "out" / "model"), top_k=None)
    for text, row in zip(held["text"][:8], probs[:8], strict=True):
        scores = {found["label"]: found["score"] for found in told([text])[0]}
        np.testing.assert_allclose([scores[name] for name in result.label_names], row, atol=1e-5)
    stored = json.loads((tmp_path / "out" / "model" / "fit.json").read_text())
    assert [row["name"] for row in stored["candidates"]] == ["probe", "self_training", "finetuning"]
    assert stored["expected_accuracy"]["low"] <= stored["expected_accuracy"]["value"]
    assert stored["label_names"] == NAMES
    assert result.expected_accuracy is not None
    assert f"expected accuracy: {result.expected_accuracy}" in str(result)
    with pytest.raises(UserError, match="inputs: got a string"):
        result.predict("one")
    with pytest.raises(UserError, match="is of a classifier of the classes"):
        fit(encoder, tmp_path / "out", label_names=["good", "fair", "bad"])


@pytest.mark.slow
def test_a_killed_call_goes_on_without_repeating_anything(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    COUNT.clear()
    whole = fit(encoder, tmp_path / "whole", [CountedProbe(), SelfTraining()])
    trainings = len(COUNT)
    COUNT.clear()
    write, written = ResultStore.write, []

    def killing(self: ResultStore, name: str, key: str, outputs: Any) -> None:
        write(self, name, key, outputs)
        written.append(name)
        if len(written) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResultStore, "write", killing)
    with pytest.raises(KeyboardInterrupt):
        fit(encoder, tmp_path / "out", [CountedProbe(), SelfTraining()])
    result = fit(encoder, tmp_path / "out", [CountedProbe(), SelfTraining()])
    assert len(COUNT) == trainings
    held = texts(12, 3)["text"][:]
    np.testing.assert_array_equal(result.predict_proba(held), whole.predict_proba(held))
    assert result.expected_accuracy == whole.expected_accuracy
    again = fit(encoder, tmp_path / "out", [CountedProbe(), SelfTraining()])
    assert len(COUNT) == trainings
    np.testing.assert_array_equal(result.predict_proba(held), again.predict_proba(held))


def test_without_unlabeled_data_it_is_supervised_and_says_so(encoder: str, tmp_path: Path) -> None:
    result = fit(encoder, tmp_path / "out", [Probe(), SelfTraining()], unlabeled=None)
    assert result.chosen == ("probe",)
    assert result.num_unlabeled == 0
    (told,) = result.warnings[-1:]
    assert told.startswith("there are no unlabeled examples")
    assert result.candidates[1].status == "skipped: it needs unlabeled data"


@pytest.mark.slow
def test_a_class_with_one_label_and_all_classes_with_one(encoder: str, tmp_path: Path) -> None:
    few = texts(9, 1).select([0, 1, 2, 3, 4, 6, 7])
    result = fit(encoder, tmp_path / "one", [Probe(), SelfTraining()], labeled=few)
    assert any(warning.startswith("good has one label") for warning in result.warnings)
    assert result.expected_accuracy is not None
    alone = fit(encoder, tmp_path / "each", [Probe(), SelfTraining()], labeled=texts(3, 1))
    assert alone.expected_accuracy is None
    assert alone.chosen == ("probe",)
    assert any(warning.startswith("no class has two labels") for warning in alone.warnings)


@pytest.mark.slow
def test_a_chosen_candidate_that_fails_on_all_labels_is_replaced(
    encoder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(scores: Any, baseline: str, *rest: Any) -> Any:
        choice = choose(scores, baseline, *rest)
        name = "fails" if "fails" in scores else baseline
        return type(choice)({name: 1.0}, baseline, choice.differences, scores[name])

    choose = search_module.choose
    monkeypatch.setattr(search_module, "choose", first)
    result = fit(encoder, tmp_path / "out", [Probe(), FailsOnAll()])
    assert result.chosen == ("probe",)
    lines = [record.getMessage() for record in caplog.records if "fails" in record.getMessage()]
    assert lines == ["fails: failed on all labels: RuntimeError: out of memory; what comes next is chosen."]
    assert result.candidates[1].status == "skipped: failed on all labels: RuntimeError: out of memory"


def test_where_all_fail_the_reasons_are_one_line(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probe, "fit", FailsOnAll.fit)
    monkeypatch.setattr(SelfTraining, "fit", lambda self, data: 1 / 0)
    with pytest.raises(UserError, match=r"candidates: none could be trained \(.*ZeroDivisionError"):
        fit(encoder, tmp_path / "out", [SelfTraining()])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": "good"}, "level: got 'good'; allowed: fast, balanced, best"),
        ({"seed": -1}, "seed: got -1; expected an integer"),
        ({"time_budget": 0}, "time_budget: got 0; expected seconds"),
        ({"label_descriptions": {"gud": "fine"}}, "label_descriptions: got 'gud'; the classes are"),
        ({"labeled": None}, "labeled: got None; without labels, expected label_names or label_descriptions"),
        ({"labeled": None, "label_names": NAMES, "unlabeled": None}, "unlabeled: got no texts"),
        ({"labeled": None, "label_names": NAMES, "image_column": "image"}, "labeled: got None with image_column"),
        ({"labeled": None, "label_names": NAMES, "candidates": [Probe()]}, "candidates: got some without labels"),
    ],
    ids=range(8),
)
def test_mistakes_are_told_before_the_encoder_is_loaded(changes: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        fit(str(tmp_path / "nowhere"), tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_cannot_be_loaded_and_the_one_that_can(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^encoder: .*nowhere.*; encoder='embedded', all-MiniLM-L6-v2, is on"
    ) as raised:
        fit(str(tmp_path / "nowhere"), tmp_path / "out")
    assert "\n" not in str(raised.value)
    # Nothing stands in the way of another try.
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fit_folder.json"]


def test_a_time_budget_that_ends_before_the_cheapest_candidate(encoder: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"time_budget: got 1e-09 s, which ended when 0 of 58 examples were embedded"):
        fit(encoder, tmp_path / "out", time_budget=1e-9)


@pytest.mark.slow
def test_a_full_disk_at_the_end_loses_nothing(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    COUNT.clear()
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patched:
        patched.setattr(FitResult, "save", lambda self, folder: (_ for _ in ()).throw(full))
        with pytest.raises(UserError, match="output_dir: the disk is full"):
            fit(encoder, tmp_path / "out", [CountedProbe()])
    trainings = len(COUNT)
    fit(encoder, tmp_path / "out", [CountedProbe()])
    assert len(COUNT) == trainings
    with monkeypatch.context() as patched:
        patched.setattr(ResultStore, "save", lambda *_: (_ for _ in ()).throw(full))
        with pytest.raises(UserError, match="output_dir: the disk is full"):
            fit(encoder, tmp_path / "other", [CountedProbe()])


def test_without_labels_names_answer_as_a_choice_does(encoder: str, tmp_path: Path) -> None:
    descriptions = {name: " ".join(f"w{5 * c + i}" for i in range(5)) for c, name in enumerate(NAMES)}
    result = fit(encoder, tmp_path / "out", labeled=None, label_descriptions=descriptions, template="{}")
    assert isinstance(result, FitResult)
    assert (result.label_names, result.chosen, result.num_labeled) == (tuple(NAMES), ("names",), 0)
    assert result.warnings[0].startswith("no label was given")
    assert result.expected_accuracy is not None
    assert 0 <= result.expected_accuracy.low <= result.expected_accuracy.value <= result.expected_accuracy.high <= 1
    held = texts(30, 3)["text"][:]
    folder = tmp_path / "out" / "model"
    model, tokenizer = (kind.from_pretrained(folder) for kind in (AutoModelForSequenceClassification, AutoTokenizer))
    logits = predict_logits(model.eval(), tokenizer, held, "text", 16)
    np.testing.assert_array_equal(logits.argmax(1), result.predict_proba(held).argmax(1))
    stored = json.loads((folder / "fit.json").read_text())
    assert len(stored["to_label"]) == 20
    assert 0 <= stored["trust"] <= 1
