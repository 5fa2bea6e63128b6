"""Meta Pseudo Labels: a teacher learns from what its labels do to a student (Pham et al., 2021, arXiv:2003.10580).

The student S sees no labels. At each step the teacher T labels the strong views of N unlabeled examples, one class
drawn from p_T(u) for each, and the student takes a step on them:

    S' = S - eta grad_S mean_u CE(y^_u, S(u)),    y^_u ~ p_T(u)

How well the teacher did shows on the labeled examples: h = L(S) - L(S'), the **old** labeled loss less the **new**,
both in training mode with the same dropout. The teacher then descends

    (h - b) mean_u CE(y^_u, T(u))  +  CE(y, T(x))  +  lambda r(t) mean_u M_u KL(q_u || p_T(u))

a step that helped makes its labels likelier, one that harmed less likely. b is the moving average of h before this
step: the mean of the gradient over draws stays the same, its variance falls. The last term is UDA's, with
q = softmax(T(weak(u)) / temperature) without gradient, M = 1 where max q, **sharpened**, reaches the threshold, and
r(t) = min(1, t / rampup).

``feedback="jvp"`` has soft labels, p_T(u), and the exact gradient of L(S') by the teacher through one step of plain
gradient descent. With v = grad L(S') it is that of

    eta mean_u sum_c p_T(u)_c w_c(u),    w(u) = (log p_{S + e v}(u) - log p_{S - e v}(u)) / 2e,    e = 0.01 / ||v||

for grad_T L(S') = -eta v . grad_T grad_S CE, and w is the derivative of log p_S along v: two more passes of the
student, no graph of second order. With ``head_learning_rate`` the head's part of v is as many times larger as its
rate is. On average over draws the sampled term is 1/N of this one, since it has the mean of
N log-likelihoods where REINFORCE has their sum: ``feedback_weight`` means another size in each.

*Views.* labeled: ``weak``; unlabeled: ``weak`` and ``strong``. Both networks are labeled and taught on ``strong``.

*State.* The teacher, its optimizer and the number of its steps, b. The student is what is evaluated and saved.

*Cost.* A step is one forward and backward of the student over muB rows and two forwards without gradient over B rows,
before and after it; the teacher makes one forward and backward over B + muB rows and, for UDA's term, one forward
without gradient over muB weak views. ``jvp`` adds a backward over B rows and two forwards over muB rows of the
student. Two networks and two optimizers are in memory.

*Parts of a run.* In ``warm_start_steps`` the teacher alone learns, from labels, and the student rests. In
``finetune_steps``, the last tenth by default, the student learns from labels alone, with an optimizer that begins
anew, and the teacher rests. The teacher is given, or a copy of the student with a head drawn anew.

*Differs from the paper in.* Labels are drawn, as its text says; its released code takes soft labels in this term,
whose gradient is then exactly zero, and a well-known port takes the most likely class and the wrong sign. h stands for
the paper's product of gradients, and is taken off its mean, as in the released code. The student is evaluated as it
is, not its moving average. h is plain cross entropy: ``label_smoothing_factor`` is for the labels of the teacher and
of the fine-tuning; and it is measured without mixed precision, for it is a small difference. With Adam or clipping
the sampled h is of the step that was taken, while ``jvp`` is exact for plain descent alone.

*When it fails.* The feedback of a single step is small and noisy, and points the right way only in the mean over many:
the paper trains for 300,000 steps. Until the fine-tuning the student has seen no label, so that a run stopped before
it is worth little.

*Relations.* With ``feedback_weight=0`` it is UDA, from whose labels alone a student learns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_allowed, check_decay, check_not_negative, check_positive, check_unit_interval
from ..families.learned_teacher import TrainedTeacherObjective, TrainedTeacherTrainer
from ..families.teacher_feedback import (
    StoredMicroBatch,
    copy_trained_weights,
    labeled_loss,
    labeled_loss_decrease,
    log_prob_response,
    requiring_gradients,
    sample_labels,
)
from ..objective import Batch, Task
from ..step_cost import StepCost


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["MetaPseudoLabels", "MetaPseudoLabelsConfig", "MetaPseudoLabelsTrainer"]


@dataclass
class MetaPseudoLabelsConfig(SSLConfig):
    """Arguments of Meta Pseudo Labels. Defaults for images are the paper's for CIFAR-10.

    Args:
        feedback: how the teacher hears of the student, ``sampled``, as in the paper, or ``jvp``, soft labels and the
            exact gradient.
        feedback_weight: of that term; 1. 0 switches it off. For ``sampled`` the number of unlabeled examples in a
            step makes it as large in the mean as ``jvp``.
        baseline_decay: of b, the moving average of h; 0.99.
        unlabeled_weight: lambda, of UDA's term; by default 8 for images, 1 otherwise, as UDA has for text.
        temperature: of UDA's target; by default 0.7 for images and features. 1 for text, which UDA does not sharpen.
        threshold: least confidence of the sharpened target; by default 0.6 for images and features, 0 for text.
        rampup: share of training over which lambda climbs from 0; 5,000 of 300,000 steps.
        teacher: a classifier that the teacher starts from, a folder or a model of the Hub; by default the student's
            copy with a head of its own.
        teacher_learning_rate: its peak learning rate; ``None`` takes ``learning_rate``, 0 leaves it as it is.
        finetune_steps: as for any method, but ``None``, a tenth of training, by default: until then the student has
            seen no label. In the paper 8,000 steps.

    Raises:
        UserError: a value out of range, or an unknown choice.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"unlabeled_weight": 1.0, "temperature": 1.0, "threshold": 0.0},
        "image": {"unlabeled_weight": 8.0, "temperature": 0.7, "threshold": 0.6},
        "features": {"unlabeled_weight": 1.0, "temperature": 0.7, "threshold": 0.6},
    }

    feedback: str = field(
        default="sampled", metadata={"help": "How the teacher hears of the student: sampled or jvp."}
    )
    feedback_weight: float = field(default=1.0, metadata={"help": "Weight of the feedback; 0 switches it off."})
    baseline_decay: float = field(default=0.99, metadata={"help": "Decay of the moving average of the feedback."})
    unlabeled_weight: float | None = field(
        default=None, metadata={"help": "lambda, weight of UDA's term. Default: 8 for images, else 1."}
    )
    temperature: float | None = field(
        default=None, metadata={"help": "Of UDA's target; below 1 sharpens it. Default: 1 for text, else 0.7."}
    )
    threshold: float | None = field(
        default=None, metadata={"help": "Least confidence of UDA's target. Default: 0 for text, else 0.6."}
    )
    rampup: float = field(default=5 / 300, metadata={"help": "Share of training over which lambda climbs."})
    teacher: str | None = field(default=None, metadata={"help": "What the teacher starts from. Default: the student."})
    teacher_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the teacher; default: learning_rate."}
    )
    finetune_steps: int | None = field(
        default=None, metadata={"help": "Last steps, on labeled data alone. Default: a tenth of training."}
    )

    def __post_init__(self) -> None:
        check_allowed("feedback", self.feedback, ("sampled", "jvp"))
        check_not_negative("feedback_weight", self.feedback_weight)
        check_decay("baseline_decay", self.baseline_decay)
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_positive("temperature", self.temperature)
        check_unit_interval("threshold", self.threshold)
        check_unit_interval("rampup", self.rampup)
        check_not_negative("teacher_learning_rate", self.teacher_learning_rate)
        super().__post_init__()


