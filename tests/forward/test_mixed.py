"""Pairs mixed at any place of a network, against two plain runs that are mixed by hand."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.forward.tiny_models import (
    FAMILIES,
    IMPLEMENTATIONS,
    LAYERS,
    PARTNERS,
    PLACES,
    SHARES,
    close,
    head_of,
    layers_of,
    logits_from,
    pairs,
    rows,
    tiny,
    vectors,
)
from textssl.forward.base import Forward
from textssl.modalities.text.backend import TextBackend


LENGTHS = [9, 4, 12, 6, 7]
CASES = [(*case, "right") for case in IMPLEMENTATIONS]
# Rotary positions do not count padding, and a mean over positions reads no first one.
CASES += [("modernbert_mean", attention, "left") for attention in ("eager", "sdpa")]

KEY_BIASES = ("key.bias", "k_lin.bias", "key_proj.bias")

network = functools.cache(tiny)


def runner(net: nn.Module, side: str = "right", **settings: Any) -> Forward:
    return Forward(net, net, TextBackend(0, side), **settings)


def state_in(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


@contextmanager
def padding_sees_its_text(layers: list[nn.Module], real: Tensor) -> Iterator[None]:
    """A position of padding that may look at nothing looks at its text, position by position; one row."""
    width = len(real)

    def opened(mask: Any) -> Any:
        if not isinstance(mask, Tensor) or mask.shape != (1, 1, width, width):
            return mask
        mask = mask.clone()
        shut = torch.finfo(mask.dtype).min if mask.is_floating_point() else 0
        look = 0.0 if mask.is_floating_point() else 1
        for place in range(width):
            if not real[place] and not any(mask[0, 0, place, other] == look for other in range(width)):
                mask[0, 0, place] = shut
                mask[0, 0, place, real.bool()] = look
        return mask

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return tuple(opened(a) for a in args), {key: opened(value) for key, value in kwargs.items()}

    hooks = [layer.register_forward_pre_hook(hook, with_kwargs=True) for layer in layers]
    yield
    for hook in hooks:
        hook.remove()


def state_after(net: nn.Module, number: int, inputs: dict[str, Tensor]) -> Tensor:
    """The output of a layer for one row under its own mask."""
    seen: list[Tensor] = []
    layers = layers_of(net)
    hook = layers[number - 1].register_forward_hook(lambda _, args, output: seen.append(state_in(output)))
    with padding_sees_its_text(layers[:number], inputs["attention_mask"][0]):
        net(**inputs)
    hook.remove()
    return seen[0]


def cut(view: dict[str, Any], row: int, width: int, side: str) -> dict[str, Tensor]:
    """One row, padded to ``width``."""
    kept = slice(0, width) if side == "right" else slice(view["input_ids"].shape[1] - width, None)
    return {key: view[key][row : row + 1, kept] for key in ("input_ids", "attention_mask")}


@torch.no_grad()
def two_stages(net: nn.Module, view: dict[str, Any], number: int, side: str) -> Tensor:
    logits = []
    for i, (j, share) in enumerate(zip(PARTNERS, SHARES, strict=True)):
        width = max(view["lengths"][i], view["lengths"][j])
        a, b = cut(view, i, width, side), cut(view, j, width, side)
        state = share * state_after(net, number, a) + (1 - share) * state_after(net, number, b)
        union = {"input_ids": a["input_ids"], "attention_mask": a["attention_mask"] | b["attention_mask"]}
        logits.append(logits_from(net, number, state, union))
    return torch.cat(logits)


@pytest.mark.slow
@pytest.mark.parametrize("number", LAYERS)
@pytest.mark.parametrize(("family", "attention", "side"), CASES)
def test_a_hidden_layer_is_mixed_under_the_union_of_masks(family: str, attention: str, side: str, number: int) -> None:
    net, view = network(family, attention), rows(LENGTHS, side=side)
    with torch.no_grad():
        (got,) = runner(net, side).mixed(view, mix=pairs(number))
        plain = net(input_ids=view["input_ids"], attention_mask=view["attention_mask"]).logits
    close(got, two_stages(net, view, number, side))
    assert (got - plain)[:4].abs().amax(1).min() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(("family", "attention", "side"), CASES)
def test_more_padding_changes_nothing_at_any_place(family: str, attention: str, side: str) -> None:
    run = runner(network(family, attention), side)
    with torch.no_grad():
        for at in PLACES:
            (got,) = run.mixed(rows(LENGTHS, side=side), mix=pairs(at))
            (wide,) = run.mixed(rows(LENGTHS, max(LENGTHS) + 4, side=side), mix=pairs(at))
            close(wide, got)


@pytest.mark.parametrize(("family", "attention", "side"), CASES)
def test_a_row_that_is_all_its_own_is_not_changed(family: str, attention: str, side: str) -> None:
    net, view, own = network(family, attention), rows(LENGTHS, side=side), list(range(5))
    with torch.no_grad():
        plain = net(input_ids=view["input_ids"], attention_mask=view["attention_mask"]).logits
        for at in PLACES:
            close(runner(net, side).mixed(view, mix=pairs(at, own, [1.0] * 5))[0], plain)


@pytest.mark.parametrize("overhead", [None, 0])
@pytest.mark.parametrize("family", FAMILIES)
def test_word_embeddings_are_mixed_under_the_union_of_masks(family: str, overhead: int | None) -> None:
    net, view = network(family), rows(LENGTHS)
    words = net.get_input_embeddings().weight.detach()[view["input_ids"]]
    with torch.no_grad():
        (got,) = runner(net, pass_overhead=overhead).mixed(view, mix=pairs("input"))
        for i, (j, share) in enumerate(zip(PARTNERS, SHARES, strict=True)):
            longer = max(LENGTHS[i], LENGTHS[j])
            mixed = share * words[i, :longer] + (1 - share) * words[j, :longer]
            close(got[i], net(inputs_embeds=mixed[None]).logits[0])


def alone(view: dict[str, Any]) -> list[dict[str, Tensor]]:
    return [{"input_ids": ids[None, :length]} for ids, length in zip(view["input_ids"], view["lengths"], strict=True)]


@pytest.mark.parametrize("overhead", [None, 0])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_pooled_vector_is_mixed_before_the_last_layer(family: str, overhead: int | None) -> None:
    net, view = network(family), rows(LENGTHS)
    x, head = vectors(net, alone(view)), head_of(net)
    share = torch.tensor(SHARES)[:, None]
    mixed = share * x + (1 - share) * x[PARTNERS]
    (got,) = runner(net, pass_overhead=overhead).mixed(view, mix=pairs("pooled"))
    close(got, mixed @ head.weight.T + head.bias)


@pytest.mark.parametrize("family", FAMILIES)
def test_pooled_vectors_are_read_in_the_order_of_the_rows(family: str) -> None:
    net, shapes = network(family), []
    hook = net.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    views = [rows(LENGTHS), rows([5, 12, 3], seed=1)]
    got = runner(net, pass_overhead=0).pooled(*views)
    hook.remove()
    assert shapes == sorted(set(LENGTHS) | {5, 12, 3})
    for part, view in zip(got, views, strict=True):
        assert part.requires_grad
        assert part.dtype == torch.float32
        close(part, vectors(net, alone(view)))


def test_pooled_vectors_are_float32_under_mixed_precision() -> None:
    net = network("bert")
    run = runner(net, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    (got,) = run.pooled(rows(LENGTHS))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, vectors(net, alone(rows(LENGTHS))), atol=0.1, rtol=0.1)


@pytest.mark.parametrize("at", PLACES)
def test_several_views_are_one_batch(at: str | int) -> None:
    """A partner may be of another view."""
    run = runner(network("bert"))
    parts = [rows(LENGTHS[:2]), rows(LENGTHS[2:], 14, seed=1)]
    joined = {
        key: torch.cat([nn.functional.pad(parts[0][key], (0, 5)), parts[1][key]])
        for key in ("input_ids", "attention_mask")
    }
    got = run.mixed(*parts, mix=pairs(at))
    assert [len(part) for part in got] == [2, 3]
    close(torch.cat(got), run.mixed({**joined, "lengths": LENGTHS}, mix=pairs(at))[0])


@pytest.mark.slow
@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_all_below_the_mix_and_both_of_a_pair(family: str, at: str | int) -> None:
    net, words = tiny(family), []

    def keep(_: nn.Module, args: Any, output: Tensor) -> None:
        output.retain_grad()
        words.append(output)

    net.get_input_embeddings().register_forward_hook(keep)
    (logits,) = runner(net).mixed(rows(LENGTHS), mix=pairs(at))
    logits[0].square().sum().backward()
    # Row 0 is mixed with row 3, and with no other.
    reached = words[0].grad.abs().amax((1, 2)) > 0
    assert reached.tolist() == [True, False, False, True, False]
    # A bias of keys adds the same to all scores of a position, which softmax takes away again.
    still = [
        name
        for name, p in net.base_model.named_parameters()
        if not name.endswith(KEY_BIASES) and (p.grad is None or p.grad.abs().max() == 0)
    ]
    assert still == []


@pytest.mark.parametrize("at", PLACES)
def test_the_view_is_left_as_it_was(at: str | int) -> None:
    view = rows(LENGTHS)
    run = runner(network("modernbert_mean", "sdpa"))
    run.mixed(view, mix=pairs(at))
    for key, value in rows(LENGTHS).items():
        assert torch.equal(view[key], value) if isinstance(value, Tensor) else view[key] == value
