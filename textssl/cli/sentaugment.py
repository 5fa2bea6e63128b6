"""SentAugment as a recipe: a teacher, a bank, what it holds of the task, and a student (Du et al., 2021).

The teacher is the supervised baseline. The bank's sentences nearest to the labeled examples are labeled by it, and a
fresh student learns from them (arXiv:2010.02194, sections 3 and 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset

from ..config import SSLConfig, check_allowed
from ..errors import UserError
from ..methods import METHODS
from ..retrieval import Bank, RetrievalConfig, build_bank, open_bank, retrieve
from ..retrieval.bank import check_k
from ..sources.named import SOURCES, load_source
from ..training.trainer import SSLTrainer
from .arguments import Preset, parse_arguments
from .console import say
from .data.loading import load_task
from .data.task_data import TaskData
from .options import RecipeOptions
from .presets import fitting_preset
from .quiet import silence_loaded_libraries
from .recipe import baseline_config, trainer_factory, try_construction
from .run.comparison import report_comparison
from .run.config import run_config
from .run.folder import RunFolder
from .run.progress import own_progress
from .run.report_data import run_command
from .run.schedule import baseline_length
from .run.stages import run_stage
from .task_setups import TextTaskSetup


__all__ = ["VARIANTS", "SentAugmentOptions", "sentaugment_recipe"]

# How the student learns from what was found, and by which method's trainer.
VARIANTS = {"soft": "distillation", "few_shot": "self_training"}
# Of the table: the control that retrieves at random, and the method.
CONTROL, METHOD = "random", "sentaugment"


@dataclass
class SentAugmentOptions:
    """Bank and retrieval of SentAugment; the fields of :class:`textssl.retrieval.RetrievalConfig` have its meaning.

    Raises:
        UserError: a value out of range.
    """

    variant: str = field(
        default="soft",
        metadata={
            "help": "soft: the student learns the teacher's probabilities of retrieved sentences alone; few_shot: "
            "their most likely classes, and the labeled examples."
        },
    )
    bank: str | None = field(
        default=None,
        metadata={"help": "Folder of a bank; default: one is built of the unlabeled texts and of bank_sources."},
    )
    bank_sources: str = field(
        default="rotten_tomatoes", metadata={"help": "Named data whose texts join the bank, with commas; or none."}
    )
    bank_store: str | None = field(
        default=None,
        metadata={
            "help": "Folder of the bank's embeddings and index, for several runs; default: in the run's folder."
        },
    )
    encoder: str = field(default="embedded", metadata={"help": "Model of sentence-transformers."})
    queries: str = field(default="label_average", metadata={"help": "label_average, all_average or per_sentence."})
    num_neighbors: int = field(
        default=20_000, metadata={"help": "Neighbours of a query, before cleaning and selection."}
    )
    total: int | None = field(default=None, metadata={"help": "Most examples of all that are kept."})
    per_class: int | None = field(default=None, metadata={"help": "Most examples of a class that are kept."})
    min_confidence: float = field(default=0.0, metadata={"help": "Least confidence of the teacher."})
    encoder_length: int = field(default=64, metadata={"help": "Most tokens that the encoder reads."})
    control: bool = field(
        default=True, metadata={"help": "Also train a student on as many sentences that were drawn at random."}
    )

    def __post_init__(self) -> None:
        check_allowed("variant", self.variant, tuple(VARIANTS))
        self.retrieval(None, 0, self.total)

    def retrieval(self, queries: str | None, seed: int, total: int | None) -> RetrievalConfig:
        """All settings of a retrieval; ``queries`` and ``total`` in place of one's own."""
        return RetrievalConfig(
            queries=queries or self.queries,
            num_neighbors=self.num_neighbors,
            max_length=self.encoder_length,
            total=total,
            per_class=self.per_class,
            threshold=self.min_confidence,
            seed=seed,
        )


def sentaugment_recipe(
    presets: Mapping[str, Preset] | Callable[[Mapping[str, Any]], Mapping[str, Preset]],
    source: str = "imdb",
    argv: Sequence[str] | None = None,
    variant: str = "soft",
) -> None:
    """Train the teacher, retrieve, train the student, and a control; print one table.

    Args:
        presets: settings by name, ``cpu`` and ``paper``; or what gives them, from the flags.
        source: the data set, unless ``--source`` or own files name another.
        argv: the command line; ``sys.argv[1:]`` by default.
        variant: a key of ``VARIANTS``; its method's config gives the flags.

    Raises:
        UserError: settings, data, a bank or a model that cannot work, before any training.
    """
    preset, _ = fitting_preset()
    trainer_class = METHODS[VARIANTS[variant]]
    types = [RecipeOptions, SentAugmentOptions, trainer_class.config_class]
    options, own, config = parse_arguments(types, presets, preset, argv)
    silence_loaded_libraries()
    with own_progress():
        _trained(trainer_class, source, options, own, config, argv)


