"""Several classifiers of features as one: its logits are the mean of theirs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..models.modeling_feature_classifier import FeatureClassifier, FeatureClassifierConfig


__all__ = ["merged"]


@torch.no_grad()
def merged(classifiers: Sequence[FeatureClassifier]) -> FeatureClassifier:
    """One classifier in whose hidden layers those of the others lie side by side; exact but for rounding.

    It reads the vector once, so that an encoder in front of it runs once.

    Args:
        classifiers: at least one, of the same features and labels. Their hidden layers may differ in width.

    Raises:
        UserError: they differ in depth, in activation or in labels.
    """
    first, count = classifiers[0].config, len(classifiers)
    for i, classifier in enumerate(classifiers):
        own = classifier.config
        for name, mine, theirs in (
            ("hidden layers", len(own.hidden_sizes), len(first.hidden_sizes)),
            ("activation", own.activation, first.activation),
            ("labels", own.id2label, first.id2label),
            ("features", own.input_size, first.input_size),
        ):
            if mine != theirs:
                raise UserError(
                    f"networks: number {i} has {name} {mine}, the first one {theirs}; they cannot be one model, "
                    "convert each by itself"
                )
    layers = [_layers(classifier) for classifier in classifiers]
    shared = all(classifier.config.standardize for classifier in classifiers) and all(
        classifier.mean.equal(classifiers[0].mean) and classifier.std.equal(classifiers[0].std)
        for classifier in classifiers
    )
    if not shared:
        for classifier, own_layers in zip(classifiers, layers, strict=True):
            own_layers[0] = _with_standardization(classifier, *own_layers[0])
    settings = first.to_dict() | {
        "hidden_sizes": [sum(sizes) for sizes in zip(*(c.config.hidden_sizes for c in classifiers), strict=True)],
        "standardize": shared,
    }
    made = FeatureClassifier(FeatureClassifierConfig(**settings))
    if shared:
        made.mean.copy_(classifiers[0].mean)
        made.std.copy_(classifiers[0].std)
    targets = [*(layer for layer in made.hidden if isinstance(layer, nn.Linear)), made.head]
    for depth, target in enumerate(targets):
        weights, biases = zip(*(own_layers[depth] for own_layers in layers), strict=True)
        if target is made.head:
            joined = torch.cat(weights, 1) / count if len(targets) > 1 else torch.stack(weights).mean(0)
            bias = torch.stack(biases).mean(0)
        else:
            joined = torch.cat(weights) if depth == 0 else torch.block_diag(*weights)
            bias = torch.cat(biases)
        target.weight.copy_(joined)
        target.bias.copy_(bias)
    return made.eval()


def _layers(classifier: FeatureClassifier) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each linear layer in float64, first to last."""
    linear = [*(layer for layer in classifier.hidden if isinstance(layer, nn.Linear)), classifier.head]
    return [(layer.weight.double().cpu(), layer.bias.double().cpu()) for layer in linear]


def _with_standardization(classifier: FeatureClassifier, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The first layer of a classifier that reads the vector as it is."""
    if not classifier.config.standardize:
        return weight, bias
    mean, std = classifier.mean.double().cpu(), classifier.std.double().cpu()
    return weight / std, bias - weight @ (mean / std)
