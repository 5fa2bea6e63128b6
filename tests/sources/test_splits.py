from __future__ import annotations

import json

import numpy as np
import pytest

from textssl.errors import UserError
from textssl.sources.splits import Split, few_labels, hold_out, stratified_rows


# 60 rows of class 0, 30 of class 1, 10 of class 2, interleaved.
LABELS = np.random.default_rng(5).permutation(np.repeat([0, 1, 2], [60, 30, 10]))


def counts(rows: np.ndarray) -> list[int]:
    return np.bincount(LABELS[rows], minlength=3).tolist()


def test_counts_by_hand():
    split = few_labels(LABELS, seed=0, per_class=4, validation=20)
    assert counts(split.labeled) == [4, 4, 4]
    assert counts(split.validation) == [12, 6, 2]
    assert counts(split.unlabeled) == [44, 20, 4]
    assert (split.num_rows, split.seed) == (100, 0)


@pytest.mark.parametrize(("total", "expected"), [(3, [1, 1, 1]), (7, [3, 2, 2]), (8, [3, 3, 2])])
def test_a_total_is_shared_out_as_equally_as_possible(total, expected):
    assert counts(few_labels(LABELS, seed=1, total=total).labeled) == expected


def test_largest_remainders_by_hand():
    # Shares of 7 in proportions 60:30:10 are 4.2, 2.1, 0.7: floors 4, 2, 0 and one to class 2.
    assert counts(few_labels(LABELS, seed=0, total=3, validation=7).validation) == [4, 2, 1]
    # Shares of 5 are 3, 1.5, 0.5: of equal remainders the smaller class wins.
    assert counts(few_labels(LABELS, seed=0, total=3, validation=5).validation) == [3, 2, 0]


@pytest.mark.parametrize("seed", range(5))
def test_parts_are_disjoint_and_cover_all_rows(seed):
    split = few_labels(LABELS, seed=seed, total=11, validation=13)
    parts = [set(split.labeled.tolist()), set(split.unlabeled.tolist())]
    parts.append(set(split.validation.tolist()))
    assert [len(part) for part in parts] == [11, 76, 13]
    assert set.union(*parts) == set(range(100))


def test_each_seed_draws_its_own_set_and_the_same_one_again():
    drawn = [tuple(few_labels(LABELS, seed=seed, total=9).labeled) for seed in range(10)]
    assert len(set(drawn)) == 10
    assert few_labels(LABELS, seed=3, total=9) == few_labels(LABELS.tolist(), seed=3, total=9)


def test_a_smaller_labeled_set_is_part_of_a_larger_one():
    previous: set[int] = set()
    for total in range(3, 31):
        labeled = set(few_labels(LABELS, seed=2, total=total).labeled.tolist())
        assert previous < labeled
        previous = labeled


def test_labeled_and_validation_rows_do_not_move_each_other():
    base = few_labels(LABELS, seed=4, total=6, validation=10)
    assert np.array_equal(base.labeled, few_labels(LABELS, seed=4, total=6, validation=30).labeled)
    assert np.array_equal(base.validation, few_labels(LABELS, seed=4, total=12, validation=10).validation)


def test_the_global_generator_is_not_touched():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    few_labels(LABELS, seed=4, total=6, validation=10)
    assert np.array_equal(before, np.random.get_state()[1])


def test_rows_of_unknown_label_stay_unlabeled():
    labels = np.array([0, -1, 1, -1, 0, 1])
    split = few_labels(labels, seed=0, per_class=2)
    assert split.labeled.tolist() == [0, 2, 4, 5]
    assert split.unlabeled.tolist() == [1, 3]


def test_every_row_is_drawn_about_equally_often():
    labels = np.repeat([0, 1], 10)
    drawn = np.concatenate([few_labels(labels, seed=s, total=4).labeled for s in range(2000)])
    # 2000 draws of 2 in 10: 400 a row, with a standard deviation of 18.
    assert np.all(np.abs(np.bincount(drawn, minlength=20) - 400) < 5 * 18)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"per_class": 11}, "class 'rare' has 10 examples, fewer than the 11 labeled"),
        ({"per_class": 10, "validation": 10}, "class 'rare' has 10 .* and 1 validation"),
        ({"total": 2}, "total: expected an integer of at least 3, got 2"),
        ({"per_class": 0}, "per_class: expected an integer of at least 1, got 0"),
        ({"per_class": 1.5}, "per_class: .* got 1.5"),
        ({"per_class": True}, "per_class: .* got True"),
        ({}, "give one of them, got per_class=None, total=None"),
        ({"per_class": 1, "total": 3}, "give one of them"),
        ({"total": 3, "validation": 101}, "validation: 101 asked for, and 100"),
        ({"total": 3, "validation": -1}, "validation: .* at least 0, got -1"),
        ({"total": 3, "seed": -1}, "seed: .* at least 0, got -1"),
    ],
)
def test_sizes_that_cannot_work(arguments, message):
    with pytest.raises(UserError, match=message):
        few_labels(LABELS, **{"seed": 0, "label_names": ["often", "some", "rare"], **arguments})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "there are none"),
        ([0.5, 1.0], "expected N integers"),
        ([[0, 1]], "shape"),
        ([0, -2], "-2 in row 1"),
        ([-1, -1], "0 classes"),
        ([0, 2], "class '1' has 0 examples"),
    ],
)
def test_labels_that_cannot_work(labels, message):
    with pytest.raises(UserError, match=message):
        few_labels(labels, seed=0, per_class=1)


