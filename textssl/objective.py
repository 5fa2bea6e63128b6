"""The contract of a method: which views it needs, how it scores a batch, what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from . import functional as F
from .citation import Citation
from .config.class_weights import weights_of_classes
from .errors import UserError
from .step_cost import StepCost


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .forward.backend import Backend
    from .forward.base import Forward
    from .state import PseudoLabelCounts


__all__ = ["Batch", "Objective", "Scores", "Task", "view_names"]

Batch = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What a method may know of the data.

    Args:
        num_labels: C, the number of classes.
        num_labeled: number of labeled examples.
        num_unlabeled: number of unlabeled examples; 0 when there are none.
        class_prior: share of each class among the labeled examples; sums to one.
        label_names: of the classes, in the order of the model's.
    """

    num_labels: int
    num_labeled: int
    num_unlabeled: int
    class_prior: tuple[float, ...]
    label_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scores:
    """What networks say of every example in evaluation mode and without augmentation, equal on every process.

    Args:
        labeled: of the labeled examples, in the order of their data set: the student's pooled vectors [N_l, D], or
            losses [K, N_l], a row for each of :meth:`Objective.networks`.
        unlabeled: of the unlabeled examples in theirs: [N_u, D]; [K, 0] where losses were asked for.
        labels: class numbers of the labeled examples [N_l].
    """

    labeled: Tensor
    unlabeled: Tensor
    labels: Tensor


