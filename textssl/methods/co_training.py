"""Co-training of a frozen and a fine-tuned encoder: each teaches the other on unlabeled examples.

Blum and Mitchell (1998) train two classifiers on two views of an example, and each labels examples for the other.
Here the two views are what the *same* encoder makes of an input: as it was before training (the **peer** g, a head on
a frozen encoder) and as it becomes (the **student** f, fine-tuned). They err differently, since a frozen encoder keeps
what it knew of all texts and a fine-tuned one learns what the labels are about. From JointMatch (Zou and Caragea,
2023, arXiv:2310.14583) come cross-labeling, thresholds that adapt to classes, and weights by agreement:

    q_f = sharpen(p_f(weak(u)), T),  q_g = sharpen(p_g(weak(u)), T)                        (no gradient, no dropout)
    m_k = 1[max p_k >= tau_c],  tau_c = tau p~_c / max p~ for the most likely class c        (equations 3 and 4)
    w   = w_agree where argmax p_f = argmax p_g, else w_disagree
    L   = CE(y, f(x)) + CE(y, g(x)) + lambda mean_u w (m_g CE(q_g, f(strong(u))) + m_f CE(q_f, g(u)))

An example is classified by the mean of both networks' logits.

*Views.* labeled: ``weak``; unlabeled: ``weak``, ``strong``. A peer whose encoder is frozen learns from the weak view:
one pass serves its labels and its own training, and gradients stop at its head, so that it costs a third of a step.
One that is trained as a whole (``frozen_peer=False``) learns from the strong view as the student does.

*State.* The peer, the EMA of the student if there is one, and the running means p~ of both networks' predictions, with
``distribution_alignment`` those that it divides by too.

*Cost.* A step is one forward and backward of the student over B + muB rows, one forward without gradient over muB rows
for its labels, and one forward of a frozen peer over B + muB rows, whose backward ends at its head. With
``frozen_peer=False`` the peer costs as much as the student. Two networks are in memory.

*Saved.* Both networks as one model, :class:`textssl.models.Ensemble`; ``import textssl.models`` makes it known to
``pipeline`` and the Auto classes. With ``ensemble=False`` the student alone is evaluated and saved.

*Differs from the paper in.* Targets are soft, made without dropout, and the student's come from its EMA; the head of a
frozen peer has a learning rate of its own. JointMatch trains two copies of one encoder with hard labels of the student
itself in training mode, gives disagreement 0.9 and agreement 0.1, where its code compares the masks, not the labels,
and takes ten steps on unlabeled examples for each on labeled ones: ``frozen_peer=False, teacher_decay=0,
threshold=0.98, class_decay=0.9, agreement_weight=0.1, disagreement_weight=0.9, mu=10`` comes closest. MultiMatch
(Sirbu et al., 2025, arXiv:2506.07801), which has three heads on one encoder, keeps what two agree on and weighs what
they find hard; here disagreement is weighed by one number.

*When it fails.* Two networks that make the same mistakes confirm each other. ``ssl/agreement`` close to 1 from the
first steps says that neither has anything to teach the other.

*Relations.* FixMatch with the labels of another network. DivideMix too has a peer, for labels that may be wrong;
``meta_pseudo_labels`` a teacher that learns from the student.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_decay, check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..families.co_training import PeerObjective, PeerTrainer
from ..families.early_backward import backward_now
from ..forward.backend import Backend
from ..models.adapters import base_of, has_adapters
from ..models.modeling_ensemble import Ensemble
from ..objective import Batch, Task
from ..state import ClassThresholds, EMATeacher, FixedThreshold, ThresholdPolicy, copy_sharing_frozen
from ..step_cost import StepCost
from ..training.distribution_alignment import make_distribution_alignment, parsed_alignment
from ..training.head_learning_rate import set_head_learning_rate


if TYPE_CHECKING:
    from ..forward.base import Forward


PEER_LEARNING_RATE = 0.01

__all__ = ["CoTraining", "CoTrainingConfig", "CoTrainingTrainer"]


@dataclass
class CoTrainingConfig(SSLConfig):
    """Arguments of co-training.

    Args:
        mu: unlabeled examples per labeled one; 3.
        unlabeled_weight: lambda; 1.
        threshold: tau, least confidence of a label for the other network; 0.5.
        class_decay: decay of the running means that thresholds adapt to; 0.99. ``None``: one threshold for all.
        temperature: T of the sharpening; 0.5.
        agreement_weight: w_agree, of examples to which both networks give the same class; 1.
        disagreement_weight: w_disagree, of the others; 0.5.
        frozen_peer: whether the peer's encoder stays as it is; by default for text. Without, the peer is a second
            network that is trained as a whole.
        peer_learning_rate: peak learning rate of a frozen peer's head; 0.01 by default, for at the rate of an encoder
            a head on vectors that do not change hardly moves.
        teacher_decay: of the student's weights that make its labels and are evaluated; 0 for the student itself.
        distribution_alignment: which class distribution both networks' labels are aligned with: ``none``, ``labeled``,
            ``uniform``, ``sqrt``, ``estimated`` or a share for each class, as in :class:`textssl.FixMatchConfig`.
        distribution_alignment_decay: decay of the running means of predictions that ``distribution_alignment`` divides
            by.
        ensemble: whether both networks are evaluated and saved, as one model, or the student alone.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"frozen_peer": True, "teacher_decay": 0.97},
        "image": {"frozen_peer": False, "teacher_decay": 0.999},
        "features": {"frozen_peer": False, "teacher_decay": 0.97},
    }

    mu: int = field(default=3, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    unlabeled_weight: float = field(default=1.0, metadata={"help": "lambda, weight of the unlabeled term."})
    threshold: float = field(default=0.5, metadata={"help": "tau, least confidence of a label for the other."})
    class_decay: float | None = field(
        default=0.99, metadata={"help": "Decay of the means that thresholds adapt to. None: one for all classes."}
    )
    temperature: float = field(default=0.5, metadata={"help": "T, of the sharpening of labels."})
    agreement_weight: float = field(default=1.0, metadata={"help": "Weight of examples on which both agree."})
    disagreement_weight: float = field(default=0.5, metadata={"help": "Weight of examples on which they do not."})
    frozen_peer: bool | None = field(
        default=None, metadata={"help": "Whether the peer's encoder is frozen. Default: for text alone."}
    )
    peer_learning_rate: float | None = field(
        default=None, metadata={"help": "Peak learning rate of a frozen peer's head. Default: 0.01."}
    )
    teacher_decay: float | None = field(
        default=None, metadata={"help": "Decay of the student's EMA. Default: 0.999 for images, else 0.97."}
    )
    # In this order: of other unions HfArgumentParser makes no flag.
    distribution_alignment: None | str | list[float] | dict[str, float] = field(  # noqa: RUF036
        default="none",
        metadata={"help": "Class distribution of labels: none, labeled, uniform, sqrt, estimated, or shares."},
    )
    distribution_alignment_decay: float = field(
        default=0.99, metadata={"help": "Decay of the running means of predictions."}
    )
    ensemble: bool = field(default=True, metadata={"help": "Evaluate and save both networks, not the student alone."})

    def __post_init__(self) -> None:
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("threshold", self.threshold)
        check_decay("class_decay", self.class_decay)
        check_positive("temperature", self.temperature)
        check_not_negative("agreement_weight", self.agreement_weight)
        check_not_negative("disagreement_weight", self.disagreement_weight)
        check_positive("peer_learning_rate", self.peer_learning_rate)
        check_decay("teacher_decay", self.teacher_decay)
        check_decay("distribution_alignment_decay", self.distribution_alignment_decay)
        self.distribution_alignment = parsed_alignment(self.distribution_alignment)
        super().__post_init__()


class CoTraining(PeerObjective):
    """Two networks, each of which learns from the other's labels."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak", "strong")}
    cost: ClassVar[StepCost | None] = StepCost(forward=(2, 3), backward=(1, 1))
    citation: ClassVar[Citation | None] = Citation(
        title="Combining Labeled and Unlabeled Data with Co-Training",
        authors=("Avrim Blum", "Tom Mitchell"),
        year=1998,
        bibtex="""@inproceedings{blum1998combining,
  title     = {Combining Labeled and Unlabeled Data with Co-Training},
  author    = {Blum, Avrim and Mitchell, Tom},
  booktitle = {Proceedings of the Eleventh Annual Conference on Computational Learning Theory},
  pages     = {92--100},
  year      = {1998}
}""",
    )

    def __init__(self, config: CoTrainingConfig, task: Task) -> None:
        super().__init__(config, task)
        self.teacher: EMATeacher | None = None
        self.student_thresholds, self.peer_thresholds = (self.threshold_policy() for _ in range(2))
        self.student_mean, self.peer_mean = (
            make_distribution_alignment(config.distribution_alignment, task, decay=config.distribution_alignment_decay)
            for _ in range(2)
        )

    def threshold_policy(self) -> ThresholdPolicy:
        """Return what weighs one network's labels for the other."""
        threshold, class_decay = self.config.threshold, self.config.class_decay
        if class_decay is None:
            return FixedThreshold(threshold)
        return ClassThresholds(threshold, class_decay, self.task.num_labels)

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Refuse a model that has no encoder to freeze."""
        super().check_model(backend, model)
        if self.config.frozen_peer:
            _encoder(model)
        elif (rate := self.config.peer_learning_rate) is not None:
            raise UserError(f"peer_learning_rate: got {rate} with frozen_peer=False; the peer has learning_rate then")

    def bind(self, model: nn.Module) -> None:
        """Make the peer, and the student's EMA."""
        if self.config.frozen_peer and self.peer is None:
            # With the student's head: what makes the two differ is that one encoder learns.
            self.peer = copy_sharing_frozen(model) if has_adapters(model) else copy.deepcopy(model)
        super().bind(model)
        if self.config.frozen_peer:
            assert self.peer is not None
            _encoder(self.peer).requires_grad_(False)
        if self.config.teacher_decay:
            self.teacher = EMATeacher(model, self.config.teacher_decay)

    def warm_start_loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the terms of a step on the labeled data alone, for both networks."""
        labeled = batch["labeled"]
        (logits,) = forward(labeled["weak"])
        (others,) = self._peer(forward)(labeled["weak"], dropout=not self.config.frozen_peer)
        losses = [self.cross_entropy(z, labeled["labels"]) for z in (logits, others)]
        return {"loss": sum(losses), "supervised": sum(losses) / 2}  # type: ignore[dict-item]

    def finetune_loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the same of a step of the fine-tuning, for both networks too."""
        return self.warm_start_loss(forward, batch, progress)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised`` and ``unsupervised``, sums over both, ``mask_rate`` and ``agreement``."""
        labeled, unlabeled, peer = batch["labeled"], batch["unlabeled"], self._peer(forward)
        own = self._predict(forward, unlabeled["weak"], None if self.teacher is None else self.teacher.model)
        if self.config.frozen_peer:
            # What it says of the weak view is its label for the student and what it learns by.
            labels_by_peer, guesses = peer(labeled["weak"], unlabeled["weak"], dropout=False)
            theirs = guesses.detach().softmax(-1)
        else:
            theirs = self._predict(peer, unlabeled["weak"])
        own = own if self.student_mean is None else self.student_mean.align(own)
        theirs = theirs if self.peer_mean is None else self.peer_mean.align(theirs)
        agree = own.argmax(-1) == theirs.argmax(-1)
        weights = torch.where(agree, self.config.agreement_weight, self.config.disagreement_weight)
        index = unlabeled["index"]
        masks = [self.student_thresholds.weights(own, index), self.peer_thresholds.weights(theirs, index)]
        # Those that the student learns, which is what is evaluated.
        self.count_pseudo_labels(theirs, masks[1], index)
        if not self.config.frozen_peer:
            labels_by_peer, guesses = peer(labeled["weak"], unlabeled["strong"])
        # The peer first: where its gradients may be taken at once, its graph is gone before the student's is built.
        its = self._terms(labels_by_peer, labeled["labels"], guesses, own, weights * masks[0])
        loss = backward_now(its["loss"], peer.unwrapped.parameters()) if self.can_backward_now else its["loss"]
        its = {**{name: value.detach() for name, value in its.items()}, "loss": loss}
        logits, strong = forward(labeled["weak"], unlabeled["strong"])
        terms = self._terms(logits, labeled["labels"], strong, theirs, weights * masks[1])
        return {
            **{name: terms[name] + its[name] for name in terms},
            "mask_rate": (masks[0] + masks[1]).mean() / 2,
            "agreement": agree.to(own.dtype).mean(),
        }

    def after_step(self, forward: Forward, progress: float) -> None:
        """Move the EMA and the running means, of which this step's labels saw the values before."""
        if self.teacher is not None:
            self.teacher.update(forward.unwrapped)
        for part in (self.student_thresholds, self.peer_thresholds, self.student_mean, self.peer_mean):
            if part is not None:
                part.end_step()

    def evaluated(self, student: nn.Module) -> nn.Module:
        """Return both as one model, or the student; its EMA in its place if there is one."""
        own = student if self.teacher is None else self.teacher.model
        return Ensemble.of([own, self.peer]) if self.config.ensemble else own  # type: ignore[list-item]

    def _peer(self, forward: Forward) -> Forward:
        return forward.of(self.networks(forward.unwrapped)[1])

    @torch.no_grad()
    def _predict(self, runner: Forward, weak: Any, model: nn.Module | None = None) -> Tensor:
        """Probabilities [muB, C] in evaluation mode."""
        (logits,) = runner(weak, model=model, dropout=False)
        return logits.softmax(-1)

    def _terms(
        self, logits: Tensor, labels: Tensor, guesses: Tensor, probs: Tensor, weights: Tensor
    ) -> dict[str, Tensor]:
        """One network's terms: logits of the labeled [B, C] and unlabeled [muB, C], the other's probs and weights."""
        supervised = self.cross_entropy(logits, labels)
        losses = F.soft_cross_entropy(guesses, F.sharpen(probs, self.config.temperature))
        unsupervised = (weights * losses).mean()
        loss = supervised + self.config.unlabeled_weight * unsupervised
        return {"loss": loss, "supervised": supervised, "unsupervised": unsupervised}


def _encoder(model: nn.Module) -> nn.Module:
    """What stands below the head; UserError where nothing does."""
    inner = base_of(model)
    encoder: nn.Module = inner.base_model
    if encoder is inner:
        raise UserError(
            f"frozen_peer: got True; {type(inner).__name__} has no encoder apart from its head; allowed: False"
        )
    return encoder


class CoTrainingTrainer(PeerTrainer):
    """Fine-tunes an encoder beside a head on the frozen encoder; ``peer=`` gives another second network."""

    objective_class = CoTraining
    config_class = CoTrainingConfig
    objective: CoTraining
    args: CoTrainingConfig

    def create_optimizer(self, model: Any = None) -> Any:
        """The trainer's optimizer, in which the head of a frozen peer has a learning rate of its own."""
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if fresh and self.args.frozen_peer:
            rate = self.args.peer_learning_rate
            set_head_learning_rate(optimizer, [self.objective.peer], PEER_LEARNING_RATE if rate is None else rate)  # type: ignore[list-item]
        return optimizer
