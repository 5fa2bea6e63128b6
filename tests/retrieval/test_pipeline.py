"""From a bank to examples of a task, with a tiny teacher and an encoder that counts words."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from textssl.data.tables import load_table
from textssl.errors import UserError
from textssl.retrieval import Bank, RetrievalConfig, ScoreJob, build_bank, retrieve


NAMES = ["bad", "good"]
WORDS = ["good", "fine", "great", "bad", "poor", "awful", "film", "plot", "cast", "tea", "rain", "door"]


class WordEncoder:
    """Counts of words: a text is near those with the same ones."""

    name = "words"

    def __call__(self, texts: list[str]) -> np.ndarray:
        return np.array([[text.lower().count(word) for word in WORDS] for text in texts], np.float32)


def teacher_in(folder: Path, labels: list[str] = NAMES, seed: int = 0) -> Path:
    tokens = ["[PAD]", "[UNK]", *WORDS]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(tokens)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    )
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        initializer_range=1.0,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    return teacher_in(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Bank:
    rng = np.random.default_rng(0)
    texts = [" ".join(["The", *rng.choice(WORDS, 6), f"number {i}"]) for i in range(400)]
    return build_bank({"made up": Dataset.from_dict({"text": texts})}, tmp_path_factory.mktemp("bank"), progress=False)


def labeled_rows(labels: tuple[int, ...] = (0, 1, 1)) -> Dataset:
    texts = ["bad poor awful film", "good fine great film", "a great cast"][: len(labels)]
    features = Features({"text": Value("string"), "label": ClassLabel(names=NAMES)})
    return Dataset.from_dict({"text": texts, "label": list(labels)}, features=features)


def found(bank: Bank, teacher: Path, output: Path, *, evaluation=(), labeled=None, encoder=None, **config) -> Dataset:
    return retrieve(
        bank,
        labeled or labeled_rows(),
        teacher,
        output,
        RetrievalConfig(**{"num_neighbors": 50, "near_evaluation": None, **config}),
        encoder=encoder or WordEncoder(),
        evaluation=evaluation,
        progress=False,
    )


def probs_of(rows: Dataset) -> np.ndarray:
    return np.stack([np.array(rows[f"probability_{name}"][:]) for name in NAMES], axis=1)


def test_the_whole_road(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    rows = found(bank, teacher, tmp_path / "out", balance="labeled")
    assert rows.column_names == [
        "text", "label", "confidence", "probability_bad", "probability_good", "similarity", "query_label", "source",
        "document",
    ]  # fmt: skip
    # Similarity and query by hand: cosines of word counts to the averages of the classes.
    counts = WordEncoder()
    unit = lambda v: v / np.linalg.norm(v, axis=-1, keepdims=True)  # noqa: E731
    examples = unit(counts(list(labeled_rows()["text"])))
    averages = unit(np.stack([examples[0], (examples[1] + examples[2]) / 2]))
    cosines = unit(counts(list(rows["text"]))) @ averages.T
    np.testing.assert_allclose(rows["similarity"][:], cosines.max(1), atol=2e-3)
    clear = np.abs(cosines[:, 0] - cosines[:, 1]) > 0.01
    np.testing.assert_array_equal(np.array(rows["query_label"][:])[clear], np.array(NAMES)[cosines.argmax(1)[clear]])
    probs = probs_of(rows)
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)
    assert rows["label"][:] == [NAMES[i] for i in probs.argmax(1)]
    np.testing.assert_array_equal(rows["confidence"][:], probs.max(1))
    # The teacher's probabilities are those of a text by itself.
    alone = ScoreJob(teacher)({"text": [rows["text"][0]]})["probs"][0]
    np.testing.assert_allclose(probs[0], alone, atol=1e-5)
    # One labeled example of the first class, two of the second.
    assert abs(2 * rows["label"][:].count("bad") - rows["label"][:].count("good")) <= 2
    texts = bank.texts(range(400))
    for row in rows:
        assert row["source"] == "made up"
        assert texts[row["document"]] == row["text"]
    read = load_table(tmp_path / "out" / "retrieved.parquet")
    assert read.features["label"].names == NAMES
    assert load_table(tmp_path / "out" / "retrieved.parquet", label_column=None).to_dict() == rows.to_dict()


def test_the_record_has_all_that_the_examples_were_made_of(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    evaluation = [Dataset.from_dict({"text": [bank.texts([0])[0] + " And so on."]})]
    rows = found(bank, teacher, tmp_path, num_neighbors=400, exact=True, evaluation=evaluation, balance="none")
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert record["bank"]["fingerprint"] == bank.fingerprint
    assert record["encoder"].startswith("embeddings of words,")
    assert record["index"].startswith("400 neighbours, exact,")
    assert record["teacher"] == ScoreJob(teacher).name
    assert record["config"]["num_neighbors"] == 400
    assert record["cleaning"]["candidates"] == 400
    assert record["cleaning"]["evaluation_contained"] == 1
    assert bank.texts([0])[0] not in rows["text"][:]
    assert sum(record["classes"]["counts"]) == record["rows"] == len(rows) == record["cleaning"]["kept"]


def test_evaluation_sentences_are_found_by_their_embeddings_too(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    """The same words in another order are no part of the text."""
    words = [word for word in bank.texts([7])[0].split() if word in WORDS]
    evaluation = [Dataset.from_dict({"text": [" ".join(reversed(words))]})]
    found(
        bank, teacher, tmp_path, num_neighbors=400, evaluation=evaluation, near_evaluation=0.999, near_duplicate=None
    )
    record = json.loads((tmp_path / "provenance.json").read_text())
    same = [sorted(w for w in text.split() if w in WORDS) == sorted(words) for text in bank.texts(range(400))]
    assert record["cleaning"]["evaluation_near"] == sum(same) >= 1


def test_the_same_call_again_makes_nothing_anew(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    first = found(bank, teacher, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.arrow")}
    assert len(before) == 4
    assert found(bank, teacher, tmp_path).to_dict() == first.to_dict()
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.arrow")} == before
    with pytest.raises(UserError, match=r"results of job '50 neighbours.*not of job '60 neighbours"):
        found(bank, teacher, tmp_path, num_neighbors=60)


def test_the_control_is_cleaned_scored_and_selected_alike(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    class Counting(WordEncoder):
        texts = 0

        def __call__(self, texts: list[str]) -> np.ndarray:
            self.texts += len(texts)
            return super().__call__(texts)

    encoder = Counting()
    rows = found(bank, teacher, tmp_path, queries="random", encoder=encoder, balance="none", near_duplicate=None)
    assert len(rows) == 100
    # Three labeled texts, and two queries' worth of the bank, which is not embedded as a whole.
    assert encoder.texts == 3 + 100
    assert np.mean(rows["similarity"][:]) < np.mean(found(bank, teacher, tmp_path / "2")["similarity"][:])


def test_all_average_and_per_sentence(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    rows = found(bank, teacher, tmp_path / "all", queries="all_average", balance="none", near_duplicate=None)
    assert len(rows) == 50
    assert set(rows["query_label"][:]) == {None}
    rows = found(bank, teacher, tmp_path / "each", queries="per_sentence", balance="none")
    assert set(rows["query_label"][:]) == {"bad", "good"}


def test_without_a_teacher_the_most_similar_come_first(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    rows = found(bank, None, tmp_path, num_neighbors=400, near_duplicate=None)
    assert rows.column_names == ["text", "similarity", "query_label", "source", "document"]
    assert rows["similarity"][:] == sorted(rows["similarity"][:], reverse=True)
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert "teacher" not in record
    assert record["rows"] == len(rows) == record["cleaning"]["kept"]


def test_labeled_sentences_do_not_come_back(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    mine = [bank.texts([3])[0].upper(), f"First. {bank.texts([5])[0]} Last."]
    features = Features({"text": Value("string"), "label": ClassLabel(names=NAMES)})
    labeled = Dataset.from_dict({"text": mine, "label": [0, 1]}, features=features)
    rows = found(bank, teacher, tmp_path, num_neighbors=400, labeled=labeled, near_duplicate=None, balance="none")
    assert not {bank.texts([i])[0] for i in (3, 5)} & {*rows["text"][:]}
    assert json.loads((tmp_path / "provenance.json").read_text())["cleaning"]["labeled"] == 2
    assert len(rows) == 398


def test_classes_of_the_teacher_are_matched_by_name(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    """The same weights under swapped names say the opposite of each text."""
    swapped = teacher_in(tmp_path / "swapped", ["good", "bad"])
    keep_all = {"balance": "none", "num_neighbors": 100}
    said = found(bank, teacher, tmp_path / "a", **keep_all)
    opposite = found(bank, swapped, tmp_path / "b", **keep_all)
    assert opposite["text"][:] == said["text"][:]
    np.testing.assert_array_equal(probs_of(opposite), probs_of(said)[:, ::-1])


def test_bad_input_is_refused_before_anything_is_made(bank: Bank, teacher: Path, tmp_path: Path) -> None:
    three = teacher_in(tmp_path / "three", ["bad", "good", "fair"])
    headless = tmp_path / "headless"
    teacher_in(headless)
    BertModel.from_pretrained(headless).save_pretrained(headless)
    plain = Dataset.from_dict({"text": ["a"], "label": [0]})
    output = tmp_path / "out"
    cases = [
        ({"labeled": labeled_rows((1, 1, 1))}, "no example of class 'bad'"),
        ({"labeled": plain}, "label_column: 'label' of the labeled data is .*; expected a ClassLabel"),
        ({"num_neighbors": 401}, "num_neighbors: got 401, and the bank .* has 400 sentences"),
        (
            {"teacher": three},
            r"classes \['bad', 'good', 'fair'\], and the labeled data have \['bad', 'good'\]",
        ),
        ({"teacher": tmp_path}, r"teacher: .* holds 2 models; choose one"),
        ({"teacher": tmp_path / "none"}, r"teacher: no folder .*; expected the folder of a model"),
        ({"teacher": headless}, "teacher: .* is a BertModel, no classifier; train one first"),
        ({"evaluation": [Dataset.from_dict({"body": ["a"]})]}, "evaluation 0: no column 'text'"),
        ({"queries": "mean"}, "queries: got 'mean'; allowed: label_average, all_average, per_sentence, random"),
        ({"index": "tree"}, "index: got 'tree'"),
        ({"near_duplicate": 2.0}, "near_duplicate: got 2.0"),
        ({"threshold": 2.0}, "threshold: got 2.0"),
        ({"teacher": None, "total": 5}, "total: got 5, which is about a teacher's labels; give a teacher"),
    ]
    for changes, message in cases:
        with pytest.raises(UserError, match=message):
            found(bank, **{"teacher": teacher, "output": output, **changes})
        assert not output.exists(), message


def test_a_score_job_travels_and_is_named_by_its_weights(teacher: Path, tmp_path: Path) -> None:
    job = ScoreJob(teacher, max_length=8)
    rows = {"text": ["good good bad film", "bad"]}
    probs = job(rows)["probs"]
    assert probs.dtype == np.float32
    other = pickle.loads(pickle.dumps(job))
    assert other.name == job.name
    np.testing.assert_array_equal(other(rows)["probs"], probs)
    names = {
        ScoreJob(teacher).name,
        ScoreJob(teacher, truncation="start").name,
        ScoreJob(teacher_in(tmp_path, seed=1)).name,
    }
    assert len({*names, job.name}) == 4
    # The end of a long text, not its beginning.
    ends = ScoreJob(teacher, max_length=3, truncation="start")({"text": ["bad bad bad good fine film"]})["probs"]
    np.testing.assert_allclose(ends, ScoreJob(teacher)({"text": ["good fine film"]})["probs"], atol=1e-6)
    for settings, message in (({"batch_size": 0}, "batch_size: got 0"), ({"max_length": 1}, "max_length: got 1")):
        with pytest.raises(UserError, match=message):
            ScoreJob(teacher, **settings)
