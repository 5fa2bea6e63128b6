"""ICT: predictions on a mix must be the mix of predictions (Verma et al., 2019, arXiv:1903.03825).

The loss of a batch of B labeled and muB unlabeled examples is

    mean_B CE(y, p(x))  +  w(t) mean_{muB, K} (p(Mix_l(u_i, u_j)) - Mix_l(p'(u_i), p'(u_j)))^2

with Mix_l(a, b) = l a + (1 - l) b, one l ~ Beta(alpha, alpha) a batch, j a permutation of the batch, and p' the
probabilities of the EMA teacher on the inputs as they are (equation 4). Images mix pixels; texts mix word embeddings,
or a hidden layer (``mix_at``), with the union of their attention masks, since token ids cannot be mixed.

*Views.* labeled: ``weak``; unlabeled: ``weak``.

*State.* The EMA teacher.

*Cost.* A step is one forward of the teacher without gradient over muB rows, and one forward and backward over B + muB
rows. The teacher is one copy of the weights.

*Differs from the paper in.* Nothing in the formula. The authors' code mixes the teacher's logits and takes the softmax
afterwards (``mix="logits"``), and mixes the labeled examples too (``mix_labeled``); another known implementation draws
a coefficient for each example and folds it to max(l, 1 - l), which ICT does not need, for the mix knows no own row
(``per_example`` draws, and does not fold). The error is a mean over classes, as in the code, and w of the paper's
runs is 100 on 10 classes, K^2; here it is K by default, since short runs have a poor teacher for long. The EMA starts
with a warm-up.

*When it fails.* Where a mix of two inputs means little, as on embeddings of sentences, alpha must be small: with alpha
= 1 it fell 3 points below supervised training. A short run has a poor teacher for long.

*Relations.* Mean Teacher with mixes in place of noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import check_allowed, check_decay, check_not_negative, check_unit_interval
from ..families.mixing import Mixer, MixingConfig, MixingObjective
from ..objective import Batch, Task
from ..state import EMATeacher
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.backend import Inputs
    from ..forward.base import Forward


__all__ = ["ICT", "ICTConfig", "ICTTrainer"]


@dataclass
class ICTConfig(MixingConfig):
    """Arguments of ICT. Defaults are the paper's for CIFAR-10.

    Args:
        unlabeled_weight: w, the weight at the end of the ramp; by default K for K classes; the paper has
            K^2, 100 on CIFAR-10.
        rampup: share of training over which the weight grows, by a sigmoid; 0.25.
        alpha: of the Beta distribution of mixing coefficients; 1 for images, the paper's for CIFAR-10, and 0.1, its
            value for SVHN, for text and features, where half-and-half mixes say little: with 1 it fell 3 points below
            supervised training on embeddings of sentences.
        per_example: draw a coefficient for each example, not for the batch.
        mix_at: what of the inputs is mixed: ``input`` by default, ``hidden`` or ``pooled``; ``mix_layers``: which
            hidden layers.
        mix: what of the teacher is mixed: ``probs`` or ``logits``.
        mix_labeled: whether the labeled examples are mixed too (mixup; Zhang et al., 2018, arXiv:1710.09412).
        teacher_decay: of the teacher; by default 0.999, and 0.99 for text and features.
        teacher_dropout: whether dropout is active in the teacher, as in the authors' code.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"mix_at": "input", "teacher_decay": 0.99, "alpha": 0.1},
        "image": {"mix_at": "input", "teacher_decay": 0.999, "alpha": 1.0},
        "features": {"mix_at": "input", "teacher_decay": 0.99, "alpha": 0.1},
    }

    unlabeled_weight: float | None = field(
        default=None, metadata={"help": "w, weight of the unlabeled term. Default: K for K classes."}
    )
    rampup: float = field(default=0.25, metadata={"help": "Share of training over which the weight grows."})
    mix: str = field(default="probs", metadata={"help": "What of the teacher is mixed: probs or logits."})
    mix_labeled: bool = field(default=False, metadata={"help": "Mix the labeled examples too."})
    teacher_decay: float | None = field(
        default=None, metadata={"help": "Decay of the teacher. Default: 0.999 for images, else 0.99."}
    )
    teacher_dropout: bool = field(default=True, metadata={"help": "Whether dropout is active in the teacher."})

    def __post_init__(self) -> None:
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("rampup", self.rampup)
        check_allowed("mix", self.mix, ("probs", "logits"))
        check_decay("teacher_decay", self.teacher_decay)
        super().__post_init__()


class ICT(MixingObjective):
    """Interpolation consistency training."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 2), backward=(1, 1))
    citation: ClassVar[Citation | None] = Citation(
        title="Interpolation Consistency Training for Semi-Supervised Learning",
        authors=("Vikas Verma", "Alex Lamb", "Juho Kannala", "Yoshua Bengio", "David Lopez-Paz"),
        year=2019,
        arxiv="1903.03825",
        bibtex="""@inproceedings{verma2019interpolation,
  title     = {Interpolation Consistency Training for Semi-Supervised Learning},
  author    = {Verma, Vikas and Lamb, Alex and Kannala, Juho and Bengio, Yoshua and Lopez-Paz, David},
  booktitle = {Proceedings of the International Joint Conference on Artificial Intelligence},
  year      = {2019}
}""",
    )

    def __init__(self, config: ICTConfig, task: Task) -> None:
        super().__init__(config, task)
        self.teacher: EMATeacher
        given = config.unlabeled_weight
        self.full_weight = float(task.num_labels) if given is None else given
        self.mixer = Mixer(config, fold=False)

    def takes_class_weights(self) -> bool:
        """Where the labeled examples are not mixed."""
        return not self.config.mix_labeled

    def takes_loss_function(self) -> bool:
        """Where the labeled examples are not mixed."""
        return not self.config.mix_labeled

    def bind(self, model: nn.Module) -> None:
        """Build the teacher."""
        self.teacher = EMATeacher(model, self.config.teacher_decay)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised`` and ``weight``."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]["weak"]
        with torch.no_grad():
            (targets,) = forward(unlabeled, model=self.teacher.model, dropout=self.config.teacher_dropout)
            targets = targets.softmax(-1) if self.config.mix == "probs" else targets
        own, targets = self._mixed(forward, unlabeled, targets)
        if self.config.mix == "logits":
            targets = targets.softmax(-1)
        if self.config.mix_labeled:
            logits, distribution = self._mixed(forward, labeled["weak"], self.label_distribution(labeled["labels"]))
            supervised = F.soft_cross_entropy(logits, distribution).mean()
        else:
            # Token ids and embeddings share no pass.
            (logits,) = forward(labeled["weak"])
            supervised = self.cross_entropy(logits, labeled["labels"])
        unsupervised = F.squared_error(own, targets).mean()
        weight = self.full_weight * F.sigmoid_rampup(progress, self.config.rampup)
        return {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "weight": own.new_tensor(weight),
        }

    def after_step(self, forward: Forward, progress: float) -> None:
        """Move the teacher."""
        self.teacher.update(forward.unwrapped)

    def evaluated(self, student: nn.Module) -> nn.Module:
        """Return the teacher."""
        return self.teacher.model

    def _mixed(self, forward: Forward, inputs: Inputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of inputs that are mixed in pairs, and the targets mixed alike."""
        mix = self.mixer.draw([len(targets)], targets.device)
        (logits,) = forward.mixed(inputs, mix=mix)
        return logits, mix(targets)


class ICTTrainer(SSLTrainer):
    """Fine-tunes by ICT."""

    objective_class = ICT
    config_class = ICTConfig
