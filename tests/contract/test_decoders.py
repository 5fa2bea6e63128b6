"""Decoders whose padding token only the tokenizer knows: every method trains, evaluates, resumes and is served."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, pipeline

from tests.contract import tiny_texts
from tests.contract.cases import build, first_batch, labeled, model, state_of, unlabeled
from tests.contract.test_contract import terms_of
from tests.contract.tiny_decoders import DECODERS, decoder, tokenizer
from textssl.errors import UserError
from textssl.methods import METHODS
from textssl.models.padding import counts_left_padding
from textssl.training.trainer import SSLTrainer


# A decoder has no masked language model, and its last linear layer reads every position.
REFUSED = {"in_domain_pretraining": "no masked language model", "label_propagation": "reads every position"}
# Padding on the right hides the end of a text from whoever reads embeddings or mixed states.
REFUSED_RIGHT = {"vat": "takes no inputs_embeds|from inputs_embeds are not", "mixtext": "its head does not follow"}
EMA = {"teacher_decay": 0.5}


def build_on(
    name: str, method: str, out: Path, side: str = "right", pad: str | None = "[PAD]", **settings: Any
) -> SSLTrainer:
    return build(method, out, given={"model": decoder(name), "processing_class": tokenizer(pad, side)}, **settings)


def predicted(trainer: SSLTrainer) -> np.ndarray:
    """Probabilities [N, C] of the held-out texts."""
    logits = torch.tensor(trainer.predict(trainer.eval_dataset).predictions)
    return logits.softmax(-1).numpy()


def served(folder: Path, texts: list[str], batch_size: int) -> np.ndarray:
    """The same by the pipeline of what was saved."""
    classify = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)
    answers = classify(texts, batch_size=batch_size)
    names = [classify.model.config.id2label[i] for i in range(tiny_texts.CLASSES)]
    return np.array([[{a["label"]: a["score"] for a in answer}[name] for name in names] for answer in answers])


def check_whole_run(name: str, method: str, out: Path, **settings: Any) -> None:
    trainer = build_on(name, method, out / "whole", **settings)
    before = predicted(trainer)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] > 0
    after = predicted(trainer)
    assert np.isfinite(after).all()
    assert not np.array_equal(before, after)
    resumed = build_on(name, method, out / "resumed", **settings)
    resumed.train(resume_from_checkpoint=str(out / "whole" / "checkpoint-2"))
    expected, state = state_of(trainer), state_of(resumed)
    assert all(torch.equal(expected[key], state[key]) for key in expected)
    trainer.save_model(str(out / "saved"))
    texts = list(trainer.eval_dataset["text"])
    for batch_size in (1, 5):
        np.testing.assert_allclose(served(out / "saved", texts, batch_size), after, atol=2e-5)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_works_on_llama_or_refuses_it(method: str, tmp_path: Path) -> None:
    own: dict[str, Any] = getattr(importlib.import_module(f"tests.methods.test_{method}"), "CONTRACT_DEFAULT", {})
    if method in REFUSED:
        with pytest.raises(UserError, match=REFUSED[method]):
            build_on("llama", method, tmp_path, "left", **own)
        return
    check_whole_run("llama", method, tmp_path, side="left", **own)


@pytest.mark.parametrize(
    ("method", "settings"), [("uda", EMA), ("mean_teacher", {}), ("dividemix", {"mix_at": "pooled"})]
)
@pytest.mark.parametrize(
    ("name", "side", "pad"),
    [("gpt2", "right", "[PAD]"), ("gpt2", "left", "[SEP]"), ("qwen", "right", "[SEP]"), ("qwen", "left", "[PAD]")],
)
def test_others_work_whatever_pads_and_on_either_side(
    name: str, side: str, pad: str, method: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    check_whole_run(name, method, tmp_path, side=side, pad=pad, **settings)


@pytest.mark.parametrize("method", sorted(REFUSED_RIGHT))
@pytest.mark.parametrize("name", ["gpt2", "qwen"])
def test_methods_that_reach_inside_refuse_padding_on_the_right(name: str, method: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=REFUSED_RIGHT[method]):
        build_on(name, method, tmp_path)


def test_embeddings_of_texts_that_end_in_the_padding_token_are_refused(tmp_path: Path) -> None:
    """By its ids such a text ends before that token, by its embeddings with it."""
    build_on("llama", "vat", tmp_path, "left")
    with pytest.raises(UserError, match="from inputs_embeds are not those from input_ids"):
        build_on("llama", "vat", tmp_path, "left", "[SEP]")


@pytest.mark.parametrize("pad", ["[PAD]", "[SEP]"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", sorted(DECODERS))
def test_padding_changes_nothing(name: str, side: str, pad: str, tmp_path: Path) -> None:
    """Neither the loss of a wider batch nor what is predicted: each text alone, by transformers, is the reference."""
    trainer = build_on(name, "uda", tmp_path, side, pad, threshold=0.0)
    side = trainer.processing_class.padding_side
    fill = trainer.processing_class.pad_token_id

    def widened(view: dict[str, Any]) -> dict[str, Any]:
        pads = (4, 0) if side == "left" else (0, 4)
        return {
            "input_ids": torch.nn.functional.pad(view["input_ids"], pads, value=fill),
            "attention_mask": torch.nn.functional.pad(view["attention_mask"], pads),
            "lengths": [view["input_ids"].shape[1] + 4] * len(view["lengths"]),
        }

    batch = first_batch(trainer)
    wide = {s: {k: widened(v) if isinstance(v, dict) else v for k, v in parts.items()} for s, parts in batch.items()}
    torch.testing.assert_close(terms_of(trainer, batch)["loss"], terms_of(trainer, wide)["loss"])
    network = trainer.model.eval()
    with torch.no_grad():
        alone = [
            network(**trainer.processing_class(text, return_tensors="pt", return_token_type_ids=False)).logits
            for text in trainer.eval_dataset["text"]
        ]
    np.testing.assert_allclose(predicted(trainer), torch.cat(alone).softmax(-1).numpy(), atol=2e-6)


# --- the tokenizer


def test_a_tokenizer_without_a_padding_token_is_refused_with_the_remedy(tmp_path: Path) -> None:
    told = r"processing_class: .*without one\. .*tokenizer\.pad_token = tokenizer\.eos_token"
    with pytest.raises(UserError, match=told):
        build_on("gpt2", "fixmatch", tmp_path, pad=None)


def test_a_padding_token_that_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    own = tokenizer()
    own.add_special_tokens({"pad_token": "[NEW]"})
    given = {"model": decoder("gpt2"), "processing_class": own}
    with pytest.raises(UserError, match=r"has the id 65; .* knows 65 tokens\. Call model\.resize_token_embeddings"):
        build("fixmatch", tmp_path, given=given)
    given["model"].resize_token_embeddings(len(own))
    build("fixmatch", tmp_path, given=given).evaluate()


def test_positions_that_count_padding_are_known() -> None:
    """GPT-2 and BERT number positions from the left edge; rotary ones are relative."""
    for name, counts in (("gpt2", True), ("llama", False), ("qwen", False)):
        network = decoder(name)
        network.config.pad_token_id = 0
        for dtype in (torch.float32, torch.bfloat16):
            assert counts_left_padding(network.to(dtype), 0) is counts
    assert counts_left_padding(model(), 0)


def test_padding_is_moved_to_the_right_where_the_left_would_shift_positions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tokenizer(side="left")
    with caplog.at_level(logging.WARNING):
        trainer = build("fixmatch", tmp_path / "run", given={"processing_class": own})
    assert [r.message.count("padding_side 'left'") for r in caplog.records if "padding_side" in r.message] == [1]
    assert (own.padding_side, trainer.processing_class.padding_side) == ("left", "right")
    trainer.save_model(str(tmp_path / "saved"))
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").padding_side == "right"


def test_a_list_of_end_tokens_keeps_its_members(tmp_path: Path) -> None:
    network = decoder("llama")
    network.config.eos_token_id = [7, 8]
    trainer = build("uda", tmp_path, given={"model": network, "processing_class": tokenizer()}, **EMA)
    for config in (trainer.model.config, trainer.evaluated_model.config):
        assert (config.pad_token_id, config.eos_token_id) == (0, [3, 7, 8])


# --- networks that a person gives


@pytest.mark.parametrize("pad", ["[PAD]", None])
def test_a_teacher_has_a_tokenizer_of_its_own(pad: str | None, tmp_path: Path) -> None:
    teacher = {"teacher": decoder("gpt2", seed=3), "teacher_processing_class": tokenizer(pad)}
    given = {"unlabeled_dataset": unlabeled(), **teacher}
    if pad is None:
        with pytest.raises(UserError, match="teacher: processing_class: expected a tokenizer that has a padding"):
            build_rounds(tmp_path, given)
        return
    trainer = build_rounds(tmp_path, given)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] > 0


def build_rounds(out: Path, given: dict[str, Any]) -> SSLTrainer:
    trainer_class = METHODS["self_training"]
    config = trainer_class.config_class(
        output_dir=str(out), max_steps=2, max_length=16, use_cpu=True, report_to=[], disable_tqdm=True, rounds=2
    )
    return trainer_class(
        **{
            "model": decoder("llama"),
            "args": config,
            "train_dataset": labeled(),
            "eval_dataset": labeled(12, seed=3),
            "processing_class": tokenizer(side="left"),
            "augmentations": {"strong": tiny_texts.swap_words},
            **given,
        }
    )


@pytest.mark.parametrize(("method", "role"), [("dividemix", "peer"), ("meta_pseudo_labels", "teacher")])
def test_a_second_network_is_given(method: str, role: str, tmp_path: Path) -> None:
    settings = {"mix_at": "pooled"} if method == "dividemix" else {}

    def given(side: str) -> dict[str, Any]:
        return {"model": decoder("llama"), "processing_class": tokenizer(side=side), role: decoder("gpt2", seed=3)}

    with pytest.raises(UserError, match=f"{role}: GPT2.* set tokenizer.padding_side = 'right'"):
        build(method, tmp_path / "left", given=given("left"), **settings)
    trainer = build(method, tmp_path / "right", given=given("right"), **settings)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] > 0
