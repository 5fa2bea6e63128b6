from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features
from PIL import Image

from textssl.errors import UserError
from textssl.modalities.image.folder import load_image_folder, load_images
from textssl.modalities.image.validation import check_images


def draw(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), value).save(path, "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else None)


def png(value: int) -> bytes:
    file = BytesIO()
    Image.new("L", (4, 3), value).save(file, "PNG")
    return file.getvalue()


def values(dataset: Dataset, column: str = "image") -> list[int]:
    return [int(np.asarray(image).mean()) for image in dataset[column]]


@pytest.fixture
def pets(tmp_path) -> Path:
    root = tmp_path / "pets"
    draw(root / "dog" / "b.PNG", 30)
    draw(root / "dog" / "a.jpeg", 20)
    draw(root / "cat" / "deep" / "er" / "z.bmp", 11)
    draw(root / "cat" / "y.webp", 10)
    draw(root / "cat" / "x.tif", 12)
    draw(root / "cat" / ".hidden.png", 99)
    draw(root / ".cache" / "no.png", 99)
    (root / "cat" / "notes.txt").write_text("no image")
    (root / "README.md").write_text("no image")
    return root


def test_sub_folders_are_classes(pets):
    dataset = load_image_folder(pets)
    assert dataset.column_names == ["image", "label", "file"]
    assert dataset.features["label"] == ClassLabel(names=["cat", "dog"])
    assert isinstance(dataset.features["image"], datasets.Image)
    assert dataset["file"][:] == ["cat/x.tif", "cat/y.webp", "cat/deep/er/z.bmp", "dog/a.jpeg", "dog/b.PNG"]
    assert dataset["label"][:] == [0, 0, 0, 1, 1]
    assert values(dataset) == [12, 10, 11, 20, 30]
    assert check_images(dataset, "image", "pets") is dataset


def test_images_are_opened_late_and_from_anywhere(pets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (pets / "dog" / "broken.png").write_bytes(b"no image")
    dataset = load_image_folder("pets")
    monkeypatch.chdir("/")
    assert values(dataset.select(range(4))) == [12, 10, 11, 20]
    with pytest.raises(UserError, match=r"1 of 6 images cannot be decoded; the first is row 5, '.*broken\.png'"):
        check_images(dataset, "image", "pets")


def test_an_unlabeled_folder_is_flat(pets):
    draw(pets / "top.gif", 5)
    dataset = load_image_folder(pets, labeled=False)
    assert dataset.column_names == ["image", "file"]
    assert dataset["file"][:] == ["top.gif", "cat/x.tif", "cat/y.webp", "cat/deep/er/z.bmp", "dog/a.jpeg", "dog/b.PNG"]


def test_the_names_of_training_give_the_ids(pets):
    names = ["dog", "bird", "cat"]
    dataset = load_image_folder(pets, label_names=names)
    assert dataset.features["label"].names == names
    assert dataset["label"][:] == [2, 2, 2, 0, 0]
    (pets / "bird").mkdir()
    assert load_image_folder(pets, label_names=names)["label"][:] == [2, 2, 2, 0, 0]
    with pytest.raises(UserError, match=r"class folder '.*/cat' is not among the known labels \['dog'\]"):
        load_image_folder(pets, label_names=["dog"])


def test_folders_that_cannot_work(pets, tmp_path):
    with pytest.raises(UserError, match=r"^path: no such folder: '.*gone'$"):
        load_image_folder(tmp_path / "gone")
    with pytest.raises(UserError, match="no such folder"):
        load_image_folder(pets / "README.md")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    for labeled in (True, False):
        with pytest.raises(UserError, match=r"no images in .*empty'; images are files \.png, \.jpg, .*\.tiff$"):
            load_image_folder(tmp_path / "empty", labeled=labeled)
    (pets / "bird").mkdir()
    with pytest.raises(UserError, match=r"class folder '.*bird' holds no images"):
        load_image_folder(pets)
    (pets / "bird").rmdir()
    draw(pets / "stray.png", 1)
    with pytest.raises(UserError, match=r"image '.*stray\.png' lies in no class folder"):
        load_image_folder(pets)


def test_links_are_followed_and_loops_end(pets, tmp_path):
    before = load_image_folder(pets)["file"][:]
    (pets / "cat" / "loop").symlink_to(pets / "cat", target_is_directory=True)
    (pets / "dog" / "up").symlink_to(pets, target_is_directory=True)
    (pets / "self").symlink_to(pets / "self")
    assert load_image_folder(pets)["file"][:] == before
    assert len(load_image_folder(pets, labeled=False)) == len(before)
    draw(tmp_path / "elsewhere" / "e.png", 1)
    (pets / "emu").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    dataset = load_image_folder(pets)
    assert dataset.features["label"].names == ["cat", "dog", "emu"]
    assert dataset["file"][-1:] == ["emu/e.png"]


def test_a_link_that_leads_nowhere_is_found_by_the_check(pets):
    (pets / "dog" / "lost.png").symlink_to(pets / "nowhere.png")
    with pytest.raises(UserError, match=r"row 5, '.*lost\.png': FileNotFoundError"):
        check_images(load_image_folder(pets), "image", "pets")


def test_a_folder_that_may_not_be_read(pets, monkeypatch):
    scandir = os.scandir

    def refuse(folder):
        if Path(folder).name == "dog":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot read the folder '.*dog': Permission denied"):
        load_image_folder(pets)


def test_load_images_of_a_folder(pets):
    dataset = load_images(pets, "picture", "kind")
    assert dataset.column_names == ["picture", "kind", "file"]
    assert values(dataset, "picture") == [12, 10, 11, 20, 30]
    assert load_images(pets).column_names == ["image", "label", "file"]
    assert load_images(pets, label_column=None).column_names == ["image", "file"]


def stored(labels: list) -> Dataset:
    dataset = Dataset.from_dict({"image": [{"bytes": png(v), "path": None} for v in (1, 2, 3)], "label": labels})
    return dataset.cast_column("image", datasets.Image())


def test_load_images_of_a_saved_data_set(tmp_path):
    stored(["dog", "cat", "dog"]).save_to_disk(tmp_path / "saved")
    dataset = load_images(tmp_path / "saved")
    assert values(dataset) == [1, 2, 3]
    assert (dataset["label"][:], dataset.features["label"].names) == ([1, 0, 1], ["cat", "dog"])
    assert load_images(tmp_path / "saved", label_names=["dog", "cat"])["label"][:] == [0, 1, 0]
    with pytest.raises(UserError, match=r"label 'dog' in row 0 .* is not among the known labels \['cat'\]"):
        load_images(tmp_path / "saved", label_names=["cat"])
    assert load_images(tmp_path / "saved", label_column=None)["label"][:] == ["dog", "cat", "dog"]
    undecoded = stored([0, 1, 1]).cast_column("image", datasets.Image(decode=False))
    undecoded.save_to_disk(tmp_path / "undecoded")
    assert values(load_images(tmp_path / "undecoded")) == [1, 2, 3]
    DatasetDict(train=stored([0, 1, 1])).save_to_disk(tmp_path / "splits")
    with pytest.raises(UserError, match=r"several splits \['train'\]; name one"):
        load_images(tmp_path / "splits")


def test_load_images_of_parquet(tmp_path):
    stored([0, 1, 1]).to_parquet(tmp_path / "a.parquet")
    dataset = load_images(tmp_path / "a.parquet")
    assert (values(dataset), dataset["label"][:]) == ([1, 2, 3], [0, 1, 1])
    files = [{"bytes": png(v), "path": "some/name.png"} for v in (4, 5)]
    for number, column in enumerate((pa.array(files), pa.array([f["bytes"] for f in files]))):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"scan": column, "label": ["a", "b"]}), path)
        assert values(load_images(path, "scan"), "scan") == [4, 5]
        chunks = pa.chunked_array([column.slice(0, 1), column.slice(1).cast(column.type)])
        pq.write_table(pa.table({"scan": chunks, "label": ["a", "b"]}), path, row_group_size=1)
        assert values(load_images(path, "scan", None), "scan") == [4, 5]


