"""Pseudo-labels under mixup: soft labels, mixed examples, no collapse (Arazo et al., 2020, arXiv:1908.02983).

All rows of a batch, labeled and unlabeled, are mixed in pairs, x' = l x_i + (1 - l) x_j with one l ~ Beta(alpha,
alpha) a batch, and learned with the mix of their labels,

    mean_i [l CE(y_i, p(x'_i)) + (1 - l) CE(y_j, p(x'_i))]  +  w_A R_A  +  w_H R_H

(equations 1 and 7). The label of an unlabeled example is soft: the prediction of a pass **without dropout** on the
unmixed input, made at the visit before and so replaced once per pass over the data. There is no threshold. Two
regularisers, both on the mixed predictions of the whole batch, keep it from its trivial solutions: R_A = KL(prior ||
mean p), against all in one class (equation 4), and R_H = mean H(p), against flat predictions (equation 5). Training
begins on the labeled rows alone, with mixup and the same regularisers.

*Views.* labeled and unlabeled: ``weak``.

*State.* C numbers and a count for each unlabeled example: its soft label.

*Cost.* A step is one forward without gradient over muB rows, and one forward and backward over B + muB mixed rows.
During the warm-up it is one forward and backward over B rows.

Every batch holds labeled examples, which the paper needs: ``per_device_train_batch_size`` of them, repeated as often
as it takes, to ``mu`` times as many unlabeled ones. 16 and 5 make the paper's 16 of about 100.

*Differs from the paper in.* The first label of an example is the clean prediction at its first visit, where the
authors label all examples at once after the warm-up; from then on the two agree. R_A has its constant, so it is 0
where the authors' code shows log C. The paper has alpha 4 in its text and 1 in its code: 1 here. On text word
embeddings are mixed; the paper has images alone.

*When it fails.* R_A pulls the mean prediction towards ``class_prior``: with the default, uniform shares, it is wrong
on data whose classes are not. A run of less than two passes over the unlabeled data learns from the first predictions
alone.

*Relations.* ``pseudo_label`` has hard labels, a threshold and no mixing. MixMatch sharpens guesses anew in every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import check_decay, check_not_negative, check_unit_interval
from ..families.ema_evaluated import AveragedObjective
from ..families.mixing import Mixer, MixingConfig, MixingObjective, check_distribution
from ..objective import Batch, Task
from ..state import ExampleMemory, StepRows
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["MixupPseudoLabel", "MixupPseudoLabelConfig", "MixupPseudoLabelTrainer"]


@dataclass
class MixupPseudoLabelConfig(MixingConfig):
    """Arguments of pseudo-labeling under mixup. Defaults are those of the authors' runs.

    Args:
        mu: unlabeled examples per labeled one; 5.
        alpha: of the Beta distribution; 1.
        per_example: draw a coefficient for each row; one for the batch, as in the paper, by default.
        prior_weight: w_A, of the divergence of the mean prediction from the prior; 0.8.
        entropy_weight: w_H, of the entropy; 0.4.
        class_prior: a share for each class; uniform, as in the paper, by default.
        warm_start_ratio: share of training on the labeled rows alone; 10 of 400 epochs in the paper.
        ema_decay: of weights that are evaluated in place of the student's; 0, as in the paper, evaluates the student.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"alpha": 1.0, "mix_at": "input"},
        "image": {"alpha": 1.0, "mix_at": "input"},
        "features": {"alpha": 1.0, "mix_at": "input"},
    }

    mu: int = field(default=5, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    prior_weight: float = field(default=0.8, metadata={"help": "w_A, keeps the mean prediction at the prior."})
    entropy_weight: float = field(default=0.4, metadata={"help": "w_H, keeps predictions from being flat."})
    class_prior: list[float] | None = field(
        default=None, metadata={"help": "A share for each class. Default: all alike."}
    )
    warm_start_ratio: float = field(
        default=10 / 400, metadata={"help": "Share of training on the labeled rows alone."}
    )
    ema_decay: float = field(default=0.0, metadata={"help": "Decay of an EMA that is evaluated; 0 for none."})

    def __post_init__(self) -> None:
        check_not_negative("prior_weight", self.prior_weight)
        check_not_negative("entropy_weight", self.entropy_weight)
        check_unit_interval("warm_start_ratio", self.warm_start_ratio)
        check_decay("ema_decay", self.ema_decay)
        super().__post_init__()


class MixupPseudoLabel(MixingObjective, AveragedObjective):
    """Soft pseudo-labels, mixed with everything."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 2), backward=(1, 1))
    citation: ClassVar[Citation | None] = Citation(
        title="Pseudo-Labeling and Confirmation Bias in Deep Semi-Supervised Learning",
        authors=("Eric Arazo", "Diego Ortego", "Paul Albert", "Noel E. O'Connor", "Kevin McGuinness"),
        year=2020,
        arxiv="1908.02983",
        bibtex="""@inproceedings{arazo2020pseudo,
  title     = {Pseudo-Labeling and Confirmation Bias in Deep Semi-Supervised Learning},
  author    = {Arazo, Eric and Ortego, Diego and Albert, Paul and O'Connor, Noel E. and McGuinness, Kevin},
  booktitle = {International Joint Conference on Neural Networks},
  year      = {2020}
}""",
    )

    prior: Tensor

    def __init__(self, config: MixupPseudoLabelConfig, task: Task) -> None:
        super().__init__(config, task)
        self.mixer = Mixer(config, fold=False)
        self.soft_labels = ExampleMemory(task.num_unlabeled, task.num_labels)
        prior = check_distribution("class_prior", config.class_prior, task.num_labels)
        self.register_buffer("prior", torch.tensor(prior), persistent=False)
        # Examples and clean predictions.
        self._visited = StepRows()

    def before_step(self, forward: Forward, batches: list[Batch], progress: float) -> None:
        """Forget what a step that was cut short has left."""
        self._visited.take()

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``prior``, ``entropy``, ``seen`` and ``confidence``."""
        labels = self.label_distribution(batch["labeled"]["labels"])
        inputs = [batch["labeled"]["weak"]]
        if progress < self.config.warm_start_ratio:
            return self._mixed_terms(forward, inputs, labels, len(labels))
        inputs.append(batch["unlabeled"]["weak"])
        soft, seen = self._labels(forward, batch)
        self.count_pseudo_labels(soft, None, batch["unlabeled"].get("index"))
        terms = self._mixed_terms(forward, inputs, torch.cat([labels, soft]), len(labels))
        return terms | {"seen": seen.mean(), "confidence": soft.amax(-1).mean()}

    def after_step(self, forward: Forward, progress: float) -> None:
        """Keep this step's clean predictions as the labels of the next visit; during the warm-up there are none."""
        super().after_step(forward, progress)
        if visited := self._visited.take():
            self.soft_labels.write(*visited)

    @torch.no_grad()
    def _labels(self, forward: Forward, batch: Batch) -> tuple[Tensor, Tensor]:
        """Soft labels [muB, C], and for each whether it was made at an earlier visit."""
        index = batch["unlabeled"]["index"]
        (logits,) = forward(batch["unlabeled"]["weak"], dropout=False)
        clean = logits.softmax(-1)
        self._visited.add(index, clean)
        remembered, counts = self.soft_labels.read(index)
        seen = (counts > 0).to(clean.dtype)
        return torch.where(seen[:, None] > 0, remembered, clean), seen

    def _mixed_terms(self, forward: Forward, inputs: list[Any], targets: Tensor, labeled: int) -> dict[str, Tensor]:
        """The loss of rows that are mixed, the first ``labeled`` of them being nearest the labeled data."""
        mix = self.mixer.draw([len(targets)], targets.device)
        logits = torch.cat(forward.mixed(*inputs, mix=mix))
        losses = F.soft_cross_entropy(logits, mix(targets))
        prior, entropy = F.prior_divergence(logits, self.prior), F.entropy(logits).mean()
        regularized = self.config.prior_weight * prior + self.config.entropy_weight * entropy
        terms = {
            "loss": losses.mean() + regularized,
            "supervised": losses[:labeled].mean(),
            "prior": prior,
            "entropy": entropy,
        }
        return terms | ({"unsupervised": losses[labeled:].mean()} if len(losses) > labeled else {})


class MixupPseudoLabelTrainer(SSLTrainer):
    """Fine-tunes on soft pseudo-labels under mixup."""

    objective_class = MixupPseudoLabel
    config_class = MixupPseudoLabelConfig
