"""What a recipe prepares for each backend: model, processor and views."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from accelerate import PartialState
from transformers import PreTrainedModel, set_seed

from ..augment import Augmentation, Column, OneOf
from ..augment.image import CTAugment, weak_view
from ..augment.text import TfIdfReplacement, for_pairs
from ..augment.text.special_tokens import special_tokens_of
from ..config import SSLConfig, derive
from ..data.feature_validation import feature_array
from ..errors import UserError
from ..features import (
    FeatureClassifier,
    FeatureClassifierConfig,
    SentenceEncoder,
    VisionEncoder,
    embed,
    embed_views,
)
from ..features.cache import cache_folder
from ..modalities import MODALITIES, Modality
from ..modalities.features import FeatureModality
from ..modalities.image import ImageModality
from ..modalities.text import TextModality
from ..pretraining import PretrainingConfig, pretrain_in_domain
from ..pretraining.config import before_fine_tuning
from ..pretraining.corpus import texts_of
from ..pretraining.stage import check_pretrainable
from .models import (
    label_settings,
    load_classifier,
    load_image_classifier,
    load_image_processor,
    load_tokenizer,
    model_version,
)
from .options import RecipeOptions, told_as
from .pixel_features import PIXELS, image_encoder_of, with_image_features
from .probe_head import ProbedModels, resolved_head
from .strong_view import choose_strong, strong_view
from .task_data import TaskData


__all__ = ["FeatureKind", "ImageKind", "Kind", "TextKind", "kind_of"]

C = TypeVar("C", bound=SSLConfig)

# Seeds that lie apart, so that the second network of one run is not the first of another.
NETWORKS = 1_000_003
# Share of words that a mild second view of a text replaces.
MILD = 0.1
# Changed versions of each text whose embeddings make a strong view.
VERSIONS = 2


class Kind:
    """One way to train on the data. What may fail early fails at construction; :meth:`prepare` may take long.

    Args:
        options: the recipe's.
        config: the method's.
        data: of the task.
        views: names of the method's views.

    Attributes:
        modality: of the model.
        strong_views: what ``--strong`` may name, the default first.
        pipeline: of transformers that takes the model; ``None`` if there is none.
    """

    modality: ClassVar[type[Modality]]
    strong_views: ClassVar[tuple[str, ...]]
    pipeline: ClassVar[str | None]

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        if options.strong not in ("auto", *self.strong_views):
            raise UserError(f"strong: got {options.strong!r}; here allowed: auto, {', '.join(self.strong_views)}")
        if options.embedding_cache is not None and self.modality.name != FeatureModality.name:
            raise UserError(f"embedding_cache: got {options.embedding_cache!r}; it is for --backend features")
        self.options, self.config, self.data = options, config, data
        self.modality.check_foreign_settings(self.trainer_config(config), [*MODALITIES.values()])
        self.wants_strong = "strong" in views
        self.wants_second = "weak_2" in views
        self.strong = self.strong_views[0] if options.strong == "auto" else options.strong
        if not self.wants_strong:
            self.strong = "none"
        self.processing_class: Any = None
        self.augmentations: dict[str, Augmentation] = {}

    @property
    def model_name(self) -> str:
        """The model or encoder, for a person."""
        return self.options.model

    def circumstances(self) -> dict[str, Any]:
        """What a continuation must have in common with the run besides its settings: data, model, processes."""
        return {
            "data": self.data.describe(),
            "data_sha256": self.data.checksum(self.config),
            "held_out_sha256": self.data.held_out_checksum(),
            "model_version": model_version(self.options.model),
            "processes": PartialState().num_processes,
        }

    def trainer_config(self, config: C) -> C:
        """What a trainer is told: ``config``, without what the preparation has used up."""
        return config

    def prepare(self, folder: Path) -> None:
        """Make what views need ahead of training, in ``folder``; ``data`` may gain columns."""

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """A fresh classifier, a function of the seed; of each number another."""
        raise NotImplementedError

    def _seed(self, of: int) -> int:
        return (self.config.seed + NETWORKS * of) % 2**32


class TextKind(Kind):
    """Fine-tuning an encoder of texts."""

    modality = TextModality
    strong_views = ("tfidf", "uniform", "apertium", "tfidf+apertium", "seq2seq", "ctaugment")
    pipeline = "text-classification"

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        super().__init__(options, config, data, views)
        if self.wants_strong:
            self.strong = choose_strong(options.strong)
        self.processing_class = load_tokenizer(options.model)
        self.start = options.model
        self.head = resolved_head(options.head, options.model)
        self._probed = ProbedModels(options.model, self.processing_class, config)

    def prepare(self, folder: Path) -> None:
        """Fit word replacements, translate."""
        special = special_tokens_of(self.processing_class)
        if self.wants_strong:
            unlabeled, way = strong_view(
                self.options, self.config, self.data.unlabeled, folder / "translations", special
            )
            self.data = replace(self.data, unlabeled=unlabeled)
            self.augmentations["strong"] = way
        if self.wants_second and self.options.second_view == "tfidf":
            columns = self.data.columns
            texts = chain(*(self.data.examples[column] for column in columns))
            mild = TfIdfReplacement.fit(texts, p=MILD, column=columns[0], special_tokens=special)
            self.augmentations["weak_2"] = mild if len(columns) == 1 else for_pairs(mild, columns)

    def check_pretraining(self, folder: Path) -> None:
        """Raise UserError where :meth:`pretrain` could not begin."""
        check_pretrainable(self._with_new_head(), self.processing_class, self._pretraining(folder))

    def pretrain(self, folder: Path, resume: str | bool | None) -> None:
        """Train the encoder on all texts, in ``folder``: models that are made from then on start from it."""
        parts = [part for part in (self.data.labeled, self.data.unlabeled) if part is not None]
        texts = texts_of(parts, self.data.columns)
        config = self._pretraining(folder)
        self.start = str(pretrain_in_domain(self._with_new_head(), self.processing_class, texts, config, resume))

    def _pretraining(self, folder: Path) -> PretrainingConfig:
        told = self.options
        steps = {"max_steps": told.pretrain_steps, "learning_rate": told.pretrain_learning_rate}
        with told_as("pretrain_batch_size", "pretraining_batch_size"):
            return before_fine_tuning(self.config, str(folder), told.pretrain_batch_size, **steps)

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """The encoder with the head that was asked for."""
        if self.head == "probe":
            return self._probed.make(self.start, self.data, self._seed(of), of)
        return self._with_new_head(of)

    def _with_new_head(self, of: int = 0) -> PreTrainedModel:
        return load_classifier(self.start, self.data.label_names, self._seed(of))


class ImageKind(Kind):
    """Training or fine-tuning a network on images."""

    modality = ImageModality
    strong_views = ("randaugment", "ctaugment")
    pipeline = "image-classification"

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        super().__init__(options, config, data, views)
        self.processing_class = load_image_processor(options.model, data.labeled[0][data.column].size)

    def prepare(self, folder: Path) -> None:
        """Choose the strong view; the trainer's own is RandAugment."""
        if self.strong == "ctaugment":
            weak = weak_view(flip=self.config.horizontal_flip, column=self.config.image_column)
            self.augmentations["strong"] = CTAugment(weak=weak, column=self.config.image_column)

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """The named model with a fresh head, or a small ResNet."""
        return load_image_classifier(self.options.model, self.data.label_names, self._seed(of))


