"""Places inside a network: which models are refused, and that nothing is left in a model afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSequenceClassification

from tests.forward.tiny_models import DEPTH, FAMILIES, IMPLEMENTATIONS, PLACES, SIZES, layers_of, rows, tiny, tiny_vit
from textssl import UserError
from textssl.forward.backend import Backend
from textssl.forward.base import Forward
from textssl.forward.inside import hidden_layers, last_linear, mixed_inside
from textssl.forward.mix import Mix
from textssl.forward.rows import FeatureBackend, ImageBackend
from textssl.modalities.text.backend import TextBackend
from textssl.models.modeling_feature_classifier import FeatureClassifier, FeatureClassifierConfig


WORDS = {"vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.2}


def text(name: str, **sizes: Any) -> nn.Module:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(name, num_labels=3, **{**WORDS, **sizes})
    ).eval()


def albert() -> nn.Module:
    return text("albert", embedding_size=16, **SIZES)


def gpt2() -> nn.Module:
    return text("gpt2", n_embd=32, n_layer=DEPTH, n_head=4)


def bart() -> nn.Module:
    """What its decoder reads is not mixed."""
    sizes = {
        f"{part}_{key}": n
        for part in ("encoder", "decoder")
        for key, n in {"layers": DEPTH, "attention_heads": 4, "ffn_dim": 48}.items()
    }
    return text("bart", d_model=32, **sizes)


def xlnet() -> nn.Module:
    """Its layers hold positions first, and rows second."""
    return text("xlnet", d_model=32, n_layer=DEPTH, n_head=4, d_inner=48)


def convolving() -> nn.Module:
    """A DeBERTa-v2 whose first layer is joined by a convolution of what came before it."""
    return tiny("deberta", conv_kernel_size=3, conv_act="gelu")


def resnet() -> nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model("resnet", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3)
    return AutoModelForImageClassification.from_config(config).eval()


def features() -> nn.Module:
    return FeatureClassifier(FeatureClassifierConfig(input_size=6, num_labels=3))


def checkpointing() -> nn.Module:
    net = tiny("bert")
    # Newer releases name it otherwise.
    getattr(net, "activation_checkpointing_enable", net.gradient_checkpointing_enable)()
    return net


def flexible() -> nn.Module:
    """Its masks are objects, as those of flex_attention, which its layers understand."""

    class BlockMask:
        pass

    def understood(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        none = {key: value for key, value in kwargs.items() if not isinstance(value, BlockMask)}
        return tuple(None if isinstance(value, BlockMask) else value for value in args), none

    net = tiny("bert")
    for layer in layers_of(net):
        layer.register_forward_pre_hook(lambda _, args: (args[0], BlockMask(), *args[2:]))
        layer.attention.register_forward_pre_hook(understood, with_kwargs=True)
    return net


REFUSED: list[tuple[Callable[[], nn.Module], Backend, int, str]] = [
    (
        albert,
        TextBackend(),
        1,
        r"^model: Albert\w+ has no list of 3 hidden layers that can be mixed; models such as BERT",
    ),
    (
        gpt2,
        TextBackend(),
        2,
        r"^model: with hidden layer 2 of GPT2\w+ mixed, its head does not follow; models such as",
    ),
    (bart, TextBackend(), 2, r"^model: hidden layer 2 of Bart\w+ cannot be mixed; models such as BERT"),
    (xlnet, TextBackend(), 2, r"^model: hidden layer 2 of XLNet\w+ cannot be mixed; models such as BERT"),
    (convolving, TextBackend(), 1, r"^model: with hidden layer 1 of Deberta\w+ mixed, its head does not follow"),
    (resnet, ImageBackend(), 1, r"^model: ResNet\w+ has no list of hidden layers that can be mixed"),
    (features, FeatureBackend(), 1, "^mix_at: got 'hidden'; FeatureClassifier has no hidden layers that can be mixed"),
    (checkpointing, TextBackend(), 1, "^gradient_checkpointing: got True; layers that are run again"),
    (flexible, TextBackend(), 1, "^attn_implementation: its masks are of type BlockMask, .*='sdpa' or 'eager'"),
    (
        lambda: tiny("bert"),
        TextBackend(),
        4,
        "^mix_layers: got 4; expected numbers from 1 to 3, the hidden layers of Bert",
    ),
    (lambda: tiny("bert"), TextBackend(), 0, "^mix_layers: got 0; expected numbers from 1 to 3"),
    (tiny_vit, ImageBackend(), -1, "^mix_layers: got -1; expected numbers from 1 to 3, the hidden layers of ViT"),
]


@pytest.mark.parametrize(("build", "backend", "number", "message"), REFUSED)
def test_models_and_layers_that_cannot_be_mixed_are_named(
    build: Callable[[], nn.Module], backend: Backend, number: int, message: str
) -> None:
    net = build()
    before = hooks_of(net)
    with pytest.raises(UserError, match=message):
        backend.check_hidden(net, [number])
    assert hooks_of(net) == before


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("family", "attention"), IMPLEMENTATIONS)
def test_models_that_can_be_mixed_are_let_through_and_left_alone(family: str, attention: str, side: str) -> None:
    net = tiny(family, attention).train()
    before, generator = hooks_of(net), torch.get_rng_state()
    TextBackend(0, side).check_hidden(net, list(range(1, DEPTH + 1)))
    assert hooks_of(net) == before
    assert all(module.training for module in net.modules())
    assert torch.equal(torch.get_rng_state(), generator)


def test_a_head_that_pools_over_other_positions_than_the_mix_is_refused() -> None:
    """A check that any model passes would check nothing: this one pools over the first row's mask."""

    net = tiny("modernbert_mean")
    pool = net.forward
    # A copy: the union never reaches the pooling.
    net.forward = lambda input_ids, attention_mask: pool(input_ids=input_ids, attention_mask=attention_mask.clone())
    with pytest.raises(UserError, match=r"with hidden layer 1 of ModernBert.* its head does not follow"):
        TextBackend().check_hidden(net, [1])


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_and_the_last_linear_are_found(family: str) -> None:
    net = tiny(family)
    assert hidden_layers(net) == layers_of(net)
    assert last_linear(net).out_features == 3
    assert last_linear(net).in_features == 32


