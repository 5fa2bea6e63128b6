"""Mean Teacher: the student must agree with the moving average of itself.

Tarvainen and Valpola, 2017, arXiv:1703.01780. The teacher's weights follow the student's after each step,
theta' <- alpha theta' + (1 - alpha) theta. The loss of a batch of B labeled and muB unlabeled examples, N = B + muB,
is

    mean_B CE(y_b, p(x_b))  +  w(t) (1/N) sum_{all N} (1/C) ||p(x) - p'(x)||^2

where p is the student's prediction on one view and p' the teacher's on another, with dropout of its own and without
gradient. The weight w(t) climbs to its maximum as exp(-5 (1 - t/T)^2) over the first T of training.

*Views.* labeled and unlabeled: ``weak`` for the student and ``weak_2``, a second independent draw, for the teacher. A
text's default weak view is the text as it is, so dropout is then all the noise; ``augmentations={"weak_2": ...}``
gives the teacher other words.

*State.* The teacher. At step t, from 1, alpha_t = min(1 - 1/(t + 1), alpha), as in the authors' code: early on it is
the plain mean of the student's weights, those at its start included. Buffers, such as the statistics of batch norms,
are copied.

*Cost.* A step is one forward of the teacher without gradient and one forward and backward of the student, each over B
+ muB rows. The teacher is one copy of the weights.

*Differs from the paper in.* alpha is constant after that beginning, where some of the paper's runs have 0.99 during
the ramp-up and 0.999 after it. There is no second head with a cost on the distance of its logits. For text and
features alpha is 0.99 by default: a fine-tune has few steps, and a teacher that averages over 1000 of them would lag
behind by a good part of the run. The labeled term is a mean over the labeled rows, as in all methods here; the
authors divide its sum by all N rows, so that at equal ``unlabeled_weight`` their consistency is N/B times as strong.

*When it fails.* The teacher is the student's own past, and in a fine-tune of a few hundred steps from few labels that
past is poor for most of the time: with the default weight it ended 3 to 5 points below supervised training on short
reviews, with a weight of 0.5 about one. Replaced words in the teacher's view made it worse. It needs long training.

*Relations.* With alpha = 0 the teacher is the student itself, and this the Pi model with ``stop_grad``. Temporal
ensembling averages predictions, not weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_allowed, check_decay, check_not_negative, check_unit_interval
from ..objective import Batch, Objective, Task
from ..state import EMATeacher
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["MeanTeacher", "MeanTeacherConfig", "MeanTeacherTrainer"]


@dataclass
class MeanTeacherConfig(SSLConfig):
    """Arguments of Mean Teacher. Defaults are those of the authors' runs on CIFAR-10.

    Args:
        unlabeled_weight: w_max, of the consistency term. By default C for C classes with ``mse`` and 1 with ``kl``,
            the lower ends of what the authors advise, C to C^2 and 1 to 10: in short runs the teacher is a poor one
            for long. The paper's own runs on CIFAR-10 have C^2, 100.
        rampup: T, share of training over which the weight climbs; 40,000 of 150,000 steps in the paper.
        consistency: ``mse``, the squared error, mean over classes; or ``kl``, KL(teacher || student), sum over them.
        teacher_decay: alpha, of the teacher; by default the paper's 0.999 for images, 0.99 for text and features. It
            averages over about 1 / (1 - alpha) steps, which must be few against the run: 0.99 or less for a
            fine-tune of some thousand steps.
        teacher_dropout: whether the teacher is in training mode when it makes targets, with dropout and batch
            statistics, as in the paper.
        evaluated_model: the model that is evaluated and saved, ``teacher`` or ``student``.

    Raises:
        UserError: a value out of range, or an unknown choice.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"teacher_decay": 0.99},
        "image": {"teacher_decay": 0.999},
        "features": {"teacher_decay": 0.99},
    }

    unlabeled_weight: float | None = field(
        default=None,
        metadata={"help": "w_max, weight of the consistency term. Default: number of classes for mse, 1 for kl."},
    )
    rampup: float = field(default=40 / 150, metadata={"help": "T, share of training over which the weight climbs."})
    consistency: str = field(default="mse", metadata={"help": "How student and teacher are compared: mse or kl."})
    teacher_decay: float | None = field(
        default=None, metadata={"help": "alpha, decay of the teacher. Default: 0.999 for images, else 0.99."}
    )
    teacher_dropout: bool = field(default=True, metadata={"help": "Whether the teacher has dropout of its own."})
    evaluated_model: str = field(
        default="teacher", metadata={"help": "Which is evaluated and saved: teacher or student."}
    )

    def __post_init__(self) -> None:
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("rampup", self.rampup)
        check_allowed("consistency", self.consistency, ("mse", "kl"))
        check_decay("teacher_decay", self.teacher_decay)
        check_allowed("evaluated_model", self.evaluated_model, ("teacher", "student"))
        super().__post_init__()


class MeanTeacher(Objective):
    """Consistency of the student with an average of its weights."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {
        "labeled": ("weak", "weak_2"),
        "unlabeled": ("weak", "weak_2"),
    }
    cost: ClassVar[StepCost | None] = StepCost(forward=(2, 2), backward=(1, 1))
    citation: ClassVar[Citation | None] = Citation(
        title="Mean teachers are better role models: Weight-averaged consistency targets improve semi-supervised "
        "deep learning results",
        authors=("Antti Tarvainen", "Harri Valpola"),
        year=2017,
        arxiv="1703.01780",
        bibtex="""@inproceedings{tarvainen2017mean,
  title     = {Mean teachers are better role models: Weight-averaged consistency targets improve
               semi-supervised deep learning results},
  author    = {Tarvainen, Antti and Valpola, Harri},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {30},
  year      = {2017}
}""",
    )

    teacher: EMATeacher

    def __init__(self, config: MeanTeacherConfig, task: Task) -> None:
        super().__init__(config, task)
        usual = float(task.num_labels) if config.consistency == "mse" else 1.0
        self.max_weight = usual if config.unlabeled_weight is None else config.unlabeled_weight

    def bind(self, model: nn.Module) -> None:
        """Build the teacher, a copy of the student."""
        self.teacher = EMATeacher(model, self.config.teacher_decay)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised`` and ``weight``."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        labels = labeled["labels"]
        with torch.no_grad():
            teacher_logits = forward(
                labeled["weak_2"],
                unlabeled["weak_2"],
                model=self.teacher.model,
                dropout=self.config.teacher_dropout,
            )
            targets = torch.cat(teacher_logits).softmax(-1)
        logits = torch.cat(forward(labeled["weak"], unlabeled["weak"]))
        supervised = self.cross_entropy(logits[: len(labels)], labels)
        compare = F.squared_error if self.config.consistency == "mse" else F.kl_divergence
        unsupervised = compare(logits, targets).mean()
        weight = self.max_weight * F.sigmoid_rampup(progress, self.config.rampup)
        terms: dict[str, Any] = {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "weight": weight,
        }
        return terms

    def after_step(self, forward: Forward, progress: float) -> None:
        """Move the teacher."""
        self.teacher.update(forward.unwrapped)

    def evaluated(self, student: nn.Module) -> nn.Module:
        """Return the teacher, or the student if asked for."""
        return self.teacher.model if self.config.evaluated_model == "teacher" else student


class MeanTeacherTrainer(SSLTrainer):
    """Fine-tunes by Mean Teacher."""

    objective_class = MeanTeacher
    config_class = MeanTeacherConfig
