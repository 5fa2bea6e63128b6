"""A linear or multilayer classifier of fixed vectors, as a model of transformers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from ..errors import UserError


__all__ = ["FeatureClassifier", "FeatureClassifierConfig"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
# A dimension whose spread is this small a part of the largest is constant but for rounding.
CONSTANT = 1e-6
FIT_ROWS = 65_536


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
        encoder: what made the vectors, for whoever must make more of them; such as ``"owner/name@commit"``.
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

    def __post_init__(self, **kwargs: Any) -> None:
        # JSON knows no tuples.
        self.hidden_sizes = tuple(self.hidden_sizes)
        if self.input_size < 1:
            raise UserError(f"input_size: got {self.input_size}; expected at least 1")
        if any(size < 1 for size in self.hidden_sizes):
            raise UserError(f"hidden_sizes: got {self.hidden_sizes}; expected widths of at least 1")
        if self.activation not in ACTIVATIONS:
            raise UserError(f"activation: got {self.activation!r}; allowed: {', '.join(ACTIVATIONS)}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout: got {self.dropout}; expected a number in [0, 1)")
        if not self.initializer_range >= 0:
            raise UserError(f"initializer_range: got {self.initializer_range}; expected 0 or more")
        super().__post_init__(**kwargs)


class FeatureClassifier(PreTrainedModel):
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
    mean: Tensor
    std: Tensor

    def __init__(self, config: FeatureClassifierConfig) -> None:
        super().__init__(config)
        self.register_buffer("mean", torch.zeros(config.input_size))
        self.register_buffer("std", torch.ones(config.input_size))
        widths = [config.input_size, *config.hidden_sizes]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[config.activation](), nn.Dropout(config.dropout)]
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], int(config.num_labels or 0))
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
        x = features.float()
        if self.config.standardize:
            x = (x - self.mean) / self.std
        logits: Tensor = self.head(self.hidden(x.to(self.head.weight.dtype)))
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        output = SequenceClassifierOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output

    @torch.no_grad()
    def fit_standardization(self, features: np.ndarray | Tensor) -> FeatureClassifier:
        """Take mean and standard deviation of each dimension from training features.

        A constant dimension keeps its scale. Unlabeled features serve as well as labeled ones, and there are
        more of them.

        Args:
            features: [N, D].

        Returns:
            The model itself.

        Raises:
            UserError: features of another shape, none at all or not finite; or ``standardize`` is off.
        """
        if not self.config.standardize:
            raise UserError("standardize: got False; the model would not use a fitted mean and std")
        rows = features.detach().cpu().float().numpy() if isinstance(features, Tensor) else np.asarray(features)
        if rows.ndim != 2 or rows.shape[1] != self.config.input_size or not len(rows):
            raise UserError(f"features: got shape {list(rows.shape)}; expected [N, {self.config.input_size}], N > 0")
        mean = rows.mean(0, dtype=np.float64)
        # In parts, for a copy of all rows in float64 may not fit the memory.
        parts = [rows[i : i + FIT_ROWS] for i in range(0, len(rows), FIT_ROWS)]
        std = np.sqrt(sum(np.square(part - mean).sum(0) for part in parts) / len(rows))
        if not np.isfinite(std).all():
            raise UserError("features: got nan or infinity; expected finite numbers")
        std[std <= CONSTANT * std.max()] = 1.0
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))
        return self

    def _init_weights(self, module: nn.Module) -> None:
        # Transformers guards these functions, so that what a checkpoint held stays as it is.
        if module is self:
            nn.init.zeros_(self.mean)
            nn.init.ones_(self.std)
        elif isinstance(module, nn.Linear):
            std = self.config.initializer_range if module is self.head else math.sqrt(2 / module.in_features)
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)


AutoConfig.register(FeatureClassifierConfig.model_type, FeatureClassifierConfig, exist_ok=True)
AutoModelForSequenceClassification.register(FeatureClassifierConfig, FeatureClassifier, exist_ok=True)
