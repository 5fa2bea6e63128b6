"""MixMatch: labeled and unlabeled examples are mixed, with sharpened guesses as labels (Berthelot et al., 2019).

arXiv:1905.02249. Of each unlabeled example u there are K weak views, and its label is guessed from all of them,

    q_u = sharpen(1/K sum_k p(weak_k(u)), T)

without gradient (equations 6 and 7). The labeled views X with their labels and all unlabeled views U with their
guesses form one set W of N = B + K muB rows; each row is mixed with a random row of W,

    x'_i = l_i x_i + (1 - l_i) x_j,   y'_i alike,   l_i = max(l, 1 - l),  l ~ Beta(alpha, alpha) for each row

(equations 8 to 11), so that every row stays nearest its own. The loss is

    mean_{X'} CE(y', p(x'))  +  lambda_u(t) mean_{U', C} (p(u') - q')^2

where the square is a **mean over rows and classes**, which lambda_u = 75 presupposes, and lambda_u(t) climbs linearly.

*Views.* labeled: ``weak``; unlabeled: ``weak``, ``weak_2``, ... K of them, each an independent draw. A text's default
weak view is the text as it is: then dropout alone tells the K apart; ``augmentations={"weak_2": ...}`` gives the
second other words.

*State.* The EMA of the student, which is evaluated and makes no guesses.

*Cost.* A step is one forward without gradient over K muB rows, and one forward and backward over B + K muB mixed rows.

*Differs from the paper in.* The rows of a mix share a pass, so batch norm sees all of them; the authors interleave
batches and let the first alone move its statistics, which ``batch_norm="labeled"`` comes nearest to. The ramp takes a
share of the training: the authors' 16,384 steps are 1/64 of theirs; here it is all of it by default.
The paper has no text: there word embeddings are mixed (``mix_at="hidden"`` for a hidden layer, as in MixText), and the
default weight is C, the number of classes, as for the other squared errors here.

*When it fails.* A weight of 75 that is there before the labels are learned draws all predictions together: on 8x8
digits, in 400 steps, a ramp of 0.4 ended at chance. A weight of 10 to 30 over the whole run gave 93 to 96 %.

*Relations.* MixText is its kin for text: hidden layers, KL divergence, back-translations. ReMixMatch adds alignment
and strong views. With alpha to 0 nothing is mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import check_decay, check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..families.ema_evaluated import AveragedObjective
from ..families.mixing import Mixer, MixingConfig, MixingObjective
from ..objective import Batch, Task, view_names
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.backend import Inputs
    from ..forward.base import Forward


__all__ = ["MixMatch", "MixMatchConfig", "MixMatchTrainer"]


@dataclass
class MixMatchConfig(MixingConfig):
    """Arguments of MixMatch. Defaults are the paper's for CIFAR-10.

    Args:
        mu: unlabeled examples per labeled one; 1.
        num_weak: K, weak views of each unlabeled example; 2.
        temperature: T of the sharpening; 0.5.
        alpha: of the Beta distribution; 0.75, and 0.1 for features, where 0.75 let all fall into one class.
        per_example: a coefficient for each row; True.
        unlabeled_weight: lambda_u at the end of the ramp; by default 75 for images (the paper has 250 for SVHN, 150
            for CIFAR-100), and C for C classes for text and features.
        rampup: share of training over which the weight climbs linearly; 1.
        ema_decay: of the weights that are evaluated; by default 0.999 for images, else 0.99; 0 evaluates the student.
        target_dropout: whether dropout is active while labels are guessed, as in the authors' code.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"alpha": 0.75, "mix_at": "input", "ema_decay": 0.99},
        "image": {"alpha": 0.75, "mix_at": "input", "ema_decay": 0.999, "unlabeled_weight": 75.0},
        "features": {"alpha": 0.1, "mix_at": "input", "ema_decay": 0.99},
    }

    mu: int = field(default=1, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    per_example: bool = field(default=True, metadata={"help": "A coefficient for each row, not for the batch."})
    num_weak: int = field(default=2, metadata={"help": "K, weak views of each unlabeled example."})
    temperature: float = field(default=0.5, metadata={"help": "T, of the sharpening of guesses."})
    unlabeled_weight: float | None = field(
        default=None,
        metadata={"help": "lambda_u, weight of the unlabeled term. Default: 75 for images, else number of classes."},
    )
    rampup: float = field(default=1.0, metadata={"help": "Share of training over which the weight climbs."})
    ema_decay: float | None = field(
        default=None, metadata={"help": "Decay of the EMA that is evaluated. Default: 0.999 for images, else 0.99."}
    )
    target_dropout: bool = field(
        default=True, metadata={"help": "Whether dropout is active while labels are guessed."}
    )

    def __post_init__(self) -> None:
        if self.num_weak < 1:
            raise UserError(f"num_weak: got {self.num_weak}; expected at least 1 view")
        check_positive("temperature", self.temperature)
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("rampup", self.rampup)
        check_decay("ema_decay", self.ema_decay)
        super().__post_init__()


class MixMatch(MixingObjective, AveragedObjective):
    """Guessed labels, and everything mixed with everything."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak", "weak_2")}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 4), backward=(1, 2))
    citation: ClassVar[Citation | None] = Citation(
        title="MixMatch: A Holistic Approach to Semi-Supervised Learning",
        authors=(
            "David Berthelot",
            "Nicholas Carlini",
            "Ian Goodfellow",
            "Nicolas Papernot",
            "Avital Oliver",
            "Colin Raffel",
        ),
        year=2019,
        arxiv="1905.02249",
        bibtex="""@inproceedings{berthelot2019mixmatch,
  title     = {{MixMatch}: A Holistic Approach to Semi-Supervised Learning},
  author    = {Berthelot, David and Carlini, Nicholas and Goodfellow, Ian and Papernot, Nicolas and
               Oliver, Avital and Raffel, Colin},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {32},
  year      = {2019}
}""",
    )

    def __init__(self, config: MixMatchConfig, task: Task) -> None:
        super().__init__(config, task)
        self.mixer = Mixer(config, fold=True)
        given = config.unlabeled_weight
        self.full_weight = float(task.num_labels) if given is None else given

    @classmethod
    def views_for(cls, config: MixMatchConfig) -> Mapping[str, tuple[str, ...]]:
        """K weak views of the unlabeled examples."""
        return {"labeled": ("weak",), "unlabeled": view_names("weak", config.num_weak)}

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``weight`` and ``confidence``."""
        labels = batch["labeled"]["labels"]
        views = [batch["unlabeled"][name] for name in view_names("weak", self.config.num_weak)]
        guesses = self._guess(forward, views)
        self.count_pseudo_labels(guesses, None, batch["unlabeled"].get("index"))
        targets = torch.cat([self.label_distribution(labels), *[guesses] * len(views)])
        mix = self.mixer.draw([len(targets)], targets.device)
        logits, *others = forward.mixed(batch["labeled"]["weak"], *views, mix=mix)
        own, guessed = mix(targets).tensor_split([len(labels)])
        supervised = F.soft_cross_entropy(logits, own).mean()
        unsupervised = F.squared_error(torch.cat(others), guessed).mean()
        weight = self.full_weight * F.linear_rampup(progress, self.config.rampup)
        terms: dict[str, Any] = {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "weight": weight,
            "confidence": guesses.amax(-1).mean(),
        }
        return terms

    @torch.no_grad()
    def _guess(self, forward: Forward, views: list[Inputs]) -> Tensor:
        """Sharpened mean of the predictions on all views [muB, C]."""
        logits = forward(*views, dropout=self.config.target_dropout)
        return F.sharpen(F.guess_labels([z.softmax(-1) for z in logits]), self.config.temperature)


class MixMatchTrainer(SSLTrainer):
    """Fine-tunes by MixMatch."""

    objective_class = MixMatch
    config_class = MixMatchConfig
