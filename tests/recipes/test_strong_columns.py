"""Strong views that stand in the unlabeled file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.recipes.tiny_pictures import make_pictures, ran, run
from tests.recipes.tiny_task import TinyTask, error_line, write_jsonl
from textssl.augment import Column, OneOf
from textssl.cli import recipe


def texts_of(task: TinyTask) -> list[str]:
    return [json.loads(line)["text"] for line in (task.folder / "many.jsonl").read_text().splitlines()]


def flags(task: TinyTask, many: Path, **more: Any) -> dict[str, Any]:
    own = {"train_file": task.folder / "few.csv", "unlabeled_file": many, "model": task.folder / "model"}
    return {"method": "uda", **own, "max_length": 16, "baseline": False, **more}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the trainer of the method was given."""
    given: list[dict[str, Any]] = []
    factory = recipe.trainer_factory

    def noting(trainer_class: Any, config: Any, kind: Any, **changes: Any) -> Any:
        given.append({"views": dict(kind.augmentations), "unlabeled": kind.data.unlabeled})
        return factory(trainer_class, config, kind, **changes)

    monkeypatch.setattr(recipe, "trainer_factory", noting)
    return given


@pytest.mark.parametrize("backend", ["text", "features"])
@pytest.mark.parametrize("columns", ["mine", "mine, other"])
def test_a_column_is_the_strong_view(
    backend: str, columns: str, task: TinyTask, tmp_path: Path, seen: list[dict[str, Any]]
) -> None:
    texts = texts_of(task)
    rows = [{"text": text, "mine": f"m {text}", "other": f"o {text}", "left": 1} for text in texts]
    many = write_jsonl(tmp_path / "many.jsonl", rows)
    cache = {"embedding_cache": tmp_path / "cache"} if backend == "features" else {}
    done = ran("train.py", tmp_path / "out", **flags(task, many, strong=columns, backend=backend, **cache))
    assert f"strong view: column {columns.replace(', ', ' or ')}" in done.stderr
    view, unlabeled = seen[-1]["views"]["strong"], seen[-1]["unlabeled"]
    assert isinstance(view, OneOf)
    assert all(isinstance(choice, Column) for choice in view.choices)
    assert len(view.choices) == len(columns.split(","))
    if backend == "text":
        assert set(unlabeled.column_names) == {"text", *columns.split(", ")}
        row = unlabeled[3]
        changed = [choice(row, None)["text"] for choice in view.choices]
        assert changed == [f"{name[0]} {texts[3]}" for name in columns.split(", ")]
    else:
        row = unlabeled[3]
        changed = [choice(row, None)["features"] for choice in view.choices]
        assert all(list(vector) != list(row["features"]) for vector in changed)


@pytest.mark.parametrize(
    ("strong", "told"),
    [
        ("mime", "no further column 'mime'; did you mean mine?"),
        ("mine,otter", "no further column 'otter'; did you mean other?"),
        ("text", "no further column 'text'"),
        ("other", "column 'other' has no text in 2 of 60 rows, the first of which is row 7"),
        ("number", "column 'number' holds int64; expected texts"),
        (",", "no further column ','"),
    ],
)
def test_a_column_that_is_none(strong: str, told: str, task: TinyTask, tmp_path: Path) -> None:
    rows = [
        {"text": text, "mine": text, "other": {7: " ", 9: None}.get(n, text), "number": n}
        for n, text in enumerate(texts_of(task))
    ]
    done = run("train.py", tmp_path / "out", **flags(task, write_jsonl(tmp_path / "many.jsonl", rows), strong=strong))
    assert done.code == 2
    assert error_line(done.stderr).startswith(f"error: strong: got '{strong}'; ")
    assert told in error_line(done.stderr)
    assert not (tmp_path / "out").exists()


def test_images_have_none(tmp_path: Path) -> None:
    done = run("train.py", tmp_path / "out", method="uda", strong="mine", **make_pictures(tmp_path / "own"))
    assert error_line(done.stderr).startswith("error: strong: got 'mine'; the unlabeled data have no further column")
