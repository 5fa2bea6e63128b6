"""UDA: the strong view must agree with the sharpened prediction on the original (Xie et al., 2020, arXiv:1904.12848).

The loss of a batch of B labeled and muB unlabeled examples is

    sum_b m_b CE(y_b, p(x_b)) / max(sum_b m_b, 1)  +  lambda mean_{all muB} M_u KL(q_u || p(strong(u)))

where q = softmax(z(u) / T) carries no gradient, M = 1 where max softmax(z(u)) reaches the threshold, before
sharpening, and m = 0 for labeled examples whose **correct** class already has probability above eta_t: training
signal annealing (TSA), section 2.3.

*Views.* labeled: ``weak``; unlabeled: ``weak`` (the original) and ``strong`` (word replacement, back-translation).

*State.* The EMA teacher and the running class distribution, where these are switched on.

*Cost.* A step is one forward without gradient over the muB weak views, of the teacher if there is one, and one forward
and backward over the B labeled examples and those strong views whose target passes the threshold. With TSA and
gradient accumulation there is one more forward without gradient over the labeled examples.

*Differs from the paper in.* Nothing by default. The authors' code keeps an example whose confidence is strictly
above the threshold; here equal counts as kept. Options that the paper does not have, each off by default: targets
from an EMA teacher (``teacher_decay``), distribution alignment before masking (``distribution_alignment``, Berthelot
et al., 2020, arXiv:1911.09785), a warm start on the labeled data. With few labels and few steps they keep early,
confident mistakes from being learned.

*When it fails.* Where the supervised classifier is hardly better than chance, its targets are too: with 20 labeled
reviews one of three draws fell from 54.5 to 50.5 % (``cpu`` preset on IMDb). Without alignment all targets may fall
into one class; ``distribution_alignment="sqrt"`` prevented it on two sentiments (docs/reference/presets.md).

*Relations.* With hard targets it is FixMatch; without unlabeled weight and TSA it is the supervised baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_allowed, check_decay, check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..objective import Batch, Objective, Task
from ..state import EMATeacher, all_sum, world_size
from ..step_cost import StepCost
from ..training.distribution_alignment import make_distribution_alignment, parsed_alignment
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["UDA", "UDAConfig", "UDATrainer"]


@dataclass
class UDAConfig(SSLConfig):
    """Arguments of UDA. Defaults are those of the authors' runs: IMDb on BERT-base for text, CIFAR-10 for images.

    Args:
        unlabeled_weight: lambda, of the consistency term; 1 in the paper.
        temperature: T, of the target; by default 1 for text, which does not sharpen, and 0.4 otherwise; the paper
            has 0.85 for BERT-large.
        threshold: tau, on the un-sharpened confidence; by default 0 for text, which keeps all, and 0.8 otherwise.
        tsa: schedule of training signal annealing, ``linear``, ``log``, ``exp`` or ``none``; by default ``linear``
            for text, none otherwise. ``exp`` releases labels late, for few of them; ``log`` early.
        target_dropout: whether dropout is active while the student makes targets, as in the authors' code; an EMA
            teacher never has dropout.
        entropy_weight: of the entropy of the prediction on the original; 0.1 in some image runs.
        teacher_decay: decay of the teacher that makes the targets and is evaluated; 0 for the student itself.
        distribution_alignment: which class distribution the targets are aligned with before the threshold, by a
            running mean of predictions: ``none``; ``labeled``, that of the labeled data; ``uniform``; a share for each
            class, in the order of the model's classes or by class name; ``sqrt``, the geometric mean of the labeled
            distribution and the predictions' own; or ``estimated``, by expectation maximisation over the predictions.
            ``True`` and ``False`` are ``labeled`` and ``none``.
        distribution_alignment_decay: decay of the running mean of predictions that ``distribution_alignment`` divides
            by.

    Raises:
        UserError: a value out of range, or an unknown schedule.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"temperature": 1.0, "threshold": 0.0, "tsa": "linear"},
        "image": {"temperature": 0.4, "threshold": 0.8, "tsa": "none"},
        "features": {"temperature": 0.4, "threshold": 0.8, "tsa": "none"},
    }

    unlabeled_weight: float = field(default=1.0, metadata={"help": "lambda, weight of the consistency term."})
    temperature: float | None = field(
        default=None, metadata={"help": "T, of the target; below 1 sharpens it. Default: 1 for text, else 0.4."}
    )
    threshold: float | None = field(
        default=None, metadata={"help": "tau, least confidence of a target. Default: 0 for text (all), else 0.8."}
    )
    tsa: str | None = field(
        default="auto", metadata={"help": "TSA schedule: linear, log, exp or none. Default: linear for text."}
    )
    target_dropout: bool = field(default=True, metadata={"help": "Whether dropout is active while targets are made."})
    entropy_weight: float = field(
        default=0.0, metadata={"help": "Weight of the entropy of the prediction on the original."}
    )
    teacher_decay: float = field(default=0.0, metadata={"help": "Decay of the EMA teacher; 0 for no teacher."})
    # In this order: of other unions HfArgumentParser makes no flag.
    distribution_alignment: None | str | list[float] | dict[str, float] = field(  # noqa: RUF036
        default="none",
        metadata={"help": "Class distribution of targets: none, labeled, uniform, sqrt, estimated, or shares."},
    )
    distribution_alignment_decay: float = field(
        default=0.99, metadata={"help": "Decay of the running mean of predictions."}
    )

    def __post_init__(self) -> None:
        self.tsa = self.tsa or "none"
        check_allowed("tsa", self.tsa, ("auto", "linear", "log", "exp", "none"))
        check_positive("temperature", self.temperature)
        check_unit_interval("threshold", self.threshold)
        check_decay("teacher_decay", self.teacher_decay)
        check_decay("distribution_alignment_decay", self.distribution_alignment_decay)
        self.distribution_alignment = parsed_alignment(self.distribution_alignment)
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_not_negative("entropy_weight", self.entropy_weight)
        if self.entropy_weight and self.teacher_decay:
            raise UserError(
                f"entropy_weight: got {self.entropy_weight} with teacher_decay {self.teacher_decay}; entropy is of "
                "the student's predictions, so one of them must be 0"
            )
        super().__post_init__()


