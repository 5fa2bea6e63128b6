"""Noisy Student: a noised student learns from an un-noised teacher (Xie et al., 2020, arXiv:1911.04252).

A teacher is trained on the labeled examples. In each round it gives every unlabeled example its probabilities p_T, in
evaluation mode and without augmentation. Examples that it is at least 0.3 sure of are kept, of each class the most
confident; classes that fall short are filled up with copies. A student, of the teacher's size or larger, then learns
from both sets at once, noised by dropout, augmentation and, for images, stochastic depth:

    mean_B CE(y, p_S(x'))  +  r mean_muB CE(softmax(z_T / tau), p_S(u'))

with x' and u' the augmented examples. The student is the teacher of the next round.

*Views.* labeled: ``weak`` and, with ``noise_labeled``, ``strong``; unlabeled: ``strong``.

*State.* None; teachers and their labels are files (:mod:`textssl.self_training.round_folder`).

*Cost.* The teacher is trained first, unless it is given. Each round is one pass of the teacher over the unlabeled
examples and the training of a student, a step of which is one forward and backward over B + muB rows.

*Differs from the paper in.* Labels are made once a round, of whole data sets, as there; but every example of the
balanced set weighs the same in ours, and a batch holds ``mu`` unlabeled examples for each labeled one. r is ``mu``, as
in the authors' code, where the unlabeled loss is summed over r B examples and divided by B. Stochastic depth acts on
the layers of ViT and its kin and on the blocks of ResNet; a text encoder has its dropout. The paper's dropout of 0.5
is a matter of the model's config. Its last step, training at a higher resolution, is left out.

*When it fails.* A student repeats the mistakes that its teacher is sure of. With 100 labeled reviews one round gained
3.0, 0.2 and 0.0 points over its teacher (three seeds). Balancing classes by wrong shares costs more than it gains
(docs/guides/priors.md).

*Relations.* ``self_training`` without noise, with hard labels and few of them at first; ``distillation`` with one
round and no filter. FixMatch makes the label anew at each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..families.mixing import check_not_compiled
from ..forward.depth import residual_branches, stochastic_depth
from ..objective import Batch
from ..self_training.objective import PseudoLabeledConfig, PseudoLabeledObjective, balance_word
from ..self_training.selection import BALANCES, check_selection
from ..self_training.trainer import RoundsTrainer
from ..step_cost import StepCost
from ..training.distribution_alignment import parsed_alignment
from .supervised import SupervisedTrainer


if TYPE_CHECKING:
    from ..forward.backend import Backend
    from ..forward.base import Forward


__all__ = ["NoisyStudent", "NoisyStudentConfig", "NoisyStudentTrainer"]


@dataclass
class NoisyStudentConfig(PseudoLabeledConfig):
    """Arguments of Noisy Student; those of the teacher are in :class:`.PseudoLabeledConfig`.

    Args:
        rounds: students in all; 3.
        temperature: tau, of the teacher's probabilities; 1.
        hard_labels: learn the teacher's most likely class, smoothed by ``label_smoothing_factor``; off.
        unlabeled_weight: r; ``None`` takes ``mu``, as the authors do.
        threshold: least confidence of an example that is kept; 0.3.
        per_class: at most so many examples of a class, the most confident; ``None`` keeps all (130,000 on ImageNet).
        balance: ``duplicate``, copies bring each class to ``per_class`` or to the size of the largest; a class ratio,
            for which the scarcest class decides how many are kept: ``labeled``, ``uniform``, own shares, as a list or
            by class name, ``sqrt`` or ``estimated``, from what the first teacher says
            (docs/guides/priors.md); ``none``.
        noise_labeled: whether labeled examples are augmented too; ``None``: images are, texts and features are not.
        survival: probability that the last residual block is kept; ``None``: 0.8 for images, 1 otherwise.
        label_smoothing_factor: of labels and of hard pseudo-labels; 0.1.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"noise_labeled": False, "survival": 1.0},
        "image": {"noise_labeled": True, "survival": 0.8},
    }

    rounds: int = field(default=3, metadata={"help": "Students in all."})
    temperature: float = field(default=1.0, metadata={"help": "tau, of the teacher's probabilities."})
    hard_labels: bool = field(default=False, metadata={"help": "Learn the teacher's most likely class."})
    unlabeled_weight: float | None = field(
        default=None, metadata={"help": "r, weight of the unlabeled term; default: mu."}
    )
    threshold: float = field(default=0.3, metadata={"help": "Least confidence of an example that is kept."})
    per_class: int | None = field(default=None, metadata={"help": "At most so many examples of a class."})
    # In this order: of other unions HfArgumentParser makes no flag.
    balance: None | str | list[float] | dict[str, float] = field(  # noqa: RUF036
        default="duplicate",
        metadata={"help": "Of classes: duplicate, none, labeled, uniform, sqrt, estimated, or shares."},
    )
    noise_labeled: bool | None = field(default=None, metadata={"help": "Augment labeled examples too."})
    survival: float | None = field(default=None, metadata={"help": "Stochastic depth: share of the last block kept."})
    label_smoothing_factor: float = field(default=0.1, metadata={"help": "Of labels and hard pseudo-labels."})

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UserError(f"rounds: got {self.rounds}; expected at least 1")
        check_positive("temperature", self.temperature)
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        self.balance = parsed_alignment(self.balance, "balance", BALANCES)
        check_unit_interval("survival", self.survival)
        check_positive("survival", self.survival)
        balance = balance_word(self.balance)
        check_selection(threshold=self.threshold, per_class=self.per_class, total=None, balance=balance)
        super().__post_init__()

    def selection(self, round_number: int, num_labels: int, num_unlabeled: int) -> dict[str, Any]:
        """The same in every round."""
        balance = balance_word(self.balance)
        return {"threshold": self.threshold, "per_class": self.per_class, "balance": balance}


