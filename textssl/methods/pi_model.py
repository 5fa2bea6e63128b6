"""Pi model: two noisy passes over each example must agree (Laine and Aila, 2017, arXiv:1610.02242, algorithm 1).

The loss of a batch of B labeled and muB unlabeled examples, N = B + muB, is

    mean_B CE(y_b, p(x_b))  +  w(t) (1/N) sum_{all N} (1/C) ||p(x) - p~(x)||^2

where p and p~ come from two views and two draws of dropout, and both carry gradient. The weight w(t) climbs to its
maximum as exp(-5 (1 - t/T)^2) over the first T of training. It starts at 0.0067 of the maximum; the authors' code
has 0 throughout the first epoch.

*Views.* labeled and unlabeled: ``weak`` and ``weak_2``, a second independent draw. A text's default weak view is the
text as it is, so dropout is then all the noise there is, and without dropout the term is 0;
``augmentations={"weak_2": ...}`` gives the second view a change of words.

*State.* None.

*Cost.* A step is two forwards and backwards over B + muB rows; with ``stop_grad`` the second has no backward.

*Differs from the paper in.* The labeled term is a mean over the labeled rows, as in all methods here, so that a
learning rate means the same in each. The paper divides its sum by all N rows and weighs the other term by 100 times
the share of labeled examples, which is their share of a batch too, since it draws all examples alike: the two means
stand 1 to 100 in both. ``stop_grad=True`` cuts the gradient of the second pass, as later versions of the method do.

*When it fails.* Two passes without noise agree by themselves: a text without a second view, in a model without
dropout, has an unlabeled term of 0. A weight that is high before the labels are learned draws all predictions
together.

*Relations.* With a teacher in place of the second pass it is Mean Teacher; with predictions remembered from earlier
visits, temporal ensembling. Without unlabeled weight it is the supervised baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_not_negative, check_unit_interval
from ..objective import Batch, Objective
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["PiModel", "PiModelConfig", "PiModelTrainer"]


@dataclass
class PiModelConfig(SSLConfig):
    """Arguments of the Pi model. Defaults are those of the authors' runs on CIFAR-10.

    Args:
        unlabeled_weight: w_max, of the consistency term; 100, the authors' ratio of the two terms.
        rampup: T, share of training over which the weight climbs; 80 of 300 epochs in the paper.
        stop_grad: whether the second pass is a target without gradient. It then needs less memory.

    Raises:
        UserError: a value out of range.
    """

    unlabeled_weight: float = field(default=100.0, metadata={"help": "w_max, weight of the consistency term."})
    rampup: float = field(default=80 / 300, metadata={"help": "T, share of training over which the weight climbs."})
    stop_grad: bool = field(default=False, metadata={"help": "Whether the second pass carries no gradient."})

    def __post_init__(self) -> None:
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("rampup", self.rampup)
        super().__post_init__()


class PiModel(Objective):
    """Consistency between two passes of the student."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {
        "labeled": ("weak", "weak_2"),
        "unlabeled": ("weak", "weak_2"),
    }
    cost: ClassVar[StepCost | None] = StepCost(forward=(2, 2), backward=(2, 2))
    citation: ClassVar[Citation | None] = Citation(
        title="Temporal Ensembling for Semi-Supervised Learning",
        authors=("Samuli Laine", "Timo Aila"),
        year=2017,
        arxiv="1610.02242",
        bibtex="""@inproceedings{laine2017temporal,
  title     = {Temporal Ensembling for Semi-Supervised Learning},
  author    = {Laine, Samuli and Aila, Timo},
  booktitle = {International Conference on Learning Representations},
  year      = {2017}
}""",
    )

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised`` and ``weight``."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        labels = labeled["labels"]
        first, second = self._passes(forward, labeled, unlabeled)
        supervised = self.cross_entropy(first[: len(labels)], labels)
        unsupervised = F.squared_error(first, second.softmax(-1)).mean()
        weight = self.config.unlabeled_weight * F.sigmoid_rampup(progress, self.config.rampup)
        terms: dict[str, Any] = {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "weight": weight,
        }
        return terms

    def _passes(self, forward: Forward, labeled: Batch, unlabeled: Batch) -> tuple[Tensor, Tensor]:
        """Logits [N, C] of either view, labeled rows first."""
        if self.config.stop_grad:
            with torch.no_grad():
                second = torch.cat(forward(labeled["weak_2"], unlabeled["weak_2"]))
            return torch.cat(forward(labeled["weak"], unlabeled["weak"])), second
        # One call, a stream's views side by side: they share passes also where only one stream moves batch norms.
        labeled_1, labeled_2, unlabeled_1, unlabeled_2 = forward(
            labeled["weak"], labeled["weak_2"], unlabeled["weak"], unlabeled["weak_2"]
        )
        return torch.cat([labeled_1, unlabeled_1]), torch.cat([labeled_2, unlabeled_2])


class PiModelTrainer(SSLTrainer):
    """Fine-tunes by the Pi model."""

    objective_class = PiModel
    config_class = PiModelConfig
