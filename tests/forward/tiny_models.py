"""Classifiers of many families with small random weights, the rows that they are run on, and mixes of these."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSequenceClassification

from textssl.forward.mix import Mix


__all__ = ["DEPTH", "FAMILIES", "IMPLEMENTATIONS", "LAYERS", "PARTNERS", "PLACES", "SHARES", "SIZES", "close"]
__all__ += ["head_of", "layers_of", "logits_from", "pairs", "rows", "tiny", "tiny_vit", "vectors"]

DEPTH = 3
PARTNERS = [3, 0, 4, 1, 2]
SHARES = [0.3, 0.9, 0.55, 0.0, 1.0]
LAYERS = range(1, DEPTH + 1)
PLACES: list[str | int] = ["input", *LAYERS, "pooled"]
SIZES = {"hidden_size": 32, "num_hidden_layers": DEPTH, "num_attention_heads": 4, "intermediate_size": 48}
BERT_LIKE = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **SIZES}
RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 4, "share_att_key": True}
MODERN = {
    **SIZES,
    "num_hidden_layers": DEPTH,
    "global_attn_every_n_layers": 2,
    "local_attention": 4,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
    "classifier_dropout": 0.0,
}
# What each family is called in transformers, and its sizes.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", BERT_LIKE),
    # Many narrow heads and a thin feed-forward part, as in all-MiniLM-L6-v2.
    "minilm": ("bert", {**BERT_LIKE, "num_attention_heads": 8, "intermediate_size": 128, "type_vocab_size": 2}),
    "roberta": ("roberta", {**BERT_LIKE, "max_position_embeddings": 40}),
    "distilbert": (
        "distilbert",
        {"dim": 32, "n_layers": DEPTH, "n_heads": 4, "hidden_dim": 48, "dropout": 0.0, "attention_dropout": 0.0}
        | {"seq_classif_dropout": 0.0},
    ),
    "electra": ("electra", {**BERT_LIKE, "embedding_size": 16}),
    "deberta": ("deberta-v2", {**BERT_LIKE, "relative_attention": False, "pooler_hidden_size": 32}),
    "deberta_relative": ("deberta-v2", {**BERT_LIKE, **RELATIVE, "pooler_hidden_size": 32}),
    "modernbert_cls": ("modernbert", {**MODERN, "classifier_pooling": "cls"}),
    "modernbert_mean": ("modernbert", {**MODERN, "classifier_pooling": "mean"}),
}
# DeBERTa-v2 has one implementation of its attention.
IMPLEMENTATIONS = [
    (family, kind)
    for family in FAMILIES
    for kind in (("eager",) if family.startswith("deberta") else ("eager", "sdpa"))
]


def tiny(family: str, attention: str = "eager", **settings: Any) -> nn.Module:
    """A text classifier of three classes over sixty words; weights are large, so that logits differ visibly."""
    name, sizes = FAMILIES[family]
    config = AutoConfig.for_model(
        name, vocab_size=60, num_labels=3, pad_token_id=0, initializer_range=0.2, **{**sizes, **settings}
    )
    return _built(AutoModelForSequenceClassification, config, attention)


def tiny_vit(attention: str = "sdpa") -> nn.Module:
    sizes = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **SIZES}
    config = AutoConfig.for_model("vit", image_size=8, patch_size=4, num_channels=3, num_labels=3, **sizes)
    return _built(AutoModelForImageClassification, config, attention)


def _built(kind: Any, config: Any, attention: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = kind.from_config(config, attn_implementation=attention)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return net.eval()


def layers_of(net: nn.Module) -> list[nn.Module]:
    """The hidden layers by the names that the families give them."""
    for place in ("encoder.layer", "transformer.layer", "layers", "encoder.layers"):
        try:
            return list(net.base_model.get_submodule(place))
        except AttributeError:
            continue
    raise AssertionError(f"{type(net).__name__} keeps its layers at another place")


def head_of(net: nn.Module) -> nn.Linear:
    """The layer that makes the logits."""
    head = net.classifier
    return head if isinstance(head, nn.Linear) else head.out_proj


def rows(lengths: list[int], width: int | None = None, side: str = "right", seed: int = 0) -> dict[str, Any]:
    """Rows of other ids each, padded to ``width`` on one side, as a collator makes them."""
    width = max(lengths) if width is None else width
    ids = torch.zeros(len(lengths), width, dtype=torch.long)
    generator = torch.Generator().manual_seed(seed)
    for row, length in enumerate(lengths):
        drawn = torch.randint(5, 60, (length,), generator=generator)
        ids[row, _real(length, width, side)] = drawn
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        mask[row, _real(length, width, side)] = 1
    return {"input_ids": ids, "attention_mask": mask, "lengths": list(lengths)}


def _real(length: int, width: int, side: str) -> slice:
    return slice(0, length) if side == "right" else slice(width - length, width)


def pairs(at: str | int, partners: list[int] = PARTNERS, shares: list[float] = SHARES) -> Mix:
    return Mix(partners, torch.tensor(partners), torch.tensor(shares), at)


def close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def logits_from(net: nn.Module, number: int, state: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """The rest of the network on one row whose state is given."""

    def put(_: nn.Module, args: Any, output: Any) -> Any:
        return state if isinstance(output, Tensor) else (state, *output[1:])

    hook = layers_of(net)[number - 1].register_forward_hook(put)
    logits = net(**inputs).logits
    hook.remove()
    return logits


def vectors(net: nn.Module, inputs: list[dict[str, Tensor]]) -> Tensor:
    """What the layer that makes the logits reads of each input, run alone."""
    read: list[Tensor] = []
    hook = head_of(net).register_forward_pre_hook(lambda _, args: read.append(args[0].detach()))
    for one in inputs:
        net(**one)
    hook.remove()
    return torch.cat(read)
