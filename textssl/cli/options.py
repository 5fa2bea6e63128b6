"""Options of a recipe besides its method's config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from ..config import check_allowed, check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..sources.noise import FLIPS


__all__ = [
    "BACKENDS",
    "HEADS",
    "KEYWORDS",
    "NOISE_KINDS",
    "ORIGINS",
    "STRONG_VIEWS",
    "RecipeOptions",
    "rename_argument_in_errors",
]

BACKENDS = ("auto", "text", "image", "features")
HEADS = ("auto", "probe", "random")
ORIGINS = ("auto", "hub", "embedded")
# Labels by rules instead of a person's, some of them wrong.
KEYWORDS = "keywords"
NOISE_KINDS = (*FLIPS, KEYWORDS)
STRONG_VIEWS = (
    "auto",
    "tfidf",
    "uniform",
    "apertium",
    "tfidf+apertium",
    "seq2seq",
    "ctaugment",
    "randaugment",
    "noise",
)


@dataclass
class RecipeOptions:
    """Data, model, views and baseline of a recipe.

    Raises:
        UserError: a value out of range, or files of one's own given in part.
    """

    # What words of the command line that are no flags stand for.
    positional: ClassVar[tuple[str, ...]] = ("train_file", "unlabeled_file")

    preset: str = field(
        default="auto",
        metadata={"help": "auto, cpu or paper; auto: paper if a GPU is available, else cpu."},
    )
    config: str | None = field(default=None, metadata={"help": "YAML file with any of these settings."})
    source: str = field(
        default="auto",
        metadata={
            "help": "Data by name, such as mnist5k, by where they come from, auto, hub or embedded, or both: imdb:hub."
        },
    )
    train_file: str | None = field(
        default=None, metadata={"help": "Labeled data: CSV, TSV, JSONL, Parquet or a folder."}
    )
    unlabeled_file: str | None = field(
        default=None, metadata={"help": "Unlabeled data; not needed by methods without unlabeled data."}
    )
    validation_file: str | None = field(
        default=None,
        metadata={"help": "Labeled data for evaluation during training.", "aliases": ["--validation"]},
    )
    validation_split: float | None = field(
        default=None,
        metadata={"help": "Share of train_file to hold out for validation, stratified by class, in (0, 1)."},
    )
    test_file: str | None = field(
        default=None,
        metadata={"help": "Held-out labeled data, evaluated once at the end.", "aliases": ["--test"]},
    )
    backend: str = field(
        default="auto",
        metadata={"help": "text, image, or features: a small head on the embeddings of a frozen encoder."},
    )
    model: str = field(
        default="embedded",
        metadata={
            "help": "A model of the Hub, a folder, or embedded: for text the small BERT of a package, "
            "for images a small, randomly initialized ResNet. For features of images an image encoder, or pixels, "
            "the gray values themselves, which is also what embedded means there for images of at most 64x64."
        },
    )
    embedding_cache: str | None = field(
        default=None,
        metadata={
            "help": "Folder of the embeddings that runs share, for --backend features; default: "
            "textssl/embeddings in the Hugging Face home, or embeddings in TEXTSSL_CACHE."
        },
    )
    head: str = field(
        default="auto",
        metadata={
            "help": "Initialization of the classifier head: probe, a logistic regression on the embeddings of "
            "the labeled examples (of texts, the mean of the encoder's states); random, a new head. auto: probe for "
            "sentence encoders and features, random for other models and pixels."
        },
    )
    num_labeled: int | None = field(
        default=None,
        metadata={
            "help": "Number of labeled examples over all classes. Default: 20, balanced, for a named source; all of "
            "train_file. A subset of train_file is stratified by class; without unlabeled_file the other rows are "
            "used as unlabeled data.",
            "aliases": ["--labels"],
        },
    )
    num_unlabeled: int | None = field(
        default=None, metadata={"help": "Number of unlabeled examples to use; default: all."}
    )
    num_validation: int = field(default=500, metadata={"help": "Number of validation examples of a named source."})
    num_test: int | None = field(default=None, metadata={"help": "Number of test examples to use; default: all."})
    noise: float = field(default=0.0, metadata={"help": "Share of labels to corrupt, in [0, 1)."})
    noise_kind: str = field(
        default="symmetric",
        metadata={
            "help": "symmetric: a wrong label is any other class; asymmetric: the next class; keywords (imdb only): "
            "labels come from keyword rules, more than a quarter of them wrong; noise stays 0."
        },
    )
    strong: str = field(
        default="auto",
        metadata={
            "help": "Strong view of texts: tfidf, uniform, apertium, tfidf+apertium, seq2seq or ctaugment, which "
            "learns its strength; of images: randaugment or ctaugment; of features: noise, or tfidf for "
            "embeddings of changed texts. auto: what suits the data. Or a column of the unlabeled data that holds "
            "such texts, or several with commas, one of which is drawn at each visit."
        },
    )
    second_view: str = field(
        default="same",
        metadata={"help": "Second weak view of texts: same (only dropout differs) or tfidf (mild word replacement)."},
    )
    replace: float | None = field(default=None, metadata={"help": "Share of words that tfidf and uniform replace."})
    forward_translator: str = field(
        default="Helsinki-NLP/opus-mt-en-fr",
        metadata={"help": "For seq2seq: model that translates to the pivot language."},
    )
    backward_translator: str = field(
        default="Helsinki-NLP/opus-mt-fr-en", metadata={"help": "For seq2seq: model that translates back."}
    )
    translation_temperature: float = field(default=0.9, metadata={"help": "For seq2seq: sampling temperature."})
    pretrain_steps: int = field(
        default=0,
        metadata={
            "help": "Steps of masked language modelling on the texts before training. The method starts from the "
            "pretrained encoder, the baseline from the original model; the gain includes both."
        },
    )
    pretrain_batch_size: int = field(
        default=256, metadata={"help": "Batch size of masked language modelling, in windows of tokens."}
    )
    pretrain_learning_rate: float = field(
        default=1e-4, metadata={"help": "Peak learning rate of masked language modelling."}
    )
    baseline: bool = field(default=True, metadata={"help": "Also train the supervised baseline on the same labels."})
    baseline_steps: int = field(
        default=3000, metadata={"help": "Steps of the baseline; takes precedence over baseline_epochs."}
    )
    baseline_epochs: float | None = field(
        default=None,
        metadata={"help": "Epochs of the baseline over the labeled data; baseline_steps takes precedence."},
    )
    baseline_learning_rate: float = field(default=3e-5, metadata={"help": "Learning rate of the baseline."})
    min_steps: int | None = field(
        default=None, metadata={"help": "Minimum number of steps when a preset's epochs are converted to steps."}
    )
    step_limit: int | None = field(
        default=None,
        metadata={
            "help": "Maximum number of steps when a preset's epochs are converted to steps; none for no limit. "
            "Values you set yourself are not changed."
        },
    )
    warm_start_share: float | None = field(
        default=None,
        metadata={"help": "Share of the steps spent on a supervised warm start; warm_start_steps takes precedence."},
    )
    relative_threshold: float | None = field(
        default=None,
        metadata={
            "help": "Confidence threshold on a scale from chance, 0, to certainty, 1, independent of the number of "
            "classes; threshold takes precedence."
        },
    )
    overwrite: bool = field(default=False, metadata={"help": "Delete the run in output_dir."})
    # Names of all settings, of the method's config too, that a person gave, by flags or in a file.
    explicit: frozenset[str] = field(default=frozenset(), init=False)
    # What became of a preset's values that clash with these.
    notes: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        check_allowed("backend", self.backend, BACKENDS)
        self._check_noise()
        check_allowed("head", self.head, HEADS)
        # Of own data it may be a column, which is looked for when they are read.
        if self.train_file is None:
            check_allowed("strong", self.strong, STRONG_VIEWS)
        check_allowed("second_view", self.second_view, ("same", "tfidf"))
        if self.replace is not None:
            check_unit_interval("replace", self.replace)
        check_not_negative("pretrain_steps", self.pretrain_steps)
        check_positive("pretrain_learning_rate", self.pretrain_learning_rate)
        check_positive("baseline_epochs", self.baseline_epochs)
        check_unit_interval("relative_threshold", self.relative_threshold)
        counts = ("baseline_steps", "pretrain_batch_size", "min_steps", "step_limit")
        for name in (*counts, "num_labeled", "num_unlabeled", "num_test"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name}: got {getattr(self, name)}; expected at least 1")
        self._check_lengths()
        self._check_files()

    def set_explicit(self, explicit: frozenset[str], notes: Sequence[str] = ()) -> None:
        """Learn which settings a person gave; how many examples a preset keeps is meant for named sources.

        Args:
            explicit: names of the settings.
            notes: lines for a person on values of a preset that were changed to go with these.

        Raises:
            UserError: one that does nothing beside own files.
        """
        self.explicit, self.notes = explicit, tuple(notes)
        if self.train_file is None:
            return
        for name in ("num_labeled", "num_unlabeled", "num_test"):
            if name not in explicit:
                setattr(self, name, None)
        if "num_validation" in explicit and self.num_validation:
            raise UserError(
                f"num_validation: got {self.num_validation} with train_file; it is for named sources, of own files "
                "--validation_split 0.2 holds out a fifth of the labeled examples"
            )

    def _check_lengths(self) -> None:
        if None not in (self.min_steps, self.step_limit) and self.min_steps > self.step_limit:  # type: ignore[operator]
            raise UserError(f"min_steps: got {self.min_steps}; expected at most step_limit, {self.step_limit}")
        if self.warm_start_share is not None and not 0 <= self.warm_start_share < 1:
            raise UserError(f"warm_start_share: got {self.warm_start_share}; expected a number in [0, 1)")

    def _check_files(self) -> None:
        if self.validation_split is not None and not 0 < self.validation_split < 1:
            raise UserError(f"validation_split: got {self.validation_split}; expected a share in (0, 1)")
        beside = ("unlabeled_file", "validation_file", "validation_split", "test_file")
        given = [name for name in beside if getattr(self, name) is not None]
        if given and self.train_file is None:
            raise UserError(f"train_file: got none; own labeled data go with {', '.join(given)}")
        if self.validation_file is not None and self.validation_split is not None:
            raise UserError(
                f"validation_split: got {self.validation_split} with validation_file {self.validation_file}; "
                "give one of them"
            )

    def _check_noise(self) -> None:
        check_allowed("noise_kind", self.noise_kind, NOISE_KINDS)
        if not 0 <= self.noise < 1:
            raise UserError(f"noise: got {self.noise}; expected a number in [0, 1)")
        if self.noise_kind == KEYWORDS and self.noise:
            message = f"expected 0 with noise_kind {KEYWORDS}, whose rules decide which labels are wrong"
            raise UserError(f"noise: got {self.noise}; {message}")
        if self.noise_kind == KEYWORDS and self.train_file is not None:
            raise UserError(f"noise_kind: got {KEYWORDS!r}; its rules are for the source imdb, not for own files")

    def named_source(self, default: str) -> tuple[str, str]:
        """The name of the data set and its origin, ``default`` if only the origin is given."""
        name, _, origin = self.source.partition(":")
        if not origin and name in ORIGINS:
            return default, name
        check_allowed("source", origin or "auto", ORIGINS)
        return name, origin or "auto"


@contextmanager
def rename_argument_in_errors(flag: str, *parameters: str) -> Iterator[None]:
    """Rename the argument in a UserError raised inside, so that the message names the flag.

    Args:
        flag: without its dashes.
        *parameters: names whose place it takes; it goes before a message that begins with none of them.
    """
    try:
        yield
    except UserError as error:
        name, _, message = str(error).partition(": ")
        raise UserError(f"{flag}: {message if name in parameters else error}") from error