def test_a_model_without_a_linear_layer_has_no_pooled_vector() -> None:
    with pytest.raises(UserError, match=r"^model: Identity has no linear layer, so no pooled vector"):
        last_linear(nn.Identity())


def test_a_head_that_reads_every_position_has_no_pooled_vector() -> None:
    net = gpt2()
    with pytest.raises(UserError, match=r"^model: the last linear layer of GPT2\w+ reads every position"):
        Forward(net, net, TextBackend()).pooled(rows([4, 6]))
    assert hooks_of(net) == 0


def hooks_of(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def own(at: str | int, count: int = 3) -> Mix:
    return Mix(list(range(count)), torch.arange(count), torch.full((count,), 0.5), at)


@pytest.mark.parametrize("at", PLACES)
def test_no_hook_is_left(at: str | int) -> None:
    net = tiny("modernbert_mean")
    run = Forward(net, net, TextBackend())
    before = hooks_of(net)
    run.mixed(rows([4, 6, 5]), mix=own(at))
    run.pooled(rows([4, 6, 5]))
    assert hooks_of(net) == before


@pytest.mark.parametrize("at", PLACES)
def test_no_hook_is_left_where_the_model_raises(at: str | int) -> None:
    net, view = tiny("bert"), rows([4, 6, 5])
    run = Forward(net, net, TextBackend())
    layer = layers_of(net)[-1]

    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    layer.register_forward_pre_hook(fail)
    for call in (lambda: run.mixed(view, mix=own(at)), lambda: run.pooled(view)):
        with pytest.raises(RuntimeError, match="out of memory"):
            call()
    assert hooks_of(net) == 1
    assert not net.training


def test_the_masks_of_the_caller_are_not_changed() -> None:
    """Also where the model hands on the very mask that it was given, and on the way no other is seen."""
    net, view = tiny("modernbert_mean", "sdpa"), rows([4, 9, 5])
    mask, kept = view["attention_mask"], view["attention_mask"].clone()
    partners = torch.tensor([1, 2, 0])
    with mixed_inside(net, Mix([1, 2, 0], partners, torch.full((3,), 0.7), 2)):
        net(input_ids=view["input_ids"], attention_mask=mask)
    assert torch.equal(mask, kept)


def test_positional_masks_are_joined_too() -> None:
    """Some models hand a layer its mask by place."""

    class Layer(nn.Module):
        def forward(self, x: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
            masks.append(attention_mask)
            return x

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([Layer(), Layer()])
            self.config = AutoConfig.for_model("bert", num_hidden_layers=2)

        def forward(self, x: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
            return self.layers[1](self.layers[0](x, attention_mask), attention_mask)

    masks: list[torch.Tensor | None] = []
    net, mask = Net(), torch.tensor([[1, 1, 1], [1, 0, 0]])
    with mixed_inside(net, Mix([0, 0], torch.tensor([0, 0]), torch.tensor([1.0, 0.25]), 1)):
        got = net(torch.eye(2, 3), mask)
        net(torch.eye(2, 3), None)
    assert [m.tolist() for m in masks[:2]] == [mask.tolist(), [[1, 1, 1], [1, 1, 1]]]
    assert masks[2:] == [None, None]
    assert got.tolist() == [[1, 0, 0], [0.75, 0.25, 0]]
