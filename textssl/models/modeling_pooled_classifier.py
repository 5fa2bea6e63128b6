"""A classifier that pools the states of an encoder, as the encoder was trained for.

``AutoModelForSequenceClassification`` puts new layers on the first token of a sentence encoder, which was trained for
the mean of all. This model reads the encoder's own vector, so that a logistic regression on frozen embeddings is its
head as it stands (linear probing, then fine-tuning: Kumar et al., 2022, arXiv:2202.10054).

A folder of such a model is known to transformers once the program that loads it has imported ``textssl.models``::

    import textssl.models
    from transformers import pipeline

    classify = pipeline("text-classification", model="folder")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput

from .configuration_pooled_classifier import PooledClassifierConfig
from .encoders import load_encoder, place_of
from .inner_config import kept_settings
from .inspection import position_limit
from .modeling_pooled_image_classifier import PooledImageClassifier
from .pooled_classifier import PooledClassifier, head_settings, named_inputs
from .pooling import pool
from .sentence_transformers_files import read_sentence_files, write_sentence_files


__all__ = ["PooledImageClassifier", "PooledTextClassifier"]

P = TypeVar("P", bound="PooledTextClassifier")

NO_LIMIT = 10**9


class PooledTextClassifier(PooledClassifier):
    """A classifier of texts: encoder, pooling, optional normalisation and standardisation, and a head.

    Args:
        config: its shape.
        encoder: the encoder itself, which is taken as it is; without it, a new one of ``config``.

    Attributes:
        encoder: the model of transformers that gives the states.
        head: the last linear layer.

    Raises:
        UserError: an encoder without one ``hidden_size``.
    """

    config_class = PooledClassifierConfig

    @classmethod
    def from_encoder(  # type: ignore[override]  # what is for texts is named
        cls: type[P],
        encoder: str,
        label_names: Sequence[str] | None = None,
        *,
        pooling: str | None = None,
        normalize: bool | None = None,
        standardize: bool = False,
        hidden_sizes: Sequence[int] = (),
        activation: str = "gelu",
        dropout: float = 0.0,
        revision: str | None = None,
        num_labels: int | None = None,
    ) -> P:
        """A classifier with a trained encoder and a new head.

        Args:
            encoder: a folder, the ``owner/name`` of a model on the Hub, or ``"embedded"`` for all-MiniLM-L6-v2 from
                the package of :func:`textssl.models.embedded.embedded_model_path`.
            label_names: of the classes, in order.
            pooling: as in :class:`PooledClassifierConfig`; ``None`` for what the files of sentence-transformers
                beside the encoder say, then for ``classifier_pooling`` of its config (ModernBERT), then the mean.
            normalize: ``None`` for what the files of sentence-transformers say; without them off.
            standardize: as in :class:`PooledClassifierConfig`.
            hidden_sizes: as in :class:`PooledClassifierConfig`.
            activation: as in :class:`PooledClassifierConfig`.
            dropout: as in :class:`PooledClassifierConfig`; only with ``hidden_sizes``.
            revision: of a model on the Hub: branch, tag or commit.
            num_labels: C, in place of ``label_names``.

        Raises:
            UserError: an encoder that cannot be loaded; modules of sentence-transformers that this model does not
                have, such as Dense; a value out of range.
        """
        shape = head_settings(
            label_names,
            num_labels,
            dropout,
            standardize=standardize,
            hidden_sizes=tuple(hidden_sizes),
            activation=activation,
        )
        place = place_of(encoder)
        files = read_sentence_files(place, revision, pooling)
        network = load_encoder(place, revision)
        config = cls.config_class(
            encoder=network.config.to_dict(),
            pooling=pooling or files.pooling or getattr(network.config, "classifier_pooling", None) or "mean",
            normalize=files.normalize if normalize is None else normalize,
            max_seq_length=files.max_seq_length,
            **shape,
        )
        config.name_or_path = place
        return cls(config, network)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Classify.

        Args:
            input_ids: [B, T].
            attention_mask: [B, T]; padding, on either side, changes nothing.
            token_type_ids: [B, T], for encoders that have token types.
            position_ids: [B, T], for encoders that have positions.
            inputs_embeds: [B, T, H], in place of ``input_ids``.
            labels: class numbers [B]; given, the mean cross entropy is returned as ``loss``.
            output_attentions: whether the attentions of the encoder's layers are returned.
            output_hidden_states: whether the states of the encoder's layers are returned.
            return_dict: ``False`` for a tuple.

        Returns:
            ``logits`` [B, C], ``loss`` where there are labels, and what else was asked for.
        """
        inputs = {"token_type_ids": token_type_ids, "position_ids": position_ids, "inputs_embeds": inputs_embeds}
        # peft hands on both, None where nobody asked.
        requested = {"attentions": output_attentions, "hidden_states": output_hidden_states}
        wanted = {f"output_{name}": True for name, value in requested.items() if value}
        states = self._states(input_ids, attention_mask, **inputs, **wanted)
        also = {name: getattr(states, name) for name, value in requested.items() if value}
        output: SequenceClassifierOutput = self.answer(
            self._vectors(states, attention_mask), labels, return_dict, SequenceClassifierOutput, **also
        )
        return output

    def embed(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """The vectors [B, D] of texts: pooled and, if the config says so, of length 1; not standardised.

        They are what ``SentenceTransformer.encode`` gives for the encoder.

        Args:
            input_ids: [B, T].
            attention_mask: [B, T].
            token_type_ids: [B, T].
            position_ids: [B, T].
            inputs_embeds: [B, T, H], in place of ``input_ids``.
        """
        inputs = {"token_type_ids": token_type_ids, "position_ids": position_ids, "inputs_embeds": inputs_embeds}
        return self._vectors(self._states(input_ids, attention_mask, **inputs), attention_mask)

    def _states(self, input_ids: Tensor | None, attention_mask: Tensor | None, **others: Any) -> Any:
        """What the encoder gives for those of the inputs that it takes."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, **others}
        named = named_inputs(type(self.encoder).forward) | {"output_attentions", "output_hidden_states"}
        return self.encoder(**{name: value for name, value in inputs.items() if value is not None and name in named})

    def _vectors(self, states: Any, attention_mask: Tensor | None) -> Tensor:
        vectors = pool(states.last_hidden_state, attention_mask, self.config.pooling)
        return nn.functional.normalize(vectors, dim=-1) if self.config.normalize else vectors

    def save_sentence_transformer(self, folder: str | Path, tokenizer: Any) -> None:
        """Write the encoder for sentence-transformers, whose ``encode`` then gives the vectors of :meth:`embed`.

        Standardisation and head are left out: they are those of a classifier.

        Args:
            folder: to write into; it is made.
            tokenizer: of the encoder. Texts are cut at the shortest of its ``model_max_length``, ``max_seq_length``
                and the encoder's positions.
        """
        limits = [self.config.max_seq_length, tokenizer.model_max_length, position_limit(self.encoder)]
        # A tokenizer without a limit has one of 1e30.
        length = min((limit for limit in limits if limit is not None and limit < NO_LIMIT), default=None)
        self.encoder.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_sentence_files(folder, self.config.pooling, self.config.normalize, self.config.vector_size, length)

    def get_input_embeddings(self) -> nn.Module:
        """Those of the encoder."""
        return self.encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace those of the encoder."""
        self.encoder.set_input_embeddings(value)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Embedding:
        """As of the encoder, whose new size this config has too."""
        embeddings = self.encoder.resize_token_embeddings(*args, **kwargs)
        self.config.encoder = kept_settings(self.encoder.config.to_dict())
        return embeddings


AutoModelForSequenceClassification.register(PooledClassifierConfig, PooledTextClassifier, exist_ok=True)
