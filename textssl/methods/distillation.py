"""Distillation: a student learns what a teacher says of unlabeled examples (Hinton et al., 2015, arXiv:1503.02531).

With unlabeled examples: Chen et al., 2020, SimCLRv2, arXiv:2006.10029, section 2.3. The loss is

    (1 - alpha) mean_B CE(y, softmax(z_S(x)))
        +  alpha tau^2 mean_muB CE(softmax(z_T(u) / tau), softmax(z_S(u) / tau))

The teacher, a classifier of any architecture and tokenizer, is fixed: it labels all unlabeled examples once, in
evaluation mode. The student may be smaller, to have a fast model that is nearly as good, or the same, which by itself
often gains (self-distillation). tau^2 keeps the size of the teacher's gradient when tau changes, so that alpha means
the same at every tau (Hinton et al., section 2). The labels are not needed (``teacher_weight=1``); where they are a
large part of the data they help.

*Views.* labeled: ``weak``; unlabeled: ``weak``.

*State.* None; the teacher's labels are files (:mod:`textssl.self_training.round_folder`).

*Cost.* The teacher is trained first, unless it is given, and runs once over the unlabeled examples. A step is then one
forward and backward over muB rows, and over B more where alpha < 1.

*Differs from the paper in.* The teacher sees each example once and as it is, not each augmented version of it: this is
what lets its tokenizer be another. tau^2 is Hinton et al.'s and stands in SimCLRv2's code; its section 2.3 has none.
tau is 1; that paper has 0.1 to 1.

*When it fails.* With alpha = 1 the student sees no true label and inherits the mistakes of its teacher. A weak teacher
gives a weak student.

*Relations.* ``noisy_student`` with one round, no filter and strong views. SentAugment's student is this one, on
sentences that were retrieved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import check_positive, check_unit_interval
from ..objective import Batch
from ..self_training.objective import PseudoLabeledConfig, PseudoLabeledObjective
from ..self_training.trainer import RoundsTrainer
from ..step_cost import StepCost
from .supervised import SupervisedTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["Distillation", "DistillationConfig", "DistillationTrainer"]


@dataclass
class DistillationConfig(PseudoLabeledConfig):
    """Arguments of distillation; those of the teacher are in :class:`.PseudoLabeledConfig`.

    Args:
        teacher_weight: weight of the teacher's term; 1 - alpha is that of the labels. 1, the teacher alone: the
            labeled examples are then not run.
        temperature: tau, of the teacher's term, on both sides; 1. The labels' term has none.

    Raises:
        UserError: a value out of range.
    """

    teacher_weight: float = field(
        default=1.0, metadata={"help": "Weight of the teacher's term; the rest is that of the labels."}
    )
    temperature: float = field(default=1.0, metadata={"help": "tau, of teacher and student in the teacher's term."})

    def __post_init__(self) -> None:
        check_unit_interval("teacher_weight", self.teacher_weight)
        check_positive("temperature", self.temperature)
        super().__post_init__()


class Distillation(PseudoLabeledObjective):
    """Cross entropy with a teacher's softened probabilities."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(
        forward=(0, 1), backward=(0, 1), besides="a teacher is trained first and labels the unlabeled examples once"
    )
    citation: ClassVar[Citation | None] = Citation(
        title="Big Self-Supervised Models are Strong Semi-Supervised Learners",
        authors=("Ting Chen", "Simon Kornblith", "Kevin Swersky", "Mohammad Norouzi", "Geoffrey Hinton"),
        year=2020,
        arxiv="2006.10029",
        bibtex="""@inproceedings{chen2020big,
  title     = {Big Self-Supervised Models are Strong Semi-Supervised Learners},
  author    = {Chen, Ting and Kornblith, Simon and Swersky, Kevin and Norouzi, Mohammad and Hinton, Geoffrey},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2020}
}""",
    )

    def takes_class_weights(self) -> bool:
        """Where the labels have a term."""
        return bool(self.config.teacher_weight < 1)

    def takes_loss_function(self) -> bool:
        """Where the labels have a term."""
        return bool(self.config.teacher_weight < 1)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised`` and ``confidence``, the teacher's."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        alpha, tau, probs = self.config.teacher_weight, self.config.temperature, unlabeled["probs"]
        if alpha < 1:
            logits, own = forward(labeled["weak"], unlabeled["weak"])
            supervised = self.cross_entropy(logits, labeled["labels"])
        else:
            (own,) = forward(unlabeled["weak"])
            supervised = own.new_zeros(())
        unsupervised = tau**2 * F.soft_cross_entropy(own / tau, F.sharpen(probs, tau)).mean()
        return {
            "loss": (1 - alpha) * supervised + alpha * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "confidence": probs.amax(-1).mean(),
        }


class DistillationTrainer(RoundsTrainer):
    """Labels the unlabeled examples by a teacher, and trains the student on them."""

    objective_class = Distillation
    config_class = DistillationConfig
    teacher_class = SupervisedTrainer
