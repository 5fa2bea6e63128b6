"""Task setup of a recipe: model, processing class and views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from accelerate import PartialState
from transformers import PreTrainedModel

from ...augment import Augmentation
from ...config import SSLConfig, derive_config
from ...errors import UserError
from ...features.settings import EncoderSettings
from ...modalities import MODALITIES, Modality
from ...modalities.features.modality import FeatureModality
from ...modalities.text.encoding import TextEncoder
from ..data.task_data import TaskData
from ..options import RecipeOptions
from .model_loading import model_version


__all__ = ["TaskSetup"]

C = TypeVar("C", bound=SSLConfig)

# Seeds that lie apart, so that the second network of one run is not the first of another.
NETWORKS = 1_000_003


class TaskSetup:
    """One way to train on the data. What may fail early fails at construction; :meth:`prepare` may take long.

    Args:
        options: the recipe's.
        config: the method's.
        data: of the task.
        views: names of the method's views.

    Attributes:
        modality: of the model.
        given: the data as they were loaded, with the texts or images whose place features may take.
        strong_views: what ``--strong`` may name, the default first.
        takes_columns: whether it may name columns of the unlabeled data too.
        pipeline: of transformers that takes the model; ``None`` if there is none.
        features_alone: why the model takes features and has no encoder in front; ``None`` where it has one.
        text_view: changes texts whose embeddings are the strong view of features; ``None`` where they are not.
        head: how the head is initialized, ``"probe"`` or ``"random"``; ``None`` if there is no choice.
    """

    modality: ClassVar[type[Modality]]
    strong_views: ClassVar[tuple[str, ...]]
    takes_columns: ClassVar[bool] = False
    pipeline: str | None
    features_alone: str | None = None
    head: str | None = None
    text_view: Augmentation | None = None

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        if options.strong not in ("auto", *self.strong_views) and not (data.strong_columns and self.takes_columns):
            raise UserError(f"strong: got {options.strong!r}; here allowed: auto, {', '.join(self.strong_views)}")
        if options.embedding_cache is not None and self.modality.name != FeatureModality.name:
            raise UserError(f"embedding_cache: got {options.embedding_cache!r}; it is for --backend features")
        self.options, self.config, self.data = options, config, data
        self.given = data
        # As each trainer will: the preparation between here and there may take hours.
        self.modality.check_foreign_settings(self.trainer_config(config), [*MODALITIES.values()])
        self.wants_strong_view = "strong" in views
        self.wants_second_view = "weak_2" in views
        self.strong = self.strong_views[0] if options.strong == "auto" else options.strong
        if data.strong_columns:
            self.strong = f"column {' or '.join(data.strong_columns)}"
        if not self.wants_strong_view:
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

    def trainer_config(self, config: C, **changes: Any) -> C:
        """The config for the trainer, with ``changes``, without settings that the preparation has consumed."""
        return derive_config(config, type(config), **changes)

    def prepare(self, folder: Path) -> None:
        """Make what views need ahead of training, in ``folder``; ``data`` may gain columns."""

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """A fresh classifier, a function of the seed; of each number another."""
        raise NotImplementedError

    @property
    def reads(self) -> TextEncoder | None:
        """How texts become tokens; ``None`` of what is none of texts."""
        return None

    @property
    def exported(self) -> Callable[[Any], tuple[Any, Any]] | None:
        """What makes of the trained model the one that is saved at the end; ``None`` where they are the same."""
        return None

    @property
    def frozen(self) -> EncoderSettings | None:
        """Of the frozen encoder that a head was trained on; ``None`` where there is none."""
        return None

    def _seed(self, of: int) -> int:
        return (self.config.seed + NETWORKS * of) % 2**32
