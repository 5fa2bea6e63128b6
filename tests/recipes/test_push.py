"""`--push_to_hub`: what a Hub then holds is the evaluated model and its card, and others can use it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from transformers import pipeline

from tests.hub_server import LocalHub, Repo
from tests.recipes.tiny_task import LABELS, TinyTask, finished, launch_recipe


TOKEN = "hf_ofAPersonByFlag0123456789"


@pytest.fixture(scope="module")
def pushed(task: TinyTask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalHub, Path]]:
    cwd = tmp_path_factory.mktemp("pushed")
    with LocalHub() as hub:
        env = {**hub.environment(cwd / "home"), "CUDA_VISIBLE_DEVICES": ""}
        del env["PYTHONPATH"]
        more = {"hub_model_id": "me/tiny", "hub_token": TOKEN, "report_to": "tensorboard"}
        done = finished(launch_recipe(task.flags("out", "--push_to_hub", **more), cwd, env=env))
        assert TOKEN not in done.stdout + done.stderr
        yield hub, cwd / "out"


@pytest.fixture
def repo(pushed: tuple[LocalHub, Path]) -> Repo:
    return pushed[0].repos["me/tiny"]


def test_one_repository_holds_one_model(pushed: tuple[LocalHub, Path], repo: Repo) -> None:
    assert list(pushed[0].repos) == ["me/tiny"]
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= repo.files.keys()
    assert not [name for name in repo.files if "/" in name]
    assert "result.json" not in repo.files
    assert repo.files["model.safetensors"] == (pushed[1] / "uda" / "model.safetensors").read_bytes()
    assert repo.files["model.safetensors"] != (pushed[1] / "supervised" / "model.safetensors").read_bytes()


def test_the_token_is_nowhere(pushed: tuple[LocalHub, Path]) -> None:
    """Neither in the run's folder, TensorBoard's files among them, nor in what the Hub holds."""
    hub, folder = pushed
    written = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any("tfevents" in name for name in written)
    assert "uda/training_args.json" in written
    for commit, files in hub.repos["me/tiny"].commits:
        written |= {f"{commit}/{name}": content for name, content in files.items()}
    written |= hub.objects
    assert [name for name, content in written.items() if TOKEN.encode() in content] == []
    assert [name for name in written if name.endswith("training_args.bin")] == []


def test_the_card_tells_metrics_and_source(pushed: tuple[LocalHub, Path], repo: Repo) -> None:
    text = repo.files["README.md"].decode()
    result = json.loads((pushed[1] / "results.json").read_text())
    card = ModelCard(text)
    scores = {entry.metric_type: entry.metric_value for entry in card.data.get("eval_results")}
    assert scores == {
        "accuracy": pytest.approx(result["uda"]["accuracy"], abs=1e-4),
        "f1": pytest.approx(result["uda"]["macro_f1"], abs=1e-4),
    }
    assert "1904.12848" in text
    assert "xie2020unsupervised" in text
    assert "me/tiny" in text


PULL = """
import json
from transformers import pipeline
print(json.dumps(pipeline("text-classification", model="me/tiny", device="cpu", top_k=None)(["w1 w2 w3"])[0]))
"""


def test_others_get_the_names_of_the_labels(pushed: tuple[LocalHub, Path], tmp_path: Path) -> None:
    env = {**pushed[0].environment(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    pull = subprocess.run([sys.executable, "-c", PULL], env=env, cwd=tmp_path, capture_output=True, text=True)
    theirs = {row["label"]: row["score"] for row in json.loads(finished(pull).stdout)}
    assert theirs.keys() == set(LABELS)
    classifier: Any = pipeline("text-classification", model=str(pushed[1] / "uda"), device="cpu", top_k=None)
    assert theirs == {row["label"]: row["score"] for row in classifier(["w1 w2 w3"])[0]}
