"""The configs of classifiers that pool the states of an encoder."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

from ..errors import UserError
from .inner_config import GENERATION, inner_setting, kept_settings
from .pooling import POOLINGS
from .vector_head import check_head


__all__ = ["PooledClassifierConfig", "PooledImageClassifierConfig"]


class PooledClassifierConfig(PretrainedConfig):
    """Shape of a :class:`textssl.models.modeling_pooled_classifier.PooledTextClassifier`.

    Labels are as in every config of transformers. A setting that this config lacks, such as ``hidden_size``,
    ``vocab_size`` or ``max_position_embeddings``, is read from ``encoder``, by all names that the encoder's config
    knows it by. Not passed on are settings of text generation, and configs within the encoder's config.

    Args:
        encoder: ``to_dict()`` of the encoder's config.
        pooling: which tokens make the vector: the ``"mean"`` of all, the first (``"cls"``) or the ``"last"``.
        normalize: whether the vector is brought to length 1.
        standardize: whether each dimension is then brought to mean 0 and standard deviation 1, by figures that
            ``fit_standardization`` of the model takes.
        hidden_sizes: width of each hidden layer of the head, first to last; ``()`` for a linear head.
        activation: after each hidden layer: ``"gelu"`` or ``"relu"``.
        dropout: probability, after each activation; the encoder has its own.
        input_size: D, numbers in the vector; ``None`` for the encoder's ``hidden_size``.
        max_seq_length: most tokens of a text that the encoder's authors recommend; ``None`` where nobody said.
        initializer_range: standard deviation of the weights of the head's last layer at the start.
        bos_token_id: of the encoder, if not given.
        eos_token_id: of the encoder, if not given.
        pad_token_id: of the encoder, if not given.
        **kwargs: as for ``PretrainedConfig``, such as ``num_labels``, ``id2label`` and ``label2id``.

    Raises:
        UserError: a value out of range, or an encoder that transformers does not know.
    """

    model_type = "textssl-pooled"

    encoder: dict[str, Any] = field(default_factory=dict)
    pooling: str = "mean"
    normalize: bool = False
    standardize: bool = False
    hidden_sizes: tuple[int, ...] | list[int] = ()
    activation: str = "gelu"
    dropout: float = 0.0
    input_size: int | None = None
    max_seq_length: int | None = None
    initializer_range: float = 0.02
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        check_head(self)
        self.check_pooling()
        encoder = kept_settings(self.encoder) if self.encoder else {}
        if encoder and encoder.get("model_type") not in CONFIG_MAPPING:
            raise UserError(
                f"encoder: got model_type {encoder.get('model_type')!r}; transformers knows no such model: one of "
                "your own must be registered first (AutoConfig.register)"
            )
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            if getattr(self, name) is None:
                setattr(self, name, encoder.get(name))
        # Transformers completes some settings where it finds them, such as those of rotary positions: it is to find
        # none of the encoder's.
        self.encoder = {}
        super().__post_init__(**kwargs)
        self.encoder = encoder

    def check_pooling(self) -> None:
        """Raise UserError for a way of pooling that the model does not have."""
        if self.pooling not in POOLINGS:
            raise UserError(f"pooling: got {self.pooling!r}; allowed: {', '.join(POOLINGS)}")

    @property
    def vector_size(self) -> int:
        """D, numbers in the vector that the head reads.

        Raises:
            UserError: no ``input_size``, and an encoder without one ``hidden_size``.
        """
        size = self.input_size if self.input_size is not None else getattr(self, "hidden_size", None)
        if not isinstance(size, int) or size < 1:
            raise UserError(f"input_size: got {size}; expected the size of the encoder's vector, at least 1")
        return size

    def __getattr__(self, name: str) -> Any:
        encoder = self.__dict__.get("encoder")
        if encoder and not name.startswith("_") and name not in GENERATION:
            value = inner_setting(encoder, name)
            if value is not MISSING:
                return value
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class PooledImageClassifierConfig(PooledClassifierConfig):
    """Shape of a :class:`textssl.models.modeling_pooled_classifier.PooledImageClassifier`.

    Args:
        pooling: ``"pooled"`` for the encoder's own pooled output, ``"mean"`` of the last layer over all tokens or
            places, or the first token (``"cls"``).
        **kwargs: as for :class:`PooledClassifierConfig`.

    Raises:
        UserError: a value out of range, or an encoder that transformers does not know.
    """

    model_type = "textssl-pooled-image"

    pooling: str = "pooled"

    def check_pooling(self) -> None:
        """Raise UserError for a way of pooling that the model does not have."""
        if self.pooling not in ("pooled", "mean", "cls"):
            raise UserError(f"pooling: got {self.pooling!r}; allowed: pooled, mean, cls")


AutoConfig.register(PooledClassifierConfig.model_type, PooledClassifierConfig, exist_ok=True)
AutoConfig.register(PooledImageClassifierConfig.model_type, PooledImageClassifierConfig, exist_ok=True)
