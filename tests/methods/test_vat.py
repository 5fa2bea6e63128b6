"""VAT against a naive loop over single rows, and its settings."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForSequenceClassification

from tests.contract.cases import build, first_batch, labeled, model, tokenizer, unlabeled
from tests.methods.naive import cross_entropy, kl, row_logits, softmax
from tests.methods.perturbed import MODALITIES, MODEL_INPUT, IdsOnly, norm, recorded, terms_of
from textssl import Task, UserError, VATConfig, VATTrainer
from textssl import functional as F
from textssl.forward.base import Forward
from textssl.methods.vat import VAT
from textssl.modalities.text.backend import TextBackend


CONTRACT_VARIANTS = [
    {"power_iterations": 2, "entropy_weight": 0.5, "rampup": 0.5, "unlabeled_weight": 2.0},
    {"epsilon": 1.0, "xi": 0.1},
]
CONTRACT_FIELDS = {"power_iterations": (1, 3), "xi": (0.01, 1.0)}


def config(out: Path, **settings: Any) -> VATConfig:
    return VATConfig(output_dir=str(out), use_cpu=True, report_to=[], **settings)


def rows_of(trainer: Any, modality: str, view: dict[str, Any]) -> list[Tensor]:
    """The continuous input of each row alone, without padding: [1, n, H], [1, channels, h, w] or [1, D]."""
    if modality == "text":
        words = trainer.model.get_input_embeddings().weight.detach()
        return [words[view["input_ids"][i : i + 1, :n]] for i, n in enumerate(view["lengths"])]
    return list(view[MODEL_INPUT[modality]].split(1))


def naive_step(run: Any, x: Tensor, d: Tensor, size: float, xi: float, iterations: int) -> Tensor:
    """Equations 9 to 12 of arXiv:1704.03976 for one example."""
    with torch.no_grad():
        p = run(x).softmax(-1)
    for _ in range(iterations):
        d = (d * (xi * norm(x) / norm(d))).requires_grad_()
        divergence = (p * (p.log() - run(x + d).softmax(-1).log())).sum()
        (d,) = torch.autograd.grad(divergence, d)
    return d * (size / norm(d))


@pytest.mark.parametrize(
    "settings", [{}, {"epsilon": 1.5, "power_iterations": 3}, {"relative_epsilon": 0.1, "xi": 0.2}]
)
@pytest.mark.parametrize("modality", MODALITIES)
def test_terms_equal_the_formula_row_by_row(modality: str, settings: dict[str, Any], tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, modality, seed=11, **settings)
    batch = first_batch(trainer)
    trainer.objective.steps.fill_(5)
    terms = terms_of(trainer, batch)
    defaults = {
        "text": {"relative_epsilon": 0.3},
        "image": {"epsilon": 8.0},
        "features": {"relative_epsilon": 0.01},
    }
    sizes = settings or defaults[modality]

    def run(embedding: Tensor) -> Tensor:
        return trainer.model(**{MODEL_INPUT[modality]: embedding}).logits

    divergence = 0.0
    unlabeled_rows = batch["unlabeled"]
    for x, index in zip(rows_of(trainer, modality, unlabeled_rows["weak"]), unlabeled_rows["index"], strict=True):
        d = F.keyed_normal(index[None], tuple(x.shape[1:]), 5 * 2**32 + 11)
        size = sizes["epsilon"] if "epsilon" in sizes else sizes["relative_epsilon"] * norm(x)
        r = naive_step(run, x, d, size, settings.get("xi", 1e-2), settings.get("power_iterations", 1))
        assert norm(r) == pytest.approx(size, rel=1e-5)
        with torch.no_grad():
            before, after = run(x)[0].tolist(), run(x + r)[0].tolist()
        divergence += kl(softmax(before), softmax(after)) / 8
    labels = batch["labeled"]["labels"].tolist()
    logits = row_logits(trainer.model, batch["labeled"]["weak"])
    supervised = sum(cross_entropy(z, y) for z, y in zip(logits, labels, strict=True)) / 4
    assert divergence > 1e-6
    assert terms["supervised"].item() == pytest.approx(supervised, rel=1e-4)
    assert terms["unsupervised"].item() == pytest.approx(divergence, rel=5e-3)
    assert terms["loss"].item() == pytest.approx(supervised + divergence, rel=5e-3)


def steps_taken(calls: list[SimpleNamespace]) -> Tensor:
    """R of each row: the last pass is the perturbed one, the second the clean one; the first is of labeled rows."""
    return calls[-1].input - calls[1].input


def test_the_step_has_its_norm_over_the_whole_text_and_spares_padding(tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, relative_epsilon=0.25, length_passes=False)
    batch = first_batch(trainer)
    view = batch["unlabeled"]["weak"]
    with recorded(trainer.model, "inputs_embeds") as calls:
        terms_of(trainer, batch)
    assert len(calls) == 4
    assert len(set(view["lengths"])) > 1
    for r, x, n in zip(steps_taken(calls), calls[1].input, view["lengths"], strict=True):
        assert norm(r) == pytest.approx(0.25 * norm(x[:n]), rel=1e-5)
        assert r[n:].abs().sum() == 0
        # No norm of its own for each token.
        lengths = r[:n].norm(dim=1)
        assert lengths.max() > 1.05 * lengths.min()
    # The probe has norm xi, a share of the input's as well.
    for probe, x, n in zip(calls[2].input - calls[1].input, calls[1].input, view["lengths"], strict=True):
        assert norm(probe) == pytest.approx(0.01 * norm(x[:n]), rel=1e-3)
        assert probe[n:].abs().sum() == 0


def test_divergence_is_from_clean_to_perturbed(tmp_path: Path) -> None:
    """KL(clean || perturbed); the reverse, which others take, differs."""
    trainer = build("vat", tmp_path, relative_epsilon=0.8, length_passes=False)
    batch = first_batch(trainer)
    with recorded(trainer.model, "inputs_embeds") as calls:
        unsupervised = terms_of(trainer, batch)["unsupervised"].item()
    pairs = list(zip(calls[1].logits.tolist(), calls[-1].logits.tolist(), strict=True))
    forth = sum(kl(softmax(a), softmax(b)) for a, b in pairs) / len(pairs)
    back = sum(kl(softmax(b), softmax(a)) for a, b in pairs) / len(pairs)
    assert unsupervised == pytest.approx(forth, rel=1e-4)
    assert abs(forth - back) > 0.05 * forth


@pytest.mark.parametrize("entropy_weight", [0.0, 0.5])
def test_gradient_is_that_of_a_fixed_step_and_a_fixed_target(entropy_weight: float, tmp_path: Path) -> None:
    """Neither r nor the target is differentiated, also where the clean prediction is; word embeddings are."""
    trainer = build("vat", tmp_path, length_passes=False, entropy_weight=entropy_weight)
    batch = first_batch(trainer)
    with recorded(trainer.model, "inputs_embeds") as calls:
        terms_of(trainer, batch)["unsupervised"].backward()
    got = {name: p.grad.clone() for name, p in trainer.model.named_parameters()}
    trainer.model.zero_grad()
    view = batch["unlabeled"]["weak"]
    x = trainer.model.get_input_embeddings()(view["input_ids"])
    z = trainer.model(inputs_embeds=x + steps_taken(calls), attention_mask=view["attention_mask"]).logits
    nn.functional.kl_div(z.log_softmax(-1), calls[1].logits.softmax(-1), reduction="batchmean").backward()
    for name, p in trainer.model.named_parameters():
        torch.testing.assert_close(got[name], p.grad, atol=1e-6, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def padded(view: dict[str, Any], more: int, side: str) -> dict[str, Any]:
    sides = (more, 0) if side == "left" else (0, more)
    wide = {key: nn.functional.pad(view[key], sides) for key in ("input_ids", "attention_mask")}
    return {**wide, "lengths": [wide["input_ids"].shape[1]] * len(view["lengths"])}


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_changes_nothing_on_either_side(side: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"vocab_size": 65, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    llama = LlamaForSequenceClassification(LlamaConfig(**tokens, **sizes, initializer_range=0.2))
    network = llama if side == "left" else model()
    forward = Forward(network, network, TextBackend(0, side))
    objective = VAT(config(tmp_path).for_modality("text"), Task(3, 9, 40, (1 / 3,) * 3))
    ids = torch.randint(5, 65, (3, 8))
    mask = torch.tensor([[1] * 8, [0] * 3 + [1] * 5, [0] * 6 + [1] * 2])
    mask = mask if side == "left" else mask.flip(1)
    view = {"input_ids": ids * mask, "attention_mask": mask, "lengths": [8] * 3}
    losses = []
    for more in (0, 3, 9):
        wide = padded(view, more, side)
        batch = {
            "labeled": {"weak": wide, "labels": torch.tensor([0, 1, 2]), "index": torch.arange(3)},
            "unlabeled": {"weak": wide, "index": torch.tensor([4, 0, 7])},
        }
        losses.append(objective.loss(forward, batch, 0.0)["loss"].item())
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-4)


def test_entropy_term_is_differentiated_through_the_clean_prediction(tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, entropy_weight=0.5, unlabeled_weight=2.0)
    batch = first_batch(trainer)
    terms = terms_of(trainer, batch)
    rows = [softmax(z) for z in row_logits(trainer.model, batch["unlabeled"]["weak"])]
    expected = -sum(p * math.log(p) for row in rows for p in row) / 8
    assert terms["entropy"].item() == pytest.approx(expected, abs=1e-5)
    total = terms["supervised"] + 2 * terms["unsupervised"] + 0.5 * terms["entropy"]
    torch.testing.assert_close(terms["loss"], total)
    terms["entropy"].backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0
        for p in trainer.model.bert.encoder.layer[0].parameters()
        if p.dim() > 1
    )
    assert "entropy" not in terms_of(build("vat", tmp_path), batch)


@pytest.mark.parametrize(
    ("rampup", "progress", "share"), [(0.0, 0.0, 1.0), (0.4, 0.0, 0.0), (0.4, 0.1, 0.25), (0.4, 0.9, 1.0)]
)
def test_weight_rises_linearly(rampup: float, progress: float, share: float, tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, rampup=rampup, unlabeled_weight=3.0)
    terms = terms_of(trainer, first_batch(trainer), progress)
    assert terms["weight"] == pytest.approx(3 * share)
    torch.testing.assert_close(terms["loss"], terms["supervised"] + 3 * share * terms["unsupervised"])


def test_label_smoothing_is_that_of_the_arguments(tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, label_smoothing_factor=0.2)
    batch = first_batch(trainer)
    expected = 0.0
    rows = row_logits(trainer.model, batch["labeled"]["weak"])
    for z, y in zip(rows, batch["labeled"]["labels"].tolist(), strict=True):
        expected += (0.8 * cross_entropy(z, y) + 0.2 * sum(cross_entropy(z, c) for c in range(3)) / 3) / 4
    assert terms_of(trainer, batch)["supervised"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("modality", "given", "settled"),
    [
        ("text", {}, (None, 0.3)),
        ("image", {}, (8.0, None)),
        ("features", {}, (None, 0.01)),
        ("text", {"epsilon": 2.0}, (2.0, None)),
        ("image", {"relative_epsilon": 0.1}, (None, 0.1)),
        ("image", {"epsilon": 0.0}, (0.0, None)),
        ("features", {"relative_epsilon": 0.0}, (None, 0.0)),
    ],
)
def test_one_size_is_settled(
    modality: str, given: dict[str, Any], settled: tuple[float | None, float | None], tmp_path: Path
) -> None:
    made = config(tmp_path, **given).for_modality(modality)
    assert isinstance(made, VATConfig)
    assert (made.epsilon, made.relative_epsilon) == settled
    # Settling twice is settling once.
    again = made.for_modality(modality)
    assert (again.epsilon, again.relative_epsilon) == settled


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epsilon", -1.0),
        ("relative_epsilon", -0.1),
        ("relative_epsilon", math.nan),
        ("xi", 0.0),
        ("xi", -1.0),
        ("power_iterations", 0),
        ("unlabeled_weight", -1.0),
        ("entropy_weight", -0.5),
        ("rampup", 1.5),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        config(tmp_path, **{field: value})


def test_two_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"epsilon: got 1.0 with relative_epsilon 0.3; .* set one of them"):
        config(tmp_path, epsilon=1.0, relative_epsilon=0.3)


def test_a_model_without_continuous_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"IdsOnly takes no inputs_embeds; models such as BERT, RoBERTa"):
        VATTrainer(
            IdsOnly(model().config),
            config(tmp_path, max_length=16),
            train_dataset=labeled(),
            unlabeled_dataset=unlabeled(),
            processing_class=tokenizer(),
        )
