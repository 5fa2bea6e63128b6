"""What a run leaves: a table, plots, results, a card, logs; all of it in the output folder."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from tests.recipes.conftest import WholeRun
from tests.recipes.tiny_task import LABELS, TinyTask
from textssl.report import RunReport


def test_one_table_tells_both(whole: WholeRun) -> None:
    results = json.loads((whole.out / "results.json").read_text())
    for stage in ("supervised", "uda"):
        (line,) = re.findall(rf"^\| {stage} .*$", whole.stdout, re.MULTILINE)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1:3] == ["12", "42"]
        assert cells[3] == f"{100 * results[stage]['accuracy']:.2f}"
        assert cells[4] == f"{100 * results[stage]['macro_f1']:.2f}"
    gain = 100 * (results["uda"]["accuracy"] - results["supervised"]["accuracy"])
    assert cells[5] == f"{gain:+.2f}"
    assert "accuracy on 30 held-out examples" in whole.stdout


def test_plots_are_pictures(whole: WholeRun) -> None:
    from matplotlib import image

    plots = sorted((whole.out / "plots").iterdir())
    assert [plot.name for plot in plots] == ["confidence.png", "losses.png", "mask_rate.png"]
    for plot in plots:
        pixels = image.imread(plot)
        assert min(pixels.shape[:2]) >= 200
        assert pixels[..., :3].std() > 0.01, "nothing is drawn"


def test_results(whole: WholeRun) -> None:
    results = json.loads((whole.out / "results.json").read_text())
    assert list(results) == ["supervised", "uda"]
    for stage, steps in (("supervised", 8), ("uda", 12)):
        result = results[stage]
        assert 0 <= result["macro_f1"] <= 1
        # 30 examples: a count of right answers.
        assert round(30 * result["accuracy"], 6) == int(round(30 * result["accuracy"], 6))
        assert result["seconds"] > 0
        assert result["processes"] == 1
        assert [row["step"] for row in result["history"] if "loss" in row] == list(range(1, steps + 1))


@pytest.mark.parametrize("stage", ["supervised", "uda"])
def test_what_was_predicted_is_kept(whole: WholeRun, task: TinyTask, stage: str) -> None:
    with np.load(whole.out / stage / "measured_predictions.npz", allow_pickle=False) as kept:
        part, labels, probs, names = (kept[name] for name in ("part", "labels", "probs", "label_names"))
    with (task.folder / "held_out.csv").open(newline="") as file:
        truth = [row["label"] for row in csv.DictReader(file)]
    assert str(part) == "test"
    assert names[labels].tolist() == truth
    result = json.loads((whole.out / "results.json").read_text())[stage]
    assert log_loss(labels, probs, labels=[0, 1, 2]) == pytest.approx(result["log_loss"], rel=1e-5)
    assert f1_score(labels, probs.argmax(1), average="macro", zero_division=0.0) == pytest.approx(result["macro_f1"])


def test_the_model_is_the_teacher_and_names_its_labels(whole: WholeRun) -> None:
    from safetensors.torch import load_file

    config = json.loads((whole.out / "uda" / "config.json").read_text())
    assert [config["id2label"][str(i)] for i in range(3)] == list(LABELS)
    saved = load_file(whole.out / "uda" / "model.safetensors")
    last = whole.out / "uda" / "checkpoint-12"
    teacher, student = load_file(last / "model.safetensors"), load_file(last / "student" / "model.safetensors")
    assert saved.keys() == teacher.keys()
    assert all(saved[name].equal(teacher[name]) for name in saved)
    assert any(not saved[name].equal(student[name]) for name in saved)


def test_the_card_names_the_paper(whole: WholeRun) -> None:
    card = (whole.out / "uda" / "README.md").read_text()
    assert "1904.12848" in card
    assert "library_name: transformers" in card
    results = json.loads((whole.out / "results.json").read_text())
    uda, baseline = (results[stage]["accuracy"] for stage in ("uda", "supervised"))
    (scores,) = re.findall(r"^\| Accuracy \| ([\d.]+) \| ([\d.]+) \|", card, re.MULTILINE)
    assert [float(score) for score in scores] == pytest.approx([uda, baseline], abs=1e-4)


def test_tensorboard_gets_every_term(whole: WholeRun) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    scalars: dict[str, list[int]] = {}
    for folder in sorted((whole.out / "uda").glob("runs/*")):
        events = accumulator.EventAccumulator(str(folder))
        events.Reload()
        for tag in events.Tags()["scalars"]:
            scalars.setdefault(tag, []).extend(event.step for event in events.Scalars(tag))
    found = {tag.rpartition("ssl/")[2]: steps for tag, steps in scalars.items() if "ssl/" in tag}
    assert {"loss", "supervised", "unsupervised", "mask_rate", "confidence"} <= found.keys()
    assert sorted(found["loss"]) == list(range(1, 13))
    # The warm start has no unlabeled part.
    assert sorted(found["mask_rate"]) == list(range(3, 13))


def test_nothing_is_written_elsewhere(whole: WholeRun) -> None:
    assert [path.name for path in whole.cwd.iterdir()] == ["out"]
    files = {"label_next.csv", "report.html", "report.json", "results.json", "run.json"}
    assert {path.name for path in whole.out.iterdir()} == files | {"plots", "supervised", "uda"}
    files = {path.name for path in (whole.out / "uda").iterdir() if path.is_file()}
    assert {"README.md", "config.json", "model.safetensors", "result.json", "tokenizer.json"} <= files
    assert {path.name for path in (whole.out / "uda").glob("checkpoint-*")} == {"checkpoint-8", "checkpoint-12"}


def test_the_report_tells_what_the_files_hold(whole: WholeRun, task: TinyTask) -> None:
    from sklearn.metrics import confusion_matrix

    report = RunReport.read(whole.out)
    results = json.loads((whole.out / "results.json").read_text())
    assert [candidate.name for candidate in report.candidates] == ["supervised", "uda"]
    supervised, uda = report.candidates
    assert [supervised.mean, uda.mean] == [results[stage]["accuracy"] for stage in ("supervised", "uda")]
    assert uda.difference == pytest.approx(results["uda"]["accuracy"] - results["supervised"]["accuracy"])
    assert uda.log_loss == pytest.approx(results["uda"]["log_loss"], abs=1e-5)
    saved = np.load(whole.out / "uda" / "measured_predictions.npz")
    expected = confusion_matrix(saved["labels"], saved["probs"].argmax(1), labels=range(3))
    assert report.evaluation is not None
    assert report.evaluation.confusion == tuple(map(tuple, expected.tolist()))
    assert report.findings[0] in whole.stdout
    with open(task.folder / "few.csv", newline="") as file:
        given = Counter(row["label"] for row in csv.DictReader(file))
    (labels,) = (shares for shares in report.class_shares if shares.name == "labels")
    assert labels.shares == (tuple(pytest.approx(given[name] / sum(given.values())) for name in report.classes),)
    history = results["uda"]["history"]
    logged = [(row["step"], row["ssl/mask_rate"]) for row in history if "ssl/mask_rate" in row]
    assert [(q.step, q.kept_share) for q in report.pseudo_labels] == [(s, pytest.approx(rate)) for s, rate in logged]
    assert report.command is not None
    assert report.command.startswith("python ")
    assert str(whole.out.name) in report.command


def test_the_views_of_the_report_are_those_of_training(whole: WholeRun, task: TinyTask) -> None:
    texts = [json.loads(line)["text"] for line in (task.folder / "many.jsonl").read_text().splitlines()]
    report = RunReport.read(whole.out)
    assert len(report.examples) == min(20, len({*texts}))
    for example in report.examples:
        assert example.original.text in texts
        views = dict(example.views)
        assert list(views) == ["weak", "strong"]
        assert views["weak"] == example.original
    changed = [dict(example.views)["strong"] != example.original for example in report.examples]
    assert sum(changed) > len(changed) / 2


def test_label_next_holds_the_persons_unlabeled_texts(whole: WholeRun, task: TinyTask) -> None:
    rows = [json.loads(line) for line in (task.folder / "many.jsonl").read_text().splitlines()]
    with open(whole.out / "label_next.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert 0 < len(found) <= 50
    assert len({row["text"] for row in found}) == len(found)
    assert {row["text"] for row in found} <= {row["text"] for row in rows}
    assert {row["label"] for row in found} <= set(LABELS)
    shares = [float(row["confidence"]) for row in found]
    assert all(1 / 3 <= share <= 1 for share in shares)
    report = RunReport.read(whole.out)
    assert [u.item.text for u in report.uncertain] == [row["text"] for row in found][: len(report.uncertain)]
    for example in report.uncertain:
        assert example.row is not None
        assert rows[example.row]["text"] == example.item.text
