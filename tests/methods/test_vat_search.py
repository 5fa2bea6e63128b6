"""VAT's search for the worst step: eigenvectors of the Hessian, one dropout for all passes, precision, directions."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.cases import build, first_batch, state_of
from tests.methods.naive import ConvNet
from tests.methods.perturbed import MODALITIES, MODEL_INPUT, recorded, terms_of
from tests.methods.test_vat import config, steps_taken
from textssl import Task
from textssl import functional as F
from textssl.forward.base import Forward
from textssl.forward.rows import ImageBackend
from textssl.methods.vat import VAT


def leading(hessian: Tensor) -> Tensor:
    return torch.linalg.eigh(hessian).eigenvectors[:, -1]


def test_power_iteration_finds_the_leading_eigenvector_of_features(tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, "features", power_iterations=40, relative_epsilon=0.1)
    batch = first_batch(trainer)
    exact = copy.deepcopy(trainer.model).double()
    # The model's own first line makes features float32: run what follows it.
    run = nn.Sequential(exact.hidden, exact.head)
    with recorded(trainer.model, "features") as calls:
        terms_of(trainer, batch)
    for r, x in zip(steps_taken(calls), calls[1].input.double(), strict=True):
        p = run(x).softmax(-1).detach()

        def divergence(step: Tensor, x: Tensor = x, p: Tensor = p) -> Tensor:
            return (p * (p.log() - run(x + step).log_softmax(-1))).sum()

        hessian = torch.autograd.functional.hessian(divergence, torch.zeros_like(x))
        assert torch.cosine_similarity(leading(hessian), r.double(), dim=0).abs() > 0.98


def test_power_iteration_finds_the_leading_eigenvector_of_a_text(tmp_path: Path) -> None:
    """Over all tokens at once. At r = 0 the Hessian is J' (diag p - p p') J with J the Jacobian of the logits."""
    trainer = build("vat", tmp_path, power_iterations=40, length_passes=False)
    batch = first_batch(trainer)
    with recorded(trainer.model, "inputs_embeds") as calls:
        terms_of(trainer, batch)
    exact = copy.deepcopy(trainer.model).double().eval()
    for row in range(3):
        n = batch["unlabeled"]["weak"]["lengths"][row]
        x = calls[1].input[row, :n].double()
        jacobian = torch.autograd.functional.jacobian(lambda e: exact(inputs_embeds=e[None]).logits[0], x).flatten(1)
        p = exact(inputs_embeds=x[None]).logits[0].softmax(-1).detach()
        hessian = jacobian.T @ (p.diag() - p.outer(p)) @ jacobian
        r = steps_taken(calls)[row, :n].flatten().double()
        assert torch.cosine_similarity(leading(hessian), r, dim=0).abs() > 0.95


def test_one_iteration_beats_a_random_step_and_more_beat_one(tmp_path: Path) -> None:
    found = {}
    for iterations in (1, 10):
        trainer = build("vat", tmp_path / str(iterations), relative_epsilon=0.05, power_iterations=iterations)
        batch = first_batch(trainer)
        found[iterations] = terms_of(trainer, batch)["unsupervised"].item()
    forward, view = trainer.forward_for(trainer.model), batch["unlabeled"]["weak"]
    with torch.no_grad():
        x, mask = forward.embed(view), forward.mask(view)
        d = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        r = F.normalize_perturbation(d, 0.05 * F.example_norm(x, mask), mask)
        (clean,) = forward(view)
        (moved,) = forward(forward.from_embedding(view, x + r))
        random = F.kl_divergence(moved, clean.softmax(-1)).mean().item()
    assert found[1] > 5 * random
    assert found[10] > found[1]


def test_directions_are_of_the_step_the_seed_and_the_example(tmp_path: Path) -> None:
    def probes(step: int, **settings: Any) -> Tensor:
        trainer = build("vat", tmp_path, "features", save_strategy="no", **settings)
        trainer.objective.steps.fill_(step)
        batch = first_batch(trainer)
        batch["unlabeled"]["weak"]["features"] = torch.ones(8, 16)
        batch["unlabeled"]["index"] = torch.arange(8)
        with recorded(trainer.model, "features") as calls:
            terms_of(trainer, batch)
        return calls[2].input - calls[1].input

    first = probes(0)
    assert torch.equal(first, probes(0))
    cosines = torch.nn.functional.normalize(first) @ torch.nn.functional.normalize(first).T
    assert (cosines - torch.eye(8)).abs().max() < 0.9
    for other in (probes(1), probes(0, seed=1)):
        assert torch.cosine_similarity(first, other).abs().max() < 0.9


def test_every_optimizer_step_draws_anew_and_the_count_is_state(tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, gradient_accumulation_steps=2, warm_start_steps=1)
    batch = first_batch(trainer)
    before = terms_of(trainer, batch)["unsupervised"]
    trainer.objective.after_step(trainer.forward_for(trainer.model), 0.5)
    assert terms_of(trainer, batch)["unsupervised"] != before
    trainer.objective.steps.zero_()
    trainer.train()
    assert state_of(trainer)["objective.steps"].item() == 4


@pytest.mark.parametrize("size", [{"epsilon": 0.0}, {"relative_epsilon": 0.0}])
@pytest.mark.parametrize("modality", MODALITIES)
def test_without_a_step_the_divergence_is_zero_whatever_the_dropout(
    modality: str, size: dict[str, Any], tmp_path: Path
) -> None:
    trainer = build("vat", tmp_path, modality, dropout=0.5, **size)
    batch = first_batch(trainer)
    for _ in range(3):
        assert abs(terms_of(trainer, batch)["unsupervised"].item()) < 1e-6


@pytest.mark.parametrize("modality", MODALITIES)
def test_all_passes_meet_one_dropout_and_the_next_batch_another(modality: str, tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, modality, dropout=0.5, epsilon=1e-4, xi=1e-5, length_passes=False)
    batch = first_batch(trainer)
    with recorded(trainer.model, MODEL_INPUT[modality]) as calls:
        terms_of(trainer, batch)
        terms_of(trainer, batch)
    clean, probe, final = (call.logits for call in calls[1:4])
    torch.testing.assert_close(probe, clean, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(final, clean, atol=1e-2, rtol=1e-2)
    assert (calls[5].logits - clean).abs().max() > 0.02


def test_dropout_goes_on_as_if_only_the_clean_passes_had_drawn(tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, dropout=0.5)
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    torch.manual_seed(3)
    terms_of(trainer, batch)
    after = torch.get_rng_state()
    torch.manual_seed(3)
    forward(batch["labeled"]["weak"])
    forward(batch["unlabeled"]["weak"])
    assert torch.equal(after, torch.get_rng_state())


def test_search_for_the_step_leaves_no_gradient(tmp_path: Path) -> None:
    trainer = build("vat", tmp_path, power_iterations=2)
    batch = first_batch(trainer)
    terms_of(trainer, batch)
    assert all(p.grad is None for p in trainer.model.parameters())
    for p in trainer.model.parameters():
        p.grad = torch.full_like(p, 0.25)
    terms_of(trainer, batch)
    assert all(torch.equal(p.grad, torch.full_like(p, 0.25)) for p in trainer.model.parameters())


def test_search_is_in_full_precision_and_the_loss_in_mixed(tmp_path: Path) -> None:
    trainer = build(
        "vat", tmp_path, bf16=True, max_steps=1, logging_steps=1, dropout=0.5, epsilon=0.0, length_passes=False
    )
    dtypes: list[torch.dtype] = []
    query = trainer.model.bert.encoder.layer[0].attention.self.query
    query.register_forward_hook(lambda module, args, output: dtypes.append(output.dtype))
    trainer.train()
    half, full = torch.bfloat16, torch.float32
    # Labeled, clean; clean again and probe for the search; perturbed.
    assert dtypes == [half, half, full, full, half]
    # Clean and perturbed predictions are rounded alike.
    logged = next(row for row in trainer.state.log_history if "ssl/unsupervised" in row)
    assert abs(logged["ssl/unsupervised"]) < 1e-6


def test_batch_norms_learn_from_labeled_rows_alone(tmp_path: Path) -> None:
    network = ConvNet(dropout=0.5).train()
    alone = copy.deepcopy(network)
    forward = Forward(network, network, ImageBackend())
    objective = VAT(
        config(tmp_path, epsilon=0.0, entropy_weight=1.0).for_modality("image"), Task(3, 9, 40, (1 / 3,) * 3)
    )
    views = [{"pixel_values": torch.randn(n, 1, 8, 8), "lengths": [1] * n} for n in (4, 8)]
    batch = {
        "labeled": {"weak": views[0], "labels": torch.tensor([0, 1, 2, 0]), "index": torch.arange(4)},
        "unlabeled": {"weak": views[1], "index": torch.arange(8)},
    }
    terms = objective.loss(forward, batch, 0.0)
    assert abs(terms["unsupervised"].item()) < 1e-6
    alone(views[0]["pixel_values"])
    for a, b in zip(network.buffers(), alone.buffers(), strict=True):
        torch.testing.assert_close(a, b)
