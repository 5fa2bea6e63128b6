"""`recipes/train.py`, and the recipes of one method: what a person asks for is what is trained and told."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, pipeline

from tests.recipes.tiny_pictures import KINDS, Ran, make_pictures, ran, run, run_words
from tests.recipes.tiny_task import LABELS, ROOT, TinyTask, error_line, tree
from textssl.features import FeatureClassifier
from textssl.methods import METHODS
from textssl.models import PooledTextClassifier
from textssl.sources.named import load_source


DIGITS = {"source": "digits", "labels": 20, "num_test": 40}


def results_of(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    return results


def settings_of(out: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((out / "run.json").read_text())["settings"]
    return settings


def held_out_digits() -> Any:
    """The 40 that every run with ``--num_test 40`` is measured on: drawn with seed 0, whatever the run's."""
    return load_source("digits").test.shuffle(seed=0).select(range(40))


@pytest.fixture(scope="session")
def image_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    out = tmp_path_factory.mktemp("images") / "out"
    return out, ran("train.py", out, method="fixmatch", **DIGITS)


@pytest.fixture(scope="session")
def feature_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    out = tmp_path_factory.mktemp("features") / "out"
    return out, ran("train.py", out, method="fixmatch", backend="features", **DIGITS)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


# A named source


def test_a_run_on_images_leaves_results_and_a_table(image_run: tuple[Path, Ran]) -> None:
    out, done = image_run
    results = results_of(out)
    assert list(results) == ["supervised", "fixmatch"]
    for stage, result in results.items():
        assert 40 * result["accuracy"] == pytest.approx(round(40 * result["accuracy"]))
        assert [row["step"] for row in result["history"] if "loss" in row] == [1, 2]
        (line,) = re.findall(rf"^\| {stage} .*$", done.stdout, re.MULTILINE)
        assert [cell.strip() for cell in line.split("|")][2:5] == ["20", "42", f"{100 * result['accuracy']:.2f}"]
    # 1,797 digits of which 500 are held out, 20 labeled, none to follow training by.
    told = "fixmatch; digits (embedded): 20 labeled, 1,277 unlabeled, 40 held out; strong view: randaugment"
    assert told in done.printed
    assert settings_of(out)["num_labeled"] == 20


def test_a_pipeline_takes_the_saved_image_model_and_gets_the_same_accuracy(image_run: tuple[Path, Ran]) -> None:
    out, _ = image_run
    classify = pipeline("image-classification", model=str(out / "fixmatch"), device="cpu")
    digits = held_out_digits()
    guesses = [answers[0]["label"] for answers in classify([image.convert("L") for image in digits["image"]])]
    right = np.mean([guess == str(label) for guess, label in zip(guesses, digits["label"], strict=True)])
    assert right == pytest.approx(results_of(out)["fixmatch"]["accuracy"])


def test_the_card_of_an_image_model(image_run: tuple[Path, Ran]) -> None:
    card = ModelCard.load(image_run[0] / "fixmatch" / "README.md")
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.get("base_model") is None
    assert 'pipeline("image-classification"' in card.text
    assert "2001.07685" in card.text
    assert "20 labeled and 1,277 unlabeled examples of digits" in card.text


def test_a_head_on_pixels_is_what_was_measured(feature_run: tuple[Path, Ran]) -> None:
    out, done = feature_run
    assert "strong view: noise" in done.printed
    head = FeatureClassifier.from_pretrained(out / "fixmatch").eval()
    digits = held_out_digits()
    pixels = np.stack([np.asarray(image, np.float32).ravel() / 255 for image in digits["image"]])
    with torch.no_grad():
        guesses = head(features=torch.from_numpy(pixels)).logits.argmax(-1).numpy()
    assert np.mean(guesses == np.array(digits["label"])) == pytest.approx(results_of(out)["fixmatch"]["accuracy"])


