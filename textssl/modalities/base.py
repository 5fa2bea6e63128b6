"""The contract of a modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import datasets
import numpy as np
import torch
from transformers import PreTrainedModel

from ..augment import Augmentation
from ..augment.plans import HITS, PLAN, PROBE
from ..augment.unchanged import warn_if_unchanged
from ..errors import UserError
from ..forward.backend import Backend


if TYPE_CHECKING:
    from ..config import SSLConfig
    from ..data.views import Encode


__all__ = ["Modality", "stem_of"]

Encoded = Callable[[Sequence[dict[str, Any]]], dict[str, Any]]


class Modality:
    """Data, views and inputs of one kind of example.

    Args:
        model: the classifier.
        processing_class: its tokenizer or image processor.

    Attributes:
        name: ``"text"``, ``"image"`` or ``"features"``.
        main_input: the model's name of its input.
        column_setting: the setting that names the column of the examples.
        settings: those settings of a config that mean nothing to the other modalities.
        tried_examples: on how many unlabeled examples a view is tried before training.
    """

    name: ClassVar[str]
    main_input: ClassVar[str]
    column_setting: ClassVar[str]
    settings: ClassVar[tuple[str, ...]]
    tried_examples: ClassVar[int] = 0

    def __init__(self, model: PreTrainedModel, processing_class: Any) -> None:
        self.model = model
        self.processing_class = processing_class

    def column(self, args: SSLConfig) -> str:
        """The column of the examples."""
        column: str = getattr(args, self.column_setting)
        return column

    def columns(self, args: SSLConfig) -> list[str]:
        """All columns that an example's inputs are made of."""
        return [self.column(args)]

    def check_settings(self, args: SSLConfig) -> None:
        """Raise UserError for settings that cannot work with the model."""

    def check_inputs(self, dataset: datasets.Dataset, args: SSLConfig, argument: str) -> datasets.Dataset:
        """Return the data set, ready to be read; raise UserError where its examples cannot serve."""
        raise NotImplementedError

    def encoder(self, args: SSLConfig) -> Encode:
        """What turns examples into inputs."""
        raise NotImplementedError

    def backend(self, args: SSLConfig) -> Backend:
        """What joins, cuts and embeds inputs."""
        raise NotImplementedError

    def default_view(self, stem: str, args: SSLConfig, unlabeled: datasets.Dataset | None) -> Augmentation | None:
        """Default augmentation of a view; ``None`` for no augmentation."""
        raise NotImplementedError

    def on_device(
        self, batch: dict[str, Any], augmentations: Mapping[str, Augmentation], encoded: Encoded
    ) -> dict[str, Any]:
        """Apply the sampled augmentation plans of a batch on its device.

        Args:
            batch: for each stream its views, and labels and the like; on its device.
            augmentations: of the views.
            encoded: what makes inputs of examples.

        Raises:
            UserError: plans of an augmentation that is but a part of its view, or that is for another modality.
        """
        return {
            stream: {
                name: self._finished(name, part, augmentations.get(name), encoded, parts["index"].device)
                if isinstance(part, dict) and PLAN in part
                else part
                for name, part in parts.items()
            }
            for stream, parts in batch.items()
        }

    def _finished(
        self, view: str, inputs: dict[str, Any], augmentation: Any, encoded: Encoded, device: torch.device
    ) -> dict[str, Any]:
        plans = inputs[PLAN]
        kept = {key: value for key, value in inputs.items() if key != PLAN}
        done = self.apply_plans(kept, view, plans, augmentation, encoded, device)
        # A host list: no model sees it.
        return {**done, HITS: augmentation.hits(plans)} if stem_of(view) == PROBE else done

    def apply_plans(
        self,
        inputs: dict[str, Any],
        view: str,
        plans: Sequence[Any],
        augmentation: Any,
        encoded: Encoded,
        device: torch.device,
    ) -> dict[str, Any]:
        """Inputs of one view after its plans are carried out; see :meth:`on_device`."""
        raise UserError(f"augmentations: got {type(augmentation).__name__} for {view!r}; it is not for {self.name}")

    def lengths(self, dataset: datasets.Dataset, args: SSLConfig) -> np.ndarray:
        """Length of each example, to group batches by; ones where all are alike."""
        return np.ones(len(dataset), dtype=np.int64)

    @classmethod
    def check_foreign_settings(cls, args: SSLConfig, others: Sequence[type[Modality]]) -> None:
        """Raise UserError where a setting of another modality was changed: it would have no effect."""
        defaults = {entry.name: entry.default for entry in args.__dataclass_fields__.values()}
        for other in others:
            for setting in other.settings:
                value = getattr(args, setting)
                if setting not in cls.settings and value != defaults[setting]:
                    raise UserError(
                        f"{setting}: got {value!r}; it is for {other.name}, and the model takes {cls.main_input}"
                    )

    def views(
        self,
        wanted: Mapping[str, Sequence[str]],
        given: Mapping[str, Augmentation],
        args: SSLConfig,
        unlabeled: datasets.Dataset | None,
    ) -> dict[str, Augmentation]:
        """How each view of a method is made: as given, else as its stem was, else by default.

        ``"weak_2"`` is a second draw of ``"weak"``, its stem, unless it is given itself. A view that leaves more than
        half of a sample of the unlabeled examples as they are is warned of.

        Raises:
            UserError: a view that no method has, nor this one.
        """
        names = {view for views in wanted.values() for view in views}
        # What other methods call their views may stay, so that one dictionary serves several trainers.
        known = names | {stem_of(name) for name in names} | {"weak", "strong"}
        if unknown := sorted(name for name in given if stem_of(name) not in known):
            raise UserError(f"augmentations: got {unknown[0]!r}; the method's views are {', '.join(sorted(names))}")
        made: dict[str, Augmentation | None] = dict(given)
        for name in sorted(names):
            stem = stem_of(name)
            if stem not in made:
                made[stem] = self.default_view(stem, args, unlabeled)
            made.setdefault(name, made[stem])
        chosen = {name: augmentation for name, augmentation in made.items() if augmentation is not None}
        if unlabeled is not None and args.process_index == 0:
            columns = self.columns(args)
            compared = columns[0] if len(columns) == 1 else columns
            warn_if_unchanged(chosen, wanted.get("unlabeled", ()), unlabeled, compared, self.tried_examples)
        return chosen


def stem_of(view: str) -> str:
    """``"weak"`` of ``"weak_2"``."""
    stem, _, number = view.rpartition("_")
    return stem if stem and number.isdecimal() else view
