"""A linear or multilayer classifier of fixed vectors, as a model of transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from ..errors import UserError
from .vector_head import VectorHead, check_head


__all__ = ["FeatureClassifier", "FeatureClassifierConfig"]


class FeatureClassifierConfig(PretrainedConfig):
    """Shape of a :class:`FeatureClassifier`; labels as in every config of transformers.

    Args:
        input_size: D, numbers in a feature vector; 384 for all-MiniLM-L6-v2.
        hidden_sizes: width of each hidden layer, first to last; ``()`` leaves the linear head alone.
        activation: after each hidden layer: ``"gelu"`` or ``"relu"``.
        dropout: probability, after each activation; the input has none, see
            :class:`textssl.augment.features.FeatureDropout`.
        standardize: whether each dimension is brought to mean 0 and standard deviation 1 first, by figures
            that :meth:`FeatureClassifier.fit_standardization` takes.
        initializer_range: standard deviation of the head's weights at the start.
        encoder: what made the vectors, for whoever must make more of them: ``"owner/name@commit"``, or the checksum
            of the files of a folder. ``settings.for_config()`` of an encoder gives this and what follows.
        encoder_max_length: most tokens of a text that it was given; ``None`` for images, and where nobody said.
        encoder_pooling: how it made a vector of its states.
        encoder_normalize: whether it brought the vector to length 1.
        **kwargs: as for ``PretrainedConfig``, such as ``num_labels``, ``id2label`` and ``label2id``.

    Raises:
        UserError: a value out of range.
    """

    model_type = "textssl-features"

    input_size: int = 384
    hidden_sizes: tuple[int, ...] | list[int] = (256,)
    activation: str = "gelu"
    dropout: float = 0.1
    standardize: bool = True
    initializer_range: float = 0.02
    encoder: str | None = None
    encoder_max_length: int | None = None
    encoder_pooling: str | None = None
    encoder_normalize: bool | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if self.input_size < 1:
            raise UserError(f"input_size: got {self.input_size}; expected at least 1")
        check_head(self)
        super().__post_init__(**kwargs)


class FeatureClassifier(VectorHead, PreTrainedModel):
    """Linear layers over feature vectors [B, D]; without hidden layers it is logistic regression.

    The weights at the start depend on torch's seed alone: He et al. (2015, arXiv:1502.01852) for hidden layers,
    a normal distribution of ``initializer_range`` for the head, biases 0.

    Args:
        config: its shape.

    Attributes:
        mean: of each dimension [D]; 0 until :meth:`fit_standardization`. Saved in the checkpoint.
        std: standard deviation of each dimension [D]; 1 until then. Saved in the checkpoint.
    """

    config_class = FeatureClassifierConfig
    main_input_name = "features"
    config: FeatureClassifierConfig

    def __init__(self, config: FeatureClassifierConfig) -> None:
        super().__init__(config)
        self.make_head(config.input_size)
        self.post_init()

    def forward(
        self, features: Tensor, labels: Tensor | None = None, return_dict: bool | None = None
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Classify.

        Args:
            features: [B, D], of any float type; gradients reach them.
            labels: class numbers [B]; given, the mean cross entropy is returned as ``loss``.
            return_dict: ``False`` for a tuple.

        Returns:
            ``logits`` [B, C], and ``loss`` where there are labels.
        """
        logits = self.classify(features)
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        output = SequenceClassifierOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output

    def _init_weights(self, module: nn.Module) -> None:
        self.init_head(module)


AutoConfig.register(FeatureClassifierConfig.model_type, FeatureClassifierConfig, exist_ok=True)
AutoModelForSequenceClassification.register(FeatureClassifierConfig, FeatureClassifier, exist_ok=True)
