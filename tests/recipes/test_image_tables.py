"""Tables of images, and tables whose columns have other names, are known without a flag."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from tests.contract.tiny_images import images
from tests.recipes.tiny_pictures import KINDS, ran, run
from tests.recipes.tiny_task import TinyTask
from textssl.cli.data.modality import modality_of_files
from textssl.cli.presets import presets_for


def saved_pictures(folder: Path, count: int, seed: int) -> list[tuple[str, str]]:
    """Files in the folder, each with its class."""
    folder.mkdir(parents=True)
    rows = []
    for number, (picture, label) in enumerate(zip(*images(count, seed), strict=True)):
        picture.save(folder / f"{number:02}.png")
        rows.append((f"{number:02}.png", KINDS[label]))
    return rows


def write(path: Path, header: list[str], rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def as_csv(folder: Path) -> Path:
    rows = saved_pictures(folder / "files", 12, 1)
    return write(folder / "few.csv", ["picture", "kind"], [(f"files/{name}", kind) for name, kind in rows])


def as_parquet(folder: Path) -> Path:
    rows = saved_pictures(folder, 12, 1)
    data = datasets.Dataset.from_dict(
        {"image": [str(folder / name) for name, _ in rows], "label": [k for _, k in rows]}
    )
    data = data.cast_column("image", datasets.Image()).map(lambda row: row)
    data.to_parquet(folder / "few.parquet")
    return folder / "few.parquet"


def as_image_folder(folder: Path) -> Path:
    rows = saved_pictures(folder / "few", 12, 1)
    write(folder / "few" / "metadata.csv", ["file_name", "label"], rows)  # type: ignore[arg-type]
    return folder / "few"


def as_jsonl(folder: Path) -> Path:
    rows = saved_pictures(folder, 12, 1)
    (folder / "few.jsonl").write_text("".join(json.dumps({"file_name": n, "label": k}) + "\n" for n, k in rows))
    return folder / "few.jsonl"


MADE = {"csv": as_csv, "parquet": as_parquet, "imagefolder": as_image_folder, "jsonl": as_jsonl}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
def test_a_table_of_images_is_trained_on_as_such(made: Any, tmp_path: Path) -> None:
    few = made(tmp_path / "own")
    unlabeled = tmp_path / "many"
    saved_pictures(unlabeled, 24, 2)
    assert modality_of_files(str(few), "auto") == "image"
    # The presets of images, not those of texts.
    assert presets_for("fixmatch")({"train_file": str(few)})["cpu"]["learning_rate"] == 2e-3
    label_column = {"label_column": "kind"} if few.suffix == ".csv" else {}
    done = ran(
        "train.py", tmp_path / "out", method="fixmatch", train_file=few, unlabeled_file=unlabeled, **label_column
    )
    assert "12 labeled, 24 unlabeled; strong view: randaugment" in done.printed
    config = json.loads((tmp_path / "out" / "fixmatch" / "config.json").read_text())
    assert [config["id2label"][str(i)] for i in range(3)] == list(KINDS)


def test_paths_are_texts_by_backend(tmp_path: Path) -> None:
    few = as_csv(tmp_path / "own")
    assert modality_of_files(str(few), "text") == "text"
    assert modality_of_files(str(few), "features") == "image"


def test_a_column_of_paths_and_of_text_is_text(tmp_path: Path) -> None:
    """A path here and there makes no image."""
    few = write(tmp_path / "few.csv", ["text", "label"], [("look at a.png", "x"), ("b.png", "y"), ("no", "x")])
    assert modality_of_files(str(few), "auto") == "text"


def test_columns_of_texts_are_found(task: TinyTask, tmp_path: Path) -> None:
    few = (task.folder / "few.csv").read_text().replace("text,label", "review,stars", 1)
    (tmp_path / "few.csv").write_text(few)
    flags = {"train_file": tmp_path / "few.csv", "model": task.folder / "model", "max_length": 16}
    done = ran("train.py", tmp_path / "out", method="supervised", **flags)
    assert "'review' is taken as the column of texts" in done.stderr
    assert "'stars' is taken as the column of labels" in done.stderr
    named = ran(
        "train.py", tmp_path / "named", method="supervised", **flags, text_column="review", label_column="stars"
    )
    assert "is taken as" not in named.stderr
    refused = run("train.py", tmp_path / "refused", **{**flags, "method": "supervised"}, text_column="body")
    assert "no column 'body' (text_column); its columns are ['review', 'stars']" in refused.stderr