def test_paths_are_relative_to_the_table(pets, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    rows = [("dog/a.jpeg", "dog"), (str(pets / "cat" / "x.tif"), "cat")]
    (pets / "t.csv").write_text("image,label\n" + "".join(f"{path},{label}\n" for path, label in rows))
    (pets / "t.tsv").write_text("image\tlabel\n" + "".join(f"{path}\t{label}\n" for path, label in rows))
    objects = [{"image": path, "label": label} for path, label in rows]
    (pets / "t.jsonl").write_text("".join(json.dumps(item) + "\n" for item in objects))
    (pets / "t.json").write_text(json.dumps(objects))
    nested = [{**item, "image": {"path": item["image"]}} for item in objects]
    (pets / "n.jsonl").write_text("".join(json.dumps(item) + "\n" for item in nested))
    mixed = [{"bytes": None, "path": "dog/a.jpeg"}, {"bytes": png(7), "path": "dog/a.jpeg"}]
    pq.write_table(pa.table({"image": mixed, "label": ["dog", "cat"]}), pets / "m.parquet")
    for name in ("t.csv", "t.tsv", "t.jsonl", "t.json", "n.jsonl", "m.parquet"):
        dataset = load_images(pets / name)
        assert values(dataset) == [20, 7 if name == "m.parquet" else 12], name
        assert dataset["label"][:] == [1, 0], name
        assert dataset.column_names == ["image", "label"]


def test_images_that_a_table_lacks(pets):
    (pets / "t.csv").write_text("image,label\ndog/a.jpeg,dog\nmissing.png,cat\n")
    with pytest.raises(UserError, match=r"1 of 2 .*row 1, '.*pets/missing\.png': FileNotFoundError"):
        check_images(load_images(pets / "t.csv"), "image", "train_file")
    pq.write_table(pa.table({"image": pa.array([None, png(1)]), "label": ["a", "b"]}), pets / "t.parquet")
    with pytest.raises(UserError, match=r"the first is row 0: no image"):
        check_images(load_images(pets / "t.parquet"), "image", "train_file")


def test_tables_that_hold_no_images(tmp_path):
    for column in ([1, 2], [[1, 2], [3, 4]], [{"bytes": b"", "size": 3}] * 2):
        pq.write_table(pa.table({"image": column, "label": [0, 1]}), tmp_path / "t.parquet")
        with pytest.raises(
            UserError, match=r"column 'image' holds .*; images are the feature datasets.Image, a struct"
        ):
            load_images(tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"no column 'scan' \(image_column\); its columns are \['image', 'label'\]"):
        load_images(tmp_path / "t.parquet", "scan")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UserError, match="is empty"):
        load_images(tmp_path / "empty.jsonl")
    (tmp_path / "t.csv").write_text("image,label\n")
    with pytest.raises(UserError, match="holds no rows"):
        load_images(tmp_path / "t.csv")
    with pytest.raises(UserError, match="no such file or folder"):
        load_images(tmp_path / "gone")
    (tmp_path / "a.zip").touch()
    with pytest.raises(UserError, match=r"ends in '\.zip'; allowed are"):
        load_images(tmp_path / "a.zip")


def test_labels_of_tables(tmp_path):
    table = pa.table({"image": [png(1), png(2), png(3)], "stars": [5, 1, 5]})
    pq.write_table(table, tmp_path / "t.parquet")
    dataset = load_images(tmp_path / "t.parquet", label_column="stars")
    assert (dataset["stars"][:], dataset.features["stars"].names) == ([1, 0, 1], ["1", "5"])
    with pytest.raises(UserError, match="no column 'label'"):
        load_images(tmp_path / "t.parquet")
    negative = Features({"image": datasets.Image(), "label": ClassLabel(names=["a"])})
    rows = {"image": [{"bytes": png(1), "path": None}], "label": [-1]}
    Dataset.from_dict(rows, negative).to_parquet(tmp_path / "n.parquet")
    with pytest.raises(UserError, match=r"label -1 in row 0 .* is negative"):
        load_images(tmp_path / "n.parquet")
