"""Adversarial training against closed forms of linear models, finite differences and a naive loop over rows."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.cases import build, first_batch, labeled, model, tokenizer
from tests.methods.naive import ConvNet, cross_entropy, row_logits, softmax
from tests.methods.perturbed import MODALITIES, MODEL_INPUT, IdsOnly, norm, recorded, terms_of
from textssl import AdversarialConfig, AdversarialTrainer, Task, UserError
from textssl.features import FeatureClassifier, FeatureClassifierConfig
from textssl.forward.base import Forward
from textssl.forward.rows import FeatureBackend, ImageBackend
from textssl.methods.adversarial import Adversarial


CONTRACT_VARIANTS = [
    {"norm": "linf", "epsilon": 0.05, "adversarial_weight": 0.5},
    {"epsilon": 1.0, "label_smoothing_factor": 0.1},
]
CONTRACT_FIELDS = {"adversarial_weight": (1.0, 0.3), "norm": ("l2", "linf", {"epsilon": 0.05})}


def config(out: Path, **settings: Any) -> AdversarialConfig:
    return AdversarialConfig(output_dir=str(out), use_cpu=True, report_to=[], **settings)


def linear(num_labels: int, size: int = 6, scale: float = 1.0) -> FeatureClassifier:
    torch.manual_seed(1)
    made = FeatureClassifierConfig(
        input_size=size, hidden_sizes=(), num_labels=num_labels, standardize=False, initializer_range=scale
    )
    return FeatureClassifier(made)


def scored(
    out: Path,
    network: nn.Module,
    x: Tensor,
    labels: list[int],
    autocast: Any = nullcontext,
    key: str = "features",
    **settings: Any,
) -> tuple[dict[str, Tensor], Tensor]:
    """Terms and the step r, without any trainer."""
    made = config(out, **settings).for_modality("features")
    objective = Adversarial(made, Task(3, 9, 0, (1 / 3,) * 3))
    backend = FeatureBackend() if key == "features" else ImageBackend()
    view = {key: x, "lengths": [1] * len(x)}
    batch = {"labeled": {"weak": view, "labels": torch.tensor(labels), "index": torch.arange(len(x))}}
    with recorded(network, key) as calls:
        terms = objective.loss(Forward(network, network, backend, autocast), batch, 0.0)
    assert len(calls) == 2
    return terms, calls[1].input.double() - calls[0].input.double()


@pytest.mark.slow
def test_sign_step_of_a_linear_model_is_known(tmp_path: Path) -> None:
    """The gradient of cross entropy is W' (p - y)."""
    network, x = linear(3), torch.randn(4, 6)
    labels = [0, 1, 2, 0]
    terms, r = scored(tmp_path, network, x, labels, norm="linf", epsilon=0.25)
    weight, bias = network.head.weight.detach().double(), network.head.bias.detach().double()
    clean = adversarial = 0.0
    for row, y, got in zip(x.double(), labels, r, strict=True):
        z = weight @ row + bias
        error = torch.tensor(softmax(z.tolist()), dtype=torch.float64)
        error[y] -= 1
        step = 0.25 * (weight.T @ error).sign()
        torch.testing.assert_close(got, step, atol=1e-6, rtol=0)
        clean += cross_entropy(z.tolist(), y) / 4
        adversarial += cross_entropy((weight @ (row + step) + bias).tolist(), y) / 4
    assert terms["supervised"].item() == pytest.approx(clean, rel=1e-5)
    assert terms["adversarial"].item() == pytest.approx(adversarial, rel=1e-5)
    assert terms["loss"].item() == pytest.approx(clean + adversarial, rel=1e-5)