class MetaPseudoLabels(TrainedTeacherObjective):
    """A teacher that learns from its student's labeled loss."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {
        "labeled": ("weak",),
        "unlabeled": ("weak", "strong"),
    }
    cost: ClassVar[StepCost | None] = StepCost(forward=(3, 3), backward=(1, 2))
    citation: ClassVar[Citation | None] = Citation(
        title="Meta Pseudo Labels",
        authors=("Hieu Pham", "Zihang Dai", "Qizhe Xie", "Minh-Thang Luong", "Quoc V. Le"),
        year=2021,
        arxiv="2003.10580",
        bibtex="""@inproceedings{pham2021meta,
  title     = {Meta Pseudo Labels},
  author    = {Pham, Hieu and Dai, Zihang and Xie, Qizhe and Luong, Minh-Thang and Le, Quoc V.},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2021}
}""",
    )
    baseline: Tensor
    steps: Tensor

    def __init__(self, config: MetaPseudoLabelsConfig, task: Task) -> None:
        super().__init__(config, task)
        self.register_buffer("baseline", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        # Empty between steps, so they are no state.
        self._stored: list[StoredMicroBatch] = []
        self._origin: list[Tensor] = []
        self._count = 1

    def before_step(self, forward: Forward, batches: list[Batch], progress: float) -> None:
        """Count the micro-batches, and begin with none of them seen."""
        self._stored, self._count = [], len(batches)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, which is ``unsupervised``, and ``supervised``, the labeled loss before the step."""
        strong, config = batch["unlabeled"]["strong"], self.config
        stored = StoredMicroBatch(batch, progress, teacher_noise=forward.noise())
        # The graph of a single micro-batch is kept; those of many would fill the memory.
        with requiring_gradients(self.trained), torch.set_grad_enabled(self._count == 1):
            (teacher_logits,) = forward.of(self.teacher)(strong)
        stored.strong = teacher_logits if self._count == 1 else None
        if config.feedback == "sampled":
            salt = self.steps * 2**32 + config.seed
            stored.labels = sample_labels(teacher_logits, batch["unlabeled"]["index"], salt)
        elif config.feedback_weight and not self._stored:
            self._origin = copy_trained_weights(forward.unwrapped)
        targets = teacher_logits.detach().softmax(-1) if stored.labels is None else stored.labels
        self.count_pseudo_labels(targets, None, batch["unlabeled"].get("index"))
        stored.student_noise = forward.noise()
        (logits,) = forward(strong)
        unsupervised = nn.functional.cross_entropy(logits, targets)
        stored.labeled_noise = forward.noise()
        with torch.no_grad():
            stored.before = labeled_loss(forward, batch)
        self._stored.append(stored)
        return {"loss": unsupervised, "supervised": stored.before, "unsupervised": unsupervised}

    def warm_start_loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return a loss of zero, with the student's graph, which DDP asks for: the teacher alone learns."""
        labeled = batch["labeled"]
        (logits,) = forward(labeled["weak"], statistics=False)
        supervised = self.cross_entropy(logits, labeled["labels"])
        self._stored.append(StoredMicroBatch(batch, progress))
        return {"loss": 0.0 * logits.sum(), "supervised": supervised}

    def after_step(self, forward: Forward, progress: float) -> None:
        """Let the teacher take its own step, but in the fine-tuning, and as long as it has no optimizer."""
        stored, self._stored, self.teacher_terms = self._stored, [], {}
        if not stored or self.teacher_optimizer.optimizer is None:
            return
        gain, responses = self._measured(forward, stored)
        advantage = gain - self.baseline
        pairs = zip(stored, responses, strict=True)
        self.update_teacher(
            (self._teacher_terms(forward, t, advantage, response) for t, response in pairs), len(stored)
        )
        if stored[0].before is not None:
            self.steps.add_(1)
            self.baseline.lerp_(gain, 1 - self.config.baseline_decay)
            self.teacher_terms |= {"feedback": gain, "baseline": self.baseline.clone()}

    def _measured(self, forward: Forward, stored: list[StoredMicroBatch]) -> tuple[Tensor, list[Tensor | None]]:
        """h, and what ``jvp`` needs of each micro-batch."""
        if stored[0].before is None or not self.config.feedback_weight:
            return torch.zeros_like(self.baseline), [None] * len(stored)
        if self.config.feedback == "sampled":
            return labeled_loss_decrease(forward, stored), [None] * len(stored)
        gain, responses = log_prob_response(forward, stored, self._origin, self.student_rates)
        self._origin = []
        return gain, [*responses]

    def _teacher_terms(
        self, forward: Forward, micro: StoredMicroBatch, advantage: Tensor, response: Tensor | None
    ) -> dict[str, Tensor]:
        """The terms of the teacher's loss on a micro-batch; in the warm start labels are all."""
        labeled, config, runner = micro.batch["labeled"], self.config, forward.of(self.teacher)
        (logits,) = runner(labeled["weak"])
        supervised = self.cross_entropy(logits, labeled["labels"])
        terms = {"teacher_loss": supervised, "teacher_supervised": supervised}
        if micro.before is None or not (config.feedback_weight or config.unlabeled_weight):
            return terms
        if micro.strong is None:
            (strong,) = runner(micro.batch["unlabeled"]["strong"], noise=micro.teacher_noise, statistics=False)
        else:
            strong = micro.strong
        if config.feedback_weight:
            if response is not None:
                term = self.student_rate * (strong.softmax(-1) * response).sum(-1).mean()
            else:
                assert micro.labels is not None
                term = advantage * nn.functional.cross_entropy(strong, micro.labels)
            terms["teacher_loss"] = terms["teacher_loss"] + config.feedback_weight * term
        if config.unlabeled_weight:
            terms |= self._consistency(runner, micro, strong)
            weight = config.unlabeled_weight * F.linear_rampup(micro.progress, config.rampup)
            terms["teacher_loss"] = terms["teacher_loss"] + weight * terms["teacher_unsupervised"]
        return terms

    def _consistency(self, runner: Forward, micro: StoredMicroBatch, strong: Tensor) -> dict[str, Tensor]:
        """UDA's term of the teacher, masked by what is sure after it was sharpened."""
        with torch.no_grad():
            (weak,) = runner(micro.batch["unlabeled"]["weak"])
            targets = F.sharpen(weak.softmax(-1), self.config.temperature)
            mask = F.confidence_mask(targets, self.config.threshold)
        unsupervised = (mask * F.kl_divergence(strong, targets)).mean()
        return {"teacher_unsupervised": unsupervised, "mask_rate": mask.mean()}


class MetaPseudoLabelsTrainer(TrainedTeacherTrainer):
    """Fine-tunes by Meta Pseudo Labels; for ``teacher=`` see :class:`.TrainedTeacherTrainer`."""

    objective_class = MetaPseudoLabels
    config_class = MetaPseudoLabelsConfig
