"""Self-training: a model's most confident predictions become labels, again and again (Scudder, 1965).

The most confident k of each class per round are from Blum and Mitchell, 1998, who train two models on two views. A
teacher is trained on the labeled examples. In round n it predicts all unlabeled examples, and the n k most confident
of each class are kept with their predicted class as a hard label. A student learns from both sets:

    mean_B CE(y, p(x))  +  lambda mean_muB CE(argmax p_T(u), p(u))

and is the teacher of the next round. Without the balance of classes the rounds collapse: what one class wins in one
round it trains on in the next.

*Views.* labeled: ``weak``; unlabeled: ``weak``.

*State.* None; teachers and their labels are files (:mod:`textssl.self_training.round_folder`).

*Cost.* The teacher is trained first, unless it is given. Each round is one pass of the teacher over the unlabeled
examples and the training of a student, a step of which is one forward and backward over B + muB rows.

*Differs from the paper in.* Labels of earlier rounds are not kept: each round labels everything anew, so that a
mistake can be taken back. Classes keep the ratio that they have among the labeled examples. The two sets are mixed in
batches of ``mu`` unlabeled examples for each labeled one, not by their sizes.

*When it fails.* Without the balance of classes it collapses, and with wrong shares it forces wrong labels: on eight
topics of unequal size, balanced by labels that were drawn equal, it fell to 65.3 %, from the 85 to 92 % of the
probe. See docs/guides/priors.md.

*Relations.* ``pseudo_label`` makes the label anew at each step, from the model that is being trained;
``noisy_student`` adds noise, soft labels and all examples at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..citation import Citation
from ..config import check_not_negative
from ..errors import UserError
from ..objective import Batch
from ..self_training.objective import PseudoLabeledConfig, PseudoLabeledObjective, balance_word
from ..self_training.selection import check_selection
from ..self_training.trainer import RoundsTrainer
from ..step_cost import StepCost
from ..training.distribution_alignment import parsed_alignment
from .supervised import SupervisedTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["SelfTraining", "SelfTrainingConfig", "SelfTrainingTrainer"]


@dataclass
class SelfTrainingConfig(PseudoLabeledConfig):
    """Arguments of self-training; those of the teacher are in :class:`.PseudoLabeledConfig`.

    Args:
        rounds: students in all; 5.
        per_round: k, examples of an average class that each round adds; ``None`` spreads the unlabeled examples over
            the rounds, N / (C ``rounds``).
        threshold: least confidence of an example that is kept; 0.
        balance: class ratio of what is kept: ``labeled``, that of the labeled examples; ``uniform``; own shares, as
            a list or by class name; ``sqrt`` or ``estimated``, from what the first teacher says
            (docs/guides/priors.md); ``none``, the most confident of all, which may collapse.
        unlabeled_weight: lambda; 1.

    Raises:
        UserError: a value out of range.
    """

    rounds: int = field(default=5, metadata={"help": "Students in all."})
    per_round: int | None = field(default=None, metadata={"help": "k, examples of a class that each round adds."})
    threshold: float = field(default=0.0, metadata={"help": "Least confidence of an example that is kept."})
    # In this order: of other unions HfArgumentParser makes no flag.
    balance: None | str | list[float] | dict[str, float] = field(  # noqa: RUF036
        default="labeled",
        metadata={"help": "Class ratio of what is kept: none, labeled, uniform, sqrt, estimated, or shares."},
    )
    unlabeled_weight: float = field(default=1.0, metadata={"help": "lambda, weight of the unlabeled term."})

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UserError(f"rounds: got {self.rounds}; expected at least 1")
        if self.per_round is not None and self.per_round < 1:
            raise UserError(f"per_round: got {self.per_round}; expected at least 1")
        self.balance = parsed_alignment(self.balance, "balance")
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_selection(threshold=self.threshold, per_class=None, total=None, balance=balance_word(self.balance))
        super().__post_init__()

    def selection(self, round_number: int, num_labels: int, num_unlabeled: int) -> dict[str, Any]:
        """More in each round: n k of an average class in round n."""
        added = num_unlabeled / self.rounds if self.per_round is None else self.per_round * num_labels
        total = max(round(round_number * added), 1)
        return {"threshold": self.threshold, "total": total, "balance": balance_word(self.balance)}


class SelfTraining(PseudoLabeledObjective):
    """Cross entropy of the labels and of the teacher's most likely classes."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(
        forward=(1, 1),
        backward=(1, 1),
        besides="a teacher is trained first, and labels the unlabeled examples each round",
    )
    citation: ClassVar[Citation | None] = Citation(
        title="Probability of Error of Some Adaptive Pattern-Recognition Machines",
        authors=("Henry J. Scudder",),
        year=1965,
        bibtex="""@article{scudder1965probability,
  title   = {Probability of Error of Some Adaptive Pattern-Recognition Machines},
  author  = {Scudder, Henry J.},
  journal = {IEEE Transactions on Information Theory},
  volume  = {11},
  number  = {3},
  pages   = {363--371},
  year    = {1965}
}""",
    )

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised`` and ``confidence``, the teacher's."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits, own = forward(labeled["weak"], unlabeled["weak"])
        supervised = self.cross_entropy(logits, labeled["labels"])
        unsupervised = self.smoothed_cross_entropy(own, unlabeled["probs"].argmax(-1))
        return {
            "loss": supervised + self.config.unlabeled_weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "confidence": unlabeled["probs"].amax(-1).mean(),
        }


class SelfTrainingTrainer(RoundsTrainer):
    """Trains a teacher, then students on more and more of its most confident predictions."""

    objective_class = SelfTraining
    config_class = SelfTrainingConfig
    teacher_class = SupervisedTrainer
