"""What classifiers of the pooled states of an encoder have in common, whatever the encoder reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput, SequenceClassifierOutput

from ..errors import UserError
from .configuration_pooled_classifier import PooledClassifierConfig
from .encoders import make_encoder
from .vector_head import VectorHead


__all__ = ["PooledClassifier", "head_settings", "named_inputs"]

P = TypeVar("P", bound="PooledClassifier")


class PooledClassifier(VectorHead, PreTrainedModel):
    """Encoder, pooling, optional normalisation and standardisation, and a linear or multilayer head.

    Args:
        config: its shape.
        encoder: the encoder itself, which is taken as it is; without it, a new one of ``config``.

    Attributes:
        encoder: the model of transformers that gives the states.
        head: the last linear layer.

    Raises:
        UserError: an encoder whose vectors have no known size.
    """

    base_model_prefix = "encoder"
    config: PooledClassifierConfig
    # Trainer is to average losses over accumulated batches itself.
    accepts_loss_kwargs = False
    supports_gradient_checkpointing = True
    # The encoder checks for itself what it supports.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True

    def __init__(self, config: PooledClassifierConfig, encoder: PreTrainedModel | None = None) -> None:
        attention = config._attn_implementation
        super().__init__(config)
        # What nobody asked for must not read as asked for, where a second model is made of this config.
        config._attn_implementation = attention
        if encoder is None:
            encoder = make_encoder(config.encoder, attention, config.pooling == "pooled")
        else:
            for part in [*encoder.modules(), *encoder.parameters()]:
                # Transformers draws what does not bear this mark.
                part._is_hf_initialized = True  # type: ignore[attr-defined]
        self.encoder = encoder
        self.make_head(config.vector_size)
        self.post_init()

    @classmethod
    def from_encoder(cls: type[P], encoder: str, label_names: Sequence[str] | None = None, **kwargs: Any) -> P:
        """A classifier with a trained encoder and a new head.

        Args:
            encoder: a folder, or the ``owner/name`` of a model on the Hub.
            label_names: of the classes, in order.
            **kwargs: see the classes for texts and images.
        """
        raise NotImplementedError

    @classmethod
    def from_features(cls: type[P], classifier: Any, encoder: str, **kwargs: Any) -> P:
        """What a classifier of precomputed features becomes: the encoder, its standardisation and its head.

        Args:
            classifier: a :class:`textssl.features.FeatureClassifier`.
            encoder: what made the features, as for :meth:`from_encoder`.
            **kwargs: ``pooling``, ``normalize`` and ``revision`` of :meth:`from_encoder`.

        Raises:
            UserError: as for :meth:`from_encoder`; vectors of another size than the features.
        """
        own = classifier.config
        shape: dict[str, Any] = {name: getattr(own, name) for name in ("standardize", "hidden_sizes", "activation")}
        # Without a hidden layer there is nothing that it follows.
        dropout = own.dropout if own.hidden_sizes else 0.0
        model = cls.from_encoder(encoder, num_labels=int(own.num_labels), dropout=dropout, **shape, **kwargs)
        if own.input_size != model.config.vector_size:
            raise UserError(
                f"encoder: its vectors have {model.config.vector_size} numbers; the features have {own.input_size}"
            )
        model.config.initializer_range = own.initializer_range
        model.config.id2label, model.config.label2id = dict(own.id2label), dict(own.label2id or {})
        model.load_state_dict(classifier.state_dict(), strict=False)
        return model.train(classifier.training)

    def answer(self, vectors: Tensor, labels: Tensor | None, return_dict: bool | None, kind: Any, **also: Any) -> Any:
        """Output of class ``kind`` for vectors [B, D]: logits [B, C], with labels the mean cross entropy; ``also``."""
        logits = self.classify(vectors)
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        output: SequenceClassifierOutput | ImageClassifierOutput = kind(loss=loss, logits=logits, **also)
        return output.to_tuple() if return_dict is False else output

    def _init_weights(self, module: nn.Module) -> None:
        self.init_head(module)


@cache
def named_inputs(forward: Callable[..., Any]) -> frozenset[str]:
    """What the ``forward`` of a class takes by name."""
    return frozenset(inspect.signature(forward).parameters)


def head_settings(
    label_names: Sequence[str] | None, num_labels: int | None, dropout: float, **others: Any
) -> dict[str, Any]:
    """Labels and shape of a head, as a config takes them.

    Raises:
        UserError: names that are not distinct, or of another number; dropout without a hidden layer.
    """
    if dropout and not others["hidden_sizes"]:
        raise UserError(f"dropout: got {dropout}; it follows hidden layers, and hidden_sizes is empty")
    settings = {"dropout": dropout, **others}
    if label_names is None:
        return settings if num_labels is None else {**settings, "num_labels": num_labels}
    names = [str(name) for name in label_names]
    if len({*names}) != len(names) or num_labels not in (None, len(names)):
        raise UserError(f"label_names: got {names[:10]}; expected {num_labels or len(names)} names that differ")
    return {**settings, "id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
