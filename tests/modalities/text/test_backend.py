"""Running views in passes, against one joined forward and against one row at a time."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForSequenceClassification

from tests.contract.cases import model, texts, tokenizer
from textssl.forward.base import Forward
from textssl.modalities.text.backend import TextBackend
from textssl.modalities.text.encoding import TextEncoder


PASSES = [None, 0, 5, 10_000]


def network(side: str) -> nn.Module:
    """BERT for right padding; for left padding a decoder with relative positions, whose last position is read."""
    if side == "right":
        return model().eval()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(
        vocab_size=65, num_labels=3, pad_token_id=0, bos_token_id=2, eos_token_id=3, initializer_range=0.2, **sizes
    )
    return LlamaForSequenceClassification(config).eval()


def encode(rows: list[str], side: str = "right") -> dict[str, Any]:
    own = copy.deepcopy(tokenizer())
    own.padding_side = side
    return TextEncoder(own, 16)(rows)


def three(side: str = "right") -> list[dict[str, Any]]:
    """Views of unequal size and width."""
    drawn = texts(12, seed=4)[0]
    return [encode(drawn[:3], side), encode(drawn[3:10], side), encode([drawn[10][:5]], side)]


def forward(net: nn.Module, side: str = "right", overhead: int | None = None) -> Forward:
    return Forward(net, net, TextBackend(0, side), pass_overhead=overhead)


def row_by_row(net: nn.Module, view: dict[str, Any]) -> Tensor:
    """Without padding at all, and without any of our code."""
    rows = [ids[mask.bool()][None] for ids, mask in zip(view["input_ids"], view["attention_mask"], strict=True)]
    with torch.no_grad():
        return torch.cat([net(input_ids=ids).logits for ids in rows])


@pytest.mark.parametrize("overhead", PASSES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_logits_are_those_of_each_row_alone(side: str, overhead: int | None) -> None:
    net, views = network(side), three(side)
    for logits, view in zip(forward(net, side, overhead)(*views), views, strict=True):
        torch.testing.assert_close(logits, row_by_row(net, view), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_passes_give_the_gradient_of_one_forward(side: str) -> None:
    views, grads = three(side), []
    for overhead in (None, 0):
        net = network(side)
        weights = torch.arange(1.0, 12.0)[:, None]
        (torch.cat(forward(net, side, overhead)(*views)).log_softmax(-1)[:, :1] * weights).sum().backward()
        grads.append({name: p.grad for name, p in net.named_parameters()})
    for name, grad in grads[0].items():
        assert grad is not None
        torch.testing.assert_close(grads[1][name], grad, atol=2e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def test_passes_are_shorter_and_hold_each_row_once() -> None:
    net, views, shapes = network("right"), three(), []
    net.register_forward_pre_hook(lambda _, args, kwargs: shapes.append(kwargs["input_ids"].shape), with_kwargs=True)
    forward(net, overhead=0)(*views)
    lengths = sorted(length for view in views for length in view["lengths"])
    assert sorted(width for count, width in shapes for _ in range(count)) == lengths
    shapes.clear()
    forward(net)(*views)
    assert shapes == [(11, max(lengths))]


def test_logits_are_float32_under_mixed_precision() -> None:
    net = network("right")
    mixed = Forward(net, net, TextBackend(), lambda: torch.autocast("cpu", torch.bfloat16))
    (logits,) = mixed(three()[0])
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, row_by_row(net, three()[0]), atol=0.15, rtol=0.1)


def test_an_input_without_rows_is_free_and_on_the_graph() -> None:
    net, views = network("right"), three()
    run = forward(net, overhead=0)
    empty = run.take(views[0], [])
    before, nothing, after = run(views[0], empty, views[1])
    assert nothing.shape == (0, 3)
    assert nothing.requires_grad
    nothing.sum().backward(retain_graph=True)
    for logits, view in ((before, views[0]), (after, views[1])):
        torch.testing.assert_close(logits, row_by_row(net, view), atol=2e-5, rtol=1e-4)


def test_no_rows_at_all_are_refused() -> None:
    run = forward(network("right"))
    with pytest.raises(ValueError, match="inputs: all are empty"):
        run(run.take(three()[0], []))


@pytest.mark.parametrize("fails", [False, True])
def test_without_dropout_modes_are_restored_as_they_were(fails: bool) -> None:
    """A module that was frozen in evaluation mode stays there; also when the model raises."""
    net = model(dropout=0.5)
    net.train()
    net.bert.encoder.layer[0].eval()
    modes = {name: module.training for name, module in net.named_modules()}
    assert set(modes.values()) == {True, False}
    view = three()[0]
    if fails:
        with pytest.raises(IndexError):
            forward(net)({**view, "input_ids": view["input_ids"] + 1000}, dropout=False)
    else:
        (logits,) = forward(net)(view, dropout=False)
        torch.testing.assert_close(logits, row_by_row(copy.deepcopy(net).eval(), view), atol=2e-5, rtol=1e-4)
    assert {name: module.training for name, module in net.named_modules()} == modes


def test_dropout_is_on_unless_told_otherwise() -> None:
    net, view = model(dropout=0.5).train(), three()[0]
    run = forward(net)
    assert not torch.equal(run(view)[0], run(view)[0])
    assert torch.equal(run(view, dropout=False)[0], run(view, dropout=False)[0])


def test_another_model_runs_in_place_of_the_student() -> None:
    net, other = network("right"), model(seed=1).eval()
    (logits,) = forward(net)(three()[1], model=other)
    torch.testing.assert_close(logits, row_by_row(other, three()[1]), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("overhead", PASSES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_embeddings_give_the_logits_of_their_ids(side: str, overhead: int | None) -> None:
    net, views = network(side), three(side)
    run = forward(net, side, overhead)
    embedded = [run.from_embedding(view, run.embed(view)) for view in views]
    assert all("input_ids" not in view for view in embedded)
    for ours, view in zip(run(*embedded), views, strict=True):
        torch.testing.assert_close(ours, row_by_row(net, view), atol=2e-5, rtol=1e-4)


def test_a_gradient_reaches_the_embedding_through_passes() -> None:
    """What an adversarial perturbation needs; rows that were not run get none."""
    run = forward(network("right"), overhead=0)
    view = three()[1]
    embedding = run.embed(view).detach().requires_grad_()
    run(run.take(run.from_embedding(view, embedding), [0, 4]))[0].pow(2).sum().backward()
    assert embedding.grad is not None
    moved = embedding.grad.abs().sum((1, 2)) > 0
    assert moved.tolist() == [True, False, False, False, True, False, False]
    padding = view["attention_mask"] == 0
    assert embedding.grad[padding].abs().max() == 0


def test_ids_and_embeddings_cannot_share_a_pass() -> None:
    run, views = forward(network("right")), three()
    with pytest.raises(ValueError, match="token ids and embeddings cannot share a pass"):
        run(views[0], run.from_embedding(views[1], run.embed(views[1])))


@pytest.mark.parametrize("side", ["left", "right"])
def test_take_cuts_to_the_longest_row_taken(side: str) -> None:
    view = encode(["w1", "w1 w2 w3", "w4 w5 w6 w7 w8"], side)
    taken = TextBackend(0, side).take(view, [1, 0])
    pads = [[], [0, 0]]
    ids = [[2, 6, 7, 8, 3], [2, 6, 3]]
    expected = [p + i if side == "left" else i + p for p, i in zip(pads, ids, strict=True)]
    assert taken["input_ids"].tolist() == expected
    assert taken["attention_mask"].tolist() == [[int(t > 0) for t in row] for row in expected]
    assert taken["lengths"] == [5, 3]


@pytest.mark.parametrize("side", ["left", "right"])
def test_join_pads_to_the_widest(side: str) -> None:
    backend = TextBackend(9, side)
    views = [encode(["w1"], side), encode(["w1 w2 w3"], side)]
    joined = backend.join(views)
    pad = [9, 9]
    assert joined["input_ids"][0].tolist() == ([*pad, 2, 6, 3] if side == "left" else [2, 6, 3, *pad])
    assert joined["attention_mask"][0].sum() == 3
    assert joined["input_ids"][1].tolist() == [2, 6, 7, 8, 3]
    assert joined["lengths"] == [3, 5]
    assert backend.size(joined) == 2


def test_a_padding_side_is_left_or_right() -> None:
    with pytest.raises(ValueError, match="padding_side: got 'middle'; allowed: 'left', 'right'"):
        TextBackend(0, "middle")


def test_taken_rows_keep_a_width_that_tensor_cores_like() -> None:
    """Longest row 5, multiple 8: 8 columns; never more than there are."""
    view = {"input_ids": torch.ones(2, 16, dtype=torch.long), "attention_mask": torch.ones(2, 16), "lengths": [5, 16]}
    assert TextBackend(multiple=8).take(view, [0])["input_ids"].shape == (1, 8)
    assert TextBackend(multiple=32).take(view, [0])["input_ids"].shape == (1, 16)
    assert TextBackend().take(view, [0])["input_ids"].shape == (1, 5)
