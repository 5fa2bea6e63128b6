"""Indexes against a naive scan: what they find, what they are built of, what they refuse."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.retrieval.made_up import HashEncoder, made_up_bank, made_up_embeddings, sentence, unit
from textssl.errors import UserError
from textssl.retrieval import Index, build_index, merge_index, open_index, search


QUERIES = np.stack([unit(f"query {number}") for number in range(20)]).astype(np.float32)


def naive(bank, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every inner product, one by one, by texts alone."""
    vectors = [unit(text) for text in bank.texts(range(len(bank)))]
    scores = np.array([[float(query @ vector) for vector in vectors] for query in queries])
    rows = np.argsort(-scores, axis=1)[:, :k]
    return np.take_along_axis(scores, rows, 1), rows


def built(embeddings, folder: Path, **settings) -> Index:
    return build_index(embeddings, folder, progress=False, **settings)


def recall(found: np.ndarray, right: np.ndarray) -> float:
    return float(np.mean([len({*f} & {*r}) / len(r) for f, r in zip(found.tolist(), right.tolist(), strict=True)]))


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.glob("*.faiss"))}


def test_a_flat_index_is_a_scan(bank, embeddings, tmp_path: Path) -> None:
    index = built(embeddings, tmp_path)
    assert index.facts.kind == "flat"
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]
    scores, rows = search(index, QUERIES, 10)
    right_scores, right_rows = naive(bank, QUERIES, 10)
    # Half precision may exchange two that are equally near.
    np.testing.assert_allclose(scores, right_scores, atol=2e-3)
    assert recall(rows, right_rows) > 0.97
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_an_index_with_all_lists_finds_what_a_scan_does(kind, bank, embeddings, tmp_path: Path) -> None:
    index = built(embeddings, tmp_path, kind=kind, nlist=8, nprobe=8, rerank=20)
    scores, rows = search(index, QUERIES, 10)
    exact_scores, exact_rows = search(index, QUERIES, 10, exact=True)
    assert recall(rows, exact_rows) >= (1 if kind == "ivf" else 0.95)
    same = rows == exact_rows
    np.testing.assert_allclose(scores[same], exact_scores[same], atol=1e-6)
    assert recall(exact_rows, naive(bank, QUERIES, 10)[1]) > 0.97


def test_a_graph_with_a_wide_view_finds_what_a_scan_does(embeddings, tmp_path: Path) -> None:
    """Each shard is a graph by itself; a walk that keeps half of the bank in view misses next to nothing."""
    index = built(embeddings, tmp_path, kind="hnsw", nprobe=250, rerank=2)
    assert [part.ntotal for part in index.parts] == [len(block) for block in shard_rows(embeddings)]
    scores, rows = search(index, QUERIES, 10)
    exact_scores, exact_rows = search(index, QUERIES, 10, exact=True)
    assert recall(rows, exact_rows) > 0.99
    same = rows == exact_rows
    np.testing.assert_allclose(scores[same], exact_scores[same], atol=1e-6)
    # All of the bank, each sentence once, whatever a walk can reach.
    rows = search(index, QUERIES, 500)[1]
    assert all({*found} == {*range(500)} for found in rows.tolist())
    again = open_index(tmp_path, embeddings)
    np.testing.assert_array_equal(search(again, QUERIES, 10)[1], search(index, QUERIES, 10)[1])


def shard_rows(embeddings) -> list[np.ndarray]:
    numbers = range(len(embeddings.bank.facts.shards))
    return [np.concatenate([block for _, block in embeddings.blocks(number)]) for number in numbers]


def test_a_wider_view_finds_more(embeddings, tmp_path: Path) -> None:
    built(embeddings, tmp_path, kind="hnsw")
    right = search(open_index(tmp_path, embeddings), QUERIES, 5, exact=True)[1]
    few, many = (recall(open_index(tmp_path, embeddings).candidates(QUERIES, 5, n)[1], right) for n in (5, 200))
    assert few < many


def test_parts_find_what_one_index_would(embeddings, tmp_path: Path) -> None:
    """Of faiss itself: the same quantiser, all sentences in one index."""
    import faiss

    index = built(embeddings, tmp_path, kind="ivf", nlist=8, nprobe=3)
    assert len(index.parts) == 2
    whole = faiss.read_index(str(tmp_path / "trained.faiss"))
    whole.add(embeddings.take(np.arange(500)))
    whole.nprobe = 3
    scores, rows = whole.search(QUERIES, 5)
    ours = index.candidates(QUERIES, 5, 3)
    np.testing.assert_allclose(ours[0], scores, rtol=1e-6)
    np.testing.assert_array_equal(ours[1], rows)