def test_the_card_of_a_head_names_no_pipeline(feature_run: tuple[Path, Ran]) -> None:
    card = ModelCard.load(feature_run[0] / "fixmatch" / "README.md")
    assert card.data.get("pipeline_tag") is None
    assert "FeatureClassifier.from_pretrained(" in card.text
    assert "pipeline(" not in card.text


def test_resuming_what_is_finished_repeats_nothing(feature_run: tuple[Path, Ran]) -> None:
    out, done = feature_run
    before = tree(out)
    flags = {"method": "fixmatch", "backend": "features", **DIGITS}
    again = ran("train.py", out, **flags, resume_from_checkpoint=True)
    assert "fixmatch: 2 steps in " in done.stderr
    assert " steps in " not in again.stderr
    table = r"^\| (?:supervised|fixmatch) .*$"
    assert re.findall(table, again.stdout, re.MULTILINE) == re.findall(table, done.stdout, re.MULTILINE)
    written = {name for name, when in tree(out).items() if before.get(name) != when}
    assert all(
        name in ("results.json", "run.json", "report.json", "report.html") or name.startswith("plots/")
        for name in written
    )


@pytest.mark.parametrize("method", sorted(m for m in METHODS if "features" in METHODS[m].objective_class.modalities))
def test_every_method_runs(method: str, tmp_path: Path) -> None:
    # The usual warm-up would be longer than the two steps of this run.
    brief = {"warm_start_epochs": 0.5} if hasattr(METHODS[method].config_class, "warm_start_epochs") else {}
    done = ran("train.py", tmp_path / "out", method=method, backend="features", baseline=False, **DIGITS, **brief)
    (result,) = results_of(tmp_path / "out").values()
    losses = [row["loss"] for row in result["history"] if "loss" in row]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert f"\n{method}; digits (embedded): 20 labeled" in done.printed
    uses_it = "strong" in METHODS[method].objective_class.views.get("unlabeled", ())
    assert f"strong view: {'noise' if uses_it else 'none'};" in done.printed
    card = (tmp_path / "out" / method / "README.md").read_text()
    citation = METHODS[method].objective_class.citation
    assert citation is None or citation.title in card


@pytest.mark.parametrize("source", ["digits:auto", "digits:embedded"])
def test_a_source_with_its_origin(source: str, feature_run: tuple[Path, Ran], tmp_path: Path) -> None:
    flags = {**DIGITS, "source": source, "method": "supervised", "backend": "features"}
    ran("train.py", tmp_path / "out", **flags)
    assert settings_of(tmp_path / "out")["data_sha256"] == settings_of(feature_run[0])["data_sha256"]


def test_a_yaml_file_may_name_source_and_backend(tmp_path: Path) -> None:
    """And with them the presets: those of features train a head at 1e-3, those of text an encoder at 6e-5."""
    file = tmp_path / "run.yaml"
    file.write_text("source: digits\nbackend: features\nlabels: 30\nmu: 2\n")
    ran("train.py", tmp_path / "out", method="supervised", config=file, num_test=40)
    settings = settings_of(tmp_path / "out")
    assert (settings["num_labeled"], settings["mu"], settings["learning_rate"]) == (30, 2, 1e-3)
    assert isinstance(FeatureClassifier.from_pretrained(tmp_path / "out" / "supervised"), FeatureClassifier)


@pytest.mark.parametrize("method", ["fixmatch", "mixmatch", "remixmatch"])
def test_a_recipe_of_one_method_on_mnist(method: str, tmp_path: Path) -> None:
    done = ran(f"{method}_mnist.py", tmp_path / "out", labels=20, num_test=40, baseline=False)
    # 5,000 images of which 500 are held out.
    assert f"{method}; MNIST, 5,000 images (embedded): 20 labeled, 4,480 unlabeled, 40 held out" in done.printed
    config = json.loads((tmp_path / "out" / method / "config.json").read_text())
    assert config["architectures"] == ["ResNetForImageClassification"]


# Own data


