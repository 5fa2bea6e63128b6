"""What a recipe can be told beside its method's config."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config import allowed, in_unit_interval
from ..errors import UserError


__all__ = ["STRONG_VIEWS", "RecipeOptions"]

STRONG_VIEWS = ("auto", "tfidf", "uniform", "apertium", "tfidf+apertium", "seq2seq")


@dataclass
class RecipeOptions:
    """Data, model, views and baseline of a recipe.

    Raises:
        UserError: a value out of range, or files of one's own given in part.
    """

    preset: str = field(
        default="auto",
        metadata={"help": "auto, cpu or paper; auto takes paper where an accelerator is found."},
    )
    config: str | None = field(default=None, metadata={"help": "YAML file of any of these keys."})
    source: str = field(default="auto", metadata={"help": "Where IMDb comes from: auto, hub or embedded."})
    train_file: str | None = field(
        default=None, metadata={"help": "Own labeled data: CSV, TSV, JSONL, Parquet or a folder."}
    )
    unlabeled_file: str | None = field(default=None, metadata={"help": "Own unlabeled data."})
    test_file: str | None = field(default=None, metadata={"help": "Own held-out labeled data."})
    model: str = field(
        default="embedded",
        metadata={"help": "A model of the Hub, a folder, or embedded: the small BERT of a package."},
    )
    num_labeled: int = field(default=20, metadata={"help": "Labeled examples, over all classes."})
    num_unlabeled: int | None = field(default=None, metadata={"help": "Use so many unlabeled examples; default: all."})
    num_validation: int = field(
        default=500, metadata={"help": "Examples that accuracy is followed on while training."}
    )
    num_test: int | None = field(
        default=None, metadata={"help": "Use so many held-out examples at the end; default: all."}
    )
    strong: str = field(
        default="auto",
        metadata={
            "help": "Strong view: tfidf, uniform, apertium, tfidf+apertium, seq2seq, or auto: TF-IDF "
            "replacement, joined by back-translation where Apertium is installed."
        },
    )
    replace: float | None = field(default=None, metadata={"help": "Share of words that tfidf or uniform replaces."})
    forward_translator: str = field(default="Helsinki-NLP/opus-mt-en-fr", metadata={"help": "For seq2seq: there."})
    backward_translator: str = field(default="Helsinki-NLP/opus-mt-fr-en", metadata={"help": "For seq2seq: and back."})
    translation_temperature: float = field(default=0.9, metadata={"help": "For seq2seq: sampling temperature."})
    baseline: bool = field(default=True, metadata={"help": "Train the supervised baseline on the same labels first."})
    baseline_steps: int = field(default=3000, metadata={"help": "Steps of the baseline."})
    baseline_learning_rate: float = field(default=3e-5, metadata={"help": "Learning rate of the baseline."})
    overwrite: bool = field(default=False, metadata={"help": "Delete the run in output_dir."})

    def __post_init__(self) -> None:
        allowed("source", self.source, ("auto", "hub", "embedded"))
        allowed("strong", self.strong, STRONG_VIEWS)
        if self.replace is not None:
            in_unit_interval("replace", self.replace)
        for name in ("num_labeled", "baseline_steps"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: got {getattr(self, name)}; expected at least 1")
        for name in ("num_unlabeled", "num_test"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name}: got {getattr(self, name)}; expected at least 1")
        files = {n: getattr(self, n) for n in ("train_file", "unlabeled_file", "test_file")}
        missing = [name for name, path in files.items() if path is None]
        if 0 < len(missing) < len(files):
            raise UserError(f"{', '.join(missing)}: got none; own data need all of {', '.join(files)}")