class FeatureKind(Kind):
    """A small head on embeddings of texts or images, or on the pixels of small images."""

    modality = FeatureModality
    strong_views = ("noise", "tfidf", "uniform")
    pipeline = None

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        if data.pair_column is not None:
            told = "a sentence encoder embeds single texts; allowed backend for pairs: text"
            raise UserError(f"text_pair_column: got {data.pair_column!r}; {told}")
        super().__init__(options, config, data, views)
        with told_as("embedding_cache", "cache_dir"):
            cache_folder(options.embedding_cache)
        self.image_encoder: VisionEncoder | None = None
        if data.modality == "image":
            if options.strong not in ("auto", "noise"):
                raise UserError(f"strong: got {options.strong!r}; for features of images allowed: auto, noise")
            self.image_encoder = image_encoder_of(options.model, data.labeled[0][data.column].size)
        else:
            with told_as("model", "encoder"):
                self.encoder = SentenceEncoder(options.model, max_length=config.max_length)

    @property
    def model_name(self) -> str:
        """The encoder and how it pools, or that there is none."""
        if self.data.modality == "text":
            return f"{self.options.model} (frozen encoder)"
        if self.image_encoder is None:
            return f"none, {PIXELS} are the features; --model names an image encoder"
        return f"{self.options.model} (frozen encoder, {self.image_encoder.pooling})"

    def trainer_config(self, config: C) -> C:
        """The column and the length of texts, or the column of images, mean nothing once there are features."""
        used_up = {"text": ("text_column", "max_length"), "image": ("image_column", "skip_corrupt_images")}
        defaults = {name: config.__dataclass_fields__[name].default for name in used_up[self.data.modality]}
        return derive(config, type(config), **defaults)

    def prepare(self, folder: Path) -> None:
        """Embed every text once, and changed versions of the unlabeled ones if they are the strong view."""
        data, into = self.data, self.config.feature_column
        parts = {name: getattr(data, name) for name in ("labeled", "unlabeled", "validation", "test")}
        for name, part in parts.items():
            if part is not None:
                parts[name] = self._embedded(part, folder)
        if self.wants_strong and self.strong != "noise":
            kept = parts["unlabeled"]
            changed = replace(self.options, strong=self.strong)
            _, way = strong_view(changed, self.config, data.unlabeled, folder)
            parts["unlabeled"] = embed_views(
                kept, data.column, way, self.encoder, self.options.embedding_cache, VERSIONS, self.config.seed,
                fallback_dir=folder / "embeddings", into=into, progress=PartialState().is_main_process,
            )  # fmt: skip
            self.augmentations["strong"] = OneOf([Column(f"{into}_strong_{k}", into) for k in range(VERSIONS)])
        self.data = replace(data, **parts)

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """A head of one hidden layer; dimensions are standardised by the unlabeled examples, or without any by all."""
        features = feature_array(self.data.examples, self.config.feature_column)
        set_seed(self._seed(of))
        head = FeatureClassifier(
            FeatureClassifierConfig(
                input_size=features.shape[1], encoder=self._encoder, **label_settings(self.data.label_names)
            )
        )
        head.fit_standardization(np.asarray(features))
        return head

    @property
    def _encoder(self) -> str:
        """What makes the vectors; a folder of this machine is named by its checksum."""
        if self.data.modality == "text":
            return self.encoder.name
        return PIXELS if self.image_encoder is None else f"{self.image_encoder.name}, {self.image_encoder.pooling}"

    def _embedded(self, part: Any, folder: Path) -> Any:
        data, into = self.data, self.config.feature_column
        places: dict[str, Any] = {"cache_dir": self.options.embedding_cache, "fallback_dir": folder / "embeddings"}
        if data.modality == "image":
            size = data.labeled[0][data.column].size
            return with_image_features(part, data.column, into, self.image_encoder, size, **places)
        progress = PartialState().is_main_process
        return embed(part, data.column, self.encoder, into=into, progress=progress, **places)


def kind_of(options: RecipeOptions, data: TaskData) -> type[Kind]:
    """How the data will be trained on.

    Raises:
        UserError: text as images, or the reverse.
    """
    kinds: dict[str, type[Kind]] = {"text": TextKind, "image": ImageKind, "features": FeatureKind}
    if options.backend in ("auto", data.modality):
        return kinds[data.modality]
    if options.backend != "features":
        told = f"{data.data_facts.name} holds {data.modality}; allowed: auto, {data.modality}, features"
        raise UserError(f"backend: got {options.backend!r}; {told}")
    return kinds["features"]
