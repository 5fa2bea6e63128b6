"""SSLTrainer: a transformers.Trainer whose loss is an Objective and whose checkpoints hold the objective's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import datasets
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..augment import Augmentation
from ..config import SSLConfig
from ..config.trainer_arguments import check_given, check_schedule
from ..data.class_names import check_classifier
from ..data.two_stream import TwoStreamDataset
from ..data.views import ViewCollator
from ..errors import UserError
from ..forward.base import Forward
from ..forward.passes import pass_overhead
from ..hub import changed_hyperparameters, known_facts, write_model_card
from ..modalities import MODALITIES, modality_of
from ..models.adapters import check_adapters, has_adapters
from ..objective import Objective
from .batch_size import BatchSizeFinder
from .callbacks import StepCallback
from .counts import InputCounts
from .ctaugment_probes import adopt_rates, with_probe_views
from .data_preparation import checked_data
from .head_learning_rate import HeadLearningRate
from .held_out import CheckedHeldOut
from .metrics import compute_metrics as default_metrics
from .model_init import adopt_labels, filled_settings, first_model
from .phases import PhasedTrainer
from .search import SearchableTrainer
from .term_means import TermMeans
from .truncation_report import TruncationReport
from .two_stream_batches import TwoStreamBatches


__all__ = ["SSLTrainer"]


class SSLTrainer(
    PhasedTrainer,
    TwoStreamBatches,
    HeadLearningRate,
    TermMeans,
    InputCounts,
    CheckedHeldOut,
    SearchableTrainer,
    BatchSizeFinder,
):
    """Fine-tunes a classifier by a semi-supervised method.

    A method's trainer names its objective and its config and is otherwise empty. All else works as in Trainer.

    Args:
        model: a classifier with a head, such as ``AutoModelForSequenceClassification``,
            ``AutoModelForImageClassification`` or :class:`textssl.features.FeatureClassifier`.
        args: the method's config.
        train_dataset: the labeled examples. Labels are class numbers, or names; a model whose classes have no names
            of their own (LABEL_0, ...) is given theirs, in its config.
        unlabeled_dataset: the unlabeled examples; labels in it are not looked at.
        eval_dataset: held-out labeled examples, or a dictionary of such sets.
        processing_class: the tokenizer, of which a copy that cuts as training does is saved, or the image processor.
        augmentations: how each view of the method is made. A view ``"weak_2"`` that is missing is made as
            ``"weak"`` is, by an rng of its own. By default ``"weak"`` is the text as it is, a shifted image, or
            features with a little noise; ``"strong"`` is TF-IDF word replacement fitted on the unlabeled texts,
            RandAugment with Cutout, or features with more noise and dropout. One that adapts, such as CTAugment,
            adds a view ``"probe"`` of the labeled examples.
        model_init: makes a classifier, in place of ``model``; each training begins with a new one.
        **kwargs: as for ``transformers.Trainer``. ``compute_metrics`` defaults to accuracy and macro-F1.

    Raises:
        UserError: data, columns, labels or settings that cannot work, before any training.
    """

    objective_class: ClassVar[type[Objective]]
    config_class: ClassVar[type[SSLConfig]] = SSLConfig
    # The argument that takes a second network, of a method that trains two.
    second_network_argument: ClassVar[str | None] = None
    # Tells the objective of each optimizer step.
    step_callback: ClassVar[type[StepCallback]] = StepCallback
    # compute_loss returns a mean over the micro-batch: Trainer must divide by the accumulation steps.
    loss_is_scaled_for_ga = False
    args: SSLConfig
    model_init: Any

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
        model_init: Callable[..., PreTrainedModel] | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_arguments(args, train_dataset, unlabeled_dataset)
        check_given(type(self), args, kwargs)
        self.model_init = model_init
        model = first_model(self, model, args, kwargs.get("optimizers"))
        given, args = args, self._resolve_config(model, args, processing_class)
        self.filled = filled_settings(given, args)
        unlabeled_dataset = unlabeled_dataset if "unlabeled" in self.objective_class.views_for(args) else None
        data = checked_data(model.config, args, self.modality, train_dataset, unlabeled_dataset, eval_dataset)
        # DataParallel would cut our batches apart; one process per device is what accelerate launches.
        args._n_gpu = min(args.n_gpu, 1)
        self._given_views = augmentations or {}
        kwargs.setdefault("compute_metrics", default_metrics)
        collator = self._collator(args, data.unlabeled)
        super().__init__(
            model=model,
            args=args,
            data_collator=collator,
            train_dataset=TwoStreamDataset(data.labeled, data.unlabeled),
            eval_dataset=data.evaluation,
            processing_class=getattr(collator.encode, "tokenizer", self.modality.processing_class),
            **kwargs | {"callbacks": [TruncationReport(self), *(kwargs.get("callbacks") or ())]},
        )
        self.held_out = data.held_out
        self.model_init = model_init
        self._task = data.task(args.label_column, model.config)
        self._begin(model)
        self.facts = known_facts(self.objective, model.config, self.modality.name, has_adapters(model))
        self.add_callback(self.step_callback(self))

    def _collator(self, args: SSLConfig, unlabeled: datasets.Dataset | None) -> ViewCollator:
        """What makes a batch of examples: all views of the method and, where one adapts, its probes."""
        views = self.objective_class.views_for(args)
        views, augmentations = with_probe_views(views, self.modality.views(views, self._given_views, args, unlabeled))
        probs_column = getattr(args, "probabilities_column", None) if self.objective_class.takes_probs else None
        columns = (self.modality.column(args), args.label_column, probs_column, args.text_pair_column)
        return ViewCollator(self.modality.encoder(args), views, augmentations, args.seed, *columns)

    def _begin(self, model: PreTrainedModel) -> None:
        """Make the objective, and all that knows of the model."""
        self.backend = self.modality.backend(self.args)
        self.objective = self.objective_class(self.args, self._task)
        self.objective.set_labeled_loss(self.compute_loss_func)
        self.objective.check_model(self.backend, model)
        self._bind_objective(self.accelerator.unwrap_model(model, keep_fp32_wrapper=False))
        check_schedule(self.lr_scheduler, self.objective)
        adopt_rates(self.objective, self.data_collator.views, self.data_collator.augmentations)
        self.objective.to(self.args.device)
        self.micro_batches = []
        self._unwrapped: tuple[nn.Module, nn.Module] = (model, model)

    def rebuild_objective(self) -> None:
        """Make the objective anew, for a batch of another size."""
        self._begin(self.unwrapped_model)

    def rebuild_for_model(self, model: PreTrainedModel) -> None:
        """Make all of it for a new model and for a config that a search may have changed."""
        adopt_labels(model.config, self.modality.model.config)
        vars(self.args).update(vars(self._resolve_config(model, self.args, self.processing_class)))
        self.data_collator = self._collator(self.args, self.train_dataset.unlabeled)
        self.processing_class = getattr(self.data_collator.encode, "tokenizer", self.processing_class)
        self._begin(model)
        self.facts = replace(self.facts, hyperparameters=changed_hyperparameters(self.args))

    def _bind_objective(self, student: nn.Module) -> None:
        """Let the objective build what depends on the student. A trainer that was given more hands it over here."""
        self.objective.bind(student)

    def _check_arguments(self, args: Any, train_dataset: Any, unlabeled_dataset: datasets.Dataset | None) -> None:
        kind, own = self.config_class.__name__, type(self).__name__
        if not isinstance(args, self.config_class):
            raise UserError(f"args: got {type(args).__name__}; {own} takes {kind}")
        if train_dataset is None:
            raise UserError("train_dataset: got None; expected the labeled examples")
        if "unlabeled" in self.objective_class.views and unlabeled_dataset is None:
            raise UserError(f"unlabeled_dataset: got None; {own} needs unlabeled examples")

    def _resolve_config(self, model: PreTrainedModel, args: SSLConfig, processing_class: Any) -> SSLConfig:
        """The config with the paper's values for the modality, checked against the model."""
        check_classifier(model.config, "model")
        check_adapters(model)
        self.modality = modality_of(model, processing_class)
        allowed, name = self.objective_class.modalities, self.modality.name
        if name not in allowed:
            raise UserError(f"model: got one of {name}; {type(self).__name__} is for {' and '.join(allowed)}")
        self.modality.check_settings(args)
        self.modality.check_foreign_settings(args, [*MODALITIES.values()])
        return args.for_modality(self.modality.name)

    def forward_for(self, model: nn.Module) -> Forward:
        """What the objective runs ``model`` with. Unwrapping it takes accelerate long, so it is done once."""
        if self._unwrapped[0] is not model:
            self._unwrapped = (model, self.accelerator.unwrap_model(model, keep_torch_compile=False))
        overhead = pass_overhead(self.args.device) if self.args.length_passes else None
        autocast = self.accelerator.autocast
        return Forward(model, self._unwrapped[1], self.backend, autocast, overhead, self.args.batch_norm)

    # --- the loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The objective's loss of a training batch; the model's own in evaluation, which changes no state."""
        if "labeled" not in inputs:
            # A mean over the batch: what is evaluated may count otherwise than the student.
            return super().compute_loss(model, inputs, return_outputs)
        score = self.phase.loss_of(self.objective)
        if self.resets_optimizer:
            assert self.optimizer is not None
            # Each micro-batch of that step may: none has moved the weights yet.
            self.optimizer.state.clear()
        # Mixed precision is for the model's passes alone: losses are computed in float32.
        with torch.autocast(self.args.device.type, enabled=False):
            terms = score(self.forward_for(model), inputs, self.progress)
        self.count_terms(terms)
        return terms["loss"]

    # --- evaluation: the model that the method's rule names

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> Any:
        """Evaluate the student or the teacher."""
        evaluated = self.evaluated_model
        if evaluated is self.unwrapped_model:
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        with self.accelerator.autocast():
            return super().prediction_step(evaluated, inputs, prediction_loss_only, ignore_keys)

    # --- model card

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write the card of what is known of the run; set ``facts`` to tell more."""
        if self.is_world_process_zero():
            write_model_card(str(self.args.output_dir), self.facts)
