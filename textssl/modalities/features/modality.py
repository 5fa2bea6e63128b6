"""Features: vectors that a frozen encoder made beforehand, under a small head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import datasets

from ...augment import Augmentation, Chain
from ...augment.features import FeatureDropout, GaussianNoise
from ...forward.rows import FeatureBackend
from ..base import Modality
from .encoding import FeatureEncoder
from .validation import check_features


if TYPE_CHECKING:
    from ...config import SSLConfig


__all__ = ["FeatureModality"]


class FeatureModality(Modality):
    """A :class:`textssl.features.FeatureClassifier`, or any model whose main input is ``features`` [B, D]."""

    name = "features"
    main_input = "features"
    column_setting = "feature_column"
    settings = ("feature_column",)

    def check_inputs(self, dataset: datasets.Dataset, args: SSLConfig, argument: str) -> datasets.Dataset:
        """Raise UserError unless every example has as many finite numbers as the model takes."""
        return check_features(
            dataset, args.feature_column, argument, size=getattr(self.model.config, "input_size", None)
        )

    def encoder(self, args: SSLConfig) -> FeatureEncoder:
        """Stacks vectors."""
        return FeatureEncoder(int(self.model.config.input_size))

    def backend(self, args: SSLConfig) -> FeatureBackend:
        """Vectors need no padding."""
        return FeatureBackend()

    def default_view(self, stem: str, args: SSLConfig, unlabeled: datasets.Dataset | None) -> Augmentation | None:
        """``"weak"`` adds a little noise; ``"strong"`` more, and drops a part of the vector."""
        column = args.feature_column
        if stem == "weak":
            return GaussianNoise(0.1, column=column)
        if stem == "strong":
            return Chain([GaussianNoise(0.3, column=column), FeatureDropout(0.2, column=column)])
        return None
