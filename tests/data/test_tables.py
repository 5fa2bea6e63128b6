from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict

from textssl.data.files import content_checksum, write_parquet
from textssl.data.tables import load_table, table_to_dataset, take_rows
from textssl.errors import UserError
from textssl.files import atomic_path


TEXTS = ['a "quoted", text', "two\nlines", "NA", "12", "naïve café"]
LABELS = ["good", "bad", "good", "bad", "ugly"]


def write_csv(path, delimiter=","):
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["text", "label"])
        writer.writerows(zip(TEXTS, LABELS, strict=True))


def rows():
    return [{"text": t, "label": y} for t, y in zip(TEXTS, LABELS, strict=True)]


WRITERS = {
    "t.csv": write_csv,
    "t.CSV": write_csv,
    "t.tsv": lambda path: write_csv(path, "\t"),
    "t.jsonl": lambda path: path.write_text("\n".join(json.dumps(row) for row in rows())),
    "t.json": lambda path: path.write_text(json.dumps(rows(), indent=1)),
    "lines.json": lambda path: path.write_text("\n".join(json.dumps(row) for row in rows())),
    "t.parquet": lambda path: pq.write_table(pa.table({"text": TEXTS, "label": LABELS}), path),
    "large.parquet": lambda path: pq.write_table(
        pa.table({"text": pa.array(TEXTS, pa.large_string()), "label": LABELS}), path
    ),
    "folder": lambda path: Dataset.from_list(rows()).save_to_disk(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_holds_the_same(tmp_path, name):
    WRITERS[name](tmp_path / name)
    dataset = load_table(tmp_path / name)
    assert dataset["text"][:] == TEXTS
    assert dataset["label"][:] == [1, 0, 1, 0, 2]
    assert dataset.features["label"].names == ["bad", "good", "ugly"]
    assert dataset.column_names == ["text", "label"]


@pytest.mark.parametrize("name", WRITERS)
def test_labels_follow_the_training_table(tmp_path, name):
    WRITERS[name](tmp_path / name)
    dataset = load_table(str(tmp_path / name), label_names=["ugly", "good", "bad", "odd"])
    assert dataset["label"][:] == [1, 2, 1, 2, 0]
    assert dataset.features["label"].names == ["ugly", "good", "bad", "odd"]
    with pytest.raises(UserError, match=r"label 'ugly' in row 4 .* known labels \['good', 'bad'\]"):
        load_table(tmp_path / name, label_names=["good", "bad"])


def csv_file(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("labels", "names", "ids", "expected"),
    [
        ([0, 1, 1], None, [0, 1, 1], ["0", "1"]),
        ([0, 3, 1], None, [0, 3, 1], ["0", "1", "2", "3"]),
        ([5, 1, 3], None, [2, 0, 1], ["1", "3", "5"]),
        ([5, 1, 3], ["1", "2", "3", "4", "5"], [4, 0, 2], ["1", "2", "3", "4", "5"]),
        ([0, 1, 1], ["negative", "positive"], [0, 1, 1], ["negative", "positive"]),
        ([0, 50_000], None, [0, 1], ["0", "50000"]),
    ],
)
def test_integer_labels(tmp_path, labels, names, ids, expected):
    lines = "".join(f"x,{label}\n" for label in labels)
    dataset = load_table(csv_file(tmp_path, "text,label\n" + lines), label_names=names)
    assert dataset["label"][:] == ids
    assert dataset.features["label"].names == expected


def test_class_names_survive_parquet_and_are_mapped_by_name(tmp_path):
    table = table_to_dataset(pa.table({"text": ["a", "b"], "label": [1, 0]}), label=["no", "yes"])
    write_parquet(table, tmp_path / "t.parquet")
    assert load_table(tmp_path / "t.parquet").features["label"] == ClassLabel(names=["no", "yes"])
    swapped = load_table(tmp_path / "t.parquet", label_names=["yes", "no"])
    assert swapped["label"][:] == [0, 1]
    with pytest.raises(UserError, match="label 'yes' in row 0"):
        load_table(tmp_path / "t.parquet", label_names=["no"])


def test_other_columns_and_a_byte_order_mark_are_kept_and_skipped(tmp_path):
    path = csv_file(tmp_path, "\ufeffid,label,review,view\n7,b,good,bon\n8,a,bad,mal\n")
    dataset = load_table(path, text_column="review")
    assert dataset.column_names == ["id", "label", "review", "view"]
    assert dataset[0] == {"id": 7, "label": 1, "review": "good", "view": "bon"}


def test_an_unlabeled_table(tmp_path):
    dataset = load_table(csv_file(tmp_path, "text\nx\ny\n"), label_column=None)
    assert dataset["text"][:] == ["x", "y"]


def test_objects_with_different_keys(tmp_path):
    path = csv_file(tmp_path, '[{"text": "a"}, {"text": "b", "more": 1}]', "t.json")
    assert load_table(path, label_column=None)["more"][:] == [None, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "path: .* is empty"),
        ("t.csv", "text,label\n", "path: .* holds no rows"),
        ("t.csv", "\n\n", "is empty"),
        ("t.csv", "text,label\na,b,c\n", "path: cannot read .* Expected 2 columns, got 3"),
        ("t.csv", "review,label\na,1\n", r"no column 'text' .* \['review', 'label'\]"),
        ("t.csv", "text,stars\na,1\n", r"no column 'label' .* \['text', 'stars'\]"),
        ("t.csv", "text,text,label\na,b,1\n", "more than one column named 'text'"),
        ("t.csv", b"text,label\n\x81\x8d,1\n", "has an encoding that cannot be detected reliably"),
        ("t.csv", "text,label\na,1\nb,\n", "no label in 1 of 2 rows; the first is row 1"),
        ("t.csv", "text,label\na,x\nb,\n", "no label in 1 of 2 rows; the first is row 1"),
        ("t.csv", "text,label\na,0\nb,-1\n", "label -1 in row 1 .* label_column=None"),
        ("t.csv", "text,label\na,0.5\n", "holds fractions; labels are integers or strings"),
        ("t.xlsx", "x", r"ends in '.xlsx'; allowed are .csv, .tsv, .jsonl, .json, .parquet"),
        ("table", "x", "has no suffix; allowed are"),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text": 2, "label": 1}\n', "number in row 1"),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"te', "path: cannot read"),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"label": 1}\n', "no text in 1 of 2 .* is row 1"),
        ("t.jsonl", '{"text": 3, "label": 1}\n', "holds int64, not strings; row 0 is 3"),
        ("t.json", '[{"text": "a", "label": 1}', "path: cannot read"),
        ("t.json", "[]", "holds no rows"),
        ("t.json", "[1, 2]", "array of something else than objects"),
        ("t.json", '[{"text": "a"}, {"text": 1}]', "path: cannot read"),
        ("t.json", '{"a": ', "path: cannot read"),
        ("t.parquet", "not parquet", "path: cannot read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = csv_file(tmp_path, content, name)
    with pytest.raises(UserError, match=message) as caught:
        load_table(path)
    assert "\n" not in str(caught.value)


def test_integers_outside_the_known_labels(tmp_path):
    path = csv_file(tmp_path, "text,label\na,0\nb,2\n")
    with pytest.raises(UserError, match=r"label 2 in row 1 .* ids 0 to 1 .*\['no', 'yes'\]"):
        load_table(path, label_names=["no", "yes"])
    with pytest.raises(UserError, match=r"label '2' in row 1 .* known labels \['0', '1'\]"):
        load_table(path, label_names=["0", "1"])


def test_folders_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        load_table(tmp_path / "none.csv")
    with pytest.raises(UserError, match="was not written by datasets"):
        load_table(tmp_path)
    saved = tmp_path / "splits"
    DatasetDict(train=Dataset.from_list(rows())).save_to_disk(saved)
    with pytest.raises(UserError, match=r"holds several splits \['train'\]; name one, such as .*"):
        load_table(saved)
    assert len(load_table(saved / "train")) == 5
    (saved / "train" / "state.json").write_text("{")
    with pytest.raises(UserError, match="cannot read the data set in"):
        load_table(saved / "train")


def test_a_folder_with_a_program_runs_nothing(tmp_path):
    folder = tmp_path / "data"
    Dataset.from_list(rows()).save_to_disk(folder)
    for name in ("data.py", "__init__.py", "dataset.py"):
        (folder / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert len(load_table(folder)) == 5
    assert not (tmp_path / "ran").exists()


def test_one_checksum_however_the_values_are_held(tmp_path):
    texts = [f"text {i}" * (i % 7) for i in range(20_000)]
    labels = [i % 3 for i in range(20_000)]
    plain = Dataset.from_dict({"text": texts, "label": labels})
    first = content_checksum(plain, ["text", "label"])
    large = pa.chunked_array([texts[:5], texts[5:13_001], texts[13_001:]], pa.large_string())
    small = pa.array(labels, pa.int8())
    named = table_to_dataset(pa.table({"label": small, "text": large}), label=["a", "b", "c"])
    assert content_checksum(named, ["text", "label"]) == first
    write_parquet(named, tmp_path / "t.parquet")
    assert content_checksum(load_table(tmp_path / "t.parquet"), ["text", "label"]) == first
    reverse = list(range(19_999, -1, -1))
    assert content_checksum(plain.select(reverse).select(reverse), ["text", "label"]) == first


def test_each_change_changes_the_checksum():
    base = {"text": ["ab", "c", ""], "label": [0, 1, 0], "pixels": [[1, 2], [3], []]}
    columns = list(base)
    changes = [
        {},
        {"text": ["a", "bc", ""]},
        {"text": ["ab", "", "c"]},
        {"label": [0, 1, 1]},
        {"label": [1, 0, 0]},
        {"pixels": [[1], [2, 3], []]},
        {"pixels": [[1, 2], [4], []]},
    ]
    sums = {content_checksum(Dataset.from_dict({**base, **c}), columns) for c in changes}
    assert len(sums) == len(changes)


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_taken_rows_keep_their_features():
    names = ["no", "yes"]
    dataset = table_to_dataset(pa.table({"text": list("abc"), "label": [1, 0, 1]}), label=names)
    taken = take_rows(dataset, np.array([2, 0]), {"row": pa.array([2, 0])})
    assert taken[:] == {"text": ["c", "a"], "label": [1, 1], "row": [2, 0]}
    assert taken.features["label"].names == names


def test_spaces_around_labels_are_stripped_and_told(tmp_path, caplog):
    dataset = load_table(csv_file(tmp_path, "text,label\na,tech\nb,sport \nc, tech\nd,sport\n"))
    assert dataset.features["label"].names == ["sport", "tech"]
    assert dataset["label"][:] == [1, 0, 1, 0]
    (record,) = caplog.records
    assert (
        "spaces around 2 labels of column 'label' are stripped; the first is 'sport ' in row 1" in record.getMessage()
    )


def test_booleans_have_names(tmp_path):
    dataset = load_table(csv_file(tmp_path, "text,label\na,true\nb,false\n"))
    assert dataset.features["label"].names == ["False", "True"]
    assert dataset["label"][:] == [1, 0]
    swapped = load_table(csv_file(tmp_path, "text,label\na,true\nb,false\n"), label_names=["True", "False"])
    assert swapped["label"][:] == [0, 1]


def test_a_part_without_the_labels_that_are_words_is_read_by_names(tmp_path):
    """Labels 1, 2 and "other" are strings; a part of 1 and 2 alone is read as integers, which are no class numbers."""
    names = load_table(csv_file(tmp_path, "text,label\na,1\nb,2\nc,other\n")).features["label"].names
    part = load_table(csv_file(tmp_path, "text,label\na,2\nb,1\n", "part.csv"), label_names=names)
    assert [names[i] for i in part["label"]] == ["2", "1"]
    with pytest.raises(UserError, match="label '0' in row 0"):
        load_table(csv_file(tmp_path, "text,label\na,0\nb,1\n", "part.csv"), label_names=names)
    names = load_table(csv_file(tmp_path, "text,label\na,true\nb,false\nc,unsure\n")).features["label"].names
    part = load_table(csv_file(tmp_path, "text,label\na,true\nb,false\n", "part.csv"), label_names=names)
    assert [names[i] for i in part["label"]] == ["true", "false"]
