"""Pseudo-Label: the class that the model itself finds most likely is the label (Lee, 2013, ICML workshop WREPL).

The loss of a batch of B labeled and muB unlabeled examples is

    mean_B CE(y, p(x))  +  alpha(t) 1/(muB) sum_u 1[max p(u) > tau] CE(argmax p(u), p(u))

The **same** logits give the label, without gradient, and the loss; the label is made anew at each step. alpha(t) is 0
up to T1, grows linearly and is alpha_f from T2 on (equation 16). For confident predictions the gradient is nearly that
of entropy minimisation (section 2.3), of which this is the hard form.

*Views.* labeled: ``weak``; unlabeled: ``weak``.

*State.* None.

*Cost.* A step is one forward and backward over B + muB rows.

*Differs from the paper in.* The defaults are not Lee's but those of later comparisons (Oliver et al., 2018,
arXiv:1804.09170; Berthelot et al., 2019, arXiv:1905.02249): tau 0.95, weight 1, ramp over the first 40 % of training.
Lee's own form is ``threshold=0, unlabeled_weight=3`` with T1 and T2, 100 and 600 of his epochs, as shares of training
in ``rampup_start`` and ``rampup``. Equal to the threshold counts as confident. To label everything once and train
anew is another method, self-training.

*When it fails.* A wrong label that is confident is learned again at each step, since the same view gives the label and
the loss. Where the model is overconfident the threshold keeps nothing out; ``ssl/mask_rate`` near 1 early in a run is
the sign.

*Relations.* FixMatch, if the strong view were the weak one and its logits were used again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_not_negative, check_unit_interval
from ..errors import UserError
from ..objective import Batch, Objective
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["PseudoLabel", "PseudoLabelConfig", "PseudoLabelTrainer"]


@dataclass
class PseudoLabelConfig(SSLConfig):
    """Arguments of Pseudo-Label.

    Args:
        unlabeled_weight: alpha_f, the weight at the end of the ramp; 1 (Lee: 3).
        threshold: tau, least confidence of a pseudo-label; 0.95 (Lee: 0, all examples).
        rampup_start: T1, the share of training before which the weight is 0; 0.
        rampup: T2, the share of training at which the weight is alpha_f; 0.4.

    Raises:
        UserError: a value out of range, or a ramp that ends before it starts.
    """

    unlabeled_weight: float = field(default=1.0, metadata={"help": "alpha_f, weight of the unlabeled term."})
    threshold: float = field(default=0.95, metadata={"help": "tau, least confidence of a pseudo-label."})
    rampup_start: float = field(default=0.0, metadata={"help": "T1, share of training without unlabeled term."})
    rampup: float = field(default=0.4, metadata={"help": "T2, share of training after which the weight is whole."})

    def __post_init__(self) -> None:
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        for name in ("threshold", "rampup_start", "rampup"):
            check_unit_interval(name, getattr(self, name))
        if self.rampup < self.rampup_start:
            raise UserError(f"rampup: got {self.rampup}; expected rampup_start, {self.rampup_start}, or more")
        super().__post_init__()


class PseudoLabel(Objective):
    """Labels of the student's own making, at each step."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 1), backward=(1, 1))
    citation: ClassVar[Citation | None] = Citation(
        title="Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks",
        authors=("Dong-Hyun Lee",),
        year=2013,
        bibtex="""@inproceedings{lee2013pseudo,
  title     = {Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks},
  author    = {Lee, Dong-Hyun},
  booktitle = {ICML Workshop on Challenges in Representation Learning (WREPL)},
  year      = {2013}
}""",
    )

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``mask_rate``, ``confidence`` and ``weight``."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits, own = forward(labeled["weak"], unlabeled["weak"])
        probs = own.detach().softmax(-1)
        mask = F.confidence_mask(probs, self.config.threshold)
        self.count_pseudo_labels(probs, mask, unlabeled.get("index"))
        losses = nn.functional.cross_entropy(own, probs.argmax(-1), reduction="none")
        # Divided by the whole unlabeled batch, masked rows included.
        unsupervised = (mask * losses).mean()
        supervised = self.cross_entropy(logits, labeled["labels"])
        weight = self.config.unlabeled_weight * self._ramp(progress)
        return {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "mask_rate": mask.mean(),
            "confidence": probs.amax(-1).mean(),
            "weight": own.new_tensor(weight),
        }

    def _ramp(self, progress: float) -> float:
        start = self.config.rampup_start
        return 0.0 if progress < start else F.linear_rampup(progress - start, self.config.rampup - start)


class PseudoLabelTrainer(SSLTrainer):
    """Fine-tunes by Pseudo-Label."""

    objective_class = PseudoLabel
    config_class = PseudoLabelConfig
