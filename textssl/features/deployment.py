"""From a classifier of features to one of texts or images: encoder, standardisation and head in one model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedModel

from ..errors import UserError
from ..modalities.text.truncation import as_trained, truncation_of
from ..models import PooledImageClassifier, PooledTextClassifier
from ..models.embedded import EMBEDDED
from ..models.modeling_feature_classifier import FeatureClassifier, FeatureClassifierConfig
from .encoders import OTHER, SentenceEncoder
from .image_encoders import POOLED, POOLINGS, TOKEN_MEAN, VisionEncoder
from .merging import merged


__all__ = ["deployable", "head_of", "save_deployable"]

# What a model in front of the head must give the vector of, as the encoder does: one text is too long for any encoder.
TRIED = ["", "The quick Brown Fox.", "Größe, 日本の映画 & more", "One sentence after the other. " * 300]
CLOSE = 1e-4
PIXELS = "pixels"
OURS = {POOLED: "pooled", TOKEN_MEAN: "mean"}


def deployable(
    classifier: PreTrainedModel,
    encoder: str | os.PathLike[str] | SentenceEncoder | VisionEncoder | None = None,
    *,
    max_length: int | None = None,
) -> tuple[PreTrainedModel, Any]:
    """What a classifier of features becomes: a model that takes texts or images, and its tokenizer or processor.

    In float32 its logits are those of the classifier on the features of a :class:`SentenceEncoder` with
    ``bf16=False`` to within 1e-5. Features that were computed in bfloat16 differ by what rounding makes of them.

    Args:
        classifier: a :class:`FeatureClassifier`, or several in a :class:`textssl.models.Ensemble`, which become one.
        encoder: what made its features: a folder, a name on the Hub, ``"embedded"``, or the encoder itself; by default
            what ``classifier.config.encoder`` names, where that is a model of the Hub or the embedded one.
        max_length: most tokens of a text, where the classifier does not say how many there were.

    Returns:
        A :class:`textssl.models.PooledTextClassifier` with a tokenizer that cuts texts as they were cut, or a
        :class:`textssl.models.PooledImageClassifier` with an image processor; in evaluation mode.

    Raises:
        UserError: another encoder than that of the features, or none that can be found; one whose vectors no model of
            transformers gives, such as pixels; no ``max_length`` where nobody said.
    """
    head = _one_head(classifier)
    recorded = head.config.encoder
    if recorded == PIXELS:
        raise UserError("encoder: the features are pixels, which no encoder made; their classifier stays as it is")
    if isinstance(encoder, VisionEncoder) or (head.config.encoder_pooling in POOLINGS):
        return _of_images(head, encoder)
    if encoder is not None and not isinstance(encoder, str | os.PathLike | SentenceEncoder):
        raise UserError(
            f"encoder: got {type(encoder).__name__}; expected a model, a SentenceEncoder or a VisionEncoder"
        )
    return _of_texts(head, encoder, max_length)


def save_deployable(
    classifier: PreTrainedModel,
    folder: str | os.PathLike[str],
    encoder: str | os.PathLike[str] | SentenceEncoder | VisionEncoder | None = None,
    *,
    max_length: int | None = None,
) -> Path:
    """Write what :func:`deployable` gives: one folder for ``pipeline``, ``from_pretrained`` and the data scripts.

    Args:
        classifier: as for :func:`deployable`; of a trainer, its ``evaluated_model``.
        folder: made if missing.
        encoder: as for :func:`deployable`.
        max_length: as for :func:`deployable`.

    Returns:
        The folder.

    Raises:
        UserError: as from :func:`deployable`.
    """
    model, processing_class = deployable(classifier, encoder, max_length=max_length)
    model.save_pretrained(folder)
    processing_class.save_pretrained(folder)
    return Path(folder)


def head_of(model: PreTrainedModel) -> FeatureClassifier:
    """The classifier of features within a model of texts or images: what :func:`deployable` was given."""
    own = model.config
    config = FeatureClassifierConfig(
        input_size=own.vector_size,
        **{name: getattr(own, name) for name in ("hidden_sizes", "activation", "dropout", "standardize")},
        id2label=own.id2label,
        label2id=own.label2id,
        encoder=getattr(own, "feature_encoder", None),
    )
    head = FeatureClassifier(config)
    state = model.state_dict()
    head.load_state_dict({name: state[name] for name in head.state_dict()})
    return head.train(model.training)


def _one_head(classifier: PreTrainedModel) -> FeatureClassifier:
    members = list(getattr(classifier, "members", [classifier]))
    for member in members:
        if not isinstance(member, FeatureClassifier):
            raise UserError(f"classifier: got {type(member).__name__}; expected a FeatureClassifier")
    return merged(members) if len(members) > 1 else members[0]


def _of_texts(
    head: FeatureClassifier, encoder: str | os.PathLike[str] | SentenceEncoder | None, max_length: int | None
) -> tuple[PreTrainedModel, Any]:
    own = head.config
    length = own.encoder_max_length or max_length or getattr(encoder, "max_length", None)
    if max_length not in (None, length):
        raise UserError(f"max_length: got {max_length}; the features are of texts of at most {length} tokens")
    if length is None:
        raise UserError("max_length: got None; the classifier does not say of how many tokens its features are")
    place, revision = _place(encoder, own.encoder)
    source = SentenceEncoder(place, revision=revision, max_length=length, bf16=False)
    if own.encoder is not None and source.name != own.encoder:
        raise UserError(f"encoder: got {place!r}, which is {source.name}; the features were made by {own.encoder}")
    settings = source.settings
    pooling = None if settings.pooling == OTHER else settings.pooling
    chosen = {"pooling": pooling, "normalize": settings.normalize, "revision": source.commit}
    model = PooledTextClassifier.from_features(head, str(source.folder or source.model), **chosen).eval()
    model.config.feature_encoder = source.name
    where: dict[str, Any] = {} if source.commit is None else {"revision": source.commit}
    tokenizer = AutoTokenizer.from_pretrained(str(source.folder or source.model), **where)
    tokenizer = as_trained(tokenizer, length, truncation_of(tokenizer))
    _check_vectors(model, tokenizer, source)
    return model, tokenizer


def _place(encoder: str | os.PathLike[str] | SentenceEncoder | None, recorded: str | None) -> tuple[str, str | None]:
    """Folder or name, and revision, of the encoder of texts that is named or recorded."""
    if isinstance(encoder, SentenceEncoder):
        return str(encoder.folder or encoder.model), encoder.revision
    if encoder is not None:
        place, at, revision = os.fspath(encoder), "", ""
        if recorded is not None and not Path(place).is_dir() and place != EMBEDDED:
            place, at, revision = recorded.partition("@") if recorded.startswith(f"{place}@") else (place, "", "")
        return place, revision if at else None
    if recorded is None:
        raise UserError("encoder: got None; the classifier does not say what made its features, so name it")
    if not recorded.startswith("sha256:"):
        place, _, commit = recorded.partition("@")
        return place, commit or None
    try:
        if SentenceEncoder(EMBEDDED).name == recorded:
            return EMBEDDED, None
    except (UserError, OSError):
        pass
    raise UserError(f"encoder: got None; the features were made by a model of files {recorded}; give its folder")


@torch.no_grad()
def _check_vectors(model: PreTrainedModel, tokenizer: Any, encoder: SentenceEncoder) -> None:
    """Raise UserError unless the model gives the encoder's vectors, which may have a prompt or lower-case texts."""
    expected = encoder(TRIED)
    inputs = tokenizer(TRIED, truncation=True, padding=True, return_tensors="pt")
    embed: Any = model.embed
    got = embed(**inputs).numpy()
    apart = float(np.abs(got - expected).max())
    if not apart <= CLOSE * max(1.0, float(np.abs(expected).max())):
        raise UserError(
            f"encoder: {encoder.model!r} makes its vectors in a way that transformers' tokenizer and model do not, "
            f"such as with a prompt of its own: they differ by {apart:.2g}"
        )


def _of_images(head: FeatureClassifier, encoder: Any) -> tuple[PreTrainedModel, Any]:
    own = head.config
    source = encoder if isinstance(encoder, VisionEncoder) else None
    if source is None:
        place, revision = _place(encoder, own.encoder)
        source = VisionEncoder(place, revision=revision)
    if own.encoder not in (None, source.name):
        raise UserError(
            f"encoder: got {source.model!r}, which is {source.name}; the features were made by {own.encoder}"
        )
    if source.pooling not in OURS:
        raise UserError(f"encoder: got {source.model!r}, whose vectors are {source.pooling}; no classifier reads them")
    chosen = {"pooling": OURS[source.pooling], "revision": source.commit}
    model = PooledImageClassifier.from_features(head, source.model, **chosen).eval()
    model.config.feature_encoder = source.name
    return model, source.processor
