"""A classifier of images that reads an encoder's own vector: its pooled output, or the mean of its states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForImageClassification, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

from ..errors import UserError
from ..state.module_modes import evaluating
from .configuration_pooled_classifier import PooledImageClassifierConfig
from .encoders import load_encoder
from .pooled_classifier import PooledClassifier, head_settings


__all__ = ["PooledImageClassifier"]

P = TypeVar("P", bound="PooledImageClassifier")

# Side of an image, for encoders that take any.
SIDE = 64


class PooledImageClassifier(PooledClassifier):
    """A classifier of images: encoder, its pooled output, optional normalisation and standardisation, and a head.

    Args:
        config: its shape.
        encoder: the encoder itself, which is taken as it is; without it, a new one of ``config``.

    Attributes:
        encoder: the model of transformers that gives the states.
        head: the last linear layer.

    Raises:
        UserError: an encoder whose vectors have no known size.
    """

    config_class = PooledImageClassifierConfig
    main_input_name = "pixel_values"
    input_modalities = "image"

    @classmethod
    def from_encoder(  # type: ignore[override]  # what is for images is named
        cls: type[P],
        encoder: str,
        label_names: Sequence[str] | None = None,
        *,
        pooling: str | None = None,
        normalize: bool | None = None,
        standardize: bool = False,
        hidden_sizes: Sequence[int] = (),
        activation: str = "gelu",
        dropout: float = 0.0,
        revision: str | None = None,
        num_labels: int | None = None,
    ) -> P:
        """A classifier with a trained encoder and a new head.

        Args:
            encoder: a folder, or the ``owner/name`` of a model on the Hub.
            label_names: of the classes, in order.
            pooling: as in :class:`PooledImageClassifierConfig`; ``None`` for what
                :class:`textssl.features.VisionEncoder` does: the pooled output, or the mean where the weights hold no
                pooler.
            normalize: whether the vector is brought to length 1; ``None`` for no.
            standardize: as in :class:`PooledImageClassifierConfig`.
            hidden_sizes: as in :class:`PooledImageClassifierConfig`.
            activation: as in :class:`PooledImageClassifierConfig`.
            dropout: as in :class:`PooledImageClassifierConfig`; only with ``hidden_sizes``.
            revision: of a model on the Hub: branch, tag or commit.
            num_labels: C, in place of ``label_names``.

        Raises:
            UserError: an encoder that cannot be loaded, that also reads texts, or that has no such vector; a value
                out of range.
        """
        shape = head_settings(
            label_names,
            num_labels,
            dropout,
            standardize=standardize,
            hidden_sizes=tuple(hidden_sizes),
            activation=activation,
        )
        network = load_encoder(encoder, revision, pooling in (None, "pooled"), optional_pooler=pooling is None)
        if network.main_input_name != cls.main_input_name or hasattr(network, "get_image_features"):
            raise UserError(f"encoder: got {type(network).__name__}; expected an encoder of images alone")
        outputs = _outputs(network)
        if pooling is None:
            pooling = "mean" if outputs.get("pooler_output") is None else "pooled"
        size = _vectors(outputs, pooling, type(network).__name__).shape[1]
        config = cls.config_class(
            encoder=network.config.to_dict(), pooling=pooling, normalize=bool(normalize), input_size=size, **shape
        )
        config.name_or_path = encoder
        return cls(config, network)

    def forward(
        self, pixel_values: Tensor | None = None, labels: Tensor | None = None, return_dict: bool | None = None
    ) -> ImageClassifierOutput | tuple[Tensor, ...]:
        """Classify.

        Args:
            pixel_values: [B, C, H, W].
            labels: class numbers [B]; given, the mean cross entropy is returned as ``loss``.
            return_dict: ``False`` for a tuple.

        Returns:
            ``logits`` [B, C], and ``loss`` where there are labels.
        """
        output: ImageClassifierOutput = self.answer(
            self.embed(pixel_values), labels, return_dict, ImageClassifierOutput
        )
        return output

    def embed(self, pixel_values: Tensor | None) -> Tensor:
        """The vectors [B, D] of images: pooled and, if the config says so, of length 1; not standardised.

        Args:
            pixel_values: [B, C, H, W].
        """
        outputs = dict(self.encoder(pixel_values=pixel_values))
        vectors = _vectors(outputs, self.config.pooling, type(self.encoder).__name__)
        return nn.functional.normalize(vectors, dim=-1) if self.config.normalize else vectors


@torch.no_grad()
def _outputs(network: PreTrainedModel) -> dict[str, Any]:
    """Of one gray image."""
    size = getattr(network.config, "image_size", None) or SIDE
    height, width = size if isinstance(size, list | tuple) else (size, size)
    pixels = torch.zeros(1, getattr(network.config, "num_channels", 3), height, width)
    with evaluating(network):
        return dict(network(pixel_values=pixels))


def _vectors(outputs: dict[str, Any], pooling: str, name: str) -> Tensor:
    """One vector [B, D] of each image."""
    states = outputs.get("pooler_output" if pooling == "pooled" else "last_hidden_state")
    if states is None or (pooling != "pooled" and states.dim() != 3 and (pooling, states.dim()) != ("mean", 4)):
        raise UserError(f"pooling: got {pooling!r}, which {name} has no states for")
    if pooling == "pooled":
        return states.flatten(1)
    if pooling == "cls":
        return states[:, 0]
    # [B, T, D] of a transformer, [B, D, H, W] of a convolution network.
    return states.mean(1) if states.dim() == 3 else states.mean((2, 3))


AutoModelForImageClassification.register(PooledImageClassifierConfig, PooledImageClassifier, exist_ok=True)
