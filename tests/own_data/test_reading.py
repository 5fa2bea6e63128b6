"""Data as people have them: files of any kind, tables in memory, columns of other names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from textssl.errors import UserError
from textssl.own_data import OwnData, read_own_data
from textssl.own_data.opening import open_rows


TEXTS = ["a good film indeed", "a bad film indeed", "quite a good one", "quite a bad one"]
LABELS = ["good", "bad", "good", "bad"]
FRAME = pd.DataFrame({"text": TEXTS, "label": LABELS})


def rows_of(found: OwnData) -> list[tuple[Any, Any]]:
    return list(zip(found.rows[found.column][:], found.rows[found.label_column][:], strict=True))


@pytest.mark.parametrize(
    "data",
    [
        FRAME,
        FRAME.astype("category"),
        datasets.Dataset.from_pandas(FRAME),
        pa.Table.from_pandas(FRAME),
        FRAME.to_dict("records"),
        list(zip(TEXTS, LABELS, strict=True)),
        [[text, label] for text, label in zip(TEXTS, LABELS, strict=True)],
        FRAME.set_axis(["Review", "Sentiment"], axis=1),
        FRAME.set_axis(["sentence", "class"], axis=1),
        FRAME.set_axis(["some", "thing"], axis=1),
        FRAME[["label", "text"]].set_axis(["thing", "some"], axis=1),
        FRAME.assign(id=range(4), title="all the same, and long enough"),
    ],
    ids=lambda data: type(data).__name__,
)
def test_tables_in_memory(data: Any) -> None:
    found = read_own_data(data, "labeled")
    assert rows_of(found) == list(zip(TEXTS, LABELS, strict=True))
    assert found.modality == "text"


def test_what_was_chosen_is_said() -> None:
    found = read_own_data(FRAME.set_axis(["review", "stars"], axis=1), "labeled")
    assert found.notes == (
        "labeled: 'review' is taken as the column of texts",
        "labeled: 'stars' is taken as the column of labels",
    )
    assert read_own_data(FRAME, "labeled").notes == ()


@pytest.mark.parametrize("data", [TEXTS, pd.Series(TEXTS), np.array(TEXTS), tuple(TEXTS), FRAME[["text"]]])
def test_texts_alone(data: Any) -> None:
    found = read_own_data(data, "unlabeled")
    assert found.rows[found.column][:] == TEXTS
    assert found.label_column is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "labeled: got no rows"),
        (pd.DataFrame({"text": []}), "labeled: got no rows"),
        ({"text": TEXTS}, "labeled: got a dict; expected a pandas DataFrame"),
        (datasets.DatasetDict(train=datasets.Dataset.from_pandas(FRAME)), "labeled: got several splits, train"),
        ([1, 2], "labeled: got a list of int values"),
        (["a", ("b", "c")], "labeled: got a list of pairs and texts"),
        (7, "labeled: got int; expected"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "labeled: it has more than one column named 'text'"),
        (pd.DataFrame({"text": ["a", 1]}), "labeled: a column holds values of several kinds"),
        (
            pd.DataFrame({"one": TEXTS, "two": TEXTS, "three": LABELS}),
            "labeled: no column 'text' (text_column), and it cannot be told which one holds the texts; its columns "
            "are ['one', 'two', 'three']",
        ),
        (pd.DataFrame({"review": TEXTS, "comment": TEXTS}), "it cannot be told which one holds the texts"),
        (pd.DataFrame({"number": [1, 2]}), "it cannot be told which one holds the texts"),
    ],
)
def test_data_that_cannot_be_read(data: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_own_data(data, "labeled")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_named_columns_count() -> None:
    frame = FRAME.assign(body=TEXTS[::-1], topic=LABELS[::-1])
    found = read_own_data(frame, "labeled", text_column="body", label_column="topic")
    assert rows_of(found) == list(zip(TEXTS[::-1], LABELS[::-1], strict=True))
    assert found.notes == ()
    with pytest.raises(UserError, match=r"labeled: no column 'topics' \(label_column\)"):
        read_own_data(frame, "labeled", label_column="topics")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "b", "", " ", None, "NaN", "none"], [1, 1, 0, 0, 0, 0, 1]),
        ([0.0, 1.0, np.nan], [1, 1, 0]),
        ([True, False, None], [1, 1, 0]),
        ([0, 1, -1], [1, 1, 1]),
    ],
)
def test_rows_without_a_label(labels: list[Any], expected: list[int]) -> None:
    found = read_own_data(pd.DataFrame({"text": "a b c d", "label": pd.Series(labels, dtype=object)}), "labeled")
    assert found.has_label().astype(int).tolist() == expected


def test_a_class_label_of_minus_one_is_none() -> None:
    """As ``datasets`` has it in the test sets of GLUE."""
    kind = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, -1, 1, -1]}, features=kind)
    assert read_own_data(rows, "labeled").has_label().tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("content", "suffix", "expected", "labeled"),
    [
        (
            '"one, two and three",x\n"four and five",y\nsix,x\n',
            ".csv",
            ["one, two and three", "four and five", "six"],
            1,
        ),
        ("x;one two\ny;three four\nx;five six\n", ".csv", ["one two", "three four", "five six"], 1),
        ("1,one two\n2,three four\n1,five six\n", ".csv", ["one two", "three four", "five six"], 1),
        ("this is a text of words\nand this one\n", ".csv", ["this is a text of words", "and this one"], 0),
        ("text\none, two and three\nfour\n", ".csv", ["one, two and three", "four"], 0),
        (" text , label\none two,x\nthree,y\n", ".csv", ["one two", "three"], 1),
        ("one, two\n\nthree\n", ".txt", ["one, two", "three"], 0),
        ("text\tlabel\none, two\tx\n", ".txt", ["one, two"], 1),
        ("text,label\none two,x", ".csv", ["one two"], 1),
    ],
)
def test_files_without_a_header_or_with_an_odd_one(
    content: str, suffix: str, expected: list[str], labeled: int, tmp_path: Path
) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_text(content)
    found = read_own_data(path, "labeled")
    assert found.rows[found.column][:] == expected
    assert (found.label_column is not None) == bool(labeled)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "\n \n", "labeled: '{path}' is empty"),
        ("a.csv", "<!DOCTYPE html><p>404", "labeled: '{path}' holds a page of HTML or XML, not a table"),
        ("a.json", '{{"text": {{"0": "a"}}}}', "labeled: '{path}' is one object with the keys ['text']"),
        ("a", "text\na", "labeled: '{path}' has no suffix; allowed are .csv"),
        ("a.csv", "text,label\n,a\n ,b\n", "labeled: {path}: no row has a text in column 'text'"),
    ],
)
def test_files_that_cannot_be_read(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content.format())
    with pytest.raises(UserError) as caught:
        read_own_data(path, "labeled").without_blank_texts("labeled")
    assert str(caught.value).startswith(message.format(path=path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # Most of it is text, as in a workbook whose parts are stored.
        (b"PK\x03\x04\x14\0\0\0" + b"xl/sheet,of a book\n" * 20, "is a zip file or an Excel, "),
        (b"%PDF-1.4\n" + b"1 0 obj\n" * 20, "is a PDF file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is a PNG image"),
        (gzip.compress(b"text,label\na,b\n"), "is a gzip archive, not a table in text; let its name end in .gz"),
        (b"te\0xt,label\na b c,d\n", "has a zero byte in its first line"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_files_that_are_no_text(content: bytes, message: str, suffix: str, tmp_path: Path) -> None:
    """By both readers: whole, and in windows."""
    path = tmp_path / f"book{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as whole:
        read_own_data(path, "labeled")
    with pytest.raises(UserError, match=message) as windows:
        open_rows(str(path))
    assert str(path) in str(whole.value)
    assert str(path) in str(windows.value)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is empty"):
        read_own_data(tmp_path, "labeled")
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=r"is a folder; name one of its files, such as .*a\.csv"):
        read_own_data(tmp_path, "labeled")
    whole = datasets.Dataset.from_pandas(FRAME)
    whole.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict(train=whole, test=whole.select([0])).save_to_disk(str(tmp_path / "two"))
    assert len(read_own_data(tmp_path / "one", "labeled").rows) == 4
    assert len(read_own_data(tmp_path / "two", "labeled").rows) == 4
    assert len(read_own_data(tmp_path / "two", "test", splits=("test",)).rows) == 1
    with pytest.raises(UserError, match="holds several splits"):
        read_own_data(tmp_path / "two", "test", splits=("other",))


def loaded(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures in a folder, two of each class."""
    for number, label in enumerate(LABELS):
        (tmp_path / "all" / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (60 * number, 0, 0)).save(tmp_path / "all" / label / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("kind", ["folder", "csv", "file_name", "bytes", "parquet", "list", "frame"])
def test_images_are_recognised(kind: str, pictures: Path) -> None:
    names = sorted(str(path.relative_to(pictures)) for path in pictures.rglob("*.png"))
    labels = [Path(name).parent.name for name in names]
    table = pd.DataFrame({"path": names, "label": labels})
    data: Any = pictures / "all"
    if kind == "csv":
        data = pictures / "table.csv"
        table.to_csv(data, index=False)
    elif kind == "file_name":
        # As imagefolder of datasets has it.
        data = pictures
        table.rename(columns={"path": "file_name"}).to_csv(pictures / "metadata.csv", index=False)
    elif kind == "bytes":
        data = pd.DataFrame({"photo": [(pictures / name).read_bytes() for name in names], "label": labels})
    elif kind == "parquet":
        data = pictures / "table.parquet"
        rows = datasets.Dataset.from_dict({"image": [str(pictures / name) for name in names], "label": labels})
        rows.cast_column("image", datasets.Image()).to_parquet(data)
    elif kind == "list":
        data = [(loaded(pictures / name), label) for name, label in zip(names, labels, strict=True)]
    elif kind == "frame":
        data = table.assign(path=[str(pictures / name) for name in names])
    found = read_own_data(data, "labeled")
    assert found.modality == "image"
    reds = [image.getpixel((0, 0))[0] for image in found.rows[found.column][:]]
    assert reds == [60 * int(Path(name).stem) for name in names]
    feature = found.rows.features[found.label_column]
    told = found.rows[found.label_column][:]
    assert [feature.int2str(i) if isinstance(feature, datasets.ClassLabel) else i for i in told] == labels


def test_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in FRAME.to_numpy()))
    assert rows_of(read_own_data(path, "labeled")) == list(zip(TEXTS, LABELS, strict=True))
