"""Temporal ensembling: agree with the mean of one's earlier predictions on the example.

Algorithm 2 of Laine and Aila, 2017, arXiv:1610.02242. Of each example i, labeled or not, a running sum of predictions
is kept, Z_i <- alpha Z_i + (1 - alpha) p(x_i), from 0. After n visits the target is Z_i / (1 - alpha^n): the division
is made when the target is used and never enters the sum. The loss of a batch of B labeled and muB unlabeled examples,
N = B + muB, is

    mean_B CE(y_b, p(x_b))  +  w(t) (1/N) sum_{all N} [n_i > 0] (1/C) ||p(x_i) - Z_i / (1 - alpha^n_i)||^2

with w(t) rising to its maximum as exp(-5 (1 - t/T)^2) over the first T of training.

*Views.* labeled and unlabeled: ``weak``. The predictions that are remembered are those of the training pass, noise
and dropout included: no further pass is needed, so a step costs half of the Pi model's.

*State.* C numbers and a count of visits for each example, labeled and unlabeled, in every checkpoint: 4 C + 8 bytes.

*Cost.* A step is one forward and backward over B + muB rows.

*When it fails.* An example has a target from its second visit on. A run of less than two passes over the unlabeled
data has none for them and learns from the labeled data alone: watch ``ssl/seen``, the share of rows with a target, and
set ``num_train_epochs`` or ``max_steps`` accordingly.

*Differs from the paper in.* An example's own count of visits corrects its target, where the paper counts epochs, in
each of which every example is visited once; for such data the two agree. An example without a target has weight 0,
which is what the paper's w = 0 in the first epoch comes to. The labeled term is a mean over the labeled
rows; the paper divides its sum by all N rows and weighs the other term by 30 times the share of labeled examples,
which is their share of a batch too: the two means stand 1 to 30 in both.

*Relations.* The Pi model has a second pass in place of the memory; Mean Teacher averages weights, not predictions, and
so serves a data set too large for many passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_decay, check_not_negative, check_unit_interval
from ..objective import Batch, Objective, Task
from ..state import ExampleMemory, StepRows
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer
from .pi_model import PiModel


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["TemporalEnsembling", "TemporalEnsemblingConfig", "TemporalEnsemblingTrainer"]


@dataclass
class TemporalEnsemblingConfig(SSLConfig):
    """Arguments of temporal ensembling. Defaults are those of the authors' runs on CIFAR-10.

    Args:
        unlabeled_weight: w_max, of the consistency term; 30, the authors' ratio of the two terms.
        rampup: T, share of training over which the weight climbs; 80 of 300 epochs in the paper.
        ensemble_decay: alpha, share of the remembered sum that is kept at each visit; 0 remembers the last alone.

    Raises:
        UserError: a value out of range.
    """

    unlabeled_weight: float = field(default=30.0, metadata={"help": "w_max, weight of the consistency term."})
    rampup: float = field(default=80 / 300, metadata={"help": "T, share of training over which the weight climbs."})
    ensemble_decay: float = field(
        default=0.6, metadata={"help": "alpha, share of the remembered predictions kept at each visit."}
    )

    def __post_init__(self) -> None:
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("rampup", self.rampup)
        check_decay("ensemble_decay", self.ensemble_decay)
        super().__post_init__()


class TemporalEnsembling(Objective):
    """Consistency with the predictions of earlier visits."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 1), backward=(1, 1))
    citation: ClassVar[Citation | None] = PiModel.citation

    def __init__(self, config: TemporalEnsemblingConfig, task: Task) -> None:
        super().__init__(config, task)
        self.labeled = ExampleMemory(task.num_labeled, task.num_labels)
        self.unlabeled = ExampleMemory(task.num_unlabeled, task.num_labels)
        # Examples and predictions.
        self._visited = {"labeled": StepRows(), "unlabeled": StepRows()}

    def before_step(self, forward: Forward, batches: list[Batch], progress: float) -> None:
        """Forget what a step that was cut short has left."""
        for visited in self._visited.values():
            visited.take()

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``weight`` and ``seen``."""
        labels = batch["labeled"]["labels"]
        labeled, unlabeled = forward(batch["labeled"]["weak"], batch["unlabeled"]["weak"])
        supervised = self.cross_entropy(labeled, labels)
        errors, seen = zip(
            self._errors("labeled", batch, labeled), self._errors("unlabeled", batch, unlabeled), strict=True
        )
        # Divided by all rows, those without a target included.
        unsupervised = torch.cat(errors).mean()
        weight = self.config.unlabeled_weight * F.sigmoid_rampup(progress, self.config.rampup)
        terms: dict[str, Any] = {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "weight": weight,
            "seen": torch.cat(seen).mean(),
        }
        return terms

    def after_step(self, forward: Forward, progress: float) -> None:
        """Add the predictions of this step to what is remembered; during a warm start there are none."""
        for stream, memory in (("labeled", self.labeled), ("unlabeled", self.unlabeled)):
            if visited := self._visited[stream].take():
                index, probs = visited
                remembered, _ = memory.read(index)
                memory.write(index, torch.lerp(probs, remembered, self.config.ensemble_decay))

    def _errors(self, stream: str, batch: Batch, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error [B] to the target, 0 without one; and 1 or 0 for whether there is one [B]."""
        index = batch[stream]["index"]
        memory: ExampleMemory = getattr(self, stream)
        remembered, counts = memory.read(index)
        seen = (counts > 0).to(remembered.dtype)
        # alpha^0 is 1, so a sum of nothing would be divided by 0.
        total = 1.0 - torch.pow(self.config.ensemble_decay, counts.clamp_min(1).to(remembered.dtype))
        self._visited[stream].add(index, logits.detach().softmax(-1))
        return seen * F.squared_error(logits, remembered / total.unsqueeze(-1)), seen


class TemporalEnsemblingTrainer(SSLTrainer):
    """Fine-tunes by temporal ensembling."""

    objective_class = TemporalEnsembling
    config_class = TemporalEnsemblingConfig
