"""Embeddings of a bank, with an encoder whose vectors are known, and a few by the real one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.retrieval.made_up import HashEncoder, made_up_bank, made_up_embeddings, sentence, unit
from textssl.errors import UserError
from textssl.retrieval import EmbedJob, embed_bank, embed_texts, open_embeddings


def test_embeddings_are_unit_vectors_in_the_order_of_the_bank(bank, embeddings) -> None:
    assert len(embeddings) == 500
    assert embeddings.size == 16
    texts = bank.texts(range(500))
    assert texts[:2] == [sentence(0), sentence(1)]
    expected = np.stack([unit(text) for text in texts])
    rows = np.array([499, 0, 300, 299, 64, 63, 0])
    np.testing.assert_allclose(embeddings.take(rows), expected[rows], atol=1e-3)
    seen = 0
    for first, block in embeddings.blocks():
        assert first == seen
        assert block.dtype == np.float16
        np.testing.assert_allclose(block, expected[first : first + len(block)], atol=1e-3)
        seen += len(block)
    assert seen == 500
    assert [first for first, _ in embeddings.blocks(1)] == [300, 364, 428, 492]


def test_the_encoder_sees_long_texts_first_and_each_once() -> None:
    encoder = HashEncoder()
    texts = ["middle one", "a", "the longest of them", "bb"]
    vectors = EmbedJob(encoder, precision="float32")({"text": texts})["embedding"]
    assert encoder.texts == ["the longest of them", "middle one", "bb", "a"]
    np.testing.assert_allclose(vectors, np.stack([unit(text) for text in texts]), rtol=1e-6)
    assert vectors.dtype == np.float32


def test_what_is_there_is_kept_and_a_grown_bank_costs_its_new_part(tmp_path: Path) -> None:
    bank = made_up_bank(tmp_path / "bank", (100,))
    made_up_embeddings(bank, tmp_path / "embeddings")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "embeddings").rglob("*.arrow")}
    grown = made_up_bank(tmp_path / "bank", (100, 30))
    with pytest.raises(UserError, match="lacks some of shard 2 of the bank"):
        open_embeddings(grown, tmp_path / "embeddings")
    encoder = HashEncoder()
    made_up_embeddings(grown, tmp_path / "embeddings", encoder)
    assert len(encoder.texts) == 30
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "embeddings").rglob("*.arrow")}
    assert len(after) == len(before) + 1
    assert {path: after[path] for path in before} == before
    opened = open_embeddings(grown, tmp_path / "embeddings")
    np.testing.assert_allclose(opened.take(np.array([129]))[0], unit(sentence(129)), atol=1e-3)


def test_cut_embeddings_are_refused_and_made_anew(bank, tmp_path: Path) -> None:
    made_up_embeddings(bank, tmp_path)
    path = sorted(tmp_path.rglob("shard-000002-*.arrow"))[0]
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    with pytest.raises(UserError, match=f"{path.name}' is corrupt"):
        open_embeddings(bank, tmp_path)
    encoder = HashEncoder()
    made_up_embeddings(bank, tmp_path, encoder)
    assert len(encoder.texts) == 64
    assert path.read_bytes() == content


def test_another_encoder_is_refused_with_both_names(bank, tmp_path: Path) -> None:
    made_up_embeddings(bank, tmp_path)
    with pytest.raises(UserError, match=r"embeddings of hash, .*not of job 'embeddings of other"):
        embed_bank(bank, tmp_path, EmbedJob(HashEncoder("other")), rows_per_shard=64, progress=False)


class Wrong:
    name = "wrong"

    def __call__(self, texts: list[str]) -> np.ndarray:
        return np.zeros(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "int8"}, "precision: got 'int8'; allowed: float16, float32"),
        ({"encoder": HashEncoder(), "max_length": 5}, "max_length: got 5; it is for a named model"),
        ({"encoder": len}, "expected a model, or a callable with a string 'name'"),
        ({"encoder": "no such folder"}, "encoder: no folder"),
        ({"batch_size": 0}, "batch_size: got 0"),
    ],
)
def test_what_cannot_embed(arguments, message) -> None:
    with pytest.raises(UserError, match=message):
        EmbedJob(**arguments)


def test_vectors_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(UserError, match=r"'wrong' gave shape \[3\] for 2 texts"):
        EmbedJob(Wrong())({"text": ["a", "b"]})


def test_a_vector_of_zeros_stays_one() -> None:
    encoder = HashEncoder()
    encoder.__class__ = type("Zero", (HashEncoder,), {"__call__": lambda self, texts: np.zeros((len(texts), 2))})
    assert EmbedJob(encoder)({"text": ["a"]})["embedding"].tolist() == [[0, 0]]


@pytest.mark.slow
def test_the_real_encoder_agrees_with_sentence_transformers_and_travels(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    from textssl.models import embedded_model_path

    texts = ["a film of great beauty", "the plot is a mess and the acting is worse", "snow"]
    job = EmbedJob("embedded", max_length=32)
    vectors = embed_texts(texts, tmp_path, job, progress=False)
    bare = SentenceTransformer(str(embedded_model_path()), device="cpu").encode(texts, normalize_embeddings=True)
    assert ((vectors * bare).sum(1) > 0.999).all()
    # In use a job holds a model, which it does not take to another process.
    assert len(pickle.dumps(job)) < 10_000
    other = pickle.loads(pickle.dumps(job))
    assert other.name == job.name
    np.testing.assert_array_equal(other({"text": texts})["embedding"], job({"text": texts})["embedding"])