def test_more_lists_find_more(embeddings, tmp_path: Path) -> None:
    """The number of lists reaches the search on a processor too; with one of 8 a query sees an eighth."""
    built(embeddings, tmp_path, kind="ivf", nlist=8)
    right = search(open_index(tmp_path, embeddings), QUERIES, 5, exact=True)[1]
    few, all_of_them = (
        recall(open_index(tmp_path, embeddings, nprobe=8).candidates(QUERIES, 5, nprobe)[1], right)
        for nprobe in (1, 8)
    )
    assert few < all_of_them
    assert all_of_them > 0.95


def test_there_is_never_a_row_that_is_no_sentence(embeddings, tmp_path: Path) -> None:
    """One list has a tenth of the sentences; faiss answers -1 for the others, which would be the last line."""
    index = built(embeddings, tmp_path, kind="ivf", nlist=10, nprobe=1)
    assert (index.candidates(QUERIES, 200, 1)[1] == -1).any()
    for k in (1, 60, 499, 500):
        scores, rows = search(index, QUERIES, k)
        assert rows.shape == scores.shape == (20, k)
        assert rows.min() >= 0
        assert all(len(set(found)) == k for found in rows.tolist())
    assert {*rows[0].tolist()} == {*range(500)}


def test_one_query_and_a_bank_of_one(tmp_path: Path) -> None:
    bank = made_up_bank(tmp_path / "bank", (1,))
    index = built(made_up_embeddings(bank, tmp_path / "embeddings"), tmp_path / "index")
    scores, rows = search(index, QUERIES[:1], 1)
    assert rows.tolist() == [[0]]
    assert scores[0, 0] == pytest.approx(float(QUERIES[0] @ unit(sentence(0))), abs=2e-3)
    ivf = built(index.embeddings, tmp_path / "ivf", kind="ivf")
    assert search(ivf, QUERIES[:1], 1)[1].tolist() == [[0]]


@pytest.mark.parametrize(
    ("queries", "k", "message"),
    [
        (QUERIES, 501, r"k: got 501, and the bank .* has 500 sentences"),
        (QUERIES, 0, "k: got 0; expected at least 1"),
        (QUERIES[0], 1, r"queries: got shape \[16\]; expected \[Q, 16\]"),
        (QUERIES[:, :8], 1, r"queries: got shape \[20, 8\]"),
        (QUERIES[:0], 1, r"queries: got shape \[0, 16\]"),
    ],
)
def test_what_cannot_be_searched(queries, k, message, embeddings, tmp_path: Path) -> None:
    index = built(embeddings, tmp_path)
    with pytest.raises(UserError, match=message):
        search(index, queries, k)


def test_a_grown_bank_costs_its_new_part(tmp_path: Path) -> None:
    bank = made_up_bank(tmp_path / "bank", (200,))
    embeddings = made_up_embeddings(bank, tmp_path / "embeddings")
    built(embeddings, tmp_path / "index", kind="ivf", nlist=4)
    before = files_of(tmp_path / "index")
    grown = made_up_bank(tmp_path / "bank", (200, 300))
    more = made_up_embeddings(grown, tmp_path / "embeddings")
    with pytest.raises(UserError, match=f"is of the bank {bank.fingerprint[:12]}, .*{grown.fingerprint[:12]}"):
        open_index(tmp_path / "index", more)
    index = built(more, tmp_path / "index")
    after = files_of(tmp_path / "index")
    assert sorted(after) == ["part-00000.faiss", "part-00001.faiss", "trained.faiss"]
    assert {name: after[name] for name in before} == before
    assert recall(search(index, QUERIES, 10)[1], search(index, QUERIES, 10, exact=True)[1]) > 0.9
    assert index.facts.nlist == 4


