from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from textssl.errors import UserError
from textssl.retrieval.in_domain import filter_in_domain, predict_probs, select_in_domain


WORDS = ["[PAD]", "[UNK]", "good", "bad", "film", "plot", "dull", "bright"]


@pytest.fixture(scope="module")
def tokenizer():
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16)


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=16,
            num_labels=3,
            id2label={0: "low", 1: "mid", 2: "high"},
            label2id={"low": 0, "mid": 1, "high": 2},
            initializer_range=1.0,
        )
        return BertForSequenceClassification(config)


@pytest.fixture(scope="module")
def snippets():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS[2:], size=size)) for size in rng.integers(1, 30, size=37)]
    return Dataset.from_dict({"text": texts, "source": ["web"] * 37})


def naive_selection(probs, count, threshold, balanced):
    """Ask for one row after the other, each time looking at all of them."""
    num_classes = len(probs[0])
    quota = [count // num_classes + (c < count % num_classes) for c in range(num_classes)]
    chosen: list[int] = []
    while True:
        best = None
        for i, row in enumerate(probs):
            predicted = list(row).index(max(row))
            full = quota[predicted] == 0 if balanced else len(chosen) == count
            if i in chosen or full or max(row) < threshold:
                continue
            if best is None or max(row) > max(probs[best]):
                best = i
        if best is None:
            return sorted(chosen)
        chosen.append(best)
        quota[list(probs[best]).index(max(probs[best]))] -= 1


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("keep", [1, 7, 20, 200])
def test_selection_equals_a_naive_loop(keep, threshold, balanced):
    rng = np.random.default_rng(keep)
    # Multiples of a tenth: many rows are equally confident.
    probs = rng.multinomial(10, [0.5, 0.3, 0.2], size=60) / 10
    expected = naive_selection(probs.tolist(), keep, threshold, balanced)
    assert select_in_domain(probs, keep, threshold, balanced).tolist() == expected


def test_selection_by_hand():
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.95, 0.05], [0.7, 0.3]])
    assert select_in_domain(probs, 2).tolist() == [2, 3]
    assert select_in_domain(probs, 3).tolist() == [0, 2, 3]
    assert select_in_domain(probs, 4).tolist() == [0, 2, 3]
    assert select_in_domain(probs, 3, balanced=False).tolist() == [0, 2, 3]
    assert select_in_domain(probs, 2, balanced=False).tolist() == [0, 3]
    assert select_in_domain(probs, 4, threshold=0.9).tolist() == [0, 3]
    assert select_in_domain(probs, 0.4).tolist() == [2, 3]
    assert select_in_domain(probs, 1.0, balanced=False).tolist() == [0, 1, 2, 3, 4]
    assert select_in_domain(probs, 1).tolist() == [3]


def test_equally_confident_rows_come_in_order():
    assert select_in_domain(np.full((6, 2), 0.5), 4).tolist() == [0, 1]
    assert select_in_domain(np.full((6, 2), 0.5), 4, balanced=False).tolist() == [0, 1, 2, 3]


def test_a_threshold_that_no_row_reaches():
    assert select_in_domain(np.full((6, 2), 0.5), 4, threshold=0.6).tolist() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": 0}, "keep: .* got 0"),
        ({"keep": -3}, "keep: .* got -3"),
        ({"keep": 1.5}, "keep: .* got 1.5"),
        ({"keep": True}, "keep: .* got True"),
        ({"keep": float("nan")}, "keep: .* got nan"),
        ({"threshold": 1.1}, "threshold: .* got 1.1"),
        ({"threshold": float("nan")}, "threshold: .* got nan"),
        ({"probs": np.ones(3)}, r"probs: expected \[N, C\], got shape \[3\]"),
        ({"probs": np.ones((0, 2))}, r"got shape \[0, 2\]"),
        ({"probs": np.array([[3.0, 2.0]])}, "must sum to one"),
        ({"probs": np.array([[1.5, -0.5]])}, "-0.5 is negative"),
        ({"probs": np.array([[np.nan, 1.0]])}, "must sum to one; .* nan"),
    ],
)
def test_selections_that_cannot_work(arguments, message):
    with pytest.raises(UserError, match=message):
        select_in_domain(**{"probs": np.full((4, 2), 0.5), "keep": 2, **arguments})


def test_probs_equal_one_text_at_a_time(model, tokenizer, snippets):
    model.eval()
    expected = []
    with torch.no_grad():
        for text in snippets["text"]:
            ids = tokenizer(text, truncation=True, max_length=16, return_tensors="pt")
            expected.append(model(**ids).logits[0].softmax(-1).numpy())
    probs = predict_probs(model, tokenizer, snippets, batch_size=5, progress=False)
    assert probs.shape == (37, 3)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, np.array(expected), atol=1e-5)


def test_every_module_comes_back_in_its_mode(model, tokenizer, snippets):
    model.train()
    model.bert.embeddings.eval()
    modes = [module.training for module in model.modules()]
    first = predict_probs(model, tokenizer, snippets, progress=False)
    assert [module.training for module in model.modules()] == modes
    # Dropout of 0.1 is off, or the two would differ.
    assert np.array_equal(first, predict_probs(model, tokenizer, snippets, progress=False))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_come_back_after_an_error(model, tokenizer, snippets, monkeypatch):
    model.train()

    def broken(*args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model.bert, "forward", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        predict_probs(model, tokenizer, snippets, progress=False)
    assert model.training


def test_filtering(model, tokenizer, snippets):
    probs = predict_probs(model, tokenizer, snippets, progress=False)
    kept = filter_in_domain(model, tokenizer, snippets, keep=9, threshold=0.4, progress=False)
    rows = naive_selection(probs.tolist(), 9, 0.4, True)
    assert kept["text"][:] == [snippets[i]["text"] for i in rows]
    assert kept["source"][:] == ["web"] * len(rows)
    assert kept["label"][:] == [["low", "mid", "high"][int(np.argmax(probs[i]))] for i in rows]
    np.testing.assert_allclose(kept["confidence"][:], probs[rows].max(axis=1), rtol=1e-6)
    assert "label" not in snippets.column_names


def test_filtering_that_cannot_work(model, tokenizer, snippets):
    def run(dataset=snippets, **arguments):
        filter_in_domain(model, tokenizer, dataset, **{"keep": 3, "progress": False, **arguments})

    with pytest.raises(UserError, match=r"no text reaches 1.0; the largest confidence is 0\.\d+"):
        run(threshold=1.0)
    with pytest.raises(UserError, match="already have a column 'predicted_label'"):
        run(snippets.add_column("label", [0] * 37).add_column("predicted_label", [0] * 37))
    with pytest.raises(UserError, match="dataset: no column 'review'"):
        run(text_column="review")
    with pytest.raises(UserError, match="dataset: the data set is empty"):
        run(snippets.select([]))
    with pytest.raises(UserError, match="batch_size: expected at least 1, got 0"):
        run(batch_size=0)
    with pytest.raises(UserError, match="keep: "):
        run(keep=0)


def test_a_regression_model_has_no_classes(tokenizer, snippets):
    config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, num_labels=1)
    model = BertForSequenceClassification(config)
    with pytest.raises(UserError, match="model: it has 1 output"):
        predict_probs(model, tokenizer, snippets)


def test_a_model_of_several_labels_is_refused(tokenizer, snippets):
    config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, num_labels=3)
    config.problem_type = "multi_label_classification"
    with pytest.raises(UserError, match="model: got problem_type 'multi_label_classification'"):
        predict_probs(BertForSequenceClassification(config), tokenizer, snippets)
