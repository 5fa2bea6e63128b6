"""In-domain pretraining of a classifier that pools its encoder: the encoder is what is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from tests.contract import cases
from tests.contract.cases import build, state_of, tokenizer
from tests.models.tiny_pooled import SIZE, pooled
from tests.pretraining.test_stage import run, same
from textssl import UserError
from textssl.models import PooledTextClassifier
from textssl.pretraining.masked_lm import encoder_of


def encoder_weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if "pooler" not in name}


def test_the_stage_trains_the_encoder_and_its_folder_is_an_encoder(tmp_path: Path) -> None:
    """A model, a folder of it and the encoder by itself give the same weights."""
    model = pooled(dropout=0.1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.save_pretrained(tmp_path / "saved")
    starts = {"model": model, "folder": str(tmp_path / "saved"), "encoder": model.encoder}
    folders = [run(tmp_path / name, start) for name, start in starts.items()]
    assert same(folders[0], folders[2])
    assert same(folders[1], folders[2])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    trained = PooledTextClassifier.from_encoder(str(folders[0]), ["a", "b", "c"])
    expected = encoder_weights(AutoModel.from_pretrained(folders[0]))
    assert trained.encoder.state_dict().keys() == expected.keys()
    for name, value in trained.encoder.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert not torch.equal(trained.get_input_embeddings().weight, model.get_input_embeddings().weight)


def test_the_method_hands_the_trained_encoder_to_the_classifier(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whose head, pooling and standardisation stay; the second stage is one of steps that move nothing."""

    def standardized(**_: Any) -> PooledTextClassifier:
        return pooled(standardize=True).fit_standardization(torch.randn(20, 32, generator=torch.manual_seed(1)))

    monkeypatch.setattr(cases, "model", standardized)
    settings = {"pretraining_steps": 3, "pretraining_batch_size": 8, "learning_rate": 0.0}
    trainer = build("in_domain_pretraining", tmp_path, **settings)
    trainer.train()
    trained = encoder_weights(encoder_of(tmp_path / "pretraining"))
    start = standardized().state_dict()
    for name, value in trainer.model.state_dict().items():
        inner = name.removeprefix("encoder.")
        assert torch.equal(value, trained[inner] if inner in trained else start[name]), name
    moved = [name for name, value in trained.items() if not torch.equal(value, start[f"encoder.{name}"])]
    assert {name for name in trained if not name.endswith("key.bias")} <= {*moved}
    again = build("in_domain_pretraining", tmp_path, **settings)
    again.train(resume_from_checkpoint=True)
    for name, value in state_of(trainer).items():
        assert torch.equal(state_of(again)[name], value), name


def test_an_encoder_without_a_masked_language_model_is_refused(tmp_path: Path) -> None:
    model = pooled(encoder={**SIZE, "model_type": "llama"}, pooling="last")
    with pytest.raises(UserError, match="model: there is no masked language model of LlamaModel"):
        run(tmp_path / "a", model, tokens=tokenizer())
    model.save_pretrained(tmp_path / "saved")
    with pytest.raises(UserError, match="model: there is no masked language model of LlamaModel"):
        run(tmp_path / "b", str(tmp_path / "saved"))
