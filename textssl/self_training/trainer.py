"""The outer loop of self-training: a teacher labels, a student learns, the student is the next teacher."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import datasets
from transformers import PreTrainedModel, set_seed

from ..augment import Augmentation
from ..augment.plans import PROBE
from ..config import derive_config
from ..data.class_names import label_names, share_names
from ..data.files import write_parquet
from ..data.tables import take_rows
from ..data.two_stream import TwoStreamDataset
from ..data.vectors import with_features
from ..errors import UserError
from ..jobs import open_shards, run_job
from ..modalities import modality_of
from ..modalities.base import stem_of
from ..models.adapters import has_adapters
from ..models.weights import load_weights
from ..state import copy_sharing_frozen
from ..training.checkpoints import sealed_checkpoints
from ..training.model_init import new_model
from ..training.trainer import SSLTrainer
from ..training.truncation_report import TruncationReport, report_once
from .objective import PseudoLabeledConfig, check_probs, has_probs
from .round_data import read_round, round_examples, round_settings
from .round_folder import RoundFolder
from .selection import select_pseudo_labels
from .teachers import TeacherJob, check_same_labels, load_teacher, start_from


__all__ = ["RoundsTrainer"]

# Of examples whose probabilities are written at once: what a kill can lose.
SHARD_ROWS = 512
PSEUDO_LABELS = "pseudo_labels.parquet"
# What the stages within a run leave to the run.
WITHIN: dict[str, Any] = {"push_to_hub": False, "data_check": "off"}
SHARED = (
    *("eval_dataset", "processing_class", "compute_metrics", "compute_loss_func"),
    *("preprocess_logits_for_metrics", "optimizer_cls_and_kwargs"),
)
TIMINGS = ("_runtime", "_per_second", "_time")


class RoundsTrainer(SSLTrainer):
    """A trainer whose :meth:`train` is a whole self-training, unless the unlabeled data are labeled already.

    Each round a teacher, in evaluation mode and without noise, gives probabilities to all unlabeled examples; some are
    kept; a student learns from them and from the labeled examples. The last student is this trainer's model: its
    checkpoints, logs, evaluation and card are those of any trainer. What the rounds before leave in ``output_dir`` is
    in :mod:`textssl.self_training.round_folder`; a killed run goes on at the round, the shard and the step where
    it was.

    Args:
        model: the student of the last round; also of the others, and where the teacher starts from, by default.
        args: the method's config.
        train_dataset: the labeled examples.
        unlabeled_dataset: the unlabeled ones; with a teacher's probabilities, in a column
            ``args.probabilities_column`` or one for each class, there is one student and no teacher.
        eval_dataset: as for any trainer. Each teacher and student is measured on it once, for the record.
        processing_class: as for any trainer.
        augmentations: as for any trainer.
        teacher: a trained classifier in place of ``args.teacher``; its architecture and tokenizer may be others.
        teacher_processing_class: tokenizer or image processor of ``teacher``; the student's by default.
        make_student: makes the student of a round, from 1, that is not the last; a copy of ``model`` by default.
        **kwargs: as for any trainer; callbacks and optimizers are those of the last round.

    Raises:
        UserError: also for a teacher of other labels, or one that cannot be loaded.
    """

    teacher_class: ClassVar[type[SSLTrainer]]
    args: PseudoLabeledConfig

    def __init__(
        self,
        model: PreTrainedModel | None = None,
        args: Any = None,
        train_dataset: datasets.Dataset | None = None,
        unlabeled_dataset: datasets.Dataset | None = None,
        eval_dataset: datasets.Dataset | dict[str, datasets.Dataset] | None = None,
        processing_class: Any = None,
        augmentations: Mapping[str, Augmentation] | None = None,
        *,
        teacher: PreTrainedModel | None = None,
        teacher_processing_class: Any = None,
        make_student: Callable[[int], PreTrainedModel] | None = None,
        **kwargs: Any,
    ) -> None:
        self._given: tuple[Any, Any] = (teacher, teacher_processing_class or processing_class)
        self._make_student = make_student
        super().__init__(
            model, args, train_dataset, unlabeled_dataset, eval_dataset, processing_class, augmentations, **kwargs
        )
        self.rounds: list[dict[str, Any]] = []
        unlabeled = self.train_dataset.unlabeled
        assert unlabeled is not None, "a trainer of this kind refuses to be made without"
        # All of them: each round trains on some.
        self._unlabeled = unlabeled
        column = self.args.probabilities_column
        self.is_labeled = has_probs(unlabeled, column)
        if self.is_labeled:
            self._adopt(check_probs(unlabeled, column, label_names(self.modality.model.config)))
        elif teacher is None and self.args.teacher is not None:
            self._given = load_teacher(self.args.teacher, self.modality.name)
        if self._given[0] is not None:
            try:
                modality_of(self._given[0], self._given[1])
            except UserError as error:
                raise UserError(f"teacher: {error}") from error
            check_same_labels(self._given[0].config, self.modality.model.config, warn=self.is_world_process_zero())

    def train(  # type: ignore[override]  # what else Trainer takes is handed through
        self, resume_from_checkpoint: str | bool | None = None, trial: Any = None, **kwargs: Any
    ) -> Any:
        """Run all rounds; with ``resume_from_checkpoint=True`` go on where a killed run was.

        A checkpoint that is named is one of the last round's student; the rounds before stand beside it.

        Raises:
            UserError: ``output_dir`` holds rounds of other settings, or of a run that nobody asked to go on with; a
                threshold that keeps nothing.
        """
        with new_model(self, trial):
            if not self.is_labeled:
                # Once for all stages, none of which says it again.
                report_once(self)
                self._label(resume_from_checkpoint, self._get_output_dir(trial))
                # What the stages before drew, a run that goes on does not draw again.
                set_seed(self.args.seed)
            return super().train(resume_from_checkpoint, trial, **kwargs)

    def _label(self, resume: str | bool | None, output_dir: str) -> None:
        """All that comes before the last student: its data set is then in place."""
        home = Path(resume).parent if isinstance(resume, str) else Path(output_dir)
        last = self.args.num_rounds
        folder = RoundFolder(home, round_settings(self, self._given[0]), bool(resume), self.is_world_process_zero())
        # All have looked before one writes.
        self._wait()
        folder.claim()
        initial = _copied(self.unwrapped_model)
        for number in range(1, last + 1):
            data = self._data_of_round(number, folder, initial)
            if number < last and not folder.is_done(folder.student(number)):
                self._train_stage(folder, folder.student(number), self._student(number, folder, initial, data))
        self._adopt(data)
        if self.args.student_init == "continued":
            start_from(self._teacher(last, folder, initial)[0], self.unwrapped_model)

    # --- teachers and students

    def _teacher(self, number: int, folder: RoundFolder, initial: PreTrainedModel) -> tuple[PreTrainedModel, Any]:
        """The teacher of a round: given, trained, or the student of the round before."""
        if number > 1:
            return _saved(folder.student(number - 1), initial), self.processing_class
        if self._given[0] is not None:
            return self._given
        if not folder.is_done(folder.teacher):
            self._train_stage(folder, folder.teacher, self._teacher_trainer(folder, initial))
        return _saved(folder.teacher, initial), self.processing_class

    def _teacher_trainer(self, folder: RoundFolder, initial: PreTrainedModel) -> SSLTrainer:
        args, kind = self.args, self.teacher_class.config_class
        config = derive_config(
            args,
            kind,
            output_dir=str(folder.teacher),
            max_steps=args.teacher_steps or args.max_steps,
            learning_rate=args.teacher_learning_rate or args.learning_rate,
            warm_start_steps=0,
            finetune_steps=0,
            **WITHIN,
        )
        return self.teacher_class(
            _copied(initial), config, self.train_dataset.labeled, self.train_dataset.unlabeled, **self._shared()
        )

    def _student(
        self, number: int, folder: RoundFolder, initial: PreTrainedModel, data: datasets.Dataset
    ) -> SSLTrainer:
        model = _copied(initial) if self._make_student is None else self._make_student(number)
        share_names(f"make_student({number})", model.config, initial.config)
        if self.args.student_init == "continued":
            start_from(self._teacher(number, folder, initial)[0], model)
        config = derive_config(self.args, type(self.args), output_dir=str(folder.student(number)), **WITHIN)
        return type(self)(model, config, self.train_dataset.labeled, data, **self._shared())

    def _shared(self) -> dict[str, Any]:
        """What the trainers of all stages have in common. Augmentations may adapt, so each has its own."""
        augmentations = self.data_collator.augmentations
        own = copy.deepcopy({n: augmentation for n, augmentation in augmentations.items() if stem_of(n) != PROBE})
        return {"augmentations": own, **{name: getattr(self, name) for name in SHARED}}

    def _train_stage(self, folder: RoundFolder, stage: Path, trainer: SSLTrainer) -> None:
        self._say(f"training {stage.relative_to(folder.path)}")
        trainer.remove_callback(TruncationReport)
        trainer.train(resume_from_checkpoint=bool(sealed_checkpoints(stage)))
        metrics = {} if trainer.eval_dataset is None else trainer.evaluate()
        trainer.save_model()
        self._wait()
        folder.finish(stage, {k: v for k, v in metrics.items() if not k.endswith(TIMINGS)})
        self._wait()

    # --- data sets

    def _data_of_round(self, number: int, folder: RoundFolder, initial: PreTrainedModel) -> datasets.Dataset:
        """The examples that a round's student learns from, with the column of probabilities."""
        path = folder.of_round(number) / PSEUDO_LABELS
        facts = folder.round_facts(number)
        if facts is None or not path.is_file():
            facts = self._make_data(number, folder, path, initial)
        self.rounds = [*self.rounds[: number - 1], facts]
        rows, probs = read_round(path, facts["label_names"])
        self._say(f"round {number} of {self.args.num_rounds}: {facts['kept']}")
        chosen = take_rows(self._unlabeled, rows, {})
        return with_features(chosen, self.args.probabilities_column, probs)

    def _make_data(self, number: int, folder: RoundFolder, path: Path, initial: PreTrainedModel) -> dict[str, Any]:
        """Label, select, write; the record of the round comes last."""
        args, unlabeled = self.args, self._unlabeled
        model, processing_class = self._teacher(number, folder, initial)
        order = check_same_labels(model.config, initial.config)
        job = TeacherJob(model, processing_class, args, order, self.accelerator.autocast)
        shards = path.parent / "probs"
        home = model.device
        model.to(args.device)  # type: ignore[arg-type]
        run_job(
            job, unlabeled, shards, columns=job.columns, rows_per_shard=SHARD_ROWS, rank=args.process_index,
            world=args.world_size, progress=self.is_world_process_zero() and not args.disable_tqdm,
            description=f"round {number}: labeling", data_checksum=folder.settings["unlabeled"],
        )  # fmt: skip
        model.to(home)  # type: ignore[arg-type]
        self._wait()
        probs = open_shards(shards).column("probs")
        settings = args.selection(number, probs.shape[1], len(unlabeled))
        # Found once: anew in each round they would follow the mistakes of the rounds before.
        shares = self.rounds[0].get("shares") if number > 1 else None
        prior: Any = self.objective.wanted_prior
        chosen = select_pseudo_labels(probs, **settings, prior=prior, shares=shares, seed=args.seed + number)
        names = label_names(initial.config)
        stage = folder.student(number - 1) if number > 1 else folder.teacher
        facts = {
            "round": number,
            "teacher": f"sha256:{job.checksum}",
            "teacher_metrics": folder.facts_of(stage),
            "settings": settings,
            "label_names": names,
            **chosen.facts(),
            "kept": f"kept {int(chosen.distinct.sum()):,} of {len(unlabeled):,} ({chosen.describe(names)})",
        }
        if self.is_world_process_zero():
            shown = unlabeled.select_columns(self.modality.columns(args) if self.modality.name == "text" else [])
            write_parquet(round_examples(shown, chosen, probs, names), path)
        folder.record_round(number, facts)
        self._wait()
        return facts

    def _adopt(self, unlabeled: datasets.Dataset) -> None:
        """Train on these unlabeled examples."""
        self.train_dataset = TwoStreamDataset(self.train_dataset.labeled, unlabeled)

    def _wait(self) -> None:
        self.accelerator.wait_for_everyone()

    def _say(self, line: str) -> None:
        if self.is_world_process_zero() and not self.args.disable_tqdm:
            print(line)


def _copied(model: PreTrainedModel) -> PreTrainedModel:
    """A model of its own; of one with adapters, the adapters alone."""
    return copy_sharing_frozen(model) if has_adapters(model) else copy.deepcopy(model)


def _saved(folder: Path, like: PreTrainedModel) -> PreTrainedModel:
    """The model of a stage: by its own config, for it may be larger than ``like``. Adapters share its base."""
    if has_adapters(like):
        model = _copied(like)
        load_weights(model, folder)
        return model
    loaded: PreTrainedModel = type(like).from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return loaded.float()