@pytest.mark.parametrize(("name", "dual"), [("linf", 1), ("l2", 2)])
def test_logistic_regression_loses_the_dual_norm_of_its_weights(name: str, dual: int, tmp_path: Path) -> None:
    """Section 5 of the paper: the worst step takes epsilon ||w||_1 off the margin; in L2, epsilon ||w||_2."""
    network, x, labels = linear(2), torch.randn(5, 6), [0, 1, 1, 0, 1]
    terms, _ = scored(tmp_path, network, x, labels, norm=name, epsilon=0.3)
    w = (network.head.weight[1] - network.head.weight[0]).detach().double()
    expected = 0.0
    for row, y in zip(x.double(), labels, strict=True):
        margin = (1 if y else -1) * torch.dot(w, row).item()
        expected += math.log1p(math.exp(-(margin - 0.3 * w.norm(p=dual).item()))) / 5
    assert terms["adversarial"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_step_follows_finite_differences_of_cross_entropy(modality: str, tmp_path: Path) -> None:
    trainer = build("adversarial", tmp_path, modality, relative_epsilon=0.2, length_passes=False)
    batch = first_batch(trainer)
    view, labels = batch["labeled"]["weak"], batch["labeled"]["labels"].tolist()
    with recorded(trainer.model, MODEL_INPUT[modality]) as calls:
        terms_of(trainer, batch)
    exact = copy.deepcopy(trainer.model).double().eval()
    for b in range(2):
        real = slice(0, view["lengths"][b]) if modality == "text" else slice(None)
        x = calls[0].input[b][real].double()
        r = (calls[1].input - calls[0].input)[b][real].double()
        assert norm(r) == pytest.approx(0.2 * norm(x), rel=1e-4)

        # A row for each component, moved up, then one for each moved down.
        moves = 1e-5 * torch.eye(x.numel(), dtype=torch.float64).view(-1, *x.shape)
        moved = torch.cat([x + moves, x - moves])
        with torch.no_grad():
            if modality == "features":
                logits = exact.head(exact.hidden(moved))
            else:
                logits = exact(**{MODEL_INPUT[modality]: moved}).logits
        up, down = torch.tensor([cross_entropy(z, labels[b]) for z in logits.tolist()], dtype=torch.float64).view(
            2, -1
        )
        assert torch.cosine_similarity(up - down, r.flatten(), dim=0) > 0.9999


@pytest.mark.parametrize("settings", [{}, {"epsilon": 1.5}, {"norm": "linf"}, {"norm": "linf", "epsilon": 0.1}])
def test_size_on_texts_is_over_the_whole_text_and_spares_padding(settings: dict[str, Any], tmp_path: Path) -> None:
    trainer = build("adversarial", tmp_path, length_passes=False, **settings)
    batch = first_batch(trainer)
    view = batch["labeled"]["weak"]
    with recorded(trainer.model, "inputs_embeds") as calls:
        terms_of(trainer, batch)
    assert len(set(view["lengths"])) > 1
    for r, x, n in zip(calls[1].input - calls[0].input, calls[0].input, view["lengths"], strict=True):
        assert r[n:].abs().sum() == 0
        if settings.get("norm") == "linf":
            size = settings.get("epsilon", 0.3 * norm(x[:n]) / math.sqrt(n * 32))
            torch.testing.assert_close(r[:n].abs(), torch.full_like(r[:n], size), atol=1e-6, rtol=1e-4)
        else:
            assert norm(r) == pytest.approx(settings.get("epsilon", 0.3 * norm(x[:n])), rel=1e-4)


@pytest.mark.parametrize("modality", MODALITIES)
def test_terms_are_means_of_both_cross_entropies(modality: str, tmp_path: Path) -> None:
    trainer = build("adversarial", tmp_path, modality, adversarial_weight=0.7, label_smoothing_factor=0.2)
    trainer.args.length_passes = False
    batch = first_batch(trainer)
    with recorded(trainer.model, MODEL_INPUT[modality]) as calls:
        terms = terms_of(trainer, batch)
    labels = batch["labeled"]["labels"].tolist()

    def smoothed(rows: list[list[float]]) -> float:
        each = [
            0.8 * cross_entropy(z, y) + 0.2 * sum(cross_entropy(z, c) for c in range(3)) / 3
            for z, y in zip(rows, labels, strict=True)
        ]
        return sum(each) / len(each)

    clean, adversarial = (
        smoothed(row_logits(trainer.model, batch["labeled"]["weak"])),
        smoothed(calls[1].logits.tolist()),
    )
    assert terms["supervised"].item() == pytest.approx(clean, rel=1e-4)
    assert terms["adversarial"].item() == pytest.approx(adversarial, rel=1e-4)
    assert terms["loss"].item() == pytest.approx(clean + 0.7 * adversarial, rel=1e-4)
    assert adversarial > clean


def test_gradient_is_that_of_a_fixed_step(tmp_path: Path) -> None:
    trainer = build("adversarial", tmp_path, length_passes=False)
    batch = first_batch(trainer)
    with recorded(trainer.model, "inputs_embeds") as calls:
        terms = terms_of(trainer, batch)
        assert all(p.grad is None for p in trainer.model.parameters())
        terms["loss"].backward()
    got = {name: p.grad.clone() for name, p in trainer.model.named_parameters()}
    trainer.model.zero_grad()
    view, labels = batch["labeled"]["weak"], batch["labeled"]["labels"]
    for step in (0.0, calls[1].input - calls[0].input):
        x = trainer.model.get_input_embeddings()(view["input_ids"])
        logits = trainer.model(inputs_embeds=x + step, attention_mask=view["attention_mask"]).logits
        nn.functional.cross_entropy(logits, labels).backward()
    for name, p in trainer.model.named_parameters():
        torch.testing.assert_close(got[name], p.grad, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"epsilon": 0.0}, {"relative_epsilon": 0.0}, {"norm": "linf", "epsilon": 0.0}])
