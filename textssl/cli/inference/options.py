"""What ``textssl predict`` and ``textssl evaluate`` have in common: a model, a file, and columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...errors import UserError
from ...inference.classifier import Classifier
from ...inference.loading import load_classifier
from ..console import say


__all__ = ["InferenceOptions", "flags_in_errors", "load_model"]

COLUMNS = ("text_column", "image_column", "feature_column")
SHOWN = 10


@dataclass(frozen=True)
class InferenceOptions:
    """Arguments of ``textssl predict`` and ``textssl evaluate``.

    Raises:
        UserError: columns of two kinds.
    """

    model: str
    file: str
    output: str | None = None
    probabilities: bool = False
    label_column: str | None = None
    text_column: str | None = None
    text_pair_column: str | None = None
    image_column: str | None = None
    feature_column: str | None = None
    format: str | None = None
    batch_size: int | None = None
    encoder: str | None = None
    overwrite: bool = False
    json: bool = False

    def __post_init__(self) -> None:
        given = [name for name in COLUMNS if getattr(self, name) is not None]
        if len(given) > 1:
            raise UserError(f"{given[1]}: got {getattr(self, given[1])!r} beside {given[0]}; name one column")

    @property
    def column(self) -> str | None:
        """The column of inputs that a person named."""
        return next((getattr(self, name) for name in COLUMNS if getattr(self, name) is not None), None)


def load_model(options: InferenceOptions) -> Classifier:
    """Load the model, and say what it is."""
    classifier = load_classifier(
        options.model,
        batch_size=options.batch_size,
        pairs=True if options.text_pair_column is not None else None,
        encoder=options.encoder,
    )
    names = ", ".join(classifier.label_names[:SHOWN]) + (", ..." if len(classifier.label_names) > SHOWN else "")
    length = getattr(getattr(classifier.reader, "encode", None), "max_length", None)
    cut = "" if length is None else f", texts cut at {length} tokens"
    kinds = {"text": "texts", "image": "images", "features": "vectors of features"}
    kind = "pairs of texts" if classifier.pairs else kinds[classifier.modality]
    say(f"{classifier.place.name}: {len(classifier.label_names)} classes of {kind} ({names}){cut}")
    return classifier


@contextmanager
def flags_in_errors(options: InferenceOptions) -> Iterator[None]:
    """Messages name the flag that a person gave."""
    flag = next((name for name in COLUMNS if getattr(options, name) is not None), "text_column")
    names = {"column": flag, "pair_column": "text_pair_column"}
    try:
        yield
    except UserError as error:
        name, _, message = str(error).partition(": ")
        raise UserError(f"{names.get(name, name)}: {message}") from error
