"""What the recipe of the choice among classifiers can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...config import check_allowed
from ...errors import UserError
from ...fit.candidates.base import LEVELS


__all__ = ["FitOptions"]


@dataclass
class FitOptions:
    """Data, level and folders.

    Raises:
        UserError: no data, or data from two places.
    """

    source: str | None = field(
        default=None, metadata={"help": "Data by name, such as rotten_tomatoes, with an origin if you like: imdb:hub."}
    )
    train_file: str | None = field(
        default=None, metadata={"help": "Own labeled data: CSV, TSV, JSONL, Parquet or a folder."}
    )
    unlabeled_file: str | None = field(
        default=None, metadata={"help": "Own unlabeled data; without train_file names tell the classes."}
    )
    test_file: str | None = field(default=None, metadata={"help": "Own held-out labeled data, looked at at the end."})
    text_column: str = field(default="text", metadata={"help": "Of the texts in own files."})
    image_column: str = field(default="image", metadata={"help": "Of the images in own files."})
    label_column: str = field(default="label", metadata={"help": "Of the labels in own files."})
    num_labeled: int | None = field(
        default=None,
        metadata={
            "help": "Labeled examples, over all classes. Default: ten a class of a named source, all of train_file. "
            "The others are unlabeled if there is no unlabeled_file. 0 of a named source: its names alone.",
            "aliases": ["--labels"],
        },
    )
    num_unlabeled: int | None = field(default=None, metadata={"help": "Use so many unlabeled examples; default: all."})
    num_test: int | None = field(default=None, metadata={"help": "Use so many held-out examples; default: all."})
    encoder: str = field(
        default="embedded",
        metadata={"help": "A folder, a model of the Hub, or embedded: all-MiniLM-L6-v2 of a package, for texts."},
    )
    level: str = field(
        default="balanced",
        metadata={
            "help": "fast: heads on features, under two minutes for 5,000 texts; balanced: fine-tuning too, under "
            "twenty; best: without a limit."
        },
    )
    time_budget: float | None = field(default=None, metadata={"help": "Seconds that all may take, for the level's."})
    max_length: int = field(default=128, metadata={"help": "Most tokens of a text; the rest is cut."})
    label_names: list[str] | None = field(
        default=None, metadata={"help": "The classes in their order, where there are no labels or not of all classes."}
    )
    label_descriptions: str | None = field(
        default=None, metadata={"help": "YAML or JSON file: of a class name one text about it, or a list of texts."}
    )
    output_dir: str = field(
        default="outputs/fit",
        metadata={"help": "Results of candidates and the model; the same command goes on."},
    )
    embedding_cache: str | None = field(
        default=None, metadata={"help": "Folder of the embeddings that runs share; see docs/guides/features.md."}
    )
    seed: int = field(default=0, metadata={"help": "Of the labels that are drawn, folds and trainings."})

    def __post_init__(self) -> None:
        check_allowed("level", self.level, LEVELS)
        files = [name for name in ("train_file", "unlabeled_file", "test_file") if getattr(self, name) is not None]
        if self.source is not None and files:
            raise UserError(f"source: got {self.source!r} with {', '.join(files)}; give one or the other")
        if self.source is None and not {"train_file", "unlabeled_file"} & set(files):
            raise UserError("train_file: got none; give own files, or --source NAME")
        for name in ("num_unlabeled", "num_test"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name}: got {getattr(self, name)}; expected at least 1")
        if self.source is not None and self.label_names is not None:
            raise UserError(f"label_names: got some with source {self.source!r}, which has names of its own")
        if self.source is None and self.num_labeled is not None and self.train_file is None:
            raise UserError(f"num_labeled: got {self.num_labeled} without train_file; there are no labels")
        if self.num_labeled is not None and self.num_labeled < (self.source is None):
            raise UserError(f"num_labeled: got {self.num_labeled}; expected at least {int(self.source is None)}")

    def descriptions(self) -> dict[str, Any] | None:
        """What the file of descriptions holds.

        Raises:
            UserError: no such file, no YAML, or no names with texts.
        """
        if self.label_descriptions is None:
            return None
        path = Path(self.label_descriptions)
        try:
            # JSON is YAML.
            found = yaml.safe_load(path.read_text())
        except FileNotFoundError:
            raise UserError(f"label_descriptions: {path} does not exist") from None
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise UserError(f"label_descriptions: {path} is no YAML file ({' '.join(str(error).split())})") from error
        if not isinstance(found, dict) or not found:
            raise UserError(f"label_descriptions: {path} holds no names; expected lines such as 'sport: ball games'")
        strange = [name for name in found if isinstance(name, bool) or not isinstance(name, str | int)]
        if strange:
            raise UserError(f"label_descriptions: {path} has the key {strange[0]!r}; put such names in quotes")
        return {str(name): texts for name, texts in found.items()}