@pytest.mark.parametrize("modality", MODALITIES)
def test_without_a_step_both_terms_agree_whatever_the_dropout(
    modality: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    trainer = build("adversarial", tmp_path, modality, dropout=0.5, **settings)
    batch = first_batch(trainer)
    seen = []
    for _ in range(3):
        terms = terms_of(trainer, batch)
        torch.testing.assert_close(terms["adversarial"], terms["supervised"])
        seen.append(terms["supervised"].item())
    assert len(set(seen)) == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_confident_examples_get_a_full_step_in_half_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    """Their gradients are below what float16 holds; at a margin of 18 the loss is 0 in float32."""
    network = linear(2, scale=0.1)
    w = (network.head.weight[1] - network.head.weight[0]).detach()
    x = torch.stack([margin * w / w.square().sum() for margin in (1.0, 16.0, 18.0)])
    terms, r = scored(tmp_path, network, x, [1, 1, 1], lambda: torch.autocast("cpu", dtype), epsilon=0.5)
    assert all(torch.isfinite(term) for term in terms.values())
    # Where the label's probability rounds to 1, softmax gives the gradient of the other class alone.
    for step, cosine in zip(r, (0.999, 0.999, 0.7), strict=True):
        assert norm(step) == pytest.approx(0.5, rel=1e-3)
        assert torch.cosine_similarity(step, -w.double(), dim=0) > cosine


def test_an_example_without_gradient_stays_where_it_is(tmp_path: Path) -> None:
    network = linear(2)
    w = (network.head.weight[1] - network.head.weight[0]).detach()
    terms, r = scored(tmp_path, network, torch.stack([500 * w / w.square().sum(), w]), [1, 1], epsilon=0.5)
    assert norm(r[0]) == 0
    assert norm(r[1]) == pytest.approx(0.5, rel=1e-4)
    assert torch.isfinite(terms["loss"])


def test_batch_norms_learn_from_clean_inputs_alone(tmp_path: Path) -> None:
    network = ConvNet(dropout=0.5).train()
    alone, x = copy.deepcopy(network), torch.randn(4, 1, 8, 8)
    terms, _ = scored(tmp_path, network, x, [0, 1, 2, 0], key="pixel_values", epsilon=0.0)
    torch.testing.assert_close(terms["adversarial"], terms["supervised"])
    alone(x)
    for a, b in zip(network.buffers(), alone.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def test_weight_zero_is_the_supervised_baseline(tmp_path: Path) -> None:
    trained = []
    for method, settings in (("adversarial", {"adversarial_weight": 0.0}), ("supervised", {})):
        trainer = build(method, tmp_path / method, save_strategy="no", **settings)
        trainer.train()
        trained.append(trainer.model.state_dict())
    for name, value in trained[0].items():
        torch.testing.assert_close(value, trained[1][name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("modality", "given", "settled"),
    [
        ("text", {}, (None, 0.3)),
        ("image", {}, (None, 0.15)),
        ("features", {}, (None, 0.05)),
        ("text", {"epsilon": 5.0}, (5.0, None)),
        ("image", {"epsilon": 0.0}, (0.0, None)),
        ("text", {"relative_epsilon": 0.0}, (None, 0.0)),
    ],
)
def test_one_size_is_settled(
    modality: str, given: dict[str, Any], settled: tuple[float | None, float | None], tmp_path: Path
) -> None:
    made = config(tmp_path, **given).for_modality(modality)
    assert (made.epsilon, made.relative_epsilon) == settled


@pytest.mark.parametrize(
    ("field", "value"),
    [("epsilon", -1.0), ("relative_epsilon", -0.1), ("norm", "l1"), ("adversarial_weight", -1.0)],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        config(tmp_path, **{field: value})


def test_two_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"epsilon: got 0.0 with relative_epsilon 0.3; .* set one of them"):
        config(tmp_path, epsilon=0.0, relative_epsilon=0.3)


def test_a_model_without_continuous_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"IdsOnly takes no inputs_embeds; models such as BERT, RoBERTa"):
        AdversarialTrainer(
            IdsOnly(model().config),
            config(tmp_path, max_length=16),
            train_dataset=labeled(),
            processing_class=tokenizer(),
        )