@pytest.mark.parametrize(("method", "strong"), [("mean_teacher", "none"), ("vat", "none"), ("mixtext", "tfidf")])
def test_a_recipe_of_one_method_on_own_texts(method: str, strong: str, task: TinyTask, tmp_path: Path) -> None:
    files = own_texts(task) | {"max_length": 16, "warm_start_steps": 0}
    done = ran(f"{method}_imdb.py", tmp_path / "out", **files)
    assert list(results_of(tmp_path / "out")) == ["supervised", method]
    assert f"{method}; few (own files): 12 labeled, 60 unlabeled, 30 held out; strong view: {strong}" in done.printed
    config = json.loads((tmp_path / "out" / method / "config.json").read_text())
    assert [config["id2label"][str(i)] for i in range(3)] == list(LABELS)


def own_texts(task: TinyTask) -> dict[str, Path]:
    names = {"train_file": "few.csv", "unlabeled_file": "many.jsonl", "test_file": "held_out.csv", "model": "model"}
    return {flag: task.folder / name for flag, name in names.items()}


@pytest.mark.parametrize("strong", ["auto", "tfidf"])
def test_features_of_own_texts(strong: str, task: TinyTask, tmp_path: Path) -> None:
    """Their column has another name here, and their length is the encoder's business: no trainer may mind."""
    files = own_texts(task)
    for flag in ("train_file", "test_file"):
        text = files[flag].read_text().replace("text,label", "review,label", 1)
        (tmp_path / files[flag].name).write_text(text)
    rows = [json.loads(line) for line in files["unlabeled_file"].read_text().splitlines()]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps({"review": row["text"]}) + "\n" for row in rows))
    files |= {flag: tmp_path / path.name for flag, path in files.items() if flag != "model"}
    flags = {**files, "method": "fixmatch", "backend": "features", "strong": strong}
    told = {"text_column": "review", "max_length": 16, "threshold": 0.0, "embedding_cache": tmp_path / "cache"}
    done = ran("train.py", tmp_path / "out", **flags, **told)
    assert f"strong view: {'noise' if strong == 'auto' else 'tfidf'}" in done.printed
    trained = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "fixmatch")
    assert isinstance(trained, PooledTextClassifier)
    # The hidden size of the tiny encoder.
    assert trained.config.vector_size == 32
    assert [trained.config.id2label[i] for i in range(3)] == list(LABELS)
    # What was measured is what is saved.
    classify = pipeline("text-classification", model=str(tmp_path / "out" / "fixmatch"), truncation=True)
    with files["test_file"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = [classify(row["review"])[0]["label"] == row["label"] for row in rows]
    assert sum(right) / len(right) == pytest.approx(results_of(tmp_path / "out")["fixmatch"]["accuracy"])
    card = (tmp_path / "out" / "fixmatch" / "README.md").read_text()
    assert "import textssl.models  # makes this kind of model known to transformers" in card
    assert re.search(r"The encoder is frozen: sha256:\w{64}, pooling: mean, at most 16 tokens\.", card)
    assert list((tmp_path / "cache").rglob("features-*.safetensors"))
    assert not (tmp_path / "out" / "embeddings").exists()


def test_own_pictures(pictures: dict[str, Path], tmp_path: Path) -> None:
    """A folder is known to hold images without --backend, and so are its presets and its views."""
    done = ran("train.py", tmp_path / "out", method="fixmatch", **pictures)
    assert "fixmatch; few (own files): 12 labeled, 24 unlabeled, 9 held out; strong view: randaugment" in done.printed
    results = results_of(tmp_path / "out")
    assert 9 * results["fixmatch"]["accuracy"] == pytest.approx(round(9 * results["fixmatch"]["accuracy"]))
    config = json.loads((tmp_path / "out" / "fixmatch" / "config.json").read_text())
    assert [config["id2label"][str(i)] for i in range(3)] == list(KINDS)
    assert settings_of(tmp_path / "out")["learning_rate"] == 2e-3


def test_own_pictures_as_features(pictures: dict[str, Path], tmp_path: Path) -> None:
    ran("train.py", tmp_path / "out", method="mean_teacher", backend="features", **pictures)
    assert FeatureClassifier.from_pretrained(tmp_path / "out" / "mean_teacher").config.input_size == 64


def test_a_run_on_own_pictures_goes_on_only_with_the_same_pictures(tmp_path: Path) -> None:
    files = make_pictures(tmp_path / "own")
    flags = {"method": "supervised", "backend": "features", **files}
    ran("train.py", tmp_path / "out", **flags)
    first, second = sorted(files["unlabeled_file"].iterdir())[:2]
    first.write_bytes(second.read_bytes())
    done = run("train.py", tmp_path / "out", **flags, resume_from_checkpoint=True)
    assert done.code == 2
    assert "a run of other settings: data_sha256 was" in error_line(done.stderr)


# What is refused, and help


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "method: got none; give --method NAME: textssl train --help lists them"),
        (["--method"], "argument --method: expected one argument"),
        (["--method=fixmuch"], f"method: got 'fixmuch'; did you mean fixmatch? allowed: {', '.join(sorted(METHODS))}"),
        (["--method=xyz"], f"method: got 'xyz'; allowed: {', '.join(sorted(METHODS))}"),
    ],
)
def test_an_unknown_method(words: list[str], told: str) -> None:
    done = run_words("train.py", *words)
    assert done.code == 2
    assert error_line(done.stderr) == f"error: {told}"


