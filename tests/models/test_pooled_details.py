"""What a classifier that pools an encoder's states takes over from the encoder, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForSequenceClassification

from tests.contract.tiny_texts import texts, tokenizer
from tests.models.tiny_pooled import encoder, pooled
from textssl import UserError
from textssl.families.second_network import make_second_network
from textssl.features import FeatureClassifier, FeatureClassifierConfig
from textssl.models import PooledClassifierConfig, PooledTextClassifier
from textssl.models.inspection import position_limit
from textssl.models.modeling_ensemble import Ensemble
from textssl.models.padding import counts_left_padding
from textssl.models.pooling import pool


IDS = torch.tensor([[2, 9, 11, 30, 3], [2, 14, 3, 0, 0]])
MASK = (IDS != 0).long()


def saved(folder: Path, kind: str = "bert", **files: Any) -> str:
    """The folder of an encoder with its tokenizer and files of sentence-transformers."""
    encoder(kind).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return str(folder)


def modules(*kinds: str) -> list[dict[str, Any]]:
    paths = {"Transformer": "", "Pooling": "1_Pooling"}
    return [
        {"idx": i, "name": str(i), "path": paths.get(k, f"{i}_{k}"), "type": f"sentence_transformers.models.{k}"}
        for i, k in enumerate(kinds)
    ]


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_vector_is_that_of_the_tokens_alone(pooling: str) -> None:
    """By a loop over the texts, with padding on the right, on the left and none."""
    states = torch.randn(3, 6, 4)
    for mask in ([[1] * 6, [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]], [[1] * 6, [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1]]):
        rows = []
        for state, real in zip(states, mask, strict=True):
            own = [vector for vector, keep in zip(state, real, strict=True) if keep]
            rows.append({"mean": sum(own) / len(own), "cls": own[0], "last": own[-1]}[pooling])
        torch.testing.assert_close(pool(states, torch.tensor(mask), pooling), torch.stack(rows))
    assert torch.equal(pool(states, None, pooling), pool(states, torch.ones(3, 6), pooling))


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("kind", ["bert", "llama", "modernbert", "t5"])
@torch.no_grad()
def test_padding_changes_nothing_and_a_folder_gives_the_model_back(kind: str, pooling: str, tmp_path: Path) -> None:
    model = PooledTextClassifier.from_encoder(saved(tmp_path / "e", kind), ["a", "b"], pooling=pooling).eval()
    alone = torch.cat([model(input_ids=row[None, : int(n)]).logits for row, n in zip(IDS, MASK.sum(1), strict=True)])
    torch.testing.assert_close(model(input_ids=IDS, attention_mask=MASK).logits, alone, atol=1e-5, rtol=1e-4)
    # Learned positions count what stands on the left; the library pads on the right then.
    assert counts_left_padding(model, 0) == (kind == "bert")
    if kind != "bert":
        left, kept = torch.tensor([[0, 0, 2, 14, 3]]), torch.tensor([[0, 0, 1, 1, 1]])
        torch.testing.assert_close(model(input_ids=left, attention_mask=kept).logits, alone[1:], atol=1e-5, rtol=1e-4)
    model.save_pretrained(tmp_path / "m")
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m").eval()
    assert torch.equal(
        loaded(input_ids=IDS, attention_mask=MASK).logits, model(input_ids=IDS, attention_mask=MASK).logits
    )
    other = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in other.parameters()} == {torch.bfloat16}
    assert torch.isfinite(other.eval()(input_ids=IDS, attention_mask=MASK).logits).all()


def test_the_config_answers_for_the_encoder(tmp_path: Path) -> None:
    model = pooled()
    assert (model.config.vocab_size, model.config.hidden_size, model.config.num_hidden_layers) == (65, 32, 2)
    assert model.config.get_text_config() is model.config
    assert position_limit(model) == 32
    assert model.get_input_embeddings() is model.encoder.embeddings.word_embeddings
    assert not hasattr(model.config, "no_such_setting")
    model.resize_token_embeddings(80)
    model.save_pretrained(tmp_path)
    loaded = PooledTextClassifier.from_pretrained(tmp_path)
    assert loaded.config.vocab_size == loaded.get_input_embeddings().num_embeddings == 80
    assert PooledClassifierConfig.from_pretrained(tmp_path).encoder["vocab_size"] == 80


def test_attention_and_checkpointing_reach_the_encoder(tmp_path: Path) -> None:
    pooled().save_pretrained(tmp_path)
    for attention in ("eager", "sdpa"):
        loaded = PooledTextClassifier.from_pretrained(tmp_path, attn_implementation=attention)
        assert loaded.encoder.config._attn_implementation == attention
    assert loaded.supports_gradient_checkpointing
    enable = getattr(loaded, "activation_checkpointing_enable", None) or loaded.gradient_checkpointing_enable
    enable()
    assert any(getattr(module, "gradient_checkpointing", False) for module in loaded.encoder.modules())
    gradients = []
    for model in (loaded, PooledTextClassifier.from_pretrained(tmp_path)):
        model.train()(input_ids=IDS, attention_mask=MASK, labels=torch.tensor([0, 2])).loss.backward()
        gradients.append(model.encoder.embeddings.word_embeddings.weight.grad)
    torch.testing.assert_close(*gradients)


@torch.no_grad()
def test_states_and_attentions_are_those_of_the_encoder(tmp_path: Path) -> None:
    pooled().save_pretrained(tmp_path)
    model = PooledTextClassifier.from_pretrained(tmp_path, attn_implementation="eager").eval()
    inputs: dict[str, Any] = {"input_ids": IDS, "attention_mask": MASK}
    output = model(**inputs, output_hidden_states=True, output_attentions=True)
    own = model.encoder(**inputs, output_hidden_states=True, output_attentions=True)
    assert len(output.hidden_states) == 3
    assert all(torch.equal(a, b) for a, b in zip(output.hidden_states, own.hidden_states, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(output.attentions, own.attentions, strict=True))
    assert torch.equal(output.logits, model(**inputs).logits)


def test_a_second_network_has_the_encoder_and_another_head() -> None:
    model = pooled(standardize=True, hidden_sizes=(8,))
    model.fit_standardization(torch.randn(20, 32))
    other = make_second_network(model, 1)
    for (name, own), theirs in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        drawn = name.startswith(("hidden", "head")) and name.endswith("weight")
        assert torch.equal(own, theirs) is not drawn, name


@torch.no_grad()
def test_an_ensemble_of_them_is_saved_and_loaded(tmp_path: Path) -> None:
    members = [pooled(), pooled(pooling="cls", normalize=True)]
    ensemble = Ensemble.of([member.eval() for member in members])
    ensemble.save_pretrained(tmp_path)
    logits = Ensemble.from_pretrained(tmp_path).eval()(input_ids=IDS, attention_mask=MASK).logits
    mean = sum(member(input_ids=IDS, attention_mask=MASK).logits for member in members) / 2
    torch.testing.assert_close(logits, mean)


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("cls", False), ("last", True)])
@torch.no_grad()
def test_sentence_transformers_encodes_what_is_exported(pooling: str, normalize: bool, tmp_path: Path) -> None:
    model = pooled(pooling=pooling, normalize=normalize, standardize=True).eval()
    model.fit_standardization(torch.randn(20, 32))
    model.save_sentence_transformer(tmp_path, tokenizer())
    drawn = [*texts(6, 4)[0], "w1 " * 60]
    inputs = tokenizer()(drawn, padding=True, truncation=True, max_length=32, return_tensors="pt")
    own = model.embed(inputs["input_ids"], inputs["attention_mask"]).numpy()
    other = SentenceTransformer(str(tmp_path), device="cpu")
    assert other.max_seq_length == 32
    np.testing.assert_allclose(other.encode(drawn), own, atol=1e-5)
    again = PooledTextClassifier.from_encoder(str(tmp_path), ["a", "b"])
    assert (again.config.pooling, again.config.normalize, again.config.max_seq_length) == (pooling, normalize, 32)


@torch.no_grad()
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_classifier_of_features_becomes_one_of_texts(hidden: tuple[int, ...], tmp_path: Path) -> None:
    files = {"1_Pooling__config": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}}
    place = saved(tmp_path, modules=modules("Transformer", "Pooling", "Normalize"), **files)
    config = FeatureClassifierConfig(input_size=32, hidden_sizes=hidden, id2label={0: "x", 1: "y"})
    features = FeatureClassifier(config)
    drawn = texts(8, 4)[0]
    vectors = torch.from_numpy(SentenceTransformer(place, device="cpu").encode(drawn))
    features.eval().fit_standardization(vectors)
    model = PooledTextClassifier.from_features(features, place)
    inputs = tokenizer()(drawn, padding=True, return_tensors="pt")
    logits = model(inputs["input_ids"], inputs["attention_mask"]).logits
    torch.testing.assert_close(logits, features(vectors).logits, atol=1e-5, rtol=1e-5)
    assert model.config.id2label == {0: "x", 1: "y"}
    with pytest.raises(UserError, match=r"encoder: its vectors have 32 numbers; the features have 7"):
        PooledTextClassifier.from_features(FeatureClassifier(FeatureClassifierConfig(input_size=7)), place)


def test_what_is_said_beside_the_encoder_is_read(tmp_path: Path) -> None:
    """Then what its config says, then the mean; what a person says comes first."""
    plain = PooledTextClassifier.from_encoder(saved(tmp_path / "a"), ["a", "b"]).config
    assert (plain.pooling, plain.normalize, plain.max_seq_length) == ("mean", False, None)
    place = saved(
        tmp_path / "b",
        modules=modules("Transformer", "Pooling"),
        **{"1_Pooling__config": {"pooling_mode": "lasttoken"}, "sentence_bert_config": {"max_seq_length": 20}},
    )
    said = PooledTextClassifier.from_encoder(place, ["a", "b"]).config
    assert (said.pooling, said.normalize, said.max_seq_length) == ("last", False, 20)
    own = PooledTextClassifier.from_encoder(place, ["a", "b"], pooling="cls", normalize=True).config
    assert (own.pooling, own.normalize) == ("cls", True)
    native = saved(tmp_path / "c", "modernbert")
    for pooling in ("mean", "cls"):
        config = json.loads((tmp_path / "c" / "config.json").read_text())
        (tmp_path / "c" / "config.json").write_text(json.dumps({**config, "classifier_pooling": pooling}))
        assert PooledTextClassifier.from_encoder(native, ["a", "b"]).config.pooling == pooling


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"modules": modules("Transformer", "Pooling", "Dense")}, "has a module 'Dense' of sentence-transformers"),
        ({"modules": modules("Transformer", "Pooling", "MyOwn")}, "has a module 'MyOwn'"),
        ({"modules": modules("Pooling")}, r"has modules \['Pooling'\]; expected Transformer, Pooling, Normalize"),
        ({"modules": [{"type": "Transformer"}]}, "modules.json of .* is damaged"),
        (
            {"modules": modules("Transformer", "Pooling"), "1_Pooling__config": {"pooling_mode_max_tokens": True}},
            "pools by max; allowed: mean, cls, lasttoken",
        ),
        (
            {"modules": [{"path": "", "type": "Transformer"}, {"path": "../x", "type": "Pooling"}]},
            r"names the folder '\.\./x'",
        ),
    ],
)
def test_files_that_say_something_else_are_refused(files: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        PooledTextClassifier.from_encoder(saved(tmp_path, **files), ["a", "b"])


def test_mistakes_are_told(tmp_path: Path) -> None:
    place = saved(tmp_path)
    for settings, message in (
        ({"pooling": "max"}, "pooling: got 'max'; allowed: mean, cls, last"),
        ({"dropout": 0.1}, r"dropout: got 0\.1; it follows hidden layers"),
        ({"label_names": ["a", "a"]}, r"label_names: got \['a', 'a'\]"),
    ):
        with pytest.raises(UserError, match=message):
            PooledTextClassifier.from_encoder(place, **settings)
    with pytest.raises(UserError, match="encoder: 'no/such' cannot be loaded"):
        PooledTextClassifier.from_encoder("no/such", ["a", "b"])
    with pytest.raises(UserError, match="hidden_sizes: got"):
        pooled(hidden_sizes=(4,)).set_linear_head(np.zeros((3, 32)), np.zeros(3))
    with pytest.raises(UserError, match=r"weight: got shape \[3, 31\]; expected \[3, 32\]"):
        pooled().set_linear_head(np.zeros((3, 31)), np.zeros(3))
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        PooledTextClassifier.from_encoder(place, ["a", "b"])
    shutil.rmtree(tmp_path)
