"""What a recipe prepares to fine-tune an encoder of texts: tokenizer, views, pretraining and head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import datasets
from transformers import PreTrainedModel

from ...augment import Augmentation, Column, OneOf
from ...augment.text import TfIdfReplacement, for_pairs
from ...augment.text.special_tokens import special_tokens_of
from ...config import SSLConfig
from ...modalities.text.encoding import TextEncoder
from ...modalities.text.modality import TextModality
from ...pretraining import PretrainingConfig, pretrain_in_domain
from ...pretraining.config import before_fine_tuning
from ...pretraining.corpus import texts_of
from ...pretraining.stage import check_pretrainable
from ..data.task_data import TaskData
from ..options import RecipeOptions, rename_argument_in_errors
from .base import TaskSetup
from .probe_head import ProbeHeadModels, resolved_head
from .strong_view import choose_strong, strong_view
from .text_models import load_classifier, load_tokenizer


__all__ = ["TextTaskSetup", "mild_view"]

# Share of words that a mild second view of a text replaces.
MILD = 0.1


class TextTaskSetup(TaskSetup):
    """Fine-tuning an encoder of texts."""

    modality = TextModality
    strong_views = ("tfidf", "uniform", "apertium", "tfidf+apertium", "seq2seq", "ctaugment")
    takes_columns = True
    pipeline = "text-classification"

    def __init__(self, options: RecipeOptions, config: SSLConfig, data: TaskData, views: set[str]) -> None:
        super().__init__(options, config, data, views)
        if self.wants_strong_view and not data.strong_columns:
            self.strong = choose_strong(options.strong)
        self.processing_class = load_tokenizer(options.model)
        self.start = options.model
        self.head = resolved_head(options.head, options.model)
        self._probe_models = ProbeHeadModels(options.model, self.processing_class, config)

    @property
    def reads(self) -> TextEncoder:
        """With the model's tokenizer."""
        config = self.config
        pairs = config.text_pair_column is not None
        return TextEncoder(self.processing_class, config.max_length, config.truncation, pairs=pairs)

    def prepare(self, folder: Path) -> None:
        """Fit word replacements, translate."""
        special = special_tokens_of(self.processing_class)
        if self.wants_strong_view and self.data.strong_columns:
            self.augmentations["strong"] = OneOf([Column(name, self.data.column) for name in self.data.strong_columns])
        elif self.wants_strong_view:
            unlabeled, augmentation = strong_view(
                self.options, self.config, self.data.unlabeled, folder / "translations", special
            )
            self.data = replace(self.data, unlabeled=unlabeled)
            self.augmentations["strong"] = augmentation
        if self.wants_second_view and self.options.second_view == "tfidf":
            self.augmentations["weak_2"] = mild_view(self.data.examples, self.data.columns, special)

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
        options = self.options
        steps = {"max_steps": options.pretrain_steps, "learning_rate": options.pretrain_learning_rate}
        with rename_argument_in_errors("pretrain_batch_size", "pretraining_batch_size"):
            return before_fine_tuning(self.config, str(folder), options.pretrain_batch_size, **steps)

    def make_model(self, of: int = 0) -> PreTrainedModel:
        """The encoder with the head that was asked for."""
        if self.head == "probe":
            return self._probe_models.make(self.start, self.data, self._seed(of), of)
        return self._with_new_head(of)

    def _with_new_head(self, of: int = 0) -> PreTrainedModel:
        return load_classifier(self.start, self.data.label_names, self._seed(of))


def mild_view(examples: datasets.Dataset, columns: list[str], special_tokens: Sequence[str]) -> Augmentation:
    """A second weak view: few words are replaced.

    Args:
        examples: whose words are counted.
        columns: of their texts.
        special_tokens: of the tokenizer, which stay.
    """
    texts = chain(*(examples[column] for column in columns))
    mild = TfIdfReplacement.fit(texts, p=MILD, column=columns[0], special_tokens=special_tokens)
    return mild if len(columns) == 1 else for_pairs(mild, columns)