def _trained(
    trainer_class: type[SSLTrainer],
    source: str,
    options: RecipeOptions,
    own: SentAugmentOptions,
    config: Any,
    argv: Sequence[str] | None,
) -> None:
    run = RunFolder(config.output_dir, [options, own, config], config.resume_from_checkpoint, options.overwrite)
    if PartialState().num_processes > 1:
        raise UserError("num_processes: retrieval runs in one process; launch the recipe without --multi_gpu")
    data = load_task(options, config, source)
    if data.modality != "text":
        raise UserError(f"source: {data.data_facts.name} holds {data.modality}; SentAugment is for text")
    if data.pair_column is not None:
        raise UserError(f"text_pair_column: got {data.pair_column!r}; SentAugment retrieves single sentences")
    config = run_config(options, config, data, TextTaskSetup.modality.name, run)
    kind = TextTaskSetup(replace(options, strong="auto"), config, data, {"weak"})
    run.claim(method=METHOD, **kind.circumstances(), **_bank_facts(own))
    say(f"{METHOD} ({own.variant}); {data.describe()}; model: {options.model}")
    if run.stage_result(METHOD) is None:
        try_construction(trainer_factory(trainer_class, config, kind, push_to_hub=False), run.path, kind)
    steps = baseline_length(options, config, data).steps
    make = trainer_factory(METHODS["supervised"], baseline_config(options, config, steps), kind)
    results = {"supervised": run_stage(run, "supervised", make, data)}
    bank = _bank(own, options, config, data, run.path)
    if own.bank is None:
        # Nobody knew its size when num_neighbors was chosen.
        own = replace(own, num_neighbors=min(own.num_neighbors, len(bank)))
    say(f"bank: {len(bank):,} sentences in {bank.folder}")
    found = _Found(bank, own, config, data, run.path)
    examples = found.examples(METHOD, own.total)
    say(f"{METHOD}: {len(examples):,} sentences")
    student = found.student(trainer_class, kind, examples)
    if own.control:
        drawn = found.examples(CONTROL, len(examples))
        say(f"{CONTROL}: {len(drawn):,} sentences")
        results[CONTROL] = run_stage(run, CONTROL, found.student(trainer_class, kind, drawn), data)
    command = run_command(["python", "recipes/sentaugment_imdb.py"], argv, config)
    report_comparison(run, METHOD, student, results, kind, options, config, command)


@dataclass(frozen=True)
class _Found:
    """What a bank holds of a task."""

    bank: Bank
    own: SentAugmentOptions
    config: SSLConfig
    data: TaskData
    folder: Path

    def examples(self, stage: str, total: int | None) -> Dataset:
        """Sentences with the teacher's probabilities, at most ``total``."""
        held = [part for part in (self.data.validation, self.data.test) if part is not None]
        settings = self.own.retrieval("random" if stage == CONTROL else None, self.config.seed, total)
        return retrieve(
            self.bank,
            self.data.labeled,
            self.folder / "supervised",
            self.folder / "retrieved" / stage,
            settings,
            encoder=self.own.encoder,
            text_column=self.data.column,
            label_column=self.config.label_column,
            evaluation=held,
            store=self.own.bank_store or self.folder / "bank_index",
            batch_size=self.config.per_device_eval_batch_size,
            progress=not self.config.disable_tqdm,
        )

    def student(self, trainer_class: type[SSLTrainer], kind: TextTaskSetup, examples: Dataset) -> Any:
        """What builds the trainer of a student of these sentences, given its folder."""
        if self.data.column != "text":
            examples = examples.rename_column("text", self.data.column)
        student_setup = copy(kind)
        student_setup.data = replace(self.data, unlabeled=examples)
        return trainer_factory(trainer_class, self.config, student_setup, push_to_hub=False)


def _bank(own: SentAugmentOptions, options: RecipeOptions, config: SSLConfig, data: TaskData, folder: Path) -> Bank:
    """The bank that was named, or one of the unlabeled texts and of the named sources."""
    if own.bank is not None:
        return open_bank(own.bank)
    _, origin = options.named_source("imdb")
    sources: dict[str, Dataset] = {"unlabeled": data.examples.select_columns([data.column])}
    for name in _names(own):
        loaded = load_source(name, origin)  # type: ignore[arg-type]
        sources[name] = loaded.train.select_columns([loaded.column]).rename_columns(
            {} if loaded.column == data.column else {loaded.column: data.column}
        )
    bank = build_bank(sources, folder / "bank", text_column=data.column, progress=not config.disable_tqdm)
    return bank


def _names(own: SentAugmentOptions) -> list[str]:
    names = [name.strip() for name in own.bank_sources.split(",") if name.strip() not in ("", "none")]
    for name in names:
        if name not in SOURCES or SOURCES[name].modality != "text":
            known = sorted(key for key, value in SOURCES.items() if value.modality == "text")
            raise UserError(f"bank_sources: got {name!r}; allowed: {', '.join(known)}, none")
    return names


def _bank_facts(own: SentAugmentOptions) -> dict[str, str]:
    if own.bank is None:
        return {"bank_of": ", ".join(["unlabeled", *_names(own)])}
    bank = open_bank(own.bank)
    check_k(own.num_neighbors, bank, "num_neighbors")
    return {"bank_sha256": bank.fingerprint}
