"""Options of the fit recipe."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...config import check_allowed
from ...errors import UserError
from ...fit.candidates.base import LEVELS


__all__ = ["FitOptions"]

TIME = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(|s|sec|seconds?|m|min|minutes?|h|hours?)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass
class FitOptions:
    """Data, level and folders.

    Raises:
        UserError: no data, or data from two places.
    """

    source: str | None = field(
        default=None, metadata={"help": "Data by name, such as rotten_tomatoes; optionally with an origin: imdb:hub."}
    )
    train_file: str | None = field(
        default=None, metadata={"help": "Labeled data: CSV, TSV, JSONL, Parquet or a folder."}
    )
    unlabeled_file: str | None = field(
        default=None, metadata={"help": "Unlabeled data; without train_file, give label_names or label_descriptions."}
    )
    test_file: str | None = field(default=None, metadata={"help": "Held-out labeled data, evaluated once at the end."})
    text_column: str | None = field(
        default=None, metadata={"help": "Column of the texts; default: text, or the only one that can be it."}
    )
    image_column: str | None = field(
        default=None, metadata={"help": "Column of the images; default: image, or the only one that can be it."}
    )
    label_column: str | None = field(
        default=None, metadata={"help": "Column of the labels; default: label, or the only one that can be it."}
    )
    num_labeled: int | None = field(
        default=None,
        metadata={
            "help": "Number of labeled examples over all classes. Default: ten per class for a named source, all of "
            "train_file. Without unlabeled_file the other rows are used as unlabeled data. 0 with a named source: "
            "class names only.",
            "aliases": ["--labels"],
        },
    )
    num_unlabeled: int | None = field(
        default=None, metadata={"help": "Number of unlabeled examples to use; default: all."}
    )
    num_test: int | None = field(default=None, metadata={"help": "Number of test examples to use; default: all."})
    encoder: str = field(
        default="embedded",
        metadata={
            "help": "A folder, a model of the Hub, or embedded: for texts all-MiniLM-L6-v2 of a package, for "
            "images histograms of oriented gradients."
        },
    )
    level: str = field(
        default="balanced",
        metadata={
            "help": "fast: heads on features, under two minutes for 5,000 texts; balanced: fine-tuning too, under "
            "twenty; best: without a limit."
        },
    )
    time_budget: str | None = field(
        default=None, metadata={"help": "Time limit, such as 300, 5m or 1h, instead of that of the level."}
    )
    max_length: int = field(default=128, metadata={"help": "Maximum number of tokens; longer texts are truncated."})
    label_names: list[str] | None = field(
        default=None, metadata={"help": "The classes in order; needed without labels, or if some classes have none."}
    )
    label_descriptions: str | None = field(
        default=None, metadata={"help": "YAML or JSON file: for each class name a description, or a list of them."}
    )
    output_dir: str = field(
        default="outputs/fit",
        metadata={"help": "Folder of results and the model; run the same command again to resume."},
    )
    embedding_cache: str | None = field(
        default=None, metadata={"help": "Folder of embeddings shared by runs; see docs/guides/features.md."}
    )
    seed: int = field(default=0, metadata={"help": "Random seed of the labeled subset, the folds and the training."})

    overwrite: bool = field(default=False, metadata={"help": "Start anew where output_dir holds another result."})
    # What messages call labeled, unlabeled and held-out data.
    names: tuple[str, str, str] = field(default=("train_file", "unlabeled_file", "test_file"), init=False)

    def __post_init__(self) -> None:
        check_allowed("level", self.level, LEVELS)
        _ = self.seconds
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

    @property
    def seconds(self) -> float | None:
        """The time limit in seconds.

        Raises:
            UserError: it is no time.
        """
        if self.time_budget is None:
            return None
        parsed = TIME.fullmatch(self.time_budget.strip().lower())
        if parsed is None or not float(parsed[1]):
            raise UserError(f"time_budget: got {self.time_budget!r}; expected a time above 0, such as 300, 5m or 1h")
        return float(parsed[1]) * UNITS[parsed[2][:1]]

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
