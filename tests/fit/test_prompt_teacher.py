"""A teacher by prompt: its probabilities against naive loops, one text and one class at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.contract import tiny_texts
from tests.contract.tiny_texts import SPECIAL, WORDS
from textssl.errors import UserError
from textssl.fit.prompt_teacher import PromptTeacher, load_prompt_teacher, prompt_probs


SIZE = len(WORDS) + len(SPECIAL)
NAMES = ["w1", "w2 w3", "w4"]
TEXTS = ["w10 w11 w12 w13 w14 w15", "w20", "w30 w31 w32"]


def nli() -> PreTrainedModel:
    torch.manual_seed(0)
    size = {"vocab_size": SIZE, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return BertForSequenceClassification(
        BertConfig(
            **size, intermediate_size=64, max_position_embeddings=32, initializer_range=0.3,
            id2label={0: "contradiction", 1: "ENTAILMENT", 2: "neutral"},
        )
    ).eval()  # fmt: skip


def gpt2() -> PreTrainedModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=SIZE, n_embd=32, n_layer=2, n_head=2, n_positions=32, initializer_range=0.3,
            bos_token_id=2, eos_token_id=3,
        )
    ).eval()  # fmt: skip


def t5() -> PreTrainedModel:
    torch.manual_seed(0)
    size = {"vocab_size": SIZE, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    return T5ForConditionalGeneration(T5Config(**size, decoder_start_token_id=0, pad_token_id=0)).eval()


def ids(text: str) -> list[int]:
    return tiny_texts.tokenizer()(text, add_special_tokens=False)["input_ids"]


def softmax(scores: list[list[float]]) -> np.ndarray:
    values = np.exp(np.array(scores))
    return values / values.sum(1, keepdims=True)


@torch.no_grad()
def test_entailment_is_asked_of_each_pair() -> None:
    model = nli()
    probs = PromptTeacher(model, tiny_texts.tokenizer(), max_length=32, batch_size=4).probs(
        TEXTS, NAMES, template="w50 {} w51"
    )
    scores: list[list[float]] = []
    for text in TEXTS:
        pairs = [tiny_texts.tokenizer()(text, f"w50 {name} w51", return_tensors="pt") for name in NAMES]
        scores.append([float(model(**pair).logits[0, 1]) for pair in pairs])
    np.testing.assert_allclose(probs, softmax(scores), atol=1e-5)
    assert probs.std(0).max() > 0.01


@torch.no_grad()
def test_a_causal_model_scores_names_after_the_prompt_against_no_text() -> None:
    model = gpt2()
    probs = PromptTeacher(model, tiny_texts.tokenizer(), max_length=32, batch_size=4).probs(
        TEXTS, NAMES, template="w50 w51 {} w52"
    )

    def likelihood(text: str, name: str) -> float:
        row = ids(text) + ids("w50 w51")
        total = 0.0
        for token in ids(name):
            total += float(model(torch.tensor([row])).logits[0, -1].log_softmax(-1)[token])
            row.append(token)
        return total

    scores = [[likelihood(text, name) - likelihood("", name) for name in NAMES] for text in TEXTS]
    np.testing.assert_allclose(probs, softmax(scores), atol=1e-5)


@torch.no_grad()
def test_an_encoder_decoder_writes_names_after_reading_text_and_prompt() -> None:
    model = t5()
    probs = PromptTeacher(model, tiny_texts.tokenizer(), max_length=32, batch_size=4).probs(
        TEXTS, NAMES, {"w4": ["w40", "w41 w42"]}, ["w50 {}", "w60 w61 {}"]
    )

    def likelihood(prompt: str, text: str, name: str) -> float:
        total, written = 0.0, [0]
        for token in ids(name):
            inputs, decoder = torch.tensor([ids(text) + ids(prompt)]), torch.tensor([written])
            total += float(model(input_ids=inputs, decoder_input_ids=decoder).logits[0, -1].log_softmax(-1)[token])
            written = [*written, token]
        return total

    def score(text: str, names: list[str]) -> float:
        each = [likelihood(p, text, n) - likelihood(p, "", n) for p in ("w50", "w60 w61") for n in names]
        return sum(each) / len(each)

    scores = [[score(text, names) for names in (["w1"], ["w2 w3"], ["w40", "w41 w42"])] for text in TEXTS]
    np.testing.assert_allclose(probs, softmax(scores), atol=1e-5)


@pytest.mark.parametrize("make", [nli, gpt2, t5])
def test_batches_and_the_texts_beside_change_nothing_and_long_texts_lose_their_end(make: Any) -> None:
    def probs(texts: list[str], batch_size: int) -> np.ndarray:
        teacher = PromptTeacher(make(), tiny_texts.tokenizer(), max_length=20, batch_size=batch_size)
        return teacher.probs(texts, NAMES, template="w50 {}")

    long = " ".join(f"w{i % 60}" for i in range(80))
    whole = probs([*TEXTS, long], 16)
    np.testing.assert_allclose(whole, probs([*TEXTS, long], 1), atol=1e-5)
    np.testing.assert_allclose(whole[1:2], probs(TEXTS[1:2], 16), atol=1e-5)
    np.testing.assert_allclose(whole[3:], probs([long + " w59 w58"], 16), atol=1e-5)


@pytest.mark.parametrize("make", [nli, gpt2, t5])
def test_teachers_are_loaded_from_folders_of_safetensors_alone(make: Any, tmp_path: Path) -> None:
    model = make()
    model.save_pretrained(tmp_path)
    tiny_texts.tokenizer().save_pretrained(tmp_path)
    expected = PromptTeacher(model, tiny_texts.tokenizer(), max_length=32).probs(TEXTS, NAMES)
    np.testing.assert_allclose(prompt_probs(TEXTS, NAMES, str(tmp_path), max_length=32), expected, atol=1e-5)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"prompt_teacher: .* cannot be loaded"):
        load_prompt_teacher(str(tmp_path), max_length=32)


def test_other_models_and_settings_are_refused_in_one_line(tmp_path: Path) -> None:
    other = BertForMaskedLM(BertConfig(vocab_size=SIZE, hidden_size=32, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(UserError, match="prompt_teacher: got BertForMaskedLM; expected a generative model"):
        PromptTeacher(other, tiny_texts.tokenizer())
    with pytest.raises(UserError, match="max_length: got 64; the prompt teacher has 32 positions"):
        PromptTeacher(gpt2(), tiny_texts.tokenizer(), max_length=64)
    with pytest.raises(UserError, match="batch_size: got 0"):
        PromptTeacher(gpt2(), tiny_texts.tokenizer(), max_length=32, batch_size=0)
    teacher = PromptTeacher(gpt2(), tiny_texts.tokenizer(), max_length=10)
    with pytest.raises(UserError, match="max_length: it leaves 7 tokens for a text"):
        teacher.probs(TEXTS, NAMES, template="w50 {}")
    with pytest.raises(UserError, match="no description for class 'LABEL_1'"):
        teacher.probs(TEXTS, ["w1", "LABEL_1"])
    with pytest.raises(UserError, match=r"prompt_teacher: .*nowhere.* cannot be loaded"):
        load_prompt_teacher(str(tmp_path / "nowhere"))