class UDA(Objective):
    """Unsupervised data augmentation for consistency training."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {
        "labeled": ("weak",),
        "unlabeled": ("weak", "strong"),
    }
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 2), backward=(1, 1))
    citation: ClassVar[Citation | None] = Citation(
        title="Unsupervised Data Augmentation for Consistency Training",
        authors=("Qizhe Xie", "Zihang Dai", "Eduard Hovy", "Minh-Thang Luong", "Quoc V. Le"),
        year=2020,
        arxiv="1904.12848",
        bibtex="""@inproceedings{xie2020unsupervised,
  title     = {Unsupervised Data Augmentation for Consistency Training},
  author    = {Xie, Qizhe and Dai, Zihang and Hovy, Eduard and Luong, Minh-Thang and Le, Quoc V.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {33},
  year      = {2020}
}""",
    )

    def __init__(self, config: UDAConfig, task: Task) -> None:
        super().__init__(config, task)
        self.teacher: EMATeacher | None = None
        self.model_mean = make_distribution_alignment(
            config.distribution_alignment, task, decay=config.distribution_alignment_decay
        )
        # Both are empty between steps, so they are no state.
        self._tsa_masks: list[Tensor] = []
        self._kept: Tensor | None = None

    def takes_loss_function(self) -> bool:
        """Without TSA, which leaves single examples out."""
        return bool(self.config.tsa == "none")

    def bind(self, model: nn.Module) -> None:
        """Build the teacher, if there is one."""
        if self.config.teacher_decay:
            self.teacher = EMATeacher(model, self.config.teacher_decay)

    def before_step(self, forward: Forward, batches: list[Batch], progress: float) -> None:
        """Count what TSA keeps over all micro-batches: the labeled loss is divided by the count of them all.

        Counting leaves no trace: running statistics and what dropout draws are those of a step without it.
        """
        self._tsa_masks, self._kept = [], None
        if self.config.tsa == "none" or len(batches) == 1:
            return
        noise = forward.noise()
        with torch.no_grad():
            for batch in batches:
                (logits,) = forward(batch["labeled"]["weak"], noise=noise, statistics=False)
                self._tsa_masks.append(self._tsa_mask(logits, batch["labeled"]["labels"], progress))
            counts = torch.stack([mask.sum() for mask in self._tsa_masks])
            self._kept = all_sum(counts.sum()).clamp_min(1.0) / len(batches)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``mask_rate``, ``confidence`` and TSA's figures."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        probs, weak_logits = self._predict(forward, unlabeled["weak"])
        mask = F.confidence_mask(probs, self.config.threshold)
        self.count_pseudo_labels(probs, mask, unlabeled.get("index"))
        targets = F.sharpen(probs, self.config.temperature)
        # The one wait for the device: rows that the mask drops then cost no forward and no backward.
        rows = mask.nonzero().flatten() if self.config.threshold > 0 else torch.arange(len(mask))
        logits, strong = forward(labeled["weak"], forward.take(unlabeled["strong"], rows.tolist()))
        # Divided by the whole unlabeled batch, masked rows included.
        unsupervised = F.kl_divergence(strong, targets[rows.to(targets.device)]).sum() / len(mask)
        supervised, figures = self._supervised(logits, labeled["labels"], progress)
        terms = {
            "loss": supervised + self.config.unlabeled_weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "mask_rate": mask.mean(),
            "confidence": probs.amax(-1).mean(),
            **figures,
        }
        if self.config.entropy_weight:
            terms["entropy"] = F.entropy(weak_logits).mean()
            terms["loss"] = terms["loss"] + self.config.entropy_weight * terms["entropy"]
        return terms

    def after_step(self, forward: Forward, progress: float) -> None:
        """Move the teacher, and the mean of predictions, of which this step's targets saw the value before."""
        if self.teacher is not None:
            self.teacher.update(forward.unwrapped)
        if self.model_mean is not None:
            self.model_mean.end_step()

    def evaluated(self, student: nn.Module) -> nn.Module:
        """Return the teacher if there is one."""
        return student if self.teacher is None else self.teacher.model

    def _predict(self, forward: Forward, weak: Any) -> tuple[Tensor, Tensor]:
        """Aligned probabilities [muB, C] without gradient, and the logits that they come from."""
        model = None if self.teacher is None else self.teacher.model
        with torch.set_grad_enabled(self.config.entropy_weight > 0):
            (logits,) = forward(weak, model=model, dropout=self.config.target_dropout and model is None)
        with torch.no_grad():
            probs = logits.softmax(-1)
            if self.model_mean is not None:
                probs = self.model_mean.align(probs)
        return probs, logits

    def _supervised(self, logits: Tensor, labels: Tensor, progress: float) -> tuple[Tensor, dict[str, Any]]:
        if self.config.tsa == "none":
            return self.cross_entropy(logits, labels), {}
        losses = self.cross_entropy(logits, labels, reduction="none")
        threshold = F.tsa_threshold(progress, self.task.num_labels, self.config.tsa)
        if self._kept is None:
            mask = self._tsa_mask(logits.detach(), labels, progress)
            kept = all_sum(mask.sum()).clamp_min(1.0)
        else:
            mask, kept = self._tsa_masks.pop(0), self._kept
        # The trainer averages over processes and micro-batches; the count is over all of them.
        supervised = (mask * losses).sum() * world_size() / kept
        return supervised, {"tsa_threshold": threshold, "tsa_kept": mask.mean()}

    def _tsa_mask(self, logits: Tensor, labels: Tensor, progress: float) -> Tensor:
        threshold = F.tsa_threshold(progress, self.task.num_labels, self.config.tsa)
        return F.tsa_mask(logits, labels, threshold)


class UDATrainer(SSLTrainer):
    """Fine-tunes by UDA."""

    objective_class = UDA
    config_class = UDAConfig
