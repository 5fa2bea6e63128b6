"""FixMatch: a confident label from the weak view is learned on the strong one (Sohn et al., 2020, arXiv:2001.07685).

The loss of a batch of B labeled and muB unlabeled examples is

    mean_B CE(y, p(weak(x)))  +  lambda 1/(muB) sum_u 1[max q_u >= tau] CE(argmax q_u, p(strong(u)))

where q = softmax(z(weak(u))) carries no gradient and is not sharpened (section 2.2, equations 3 and 4). The sum is
divided by the **whole** unlabeled batch, so that few confident examples weigh little: a curriculum by itself.

*Views.* labeled: ``weak``; unlabeled: ``weak`` and ``strong``.

*State.* The EMA of the student, which is evaluated and makes no labels; the running class distribution where
``distribution_alignment`` is switched on. The threshold is a :class:`textssl.state.FixedThreshold`; another policy may
learn.

*Cost.* A step is one forward without gradient over the muB weak views, and one forward and backward over the B labeled
examples and those strong views whose label passes the threshold. The EMA is one copy of the weights.

*Differs from the paper in.* The EMA starts with a warm-up, so that a short run is not evaluated on its first
weights. Rows below the threshold are not run on the strong view, which changes nothing but time (and, with batch
norm, whose statistics the strong rows share). Weak views for targets are a pass of their own, where the authors'
code runs all views in one. The paper has no text: there the EMA decay is 0.99, since a fine-tune is short.

*When it fails.* The labels are the student's own, so that a run that starts from a poor classifier learns its
mistakes. With three labels a topic and 180 steps it ended at 76.2 %, below the 82.7 % of supervised training (mean of
three seeds). Warm-start steps, distribution alignment and more steps help. Where few examples pass the threshold, see
``ssl/mask_rate``, it is supervised training at a higher price.

*Relations.* UDA with T to 0 and without TSA. With threshold 0 it is self-training on every example at each step.
A method that differs in its threshold alone, as FlexMatch and SoftMatch do, overrides ``threshold_policy``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from ..citation import Citation
from ..config import SSLConfig, check_decay, check_not_negative, check_unit_interval
from ..families.ema_evaluated import AveragedObjective
from ..objective import Batch, Task
from ..state import FixedThreshold, ThresholdPolicy
from ..step_cost import StepCost
from ..training.distribution_alignment import make_distribution_alignment, parsed_alignment
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["FixMatch", "FixMatchConfig", "FixMatchTrainer"]


@dataclass
class FixMatchConfig(SSLConfig):
    """Arguments of FixMatch. Defaults are the paper's for CIFAR-10.

    Args:
        mu: unlabeled examples per labeled one; 7.
        unlabeled_weight: lambda_u; 1, without a ramp.
        threshold: tau, least confidence of a pseudo-label; 0.95 (0.7 for ImageNet).
        ema_decay: of the weights that are evaluated; by default 0.999, and 0.99 for text; 0 evaluates the student.
        target_dropout: whether dropout is active while labels are made, as in the authors' code.
        distribution_alignment: which class distribution predictions are aligned with before the threshold, by their
            running mean (the paper's section 2.5; Berthelot et al., 2020, arXiv:1911.09785): ``none``; ``labeled``,
            that of the labeled data; ``uniform``; a share for each class, in the order of the model's classes or by
            class name; ``sqrt``, the geometric mean of the labeled distribution and the predictions' own; or
            ``estimated``, by expectation maximisation over the predictions. ``True`` and ``False`` are ``labeled`` and
            ``none``.
        distribution_alignment_decay: decay of the running mean of predictions that ``distribution_alignment`` divides
            by.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"ema_decay": 0.99},
        "image": {"ema_decay": 0.999},
        "features": {"ema_decay": 0.99},
    }

    mu: int = field(default=7, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    unlabeled_weight: float = field(default=1.0, metadata={"help": "lambda, weight of the unlabeled term."})
    threshold: float = field(default=0.95, metadata={"help": "tau, least confidence of a pseudo-label."})
    ema_decay: float | None = field(
        default=None, metadata={"help": "Decay of the EMA that is evaluated. Default: 0.999 for images, else 0.99."}
    )
    target_dropout: bool = field(default=True, metadata={"help": "Whether dropout is active while labels are made."})
    # In this order: of other unions HfArgumentParser makes no flag.
    distribution_alignment: None | str | list[float] | dict[str, float] = field(  # noqa: RUF036
        default="none",
        metadata={"help": "Class distribution of pseudo-labels: none, labeled, uniform, sqrt, estimated, or shares."},
    )
    distribution_alignment_decay: float = field(
        default=0.99, metadata={"help": "Decay of the running mean of predictions."}
    )

    def __post_init__(self) -> None:
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("threshold", self.threshold)
        check_decay("ema_decay", self.ema_decay)
        check_decay("distribution_alignment_decay", self.distribution_alignment_decay)
        self.distribution_alignment = parsed_alignment(self.distribution_alignment)
        super().__post_init__()


class FixMatch(AveragedObjective):
    """Pseudo-labels from weak views, consistency on strong ones."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak", "strong")}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 2), backward=(1, 1))
    citation: ClassVar[Citation | None] = Citation(
        title="FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence",
        authors=(
            "Kihyuk Sohn",
            "David Berthelot",
            "Chun-Liang Li",
            "Zizhao Zhang",
            "Nicholas Carlini",
            "Ekin D. Cubuk",
            "Alex Kurakin",
            "Han Zhang",
            "Colin Raffel",
        ),
        year=2020,
        arxiv="2001.07685",
        bibtex="""@inproceedings{sohn2020fixmatch,
  title     = {{FixMatch}: Simplifying Semi-Supervised Learning with Consistency and Confidence},
  author    = {Sohn, Kihyuk and Berthelot, David and Li, Chun-Liang and Zhang, Zizhao and Carlini, Nicholas and
               Cubuk, Ekin D. and Kurakin, Alex and Zhang, Han and Raffel, Colin},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {33},
  year      = {2020}
}""",
    )

    def __init__(self, config: FixMatchConfig, task: Task) -> None:
        super().__init__(config, task)
        self.model_mean = make_distribution_alignment(
            config.distribution_alignment, task, decay=config.distribution_alignment_decay
        )
        self.thresholds = self.threshold_policy()

    def threshold_policy(self) -> ThresholdPolicy:
        """Return what weighs pseudo-labels. A method that differs from FixMatch in this alone overrides it."""
        return FixedThreshold(self.config.threshold)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``mask_rate`` and ``confidence``."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        probs = self._predict(forward, unlabeled["weak"])
        weights = self.thresholds.weights(probs, unlabeled["index"])
        self.count_pseudo_labels(probs, weights, unlabeled.get("index"))
        # The one wait for the device: rows of weight 0 then cost no forward and no backward.
        rows = weights.nonzero().flatten()
        logits, strong = forward(labeled["weak"], forward.take(unlabeled["strong"], rows.tolist()))
        total = self.unsupervised_loss(strong, probs.index_select(0, rows), weights.index_select(0, rows))
        # Divided by the whole unlabeled batch, rows of weight 0 included.
        unsupervised = total / len(weights)
        supervised = self.cross_entropy(logits, labeled["labels"])
        return {
            "loss": supervised + self.config.unlabeled_weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "mask_rate": weights.mean(),
            "confidence": probs.amax(-1).mean(),
        }

    def unsupervised_loss(self, strong: Tensor, probs: Tensor, weights: Tensor) -> Tensor:
        """Return the sum of the losses of the K rows that count.

        Args:
            strong: logits [K, C] of the strong view.
            probs: what the weak view was given [K, C].
            weights: of the pseudo-labels [K], above 0.
        """
        pseudo_labels = probs.argmax(-1)
        if self.thresholds.is_mask:
            return nn.functional.cross_entropy(strong, pseudo_labels, reduction="sum")
        return (weights * nn.functional.cross_entropy(strong, pseudo_labels, reduction="none")).sum()

    def after_step(self, forward: Forward, progress: float) -> None:
        """Move the average, thresholds and mean of predictions, of which this step's labels saw the values before."""
        super().after_step(forward, progress)
        self.thresholds.end_step()
        if self.model_mean is not None:
            self.model_mean.end_step()

    @torch.no_grad()
    def _predict(self, forward: Forward, weak: Any) -> Tensor:
        """Probabilities [muB, C] of the student, aligned if asked."""
        (logits,) = forward(weak, dropout=self.config.target_dropout)
        probs = logits.softmax(-1)
        return probs if self.model_mean is None else self.model_mean.align(probs)


class FixMatchTrainer(SSLTrainer):
    """Fine-tunes by FixMatch."""

    objective_class = FixMatch
    config_class = FixMatchConfig