class Objective(nn.Module):
    """A method, free of any model, optimizer or data set.

    All that a method remembers is a buffer or a submodule of itself, so that ``state_dict()`` is the whole of
    it and every checkpoint holds it. It never stores the student: it is handed a ``forward``. Computing a loss
    in evaluation is not its business and never touches it.

    Attributes:
        views: for each stream, ``"labeled"`` and ``"unlabeled"``, the names of the views that a batch holds.
            A method without unlabeled views leaves the stream out. Where their number is a setting,
            :meth:`views_for` says which.
        citation: the paper.
        modalities: what it works on; a model of another modality is refused.
        cost: passes of a step; ``None`` if it is not stated.
        other_needs: what it needs beside the views of its data, as words: a teacher, a second network.
        takes_probs: whether the unlabeled stream holds ``"probs"`` [B, C], what a teacher said of each example: the
            column ``config.probabilities_column`` of the unlabeled data.
        perturbs_inputs: whether it reaches the continuous input: the trainer then makes sure that the model takes it.
        mixes_examples: whether the loss of an example depends on which others share its batch, as mixing does. Then
            several processes or accumulation cannot equal one large batch.
        scored: what :meth:`before_epoch` is handed: ``"features"``, the pooled vectors of all examples, ``"losses"``,
            the cross entropy of the given labels, or ``None``: it is not called.
        pseudo_label_counts: where a run keeps count of the pseudo-labels, for its report; ``None`` where it does not.
    """

    views: ClassVar[dict[str, tuple[str, ...]]] = {
        "labeled": ("weak",),
        "unlabeled": ("weak", "strong"),
    }
    citation: ClassVar[Citation | None] = None
    modalities: ClassVar[tuple[str, ...]] = ("text", "image", "features")
    cost: ClassVar[StepCost | None] = None
    other_needs: ClassVar[tuple[str, ...]] = ()
    takes_probs: ClassVar[bool] = False
    perturbs_inputs: ClassVar[bool] = False
    mixes_examples: ClassVar[bool] = False
    scored: ClassVar[str | None] = None
    label_weights: Tensor | None

    def __init__(self, config: Any, task: Task) -> None:
        super().__init__()
        self.config = config
        self.task = task
        self.loss_function: Callable[..., Tensor] | None = None
        self.pseudo_label_counts: PseudoLabelCounts | None = None
        self.register_buffer("label_weights", None, persistent=False)

    @classmethod
    def views_for(cls, config: Any) -> Mapping[str, tuple[str, ...]]:
        """The views of a run with ``config``; by default ``views``."""
        return cls.views

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Raise UserError unless the method can do with ``model`` what it does; called once, before :meth:`bind`."""
        if self.perturbs_inputs:
            backend.check_continuous(model)

    def bind(self, model: nn.Module) -> None:
        """Build what depends on the student, such as a teacher. Called once, with the unwrapped student."""

    def networks(self, student: nn.Module) -> list[nn.Module]:
        """Return the networks that the trainer's optimizer moves: the student, and those of the method's own."""
        return [student]

    def score_every(self, steps_per_epoch: int) -> int:
        """Steps from one call of :meth:`before_epoch` to the next; by default an epoch."""
        return steps_per_epoch

    def before_epoch(self, scores: Scores, progress: float) -> None:
        """See all examples as the student does now: where the method begins, and whenever an epoch does.

        A function of its arguments alone, without draws: a run that is resumed here calls it again, and one that is
        resumed later finds what it wrote in the buffers.
        """

    def before_step(self, forward: Forward, batches: list[Batch], progress: float) -> None:
        """See all micro-batches of the coming optimizer step, where a term needs a count over all of them.

        ``batches`` holds the micro-batches of this process. Called once per optimizer step.
        """

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return named scalar terms of one micro-batch.

        ``"loss"`` is differentiated; the others are logged as ``ssl/<name>``. Terms are means over this
        process's micro-batch: the trainer averages them over micro-batches, and DDP over processes.

        Args:
            forward: runs the student, or another model.
            batch: ``{"labeled": {view: inputs, "labels": [B], "index": [B]}, "unlabeled": {...}}``.
            progress: share of training done, in [0, 1).
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def warm_start_loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the terms of a step of the warm start: plain cross entropy on the labeled data."""
        return self._labeled_terms(forward, batch)

    def finetune_loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the terms of a step of the fine-tuning: plain cross entropy on the labeled data."""
        return self._labeled_terms(forward, batch)

    def _labeled_terms(self, forward: Forward, batch: Batch) -> dict[str, Tensor]:
        labeled = batch["labeled"]
        (logits,) = forward(labeled["weak"])
        loss = self.cross_entropy(logits, labeled["labels"])
        return {"loss": loss, "supervised": loss}

    def cross_entropy(self, logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The loss of labeled examples: cross entropy of ``logits`` [B, C] with ``labels`` [B].

        It is smoothed by ``label_smoothing_factor`` and weighted by ``class_weights``; a ``compute_loss_func`` takes
        its place. A mean, or with ``reduction="none"`` one number per example [B].
        """
        if self.loss_function is not None:
            loss = self.loss_function(SequenceClassifierOutput(logits=logits), labels, num_items_in_batch=len(labels))
            if loss.dim():
                raise UserError(f"compute_loss_func: returned a tensor of shape {list(loss.shape)}; expected a scalar")
            return loss
        if self.label_weights is None:
            return self.smoothed_cross_entropy(logits, labels, reduction)
        losses = self.smoothed_cross_entropy(logits, labels, "none") * self.label_weights[labels]
        return losses.mean() if reduction == "mean" else losses

    def smoothed_cross_entropy(self, logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The same of labels that nobody gave, such as a teacher's: smoothed, but neither weighted nor replaced."""
        smoothing = self.config.label_smoothing_factor
        return nn.functional.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)

    def takes_class_weights(self) -> bool:
        """Whether each labeled example has a loss of its own that :meth:`cross_entropy` weighs."""
        return True

    def takes_loss_function(self) -> bool:
        """Whether the mean of :meth:`cross_entropy` is all that is asked of the labeled examples."""
        return True

    def set_labeled_loss(self, function: Callable[..., Tensor] | None) -> None:
        """Let ``class_weights`` and a person's ``compute_loss_func`` be the loss of the labeled examples.

        Raises:
            UserError: the method mixes labels, uses none or weighs them itself, or needs the loss of each example; or
                weights and a function that would not see them.
        """
        given = self.config.class_weights
        if given is not None:
            if not self.takes_class_weights():
                raise UserError(
                    f"class_weights: got {given!r}; {type(self).__name__} with these settings mixes labels, uses none "
                    "or weighs them itself"
                )
            weights = torch.tensor(weights_of_classes(given, self.task.class_prior))
            self.register_buffer("label_weights", weights, persistent=False)
        if function is not None and not self.takes_loss_function():
            raise UserError(
                f"compute_loss_func: got one; {type(self).__name__} with these settings mixes labels, uses none or "
                "needs the loss of each example, which a function of the batch does not tell"
            )
        if function is not None and given is not None:
            raise UserError("compute_loss_func: got one and class_weights; it would not see them")
        self.loss_function = function

    def label_distribution(self, labels: Tensor) -> Tensor:
        """``labels`` [B] as rows that sum to one [B, C], smoothed by ``label_smoothing_factor``."""
        smoothing, classes = self.config.label_smoothing_factor, self.task.num_labels
        return (1 - smoothing) * F.one_hot(labels, classes) + smoothing / classes

    def count_pseudo_labels(self, labels: Tensor, weights: Tensor | None, index: Tensor | None) -> None:
        """Count the pseudo-labels of a micro-batch, where the run keeps count; no loss depends on it.

        Args:
            labels: class numbers [B], or rows [B, C] whose largest entry says the class.
            weights: in [0, 1] [B], 0 for a pseudo-label that is not used; ``None``: all are used in full.
            index: place of each example in the unlabeled data [B]; nothing is counted without it.
        """
        if self.pseudo_label_counts is not None and index is not None:
            self.pseudo_label_counts.add(labels if labels.dim() == 1 else labels.argmax(-1), weights, index)

    def after_step(self, forward: Forward, progress: float) -> None:
        """Follow the student after an optimizer step; ``forward.unwrapped`` is the student."""

    def evaluated(self, student: nn.Module) -> nn.Module:
        """Return the model that evaluates best by the method's own rule: the student, or a teacher."""
        return student


def view_names(stem: str, count: int) -> tuple[str, ...]:
    """Names of ``count`` independent draws of a view: ``("weak", "weak_2", "weak_3")``."""
    return (stem, *[f"{stem}_{number}" for number in range(2, count + 1)])
