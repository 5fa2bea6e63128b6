"""What a recipe prepares for a small head on embeddings or pixels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from transformers import PreTrainedModel, set_seed

from ...augment import Column, OneOf
from ...config import SSLConfig, derive_config
from ...data.vectors import feature_array
from ...errors import UserError
from ...features import (
    FeatureClassifier,
    FeatureClassifierConfig,
    SentenceEncoder,
    VisionEncoder,
    deployable,
    embed,
    embed_views,
)
from ...features.cache import cache_folder
from ...features.settings import EncoderSettings
from ...modalities.features.modality import FeatureModality
from ...modalities.text.encoding import TextEncoder
from ...notices import warn_once
from ..console import progress
from ..data.task_data import TaskData
from ..options import RecipeOptions, rename_argument_in_errors
from .base import TaskSetup
from .model_loading import label_settings
from .pixel_features import PIXELS, image_encoder_of, with_image_features
from .probe_head import probe_of, resolved_feature_head
from .strong_view import strong_view
from .text_models import load_tokenizer


__all__ = ["FeatureTaskSetup"]

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=SSLConfig)

# Changed versions of each text whose embeddings make a strong view.
VERSIONS = 2
# Why a head on pixels has no encoder in front, for its card.
GRAY_VALUES = "the gray values in [0, 1] of all pixels of an image, row by row, which no encoder made"


class FeatureTaskSetup(TaskSetup):
    """A small head on embeddings of texts or images, or on the pixels of small images."""

    modality = FeatureModality
    strong_views = ("noise", "tfidf", "uniform")
    takes_columns = True
    encoder: Any = None

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        if data.pair_column is not None:
            reason = "a sentence encoder embeds single texts; allowed backend for pairs: text"
            raise UserError(f"text_pair_column: got {data.pair_column!r}; {reason}")
        super().__init__(options, config, data, views)
        with rename_argument_in_errors("embedding_cache", "cache_dir"):
            cache_folder(options.embedding_cache)
        if data.modality == "image":
            if options.strong not in ("auto", "noise"):
                raise UserError(f"strong: got {options.strong!r}; for features of images allowed: auto, noise")
            self._size = data.labeled[0][data.column].size
            self.encoder = image_encoder_of(options.model, self._size)
        else:
            with rename_argument_in_errors("model", "encoder"):
                self.encoder = SentenceEncoder(options.model, max_length=config.max_length)
        self.head = resolved_feature_head(options.head, options.model, data.modality)
        self._measured_by = self.encoder
        # Until the encoder is known to go in front of the head.
        self.pipeline = None

    @property
    def model_name(self) -> str:
        """The encoder and how it pools, or that there is none."""
        if self.data.modality == "text":
            return f"{self.options.model} (frozen encoder)"
        if not isinstance(self.encoder, VisionEncoder):
            return f"none, {PIXELS} are the features; --model names an image encoder"
        return f"{self.options.model} (frozen encoder, {self.encoder.pooling})"

    @property
    def reads(self) -> TextEncoder | None:
        """With the encoder's tokenizer, of texts."""
        if self.data.modality != "text":
            return None
        return TextEncoder(load_tokenizer(self.options.model), self.config.max_length)

    def trainer_config(self, config: C, **changes: Any) -> C:
        """The column and the length of texts, or the column of images, mean nothing once there are features."""
        used_up = {"text": ("text_column", "max_length"), "image": ("image_column", "skip_corrupt_images")}
        defaults = {name: config.__dataclass_fields__[name].default for name in used_up[self.data.modality]}
        return derive_config(config, type(config), **defaults | changes)

    def prepare(self, folder: Path) -> None:
        """Embed every text once, and changed versions of the unlabeled ones if they are the strong view."""
        data, into = self.data, self.config.feature_column
        parts = {name: self._embedded(getattr(data, name), folder) for name in ("labeled", "unlabeled")}
        if self.wants_strong_view and data.strong_columns:
            for number, name in enumerate(data.strong_columns):
                views = self._embedded(parts["unlabeled"], folder, column=name, into=f"{into}_strong_{number}")
                parts["unlabeled"] = views
            self._read_strong(len(data.strong_columns))
        elif self.wants_strong_view and self.strong != "noise":
            kept = parts["unlabeled"]
            changed = replace(self.options, strong=self.strong)
            _, augmentation = strong_view(changed, self.config, data.unlabeled, folder)
            self.text_view = augmentation
            parts["unlabeled"] = embed_views(
                kept, data.column, augmentation, self.encoder,
                self.options.embedding_cache, VERSIONS, self.config.seed,
                fallback_dir=folder / "embeddings", into=into, progress=progress,
            )  # fmt: skip
            self._read_strong(VERSIONS)
        self.data = replace(data, **parts)
        self._try_export()
        if self.pipeline is not None and data.modality == "text":
            # In float32, as the saved model reads texts: what is measured is what is saved.
            self._measured_by = SentenceEncoder(self.options.model, max_length=self.config.max_length, bf16=False)
        held_out = {name: self._embedded(getattr(data, name), folder, True) for name in ("validation", "test")}
        self.data = replace(self.data, **held_out)

    def _try_export(self) -> None:
        """Find out before training whether the encoder can go in front of the head."""
        if self.encoder is None:
            self.features_alone = GRAY_VALUES
            return
        try:
            deployable(self.make_model(), self.encoder)
        except UserError as error:
            self.features_alone = str(error).partition(": ")[2] or str(error)
            warn_once(logger, f"the head is saved without its encoder, and takes features alone. {error}")
        else:
            self.pipeline = f"{self.data.modality}-classification"

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """A linear head that begins as a probe, or a new one of one hidden layer.

        Dimensions are standardised by the unlabeled examples, or without any by all.
        """
        features = feature_array(self.data.examples, self.config.feature_column)
        set_seed(self._seed(of))
        shape: dict[str, Any] = {"encoder": PIXELS} if self.frozen is None else self.frozen.for_config()
        if self.head == "probe":
            shape["hidden_sizes"] = ()
        head = FeatureClassifier(
            FeatureClassifierConfig(input_size=features.shape[1], **shape, **label_settings(self.data.label_names))
        )
        head.fit_standardization(np.asarray(features))
        if self.head == "probe":
            vectors = np.asarray(feature_array(self.data.labeled, self.config.feature_column))
            probe = probe_of(vectors, self.data, self.config, self._seed(of), of)
            # The same classifier, of standardised vectors.
            mean, std = head.mean.double().numpy(), head.std.double().numpy()
            head.set_linear_head(probe.weight * std, probe.bias + probe.weight @ mean)
        return head

    @property
    def exported(self) -> Callable[[Any], tuple[Any, Any]] | None:
        """The encoder is put in front of the head, unless there is none or it cannot be."""
        return None if self.pipeline is None else partial(deployable, encoder=self.encoder)

    @property
    def frozen(self) -> EncoderSettings | None:
        """Of the encoder; ``None`` for pixels."""
        return None if self.encoder is None else self.encoder.settings

    def _read_strong(self, count: int) -> None:
        """The strong view is one of this many columns of embeddings."""
        into = self.config.feature_column
        self.augmentations["strong"] = OneOf([Column(f"{into}_strong_{k}", into) for k in range(count)])

    def _embedded(
        self, part: Any, folder: Path, held_out: bool = False, column: str | None = None, into: str | None = None
    ) -> Any:
        if part is None:
            return None
        data, into = self.data, into or self.config.feature_column
        places: dict[str, Any] = {"cache_dir": self.options.embedding_cache, "fallback_dir": folder / "embeddings"}
        if data.modality == "image":
            return with_image_features(part, data.column, into, self.encoder, self._size, **places)
        encoder = self._measured_by if held_out else self.encoder
        return embed(part, column or data.column, encoder, into=into, progress=progress, **places)
