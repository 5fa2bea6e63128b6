"""Images and features mixed in pairs, and what a mix does to statistics of batch norms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.forward.tiny_models import LAYERS, PARTNERS, PLACES, SHARES, close, logits_from, pairs, tiny_vit, vectors
from tests.methods.naive import ConvNet
from textssl.forward.base import Forward
from textssl.forward.rows import FeatureBackend, ImageBackend
from textssl.models.modeling_feature_classifier import FeatureClassifier, FeatureClassifierConfig


def pixels(count: int = 5, seed: int = 0, stream: str = "labeled", channels: int = 3) -> dict[str, Any]:
    x = torch.randn(count, channels, 8, 8, generator=torch.Generator().manual_seed(seed))
    return {"pixel_values": x, "lengths": [1] * count, "stream": stream}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_images_are_mixed_at_every_place(attention: str) -> None:
    net, view = tiny_vit(attention), pixels()
    run, x = Forward(net, net, ImageBackend()), pixels()["pixel_values"]
    state = torch.tensor(SHARES)[:, None, None]
    with torch.no_grad():
        share = state[..., None]
        close(run.mixed(view, mix=pairs("input"))[0], net(share * x + (1 - share) * x[PARTNERS]).logits)
        for number in LAYERS:
            hidden = net(x, output_hidden_states=True).hidden_states[number]
            expected = logits_from(net, number, state * hidden + (1 - state) * hidden[PARTNERS], {"pixel_values": x})
            close(run.mixed(view, mix=pairs(number))[0], expected)
        vector = vectors(net, [{"pixel_values": x}])
        mixed = state[..., 0] * vector + (1 - state[..., 0]) * vector[PARTNERS]
        close(run.mixed(view, mix=pairs("pooled"))[0], mixed @ net.classifier.weight.T + net.classifier.bias)
        for at in PLACES:
            close(run.mixed(view, mix=pairs(at, list(range(5)), [1.0] * 5))[0], net(x).logits)


def test_features_are_mixed_as_they_are() -> None:
    net = FeatureClassifier(FeatureClassifierConfig(input_size=6, hidden_sizes=(8,), dropout=0.0, num_labels=3))
    x = torch.randn(5, 6)
    run, share = Forward(net, net, FeatureBackend()), torch.tensor(SHARES)[:, None]
    (got,) = run.mixed({"features": x, "lengths": [1] * 5}, mix=pairs("input"))
    close(got, net(features=share * x + (1 - share) * x[PARTNERS]).logits)
    (got,) = run.mixed({"features": x, "lengths": [1] * 5}, mix=pairs("pooled"))
    vector = net.hidden(x)
    close(got, (share * vector + (1 - share) * vector[PARTNERS]) @ net.head.weight.T + net.head.bias)


def running(net: ConvNet, *batches: Tensor) -> tuple[Tensor, Tensor]:
    """Running statistics of a fresh net after passes on ``batches``, by the rule of a momentum of 0.1."""
    mean, variance = torch.zeros(4), torch.ones(4)
    with torch.no_grad():
        for batch in batches:
            maps = net.conv(batch).transpose(0, 1).flatten(1)
            mean, variance = 0.9 * mean + 0.1 * maps.mean(1), 0.9 * variance + 0.1 * maps.var(1)
    return mean, variance


@pytest.mark.parametrize("batch_norm", ["all", "labeled"])
@pytest.mark.parametrize("at", ["input", "pooled"])
def test_labeled_rows_alone_move_statistics_where_asked(at: str, batch_norm: str) -> None:
    net, partners, shares = ConvNet().train(), [4, 2, 0, 1, 3, 6, 5], [0.9, 0.6, 0.8, 0.3, 0.7, 1.0, 0.2]
    views = [pixels(3, 0, channels=1), pixels(4, 1, "unlabeled", channels=1)]
    x, share = torch.cat([view["pixel_values"] for view in views]), torch.tensor(shares)[:, None, None, None]
    mixed = share * x + (1 - share) * x[partners] if at == "input" else x
    batches = [mixed] if batch_norm == "all" else list(mixed.split([3, 4]))
    # Each part is normalised by itself.
    expected = torch.cat([ConvNet().train()(batch).logits for batch in batches])
    if at == "pooled":
        expected = share[:, 0, 0] * expected + (1 - share[:, 0, 0]) * expected[partners]
    got = Forward(net, net, ImageBackend(), batch_norm=batch_norm).mixed(*views, mix=pairs(at, partners, shares))
    assert [len(part) for part in got] == [3, 4]
    close(torch.cat(got), expected)
    mean, variance = running(net, batches[0])
    assert net.norm.num_batches_tracked.item() == 1
    close(net.norm.running_mean, mean)
    close(net.norm.running_var, variance)
