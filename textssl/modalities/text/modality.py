"""Text: tokenizers, padding, word replacement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import torch
from transformers import PreTrainedModel

from ...augment import Augmentation, EachSide
from ...augment.plans import LateAugmentation
from ...augment.text import TextCTAugment, TfIdfReplacement
from ...augment.text.special_tokens import special_tokens_of
from ...data.validation import check_texts
from ...errors import UserError
from ...forward.device_transfer import inputs_to_device
from ...models.inspection import position_limit
from ...models.padding import align_special_tokens, check_padding_token, right_padded
from ...models.pairs import check_pairs, check_text_columns, takes_token_types
from ..base import Encoded, Modality
from .backend import TextBackend
from .encoding import TextEncoder, gives_token_types, text_lengths


if TYPE_CHECKING:
    from ...config import SSLConfig


__all__ = ["TextModality"]


class TextModality(Modality):
    """Sequence classifiers; the tokenizer's special tokens are copied to the model's config."""

    name = "text"
    main_input = "input_ids"
    column_setting = "text_column"
    settings = (
        *("text_column", "text_pair_column", "max_length", "keep_end", "truncation", "train_sampling_strategy"),
        "neftune_noise_alpha",
    )
    tried_examples = 200

    def __init__(self, model: PreTrainedModel, processing_class: Any) -> None:
        check_padding_token(model, processing_class)
        align_special_tokens(model, processing_class)
        super().__init__(model, right_padded(model, processing_class))

    def columns(self, args: SSLConfig) -> list[str]:
        """The column of the texts and, where examples are pairs, that of the second ones."""
        return [args.text_column] if args.text_pair_column is None else [args.text_column, args.text_pair_column]

    def check_settings(self, args: SSLConfig) -> None:
        """Raise UserError for columns that are none, and where texts may be longer than the model has positions."""
        check_text_columns(args.text_column, args.text_pair_column)
        positions = position_limit(self.model)
        if positions is not None and args.max_length > positions:
            raise UserError(
                f"max_length: got {args.max_length}; the model has {positions} positions, "
                "longer texts are cut to max_length"
            )
        if args.text_pair_column is not None:
            check_pairs(self.processing_class, args.max_length)

    def check_inputs(self, dataset: datasets.Dataset, args: SSLConfig, argument: str) -> datasets.Dataset:
        """Raise UserError unless every example has a text, or both of a pair."""
        check_texts(dataset, args.text_column, argument)
        if args.text_pair_column is not None:
            check_texts(dataset, args.text_pair_column, argument, "text_pair_column")
        return dataset

    def encoder(self, args: SSLConfig) -> TextEncoder:
        """Token ids, padded to the longest of a batch."""
        typed, pairs = takes_token_types(self.model), args.text_pair_column is not None
        return TextEncoder(self.processing_class, args.max_length, args.truncation, _multiple(args), pairs, typed)

    def backend(self, args: SSLConfig) -> TextBackend:
        """Padding as the tokenizer does it."""
        tokenizer = self.processing_class
        pad = int(tokenizer.pad_token_id)
        ends_in_padding = tokenizer("a")["input_ids"][-1:] == [pad]
        typed = takes_token_types(self.model) and gives_token_types(tokenizer, args.text_pair_column is not None)
        return TextBackend(pad, tokenizer.padding_side, _multiple(args), ends_in_padding, typed)

    def default_view(self, stem: str, args: SSLConfig, unlabeled: datasets.Dataset | None) -> Augmentation | None:
        """For ``"strong"`` TF-IDF word replacement fitted on the unlabeled texts; else the text as it is."""
        if stem != "strong" or unlabeled is None:
            return None
        special = special_tokens_of(self.processing_class)
        columns = self.columns(args)
        texts = chain(*(unlabeled[column] for column in columns))
        augmentation = TfIdfReplacement.fit(texts, column=columns[0], special_tokens=special)
        return augmentation if len(columns) == 1 else EachSide(augmentation, columns)

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
        for augmentation in made.values():
            if isinstance(augmentation, TextCTAugment) and unlabeled is not None:
                augmentation.check_columns(unlabeled.column_names)
        return made

    def apply_plans(
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
        return {**inputs, **inputs_to_device(encoded(augmentation.finish(plans)), device)}

    def lengths(self, dataset: datasets.Dataset, args: SSLConfig) -> np.ndarray:
        """Characters of each text, or of both of a pair."""
        return text_lengths(dataset, *self.columns(args))


def _multiple(args: SSLConfig) -> int:
    """Tensor cores like widths that are multiples of eight."""
    return 8 if args.device.type == "cuda" else 1
