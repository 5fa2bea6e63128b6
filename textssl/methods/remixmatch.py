"""ReMixMatch: MixMatch with aligned guesses and strongly augmented anchors (Berthelot et al., 2020, arXiv:1911.09785).

The label of an unlabeled example u is guessed from its weak view alone, **aligned first and sharpened afterwards**,

    q_u = sharpen(normalize(p(weak(u)) * p_data / p_model), T)

without gradient, where p_model is the mean of the raw predictions of the last 128 steps (section 3.1). It is the
target of the weak view and of each of K strong views: nothing is averaged over them. The labeled views X and all
unlabeled views form one set of N = B + (K + 1) muB rows that is mixed as in MixMatch, each row with a random one, l_i
= max(l, 1 - l). The loss is

    mean_{X'} CE(y', p(x')) + r(t) lambda_u mean_{U'} CE(q', p(u')) + r(t) lambda_s mean_u CE(q_u, p(strong_1(u)))
        + lambda_r mean_u CE(turn, head(pooled(turned(strong_1(u)))))

with cross entropy in place of MixMatch's square, the first strong view once more without mixing, and a pretext task
whose weight is **not** ramped: by which of four quarter turns the first strong view was rotated, told by a linear head
on the pooled vector (section 3.3). The ramp r(t) is linear.

A text cannot be turned. Its pretext task is ``"order"``, whether the two halves of its tokens stand in their order,
and is off by default: the paper has no text, and the benchmarks that ran it on text leave the task out.

*Views.* labeled: ``weak``; unlabeled: ``weak`` and ``strong``, ``strong_2``, ... K of them. With
``augmentations={"strong": CTAugment()}`` of :mod:`textssl.augment.image` or ``TextCTAugment`` of
:mod:`textssl.augment.text` the strong views learn their magnitudes, as in the paper.

*State.* The EMA of the student, which is evaluated and makes no guesses; the predictions of the last 128 steps; the
head of the pretext task.

*Cost.* A step is one forward without gradient over muB rows, one forward and backward over B + (K + 1) muB mixed rows,
another over the muB rows of the first strong view, and a third over muB rows where there is a pretext task.

*Differs from the paper in.* p_data is the class distribution of the labeled data itself, to which the authors' running
mean of labeled batches tends; or ``class_prior``. Steps that are not there yet count in p_model as p_data, so that
alignment sets in slowly; the authors have uniform ones, which would first multiply every guess by p_data. The ramp
takes a share of the training: the authors' 16,384 steps are 1/64 of theirs; here it is 0.4 by default. Strong views
are RandAugment's by default.

*When it fails.* Alignment with wrong shares costs more than it gains: where the labeled examples were drawn balanced
and the unlabeled ones are not, set ``class_prior`` or ``distribution_alignment`` (docs/guides/priors.md).

*Relations.* MixMatch without alignment and strong views; FixMatch keeps the weak anchor and drops all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import check_allowed, check_decay, check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..families.ema_evaluated import AveragedObjective
from ..families.mixing import Mixer, MixingConfig, MixingObjective, check_distribution, check_not_compiled
from ..forward.inside import last_linear
from ..objective import Batch, Task, view_names
from ..step_cost import StepCost
from ..training.distribution_alignment import make_distribution_alignment, parsed_alignment
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.backend import Backend, Inputs
    from ..forward.base import Forward


__all__ = ["ReMixMatch", "ReMixMatchConfig", "ReMixMatchTrainer"]

# Steps whose predictions the alignment remembers.
WINDOW = 128


@dataclass
class ReMixMatchConfig(MixingConfig):
    """Arguments of ReMixMatch. Defaults are the paper's for CIFAR-10.

    Args:
        mu: unlabeled examples per labeled one; 1.
        num_strong: K, strong views of each unlabeled example; by default the paper's 8 for images, and 2 for text and
            features.
        temperature: T of the sharpening; 0.5.
        alpha: of the Beta distribution; 0.75.
        per_example: a coefficient for each row; True.
        unlabeled_weight: lambda_u, of the mixed unlabeled rows; 1.5.
        strong_weight: lambda_s, of the first strong view as it is; 0.5.
        pretext: the task without labels: ``rotation`` for images, their default; ``order`` for text; or ``none``.
        pretext_weight: lambda_r; 0.5.
        rampup: share of training over which lambda_u and lambda_s climb linearly; 0.4.
        distribution_alignment: p_data: ``labeled``, the class distribution of the labeled data, by default;
            ``uniform``; a share for each class, in the order of the model's classes or by class name; ``sqrt``, the
            geometric mean of the labeled distribution and p_model; ``estimated``, by expectation maximisation over the
            predictions; or ``none``: guesses are not aligned.
        class_prior: p_data as shares that sum to one, in the place of ``distribution_alignment``.
        ema_decay: of the weights that are evaluated; by default 0.999 for images, else 0.99; 0 evaluates the student.
        target_dropout: whether dropout is active while labels are guessed, as in the authors' code.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"alpha": 0.75, "mix_at": "input", "ema_decay": 0.99, "num_strong": 2, "pretext": "none"},
        "image": {"alpha": 0.75, "mix_at": "input", "ema_decay": 0.999, "num_strong": 8, "pretext": "rotation"},
        "features": {"alpha": 0.75, "mix_at": "input", "ema_decay": 0.99, "num_strong": 2, "pretext": "none"},
    }

    mu: int = field(default=1, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    per_example: bool = field(default=True, metadata={"help": "A coefficient for each row, not for the batch."})
    num_strong: int | None = field(
        default=None, metadata={"help": "K, strong views of each unlabeled example. Default: 8 for images, else 2."}
    )
    temperature: float = field(default=0.5, metadata={"help": "T, of the sharpening of guesses."})
    unlabeled_weight: float = field(default=1.5, metadata={"help": "lambda_u, weight of the mixed unlabeled rows."})
    strong_weight: float = field(default=0.5, metadata={"help": "lambda_s, weight of the first strong view, unmixed."})
    pretext: str | None = field(
        default=None, metadata={"help": "Task without labels: rotation, order or none. Default: rotation for images."}
    )
    pretext_weight: float = field(default=0.5, metadata={"help": "lambda_r, weight of the task without labels."})
    rampup: float = field(default=0.4, metadata={"help": "Share of training over which the weights climb."})
    # In this order: of other unions HfArgumentParser makes no flag.
    distribution_alignment: None | str | list[float] | dict[str, float] = field(  # noqa: RUF036
        default="labeled",
        metadata={"help": "Class distribution of guesses: none, labeled, uniform, sqrt, estimated, or shares."},
    )
    class_prior: list[float] | None = field(
        default=None, metadata={"help": "p_data, a share for each class, in the place of distribution_alignment."}
    )
    ema_decay: float | None = field(
        default=None, metadata={"help": "Decay of the EMA that is evaluated. Default: 0.999 for images, else 0.99."}
    )
    target_dropout: bool = field(
        default=True, metadata={"help": "Whether dropout is active while labels are guessed."}
    )

    def __post_init__(self) -> None:
        if self.num_strong is not None and self.num_strong < 1:
            raise UserError(f"num_strong: got {self.num_strong}; expected at least 1 view")
        check_positive("temperature", self.temperature)
        for name in ("unlabeled_weight", "strong_weight", "pretext_weight"):
            check_not_negative(name, getattr(self, name))
        check_allowed("pretext", self.pretext, ("rotation", "order", "none"))
        check_unit_interval("rampup", self.rampup)
        check_decay("ema_decay", self.ema_decay)
        self.distribution_alignment = parsed_alignment(self.distribution_alignment)
        if self.class_prior is not None and self.distribution_alignment != "labeled":
            raise UserError(
                f"class_prior: got {self.class_prior} and "
                f"distribution_alignment {self.distribution_alignment!r}; set one of the two"
            )
        super().__post_init__()


class ReMixMatch(MixingObjective, AveragedObjective):
    """Aligned guesses of weak views, learned on mixed strong ones."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak", "strong", "strong_2")}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 5), backward=(1, 4))
    citation: ClassVar[Citation | None] = Citation(
        title="ReMixMatch: Semi-Supervised Learning with Distribution Alignment and Augmentation Anchoring",
        authors=(
            "David Berthelot",
            "Nicholas Carlini",
            "Ekin D. Cubuk",
            "Alex Kurakin",
            "Kihyuk Sohn",
            "Han Zhang",
            "Colin Raffel",
        ),
        year=2020,
        arxiv="1911.09785",
        bibtex="""@inproceedings{berthelot2020remixmatch,
  title     = {{ReMixMatch}: Semi-Supervised Learning with Distribution Alignment and Augmentation Anchoring},
  author    = {Berthelot, David and Carlini, Nicholas and Cubuk, Ekin D. and Kurakin, Alex and Sohn, Kihyuk and
               Zhang, Han and Raffel, Colin},
  booktitle = {International Conference on Learning Representations},
  year      = {2020}
}""",
    )

    def __init__(self, config: ReMixMatchConfig, task: Task) -> None:
        super().__init__(config, task)
        self.mixer = Mixer(config, fold=True)
        align = config.distribution_alignment
        if config.class_prior is not None:
            align = list(check_distribution("class_prior", config.class_prior, task.num_labels))
        self.model_mean = make_distribution_alignment(align, task, window=WINDOW)
        self.head: nn.Linear | None = None

    @classmethod
    def views_for(cls, config: ReMixMatchConfig) -> Mapping[str, tuple[str, ...]]:
        """A weak and K strong views of the unlabeled examples."""
        return {"labeled": ("weak",), "unlabeled": ("weak", *view_names("strong", config.num_strong or 1))}

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Raise UserError unless the model can be mixed and has the pretext task; build the head of that task."""
        super().check_model(backend, model)
        if self.config.pretext == "none":
            return
        if self.config.pretext != backend.pretext:
            raise UserError(
                f"pretext: got {self.config.pretext!r}; for {type(model).__name__} allowed: "
                f"{'' if backend.pretext is None else f'{backend.pretext}, '}none"
            )
        check_not_compiled(self.config, f"pretext={self.config.pretext!r}")
        backend.check_pooled(model)
        # Zeros: it is a linear classifier, and so begins the same on every process.
        self.head = nn.Linear(last_linear(model).in_features, backend.pretext_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``strong``, ``weight``, ``confidence``, ``pretext``."""
        config, labels, unlabeled = self.config, batch["labeled"]["labels"], batch["unlabeled"]
        strong = [unlabeled[name] for name in view_names("strong", config.num_strong)]
        guesses = self._guess(forward, unlabeled["weak"])
        self.count_pseudo_labels(guesses, None, unlabeled.get("index"))
        views = [*strong, unlabeled["weak"]]
        targets = torch.cat([self.label_distribution(labels), *[guesses] * len(views)])
        mix = self.mixer.draw([len(targets)], targets.device)
        logits, *others = forward.mixed(batch["labeled"]["weak"], *views, mix=mix)
        own, guessed = mix(targets).tensor_split([len(labels)])
        (first,) = forward(strong[0])
        terms: dict[str, Any] = {
            "supervised": F.soft_cross_entropy(logits, own).mean(),
            "unsupervised": F.soft_cross_entropy(torch.cat(others), guessed).mean(),
            "strong": F.soft_cross_entropy(first, guesses).mean(),
            "weight": F.linear_rampup(progress, config.rampup),
            "confidence": guesses.amax(-1).mean(),
        }
        unsupervised = config.unlabeled_weight * terms["unsupervised"] + config.strong_weight * terms["strong"]
        terms["loss"] = terms["supervised"] + terms["weight"] * unsupervised
        if self.head is not None:
            terms["pretext"] = self._pretext(forward, strong[0], self.head)
            terms["loss"] = terms["loss"] + config.pretext_weight * terms["pretext"]
        return terms

    def after_step(self, forward: Forward, progress: float) -> None:
        """Move the average, and the mean of predictions, of which this step's guesses saw the value before."""
        super().after_step(forward, progress)
        if self.model_mean is not None:
            self.model_mean.end_step()

    @torch.no_grad()
    def _guess(self, forward: Forward, weak: Inputs) -> Tensor:
        """Aligned, then sharpened predictions on the weak view [muB, C]."""
        (logits,) = forward(weak, dropout=self.config.target_dropout)
        probs = logits.softmax(-1)
        probs = probs if self.model_mean is None else self.model_mean.align(probs)
        return F.sharpen(probs, self.config.temperature)

    def _pretext(self, forward: Forward, inputs: Inputs, head: nn.Linear) -> Tensor:
        """Cross entropy of telling what was done to the inputs."""
        done = torch.randint(head.out_features, (len(inputs["lengths"]),))
        (vectors,) = forward.pooled(forward.changed(inputs, done.tolist()))
        return nn.functional.cross_entropy(head(vectors), done.to(vectors.device))


class ReMixMatchTrainer(SSLTrainer):
    """Fine-tunes by ReMixMatch."""

    objective_class = ReMixMatch
    config_class = ReMixMatchConfig
