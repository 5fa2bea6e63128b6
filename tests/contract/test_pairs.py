"""What methods must do with pairs of texts: a choice of them that reaches every way through a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import pipeline

from tests.contract.cases import build, first_batch, has, state_of
from tests.contract.tiny_pairs import tokenizer
from textssl.methods import METHODS
from textssl.training.dataset_scores import score


# Plain passes; two views; teachers; a perturbed input; a mix of inputs, of hidden layers; a pretext task; rounds.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("supervised", {}),
    ("fixmatch", {}),
    ("uda", {"train_sampling_strategy": "group_by_length"}),
    ("mean_teacher", {}),
    ("vat", {}),
    ("mixmatch", {}),
    ("mixtext", {"mix_layers": [1, 2]}),
    ("remixmatch", {}),
    ("label_propagation", {}),
    ("noisy_student", {}),
]
every_variant = pytest.mark.parametrize(("method", "settings"), VARIANTS, ids=[method for method, _ in VARIANTS])


def terms(trainer: Any, batch: Any) -> torch.Tensor:
    torch.manual_seed(7)
    trainer.model.train()
    if trainer.objective.scored is not None:
        trainer.objective.before_epoch(score(trainer), 0.5)
    trainer.objective.before_step(trainer.forward_for(trainer.model), [batch], 0.5)
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)["loss"].detach()


def views_of(batch: dict[str, Any]) -> list[dict[str, Any]]:
    return [view for stream in batch.values() for view in stream.values() if isinstance(view, dict)]


@every_variant
def test_trains_with_the_types_and_resumes_exactly(method: str, settings: dict, tmp_path: Path) -> None:
    common = {"dropout": 0.1, "save_steps": 1, "per_device_train_batch_size": 7, **settings}
    whole = build(method, tmp_path / "whole", "pair", **common)
    before = {name: p.detach().clone() for name, p in whole.model.named_parameters()}
    whole.train()
    for name, parameter in whole.model.named_parameters():
        if not name.endswith("key.bias"):
            assert not torch.equal(before[name], parameter), name
    table = "bert.embeddings.token_type_embeddings.weight"
    assert not torch.equal(before[table][1], whole.model.state_dict()[table][1])
    resumed = build(method, tmp_path / "resumed", "pair", **common)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    a, b = state_of(whole), state_of(resumed)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@every_variant
def test_views_hold_what_the_tokenizer_makes_of_the_pairs(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, "pair", **settings)
    batch = first_batch(trainer)
    for stream, data in (("labeled", trainer.train_dataset.labeled), ("unlabeled", trainer.train_dataset.unlabeled)):
        if stream not in batch:
            continue
        rows = data[batch[stream]["index"].tolist()]
        expected = tokenizer()(
            rows["premise"], rows["hypothesis"], truncation="longest_first", max_length=16, padding=True
        )
        if "weak" in batch[stream]:
            for name in ("input_ids", "attention_mask", "token_type_ids"):
                assert batch[stream]["weak"][name].tolist() == expected[name], name
    assert all(view["token_type_ids"].any() for view in views_of(batch))


@every_variant
def test_padding_changes_nothing(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, "pair", **settings)
    batch = first_batch(trainer)
    wide = {s: {k: widened(v) if isinstance(v, dict) else v for k, v in views.items()} for s, views in batch.items()}
    precision = {"rtol": 1e-3, "atol": 1e-5} if trainer.objective.perturbs_inputs else {}
    torch.testing.assert_close(terms(trainer, batch), terms(trainer, wide), **precision)


def widened(view: dict[str, Any]) -> dict[str, Any]:
    names = ("input_ids", "attention_mask", "token_type_ids")
    wide = {name: torch.nn.functional.pad(view[name], (0, 4)) for name in names}
    return {**wide, "lengths": [view["input_ids"].shape[1] + 4] * len(view["lengths"])}


@every_variant
def test_the_second_text_and_its_types_count(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, "pair", **settings)
    batch = first_batch(trainer)
    loss = terms(trainer, batch)
    untyped = {
        s: {
            k: {**v, "token_type_ids": torch.zeros_like(v["token_type_ids"])} if isinstance(v, dict) else v
            for k, v in views.items()
        }
        for s, views in batch.items()
    }
    assert abs(float(terms(trainer, untyped) - loss)) > 1e-6


def test_the_two_views_of_a_pair_are_two(tmp_path: Path) -> None:
    batch = first_batch(build("uda", tmp_path, "pair"))
    assert not torch.equal(batch["unlabeled"]["weak"]["input_ids"], batch["unlabeled"]["strong"]["input_ids"])


@pytest.mark.parametrize("truncation", ["end", "start"])
def test_a_pipeline_gives_what_the_trainer_predicts(truncation: str, tmp_path: Path) -> None:
    trainer = build("supervised", tmp_path, "pair", truncation=truncation, max_length=12)
    trainer.train()
    trainer.save_model()
    held_out = trainer.eval_dataset
    expected = torch.from_numpy(trainer.predict(held_out).predictions).softmax(-1).numpy()
    for folder in (tmp_path, tmp_path / "checkpoint-4"):
        classify = pipeline("text-classification", model=str(folder), device="cpu", top_k=None, truncation=True)
        pairs = [{"text": a, "text_pair": b} for a, b in zip(held_out["premise"], held_out["hypothesis"], strict=True)]
        rows = [sorted(row, key=lambda entry: entry["label"]) for row in classify(pairs)]
        np.testing.assert_allclose([[entry["score"] for entry in row] for row in rows], expected, atol=1e-5)


def test_every_method_takes_pairs(tmp_path: Path) -> None:
    """Those that the list above leaves out train a step."""
    for method in sorted(METHODS.keys() - {name for name, _ in VARIANTS}):
        if "text" not in METHODS[method].objective_class.modalities:
            continue
        quick = {"pretraining_steps": 1, "pretraining_batch_size": 4} if has(method, "pretraining_steps") else {}
        trainer = build(method, tmp_path / method, "pair", max_steps=4, save_strategy="no", **quick)
        trainer.train()
        assert np.isfinite(trainer.evaluate()["eval_loss"]), method
