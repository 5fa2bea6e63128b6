"""The masked language model of an encoder: whose weights it has, and that a head read at some places is the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from tests.contract.cases import model, tokenizer
from textssl.errors import UserError
from textssl.pretraining.masked_lm import (
    copy_encoder,
    encoder_of,
    masked_language_model,
    reading_at,
    save_pretrained,
)


SMALL = {"vocab_size": 65, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 0}
LAYERS = {**SMALL, "intermediate_size": 64, "max_position_embeddings": 40, "bos_token_id": 2, "eos_token_id": 3}
CONFIGS: dict[str, Any] = {
    "roberta": RobertaConfig(**LAYERS),
    "xlm-roberta": XLMRobertaConfig(**LAYERS),
    "electra": ElectraConfig(**LAYERS, embedding_size=16),
    "albert": AlbertConfig(**LAYERS, embedding_size=16),
    "mpnet": MPNetConfig(**LAYERS),
    "deberta-v2": DebertaV2Config(**LAYERS),
    "modernbert": ModernBertConfig(**LAYERS, cls_token_id=2, sep_token_id=3),
    "distilbert": DistilBertConfig(vocab_size=65, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
}


def built(name: str, auto: Any = AutoModelForMaskedLM) -> Any:
    torch.manual_seed(0)
    if name == "bert":
        return BertForMaskedLM(model().config).eval()
    CONFIGS[name].num_labels = 3
    return auto.from_config(CONFIGS[name], attn_implementation="eager").eval()


@pytest.mark.parametrize("name", ["bert", *CONFIGS])
def test_the_head_reads_some_places_as_it_reads_all(name: str) -> None:
    """Logits and gradients of the stock forward, on rows with padding."""
    network = built(name)
    ids = torch.randint(5, 65, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    ids[1, 7:], mask[1, 7:] = 0, 0
    places, labels = torch.tensor([1, 4, 13, 18, 35]), torch.tensor([9, 8, 7, 6, 5])
    full = network(input_ids=ids, attention_mask=mask).logits
    torch.nn.functional.cross_entropy(full.flatten(0, 1)[places], labels).backward()
    expected = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    with reading_at(network, places):
        some = network(input_ids=ids, attention_mask=mask).logits
    assert some.shape == (1, 5, 65)
    torch.testing.assert_close(some[0], full.flatten(0, 1)[places])
    torch.nn.functional.cross_entropy(some[0], labels).backward()
    for parameter, value in network.named_parameters():
        if parameter in expected:
            torch.testing.assert_close(value.grad, expected[parameter])
    assert network(input_ids=ids, attention_mask=mask).logits.shape == full.shape


@pytest.mark.parametrize("name", ["roberta", "distilbert", "electra", "deberta-v2", "modernbert"])
def test_a_classifier_s_encoder_is_that_of_its_masked_language_model(name: str) -> None:
    classifier = built(name, AutoModelForSequenceClassification)
    network, _ = masked_language_model(classifier, seed=0)
    own, given = network.base_model.state_dict(), classifier.base_model.state_dict()
    assert own.keys() <= given.keys()
    for key, value in own.items():
        assert torch.equal(value, given[key]), key
    assert network.get_output_embeddings().weight is network.get_input_embeddings().weight


def test_a_fresh_head_is_told_and_predicts_the_nearest_words(caplog: pytest.LogCaptureFixture) -> None:
    """After BERT's activation and normalisation, which its head has."""
    with caplog.at_level(logging.INFO, logger="textssl"):
        network, fresh = masked_language_model(model(), seed=0)
    assert fresh
    assert "a fresh masked-language-model head" in caplog.text
    ids = torch.tensor([[2, 9, 8, 7, 3]])
    hidden = network.bert(input_ids=ids).last_hidden_state
    activated = torch.nn.functional.layer_norm(torch.nn.functional.gelu(hidden), [32], eps=1e-12)
    torch.testing.assert_close(
        network(input_ids=ids).logits, activated @ network.get_input_embeddings().weight.T, atol=1e-4, rtol=1e-4
    )


def test_a_head_that_cannot_start_as_the_identity_is_a_function_of_the_seed() -> None:
    classifier = built("electra", AutoModelForSequenceClassification)
    a, b, c = (masked_language_model(classifier, seed)[0].generator_predictions.dense.weight for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_the_head_of_the_checkpoint_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of what the classifier was loaded from, though its own encoder has moved on since."""
    built("bert").save_pretrained(tmp_path)
    classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        classifier.base_model.embeddings.word_embeddings.weight.add_(1.0)
    with caplog.at_level(logging.INFO, logger="textssl"):
        network, _ = masked_language_model(classifier, seed=5)
    saved = built("bert").cls.predictions
    assert torch.equal(network.cls.predictions.transform.dense.weight, saved.transform.dense.weight)
    assert torch.equal(network.get_input_embeddings().weight, classifier.get_input_embeddings().weight)
    assert "fresh" not in caplog.text
    itself, fresh = masked_language_model(built("bert"), seed=5)
    assert not fresh
    assert torch.equal(itself.cls.predictions.transform.dense.weight, saved.transform.dense.weight)


def test_what_it_was_loaded_from_may_be_gone(tmp_path: Path) -> None:
    classifier = model()
    classifier.config.name_or_path = str(tmp_path / "gone")
    network, _ = masked_language_model(classifier, seed=0)
    assert torch.equal(network.get_input_embeddings().weight, classifier.get_input_embeddings().weight)


def test_the_folder_gives_both_models_and_the_pooler(tmp_path: Path) -> None:
    classifier = model()
    network, _ = masked_language_model(classifier, seed=0)
    with torch.no_grad():
        network.bert.encoder.layer[0].output.dense.weight.add_(1.0)
    save_pretrained(network, classifier, tmp_path)
    again, found = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not found["missing_keys"]
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    loaded, found = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(found["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    assert torch.equal(loaded.bert.pooler.dense.weight, classifier.bert.pooler.dense.weight)
    other = model(seed=9)
    copy_encoder(encoder_of(tmp_path), other)
    for key, value in loaded.bert.state_dict().items():
        assert torch.equal(other.bert.state_dict()[key], value), key
    assert torch.equal(other.classifier.weight, model(seed=9).classifier.weight)


def test_what_has_no_masked_language_model_is_refused(tmp_path: Path) -> None:
    gpt = AutoModelForSequenceClassification.from_config(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=20))
    with pytest.raises(UserError, match="no masked language model of GPT2ForSequenceClassification"):
        masked_language_model(gpt, seed=0)
    with pytest.raises(UserError, match=r"model: .*nothing' cannot be loaded"):
        encoder_of(tmp_path / "nothing")
    assert tokenizer().mask_token_id is not None