def test_a_class_that_only_the_names_know_has_no_examples():
    with pytest.raises(UserError, match="class 'c' has 0 examples"):
        few_labels([0, 1], seed=0, per_class=1, label_names=["a", "b", "c"])
    with pytest.raises(UserError, match="the largest id is 1, and there are 1 classes"):
        few_labels([0, 1], seed=0, per_class=1, label_names=["a"])


def test_hold_out():
    kept, held = hold_out(LABELS, 20, seed=0)
    assert counts(held) == [12, 6, 2]
    assert sorted([*kept, *held]) == list(range(100))
    assert np.array_equal(held, hold_out(LABELS, 20, seed=0)[1])
    assert not np.array_equal(held, hold_out(LABELS, 20, seed=1)[1])


@pytest.mark.parametrize(
    ("labels", "size", "message"),
    [
        ([0, 1], 2, "size: 2 of 2 rows"),
        ([0, 1], 0, "size: .* at least 1"),
        ([0, -1, 1], 1, "row 1 has no label"),
    ],
)
def test_hold_out_that_cannot_work(labels, size, message):
    with pytest.raises(UserError, match=message):
        hold_out(labels, size, seed=0)


@pytest.fixture
def saved(tmp_path):
    split = few_labels(LABELS, seed=7, total=9, validation=5, checksum="abc", source="a table")
    split.save(tmp_path / "split.json")
    return split, tmp_path / "split.json"


def test_save_and_load(saved):
    split, path = saved
    assert [entry.name for entry in path.parent.iterdir()] == ["split.json"]
    loaded = Split.load(path, checksum="abc")
    assert loaded == split
    assert loaded.labeled.dtype == np.int64
    assert (loaded.seed, loaded.checksum, loaded.source) == (7, "abc", "a table")


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    path = saved[1]
    before = path.read_bytes()

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        few_labels(LABELS, seed=8, total=9).save(path)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_a_split_of_other_data(saved):
    with pytest.raises(UserError, match="made for other data"):
        Split.load(saved[1], checksum="abd")


def test_a_split_changed_by_hand(saved):
    content = json.loads(saved[1].read_text())
    content["labeled"][0], content["unlabeled"][0] = (
        content["unlabeled"][0],
        content["labeled"][0],
    )
    saved[1].write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"split '.*split.json': its contents do not match"):
        Split.load(saved[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "not a file of format"), ("[1]", "not a file of format"), ("", "not whole JSON")],
)
def test_files_that_are_no_split(saved, text, message):
    saved[1].write_text(text)
    with pytest.raises(UserError, match=message):
        Split.load(saved[1])


def test_a_split_cut_off_anywhere(saved):
    whole = saved[1].read_bytes().rstrip()
    for size in range(0, len(whole), 37):
        saved[1].write_bytes(whole[:size])
        with pytest.raises(UserError, match="not whole JSON"):
            Split.load(saved[1])


def test_a_binary_and_a_missing_file(saved):
    saved[1].write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not whole JSON"):
        Split.load(saved[1])
    with pytest.raises(UserError, match="cannot be read: No such file"):
        Split.load(saved[1].with_name("none.json"))


def test_parts_must_cover_the_rows_once():
    with pytest.raises(UserError, match="rows 0 to 3 once"):
        Split(np.array([0]), np.array([0, 1]), np.array([2]), seed=0, num_rows=4)


@pytest.mark.parametrize(
    ("size", "expected"),
    # Of 60, 30, 9 and 1: the whole part of each share, the rest by the largest remainders, and at least one, taken
    # from the largest class: 6, 3, .9 and .1; 2.4, 1.2, .36 and .04; 30, 15, 4.5 and .5.
    [(10, [5, 3, 1, 1]), (4, [1, 1, 1, 1]), (50, [29, 15, 5, 1]), (100, [60, 30, 9, 1])],
)
def test_stratified_rows(size, expected):
    labels = np.repeat([0, 1, 2, 3], [60, 30, 9, 1])
    np.random.default_rng(0).shuffle(labels)
    rows = stratified_rows(labels, size, seed=3)
    assert np.bincount(labels[rows], minlength=4).tolist() == expected
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert rows.tolist() == stratified_rows(labels, size, seed=3).tolist()
    assert size == 100 or rows.tolist() != stratified_rows(labels, size, seed=4).tolist()
    for wrong in (3, 101):
        with pytest.raises(UserError, match="size"):
            stratified_rows(labels, wrong, seed=0)