class NoisyStudent(PseudoLabeledObjective):
    """What a noised student loses against labels and against its teacher."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak", "strong"), "unlabeled": ("strong",)}
    cost: ClassVar[StepCost | None] = StepCost(
        forward=(1, 1),
        backward=(1, 1),
        besides="a teacher is trained first, and labels the unlabeled examples each round",
    )
    citation: ClassVar[Citation | None] = Citation(
        title="Self-Training With Noisy Student Improves ImageNet Classification",
        authors=("Qizhe Xie", "Minh-Thang Luong", "Eduard Hovy", "Quoc V. Le"),
        year=2020,
        arxiv="1911.04252",
        bibtex="""@inproceedings{xie2020noisy,
  title     = {Self-Training With Noisy Student Improves {ImageNet} Classification},
  author    = {Xie, Qizhe and Luong, Minh-Thang and Hovy, Eduard and Le, Quoc V.},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2020}
}""",
    )

    @classmethod
    def views_for(cls, config: Any) -> Mapping[str, tuple[str, ...]]:
        """Labeled examples have a strong view only if they are noised."""
        return cls.views if config.noise_labeled else {**cls.views, "labeled": ("weak",)}

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Raise UserError where stochastic depth was asked for and the model has no blocks to drop."""
        if self.config.survival < 1:
            if getattr(model, "main_input_name", "") != "pixel_values":
                raise UserError(f"survival: got {self.config.survival}; it is for images; other models have dropout")
            residual_branches(model)
            check_not_compiled(self.config, "stochastic depth")

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised`` and ``confidence``, the teacher's."""
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        view = "strong" if "strong" in labeled else "weak"
        with stochastic_depth(forward.unwrapped, self.config.survival):
            logits, own = forward(labeled[view], unlabeled["strong"])
        supervised = self.cross_entropy(logits, labeled["labels"])
        probs = unlabeled["probs"]
        if self.config.hard_labels:
            unsupervised = self.smoothed_cross_entropy(own, probs.argmax(-1))
        else:
            unsupervised = F.soft_cross_entropy(own, F.sharpen(probs, self.config.temperature)).mean()
        weight = self.config.mu if self.config.unlabeled_weight is None else self.config.unlabeled_weight
        return {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "confidence": probs.amax(-1).mean(),
        }


class NoisyStudentTrainer(RoundsTrainer):
    """Trains a teacher, then noisy students, each on the labels of the one before."""

    objective_class = NoisyStudent
    config_class = NoisyStudentConfig
    teacher_class = SupervisedTrainer
