"""Text: tokenizers, padding, word replacement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ..augment import Augmentation
from ..augment.plans import LateAugmentation
from ..augment.text import TextCTAugment, TfIdfReplacement
from ..augment.text.special_tokens import special_tokens_of
from ..backends.text import TextBackend
from ..data.encoding import TextEncoder
from ..data.preparation import text_lengths
from ..data.validation import check_texts
from ..errors import UserError
from ..models.padding import align_special_tokens, check_padding_token, right_padded
from ..positions import position_limit
from .base import Encoded, Modality


if TYPE_CHECKING:
    from ..config import SSLConfig


__all__ = ["TextModality"]


class TextModality(Modality):
    """Sequence classifiers; the processing class is a tokenizer, whose special tokens the model's config is told."""

    name = "text"
    main_input = "input_ids"
    column_setting = "text_column"
    settings = ("text_column", "max_length", "keep_end", "truncation", "train_sampling_strategy")
    tried_examples = 200

    def __init__(self, model: PreTrainedModel, processing_class: Any) -> None:
        check_padding_token(model, processing_class)
        align_special_tokens(model, processing_class)
        super().__init__(model, right_padded(model, processing_class))

    def check_settings(self, args: SSLConfig) -> None:
        """Raise UserError where texts may be longer than the model has positions."""
        positions = position_limit(self.model)
        if positions is not None and args.max_length > positions:
            raise UserError(
                f"max_length: got {args.max_length}; the model has {positions} positions, "
                "longer texts are cut to max_length"
            )

    def check_inputs(self, dataset: datasets.Dataset, args: SSLConfig, argument: str) -> datasets.Dataset:
        """Raise UserError unless every example has a text."""
        check_texts(dataset, args.text_column, argument)
        return dataset

    def encoder(self, args: SSLConfig) -> TextEncoder:
        """Token ids, padded to the longest of a batch."""
        return TextEncoder(self.processing_class, args.max_length, args.truncation, _multiple(args))

    def backend(self, args: SSLConfig) -> TextBackend:
        """Padding as the tokenizer does it."""
        tokenizer = self.processing_class
        pad = int(tokenizer.pad_token_id)
        return TextBackend(pad, tokenizer.padding_side, _multiple(args), tokenizer("a")["input_ids"][-1:] == [pad])

    def default_view(self, stem: str, args: SSLConfig, unlabeled: datasets.Dataset | None) -> Augmentation | None:
        """For ``"strong"`` TF-IDF word replacement fitted on the unlabeled texts; else the text as it is."""
        if stem != "strong" or unlabeled is None:
            return None
        special = special_tokens_of(self.processing_class)
        return TfIdfReplacement.fit(unlabeled[args.text_column], column=args.text_column, special_tokens=special)

    def views(
        self,
        wanted: Mapping[str, Sequence[str]],
        given: Mapping[str, Augmentation],
        args: SSLConfig,
        unlabeled: datasets.Dataset | None,
    ) -> dict[str, Augmentation]:
        """As of any modality; columns that CTAugment names must be there.

        Raises:
            UserError: a view that no method has, nor this one; a column that the unlabeled data lack.
        """
        made = super().views(wanted, given, args, unlabeled)
        for way in made.values():
            if isinstance(way, TextCTAugment) and unlabeled is not None:
                way.check_columns(unlabeled.column_names)
        return made

    def carried_out(
        self,
        inputs: dict[str, Any],
        view: str,
        plans: Sequence[Any],
        augmentation: Any,
        encoded: Encoded,
        device: torch.device,
    ) -> dict[str, Any]:
        """Finish the texts, and encode them.

        Raises:
            UserError: plans of an augmentation that is but a part of its view.
        """
        if not isinstance(augmentation, LateAugmentation):
            raise UserError(
                f"augmentations: got {type(augmentation).__name__} for {view!r}, a part of which acts on whole "
                "batches; expected that part alone, such as TextCTAugment"
            )
        made = encoded(augmentation.finish(plans))
        moved = {
            key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for key, value in made.items()
        }
        return {**inputs, **moved}

    def lengths(self, dataset: datasets.Dataset, args: SSLConfig) -> np.ndarray:
        """Characters of each text."""
        return text_lengths(dataset, args.text_column)


def _multiple(args: SSLConfig) -> int:
    """Tensor cores like widths that are multiples of eight."""
    return 8 if args.device.type == "cuda" else 1
