"""FeatureClassifier: its arithmetic by numpy, and that it is a model of transformers like any other."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification

from textssl.errors import UserError
from textssl.features import FeatureClassifier, FeatureClassifierConfig


def model(seed: int = 0, **settings: Any) -> FeatureClassifier:
    torch.manual_seed(seed)
    return FeatureClassifier(FeatureClassifierConfig(**{"input_size": 5, "num_labels": 3, **settings})).eval()


def rows(n: int = 40, d: int = 5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) * np.arange(1, d + 1) + 7).astype(np.float32)


def numpy_logits(network: FeatureClassifier, x: np.ndarray, activation: str) -> np.ndarray:
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    h = (x.astype(np.float64) - weights["mean"]) / weights["std"]
    for layer in range(0, 3 * len(network.config.hidden_sizes), 3):
        h = h @ weights[f"hidden.{layer}.weight"].T + weights[f"hidden.{layer}.bias"]
        gelu = h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        h = gelu if activation == "gelu" else np.maximum(h, 0)
    return h @ weights["head.weight"].T + weights["head.bias"]


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("hidden_sizes", [(), (8,), (8, 6)])
def test_logits_and_loss_are_those_of_the_formula(hidden_sizes: tuple[int, ...], activation: str) -> None:
    network = model(hidden_sizes=hidden_sizes, activation=activation, initializer_range=0.5)
    x = rows()
    network.fit_standardization(x)
    labels = np.arange(len(x)) % 3
    output = network(torch.from_numpy(x), labels=torch.from_numpy(labels))
    expected = numpy_logits(network, x, activation)
    np.testing.assert_allclose(output.logits.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    losses = [math.log(sum(math.exp(v) for v in z)) - z[y] for z, y in zip(expected, labels, strict=True)]
    assert output.loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert network(torch.from_numpy(x)).loss is None
    assert len(network(torch.from_numpy(x), return_dict=False)) == 1


def test_standardized_features_have_mean_0_and_deviation_1() -> None:
    x = rows(1000)
    x[:, 2] = 0.1  # constant: its scale is kept, and nothing becomes infinite
    network = model().fit_standardization(x)
    np.testing.assert_allclose(network.mean, x.astype(np.float64).mean(0), rtol=1e-6)
    expected = x.astype(np.float64).std(0)
    expected[2] = 1.0
    np.testing.assert_allclose(network.std, expected, rtol=1e-6)
    again = model().fit_standardization(torch.from_numpy(x).double())
    assert torch.equal(again.std, network.std)


def test_standardization_in_parts_equals_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model().fit_standardization(rows()).std
    monkeypatch.setattr("textssl.models.vector_head.FIT_ROWS", 7)
    torch.testing.assert_close(model().fit_standardization(rows()).std, whole)


def test_without_standardization_features_go_in_as_they_are() -> None:
    network = model(standardize=False, hidden_sizes=(), initializer_range=0.5)
    x = torch.from_numpy(rows())
    expected = x @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(network(x).logits, expected)
    with pytest.raises(UserError, match="standardize: got False"):
        network.fit_standardization(rows())


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((3, 4)), r"features: got shape \[3, 4\]; expected \[N, 5\]"),
        (np.zeros((0, 5)), r"features: got shape \[0, 5\]"),
        (np.zeros(5), r"features: got shape \[5\]"),
        (np.full((3, 5), np.nan), "features: got nan or infinity"),
    ],
)
def test_features_that_cannot_be_fitted(features: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model().fit_standardization(features)


def test_round_trip_through_the_auto_classes(tmp_path: Path) -> None:
    names = {0: "bad", 1: "good", 2: "odd"}
    network = model(hidden_sizes=(8, 6), id2label=names, label2id={v: k for k, v in names.items()}, dropout=0.3)
    network.fit_standardization(rows())
    network.save_pretrained(tmp_path)
    assert {"mean", "std"} <= set(load_file(tmp_path / "model.safetensors"))
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, FeatureClassifierConfig)
    assert (config.hidden_sizes, config.dropout, config.input_size) == ((8, 6), 0.3, 5)
    assert config.id2label == names
    for loaded in (
        AutoModelForSequenceClassification.from_pretrained(tmp_path),
        FeatureClassifier.from_pretrained(tmp_path),
    ):
        assert isinstance(loaded, FeatureClassifier)
        assert not loaded.training
        x = torch.from_numpy(rows(seed=1))
        assert torch.equal(loaded(x).logits, network(x).logits)
        assert loaded.main_input_name == "features"


def test_weights_depend_on_the_seed_alone() -> None:
    first, second, other = (model(seed, hidden_sizes=(64,)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    np.random.default_rng(0).random()
    assert torch.equal(model(0, hidden_sizes=(64,)).head.weight, first["head.weight"])


def test_weights_start_at_the_stated_scale() -> None:
    network = model(input_size=400, hidden_sizes=(500,), num_labels=200)
    # He: 2 / 400; the standard error of a deviation from 200,000 draws is 0.16 %.
    assert network.hidden[0].weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.01)
    assert network.head.weight.std().item() == pytest.approx(0.02, rel=0.015)
    assert not network.hidden[0].bias.any()
    assert not network.head.bias.any()


def test_gradient_reaches_the_features() -> None:
    """Of a linear model it is the head's weight over the standard deviation."""
    network = model(hidden_sizes=(), initializer_range=0.5).fit_standardization(rows())
    x = torch.from_numpy(rows(2)).requires_grad_()
    network(x).logits[:, 1].sum().backward()
    expected = (network.head.weight[1] / network.std).expand(2, 5)
    torch.testing.assert_close(x.grad, expected)


def test_bfloat16_by_autocast_and_by_weights(tmp_path: Path) -> None:
    network = model(hidden_sizes=(8,)).fit_standardization(rows())
    x = torch.from_numpy(rows())
    exact = network(x).logits
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network(x, labels=torch.zeros(len(x), dtype=torch.long))
    assert mixed.logits.dtype == torch.bfloat16
    assert mixed.loss.dtype == torch.float32
    torch.testing.assert_close(mixed.logits.float(), exact, atol=2e-2, rtol=2e-2)
    network.save_pretrained(tmp_path)
    low = FeatureClassifier.from_pretrained(tmp_path, dtype=torch.bfloat16)
    torch.testing.assert_close(low(x).logits.float(), exact, atol=5e-2, rtol=5e-2)


def test_dropout_is_after_each_activation_only() -> None:
    x = torch.from_numpy(rows())
    linear = model(hidden_sizes=(), dropout=0.9).train()
    assert torch.equal(linear(x).logits, linear(x).logits)
    network = model(hidden_sizes=(2000,), dropout=0.25, activation="relu").train()
    dropped = (network.hidden(x) == 0).float().mean() - (network.hidden[1](network.hidden[0](x)) == 0).float().mean()
    positive = (network.hidden[1](network.hidden[0](x)) > 0).float().mean()
    # 80,000 entries, half of them positive: the standard error is 0.002.
    assert (dropped / positive).item() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_size", 0),
        ("hidden_sizes", (8, 0)),
        ("activation", "tanh"),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("initializer_range", -1.0),
    ],
)
def test_settings_out_of_range_are_named(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"{name}: got "):
        FeatureClassifierConfig(**{name: value})
