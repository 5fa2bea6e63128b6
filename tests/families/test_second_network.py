"""A second network has the student's encoder and a head of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.contract import tiny_features, tiny_images, tiny_texts
from tests.reference.problems import ConvNet, ConvNetConfig
from textssl.families.second_network import make_second_network


def conv_net() -> ConvNet:
    torch.manual_seed(0)
    net = ConvNet(ConvNetConfig(num_labels=4))
    net.net.insert(1, nn.BatchNorm2d(32))
    net(pixel_values=torch.randn(5, 1, 8, 8))
    return net


MODELS = {
    "text": (tiny_texts.model, "bert."),
    "image": (tiny_images.model, "vit."),
    "features": (tiny_features.model, None),
    "custom": (conv_net, None),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("loaded", [False, True], ids=["made", "loaded"])
def test_the_head_is_drawn_anew_and_the_encoder_stays(kind: str, loaded: bool, tmp_path: Path) -> None:
    make, prefix = MODELS[kind]
    model: Any = make()
    if loaded and kind != "custom":
        model.save_pretrained(tmp_path)
        model = type(model).from_pretrained(tmp_path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    networks = [make_second_network(model, seed) for seed in (3, 3, 4)]
    assert torch.equal(torch.get_rng_state(), generator)
    own, again, other = (network.state_dict() for network in networks)
    assert {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])} == set()
    buffers = {name for name, _ in model.named_buffers()}
    for name, value in before.items():
        assert torch.equal(own[name], again[name]), name
        if name in buffers or (prefix is not None and name.startswith(prefix)):
            assert torch.equal(own[name], value), name
        elif value.dim() > 1:
            assert not torch.equal(own[name], value), name
            assert not torch.equal(own[name], other[name]), name
            assert own[name].std() == pytest.approx(value.std(), rel=0.5), name
    shared = {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in networks[0].parameters()}
    assert not shared


def test_a_fitted_standardization_stays() -> None:
    model = tiny_features.model()
    model.fit_standardization(torch.randn(50, tiny_features.SIZE) * 3 + 1)
    network = make_second_network(model, 0)
    assert torch.equal(network.mean, model.mean)
    assert torch.equal(network.std, model.std)
    assert model.mean.abs().sum() > 0


def test_it_keeps_what_is_frozen_and_its_mode() -> None:
    model = tiny_texts.model()
    model.bert.requires_grad_(False)
    network = make_second_network(model.train(), 0)
    assert [p.requires_grad for p in network.parameters()] == [p.requires_grad for p in model.parameters()]
    assert network.training


def test_its_own_head_is_saved_and_loaded(tmp_path: Path) -> None:
    network = make_second_network(tiny_texts.model(), 1)
    network.save_pretrained(tmp_path)
    for name, value in type(network).from_pretrained(tmp_path).state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