def test_a_part_that_was_not_finished_is_built(embeddings, tmp_path: Path) -> None:
    built(embeddings, tmp_path, kind="ivf", nlist=4)
    before = files_of(tmp_path)
    facts = json.loads((tmp_path / "index.json").read_text())
    facts |= {"parts": facts["parts"][:1], "shards": facts["shards"][:1]}
    (tmp_path / "index.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="has 1 of 2 parts; build it again"):
        open_index(tmp_path, embeddings)
    built(embeddings, tmp_path)
    after = files_of(tmp_path)
    assert {name: content for name, (content, _) in after.items()} == {n: c for n, (c, _) in before.items()}
    assert after["part-00000.faiss"] == before["part-00000.faiss"]


@pytest.mark.parametrize("name", ["part-00001.faiss", "trained.faiss"])
def test_cut_and_changed_files_are_refused(name, embeddings, tmp_path: Path) -> None:
    built(embeddings, tmp_path, kind="ivf", nlist=4)
    content = (tmp_path / name).read_bytes()
    for wrong, why in ((content[:-50], "is corrupt"), (content[:-1] + b"\x07", "was changed")):
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(UserError, match=f"{name}' {why}"):
            built(embeddings, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{name}' is missing"):
        built(embeddings, tmp_path)


def test_another_encoder_and_another_bank_are_refused_with_both_names(bank, embeddings, tmp_path: Path) -> None:
    built(embeddings, tmp_path / "index", kind="ivf", nlist=4)
    others = made_up_embeddings(bank, tmp_path / "others", HashEncoder("other"))
    for call in (open_index, build_index):
        args = (tmp_path / "index", others) if call is open_index else (others, tmp_path / "index")
        with pytest.raises(UserError, match=r"is of 'embeddings of hash,.* the embeddings are 'embeddings of other,"):
            call(*args)
    other_bank = made_up_bank(tmp_path / "bank", (400,))
    elsewhere = made_up_embeddings(other_bank, tmp_path / "elsewhere")
    both = f"is of the bank {bank.fingerprint[:12]}.*{other_bank.fingerprint[:12]}"
    with pytest.raises(UserError, match=both):
        open_index(tmp_path / "index", elsewhere)
    with pytest.raises(UserError, match=both):
        built(elsewhere, tmp_path / "index")


def test_merged_parts_stay_on_the_disk_and_find_the_same(embeddings, tmp_path: Path) -> None:
    index = built(embeddings, tmp_path / "index", kind="ivf", nlist=8, nprobe=3)
    before = search(index, QUERIES, 10)
    mapped = open_index(tmp_path / "index", embeddings, memory_map=True)
    np.testing.assert_array_equal(search(mapped, QUERIES, 10)[1], before[1])
    del mapped
    merged = merge_index(index)
    assert len(merged.parts) == 1
    np.testing.assert_array_equal(search(merged, QUERIES, 10)[1], before[1])
    # A folder may be moved, though faiss writes the path of the lists into the index.
    shutil.move(tmp_path / "index", tmp_path / "moved")
    moved = open_index(tmp_path / "moved", embeddings)
    np.testing.assert_array_equal(search(moved, QUERIES, 10)[1], before[1])
    del moved, merged
    os.truncate(tmp_path / "moved" / "merged.ivfdata", 100)
    with pytest.raises(UserError, match="ivfdata' is corrupt"):
        open_index(tmp_path / "moved", embeddings)


def test_only_lists_of_eight_bits_are_merged(embeddings, tmp_path: Path) -> None:
    for kind in ("flat", "pq"):
        index = built(embeddings, tmp_path / kind, kind=kind)
        with pytest.raises(UserError, match=f"is of kind '{kind}'; only lists of 'ivf'"):
            merge_index(index)
    mapped = open_index(tmp_path / "pq", embeddings, memory_map=True)
    np.testing.assert_array_equal(search(mapped, QUERIES, 5)[1], search(index, QUERIES, 5)[1])
    assert search(index, QUERIES, 500)[1].min() >= 0


def test_the_kind_follows_the_size(embeddings, monkeypatch, tmp_path: Path) -> None:
    from textssl.retrieval import indexing

    flat = built(embeddings, tmp_path)
    assert flat.facts.kind == "flat"
    monkeypatch.setattr(indexing, "FLAT_SENTENCES", 100)
    large = built(embeddings, tmp_path)
    # 4 sqrt(500) is 89.4, the nearest power of two 64 by its logarithm: 6.48.
    assert (large.facts.kind, large.facts.nlist, large.facts.nprobe) == ("ivf", 64, 64)
    assert json.loads((tmp_path / "index.json").read_text())["nlist"] == 64
    for settings, message in (
        ({"nlist": 32}, "nlist: got 32, and the index .* was built with 64"),
        ({"kind": "pq"}, "kind: got 'pq', and the index .* was built with 'ivf'"),
        ({"seed": 1}, "seed: got 1, and the index .* was built with 0"),
    ):
        with pytest.raises(UserError, match=message):
            built(embeddings, tmp_path, **settings)
    assert built(embeddings, tmp_path, nprobe=20).facts.nprobe == 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "tree"}, "kind: got 'tree'; allowed: auto, flat, ivf, pq, hnsw"),
        ({"kind": "ivf", "nlist": 501}, "nlist: got 501; expected a number from 1 to 500"),
        ({"kind": "ivf", "nlist": 4, "nprobe": 5}, "nprobe: got 5; expected a number from 1 to 4"),
        ({"kind": "ivf", "nlist": 4, "train_sentences": 3}, "train_sentences: got 3"),
        ({"kind": "pq", "rerank": 0}, "rerank: got 0; expected at least 1 for an index of kind 'pq'"),
        ({"kind": "hnsw", "nlist": 8}, "nlist: got 8; a graph, kind 'hnsw', has no lists"),
        ({"kind": "hnsw", "nprobe": -1}, "nprobe: got -1; expected at least 1"),
        ({"rerank": -1}, "rerank: got -1"),
    ],
)
def test_settings_out_of_range(settings, message, embeddings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        built(embeddings, tmp_path / "index", **settings)


def test_a_folder_without_an_index(embeddings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no index \(no index.json\)"):
        open_index(tmp_path, embeddings)
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(UserError, match="is no description of an index"):
        open_index(tmp_path, embeddings)