def test_help_tells_the_methods_and_then_the_flags_of_one() -> None:
    done = run_words("train.py", "--help")
    assert done.code == 0
    assert all(method in done.stdout for method in METHODS)
    done = run_words("train.py", "--method", "vat", "--help")
    assert done.code == 0
    assert "--relative_epsilon" in done.stdout
    assert "--labels" in done.stdout


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an unknown source": (
        {"source": "minst"},
        ["source: ", "'minst'", "cifar10, digits, election_tweets, imdb, mnist5k"],
    ),
    "an unknown origin": ({"source": "digits:web"}, ["source: ", "'web'", "auto, hub, embedded"]),
    "an origin that is none": ({"source": "digits:hub"}, ["source: ", "'digits' is not on the Hub"]),
    "an unknown backend": ({"backend": "audio"}, ["backend: ", "'audio'", "auto, text, image, features"]),
    "an unknown flag": ({"labells": 3}, ["--labells: no such flag; did you mean labels?"]),
    "one flag twice over": ({"labels": 0}, ["num_labeled: got 0; expected at least 1"]),
}


@pytest.mark.parametrize(("changes", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be(
    changes: dict[str, Any], told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("train.py", tmp_path / "out", **{"method": "fixmatch", **DIGITS, "warm_start_steps": 0, **changes})
    assert done.code == 2
    message = error_line(done.stderr)
    assert all(part in message for part in told), message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "recipes").glob("*.py")))
def test_every_recipe_explains_itself(script: str) -> None:
    done = run_words(script, "--help")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout


def test_results_as_json(tmp_path: Path) -> None:
    done = run_words(
        "train.py", "--method=fixmatch", "--backend=features", "--source=digits", "--labels=20", "--num_test=40",
        "--preset=cpu", "--max_steps=2", "--baseline_steps=2", "--report_to=none", f"-o={tmp_path / 'out'}", "--json",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    results = results_of(tmp_path / "out")
    assert found["results"].keys() == results.keys() == {"supervised", "fixmatch"}
    for name, stage in found["results"].items():
        assert (stage["accuracy"], stage["log_loss"]) == (results[name]["accuracy"], results[name]["log_loss"])
        assert "history" not in stage
    assert Path(found["model"]) == tmp_path / "out" / "fixmatch"
    # The table is said beside it, and no figures of a step.
    assert "| fixmatch " in done.stderr
    assert "{'" not in done.printed
    assert done.stderr.splitlines()[-1] == f"next: textssl report {tmp_path / 'out'}"
