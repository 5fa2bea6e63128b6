"""DivideMix: of labels that may be wrong, two networks tell each other which to believe (Li, Socher and Hoi, 2020).

arXiv:2002.07394. There are N labeled examples, some of them labeled wrongly, and no others. After a short training on
all labels two networks, A and B, are trained side by side. At each epoch the losses of all examples by B, in
evaluation mode and scaled to [0, 1], are fitted with a mixture of two normal distributions; w_i is the posterior of
the one with the smaller mean, and an example is clean if w_i > tau. Network A learns with this division of **B**, and
B with that of A, so that neither confirms its own mistakes. For network A, over V weak views of each example,

    clean:  y_i = sharpen(w_i y_i + (1 - w_i) 1/V sum_v p_A(v(x_i)), T)              (co-refinement, equations 2 and 3)
    noisy:  q_i = sharpen(1/(2V) sum_v p_A(v(x_i)) + p_B(v(x_i)), T)                 (co-guessing, equations 4 and 5)

without gradient, p_A in training mode and p_B, which is fixed meanwhile, in evaluation mode. All views of all examples
are mixed with one coefficient, max(l, 1 - l), l ~ Beta(alpha, alpha), as in MixMatch, and the loss is

    mean_{clean} CE(y', p(x'))  +  lambda_u(t) mean_{noisy, C} (p(x') - q')^2  +  gamma KL(pi || mean_{all} p(x'))

(equations 7 to 10) with pi uniform. An example is classified by the sum of both networks' logits.

*Views.* labeled: ``weak``, ``weak_2``, ... V of them, each an independent draw. Until the division begins, A learns
from the first and B from the second.

*State.* The second network, the probabilities w of both, the parameters of both mixtures, and the losses of earlier
epochs where ``loss_epochs`` asks for them: 8 bytes an example and more, in every checkpoint. A run that is resumed
within an epoch fits nothing again.

*Cost.* For each of the two networks, a step is one forward and backward over V B mixed rows and one forward without
gradient over the same rows in evaluation mode, and with ``target_dropout`` one more in training mode. Each epoch adds
one evaluation pass of both networks over all examples. Two networks and their optimizer state are in memory.

*Saved.* ``save_model`` writes both networks as one model, :class:`textssl.models.Ensemble`, whose logits are the
mean of theirs; ``import textssl.models`` makes it known to ``pipeline`` and the Auto classes, and each of its
``members`` is a model by itself. With ``ensemble=False`` the first network alone is evaluated and saved.

*Differs from the paper in.* A batch is drawn from all examples and divided, where the authors draw as many clean ones
as noisy; both networks see the same batch at one step, where theirs take turns of an epoch. Sums over the clean and
the noisy rows are divided by how many of them a batch has on average, not by how many this one has: an example counts
the same in every batch. The posterior falls with the loss everywhere (:func:`.loss_mixture.divide`). Where no
example passes, all do, each still with its w.
A network that was trained before takes a ``peer`` that has the same encoder and another head, unless it is given.

*When it fails.* Small losses separate random mistakes. Mistakes that have a pattern are learned before they can be
told apart: on reviews labeled by keywords, 28 % of them wrongly, the preset's settings ended at 63.0 % against 67.1 %
of plain training (one seed); ``unlabeled_weight=0`` and eight epochs of warm-up gained two points there. A network too
small to memorise wrong labels has less to gain.

*Relations.* MixMatch, where the mixture says which label is missing. With w = 1 for all it is mixup with refined
labels. Co-teaching has the two networks, but drops what looks wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ... import functional as F
from ...citation import Citation
from ...config import check_decay, check_not_negative, check_positive, check_unit_interval
from ...errors import UserError
from ...families.co_training import PeerObjective, PeerTrainer
from ...families.early_backward import backward_now
from ...families.mixing import Mixer, MixingConfig, MixingObjective, check_distribution
from ...objective import Batch, Scores, Task, view_names
from ...step_cost import StepCost
from .loss_mixture import DividedLabels


if TYPE_CHECKING:
    from ...forward.base import Forward


__all__ = ["DivideMix", "DivideMixConfig", "DivideMixTrainer"]


@dataclass
class DivideMixConfig(MixingConfig):
    """Arguments of DivideMix. Defaults are the paper's for CIFAR-10; ``mu`` and the unlabeled data play no part.

    Args:
        warm_start_epochs: of plain training on all labels before the first division; by default 10 for images, 1 for
            text, 5 for features. ``warm_start_steps`` says it in steps, and goes before.
        warm_start_entropy: weight of the negative entropy of the predictions meanwhile, so that the networks do not
            get too sure of labels whose noise has a pattern; 0, in the paper 1 for asymmetric noise.
        clean_threshold: tau, above which w counts as clean; 0.5. In the paper 0.6 for noise of 90 %.
        loss_epochs: so many epochs' losses are averaged before they are fitted; 1, in the paper 5 for noise of 90 %.
        num_weak: V, weak views of each example; 2.
        temperature: T of the sharpening; 0.5.
        alpha: of the Beta distribution; 4.
        per_example: a coefficient for each row, not for the batch; False.
        unlabeled_weight: lambda_u at the end of the ramp; by default 25 for images (the paper has 0 to 150 as the
            noise grows), and C for C classes for text and features.
        rampup: share of the training after the warm-up over which the weight climbs linearly; 16 of 290 epochs.
        prior_weight: gamma, of the divergence from ``class_prior``; 1.
        class_prior: pi, share of each class; uniform by default.
        ensemble: whether both networks are evaluated and saved, as one model, or the first alone.
        target_dropout: whether a network that refines and guesses labels for itself is in training mode, with dropout
            and batch statistics, as in the authors' code. What it guesses for the other never is.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"alpha": 4.0, "mix_at": "input", "warm_start_epochs": 1.0},
        "image": {"alpha": 4.0, "mix_at": "input", "warm_start_epochs": 10.0, "unlabeled_weight": 25.0},
        "features": {"alpha": 4.0, "mix_at": "input", "warm_start_epochs": 5.0},
    }

    warm_start_epochs: float | None = field(
        default=None, metadata={"help": "Epochs on all labels first. Default: 10 for images, 1 for text, else 5."}
    )
    warm_start_entropy: float = field(
        default=0.0, metadata={"help": "Weight of the negative entropy meanwhile; 1 for noise with a pattern."}
    )
    clean_threshold: float = field(default=0.5, metadata={"help": "tau, above which a label counts as right."})
    loss_epochs: int = field(default=1, metadata={"help": "Epochs whose losses are averaged before the fit."})
    num_weak: int = field(default=2, metadata={"help": "V, weak views of each example."})
    temperature: float = field(default=0.5, metadata={"help": "T, of the sharpening of labels."})
    unlabeled_weight: float | None = field(
        default=None,
        metadata={"help": "lambda_u, weight of the noisy examples. Default: 25 for images, else number of classes."},
    )
    rampup: float = field(default=16 / 290, metadata={"help": "Share of training over which the weight climbs."})
    prior_weight: float = field(default=1.0, metadata={"help": "gamma, of the divergence from the class prior."})
    class_prior: list[float] | None = field(
        default=None, metadata={"help": "pi, share of each class. Default: the same for all."}
    )
    ensemble: bool = field(default=True, metadata={"help": "Evaluate and save both networks, not the first alone."})
    target_dropout: bool = field(
        default=True, metadata={"help": "Whether dropout is active while labels are refined and guessed."}
    )

    def __post_init__(self) -> None:
        check_not_negative("warm_start_epochs", self.warm_start_epochs)
        check_not_negative("warm_start_entropy", self.warm_start_entropy)
        check_decay("clean_threshold", self.clean_threshold)
        for name in ("loss_epochs", "num_weak"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: got {getattr(self, name)}; expected at least 1")
        check_positive("temperature", self.temperature)
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("rampup", self.rampup)
        check_not_negative("prior_weight", self.prior_weight)
        super().__post_init__()


class DivideMix(MixingObjective, PeerObjective):
    """Two networks, each of which learns by the other's division of the labels."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak", "weak_2")}
    cost: ClassVar[StepCost | None] = StepCost(
        forward=(12, 0), backward=(4, 0), besides="each epoch, both networks look at all examples"
    )
    scored: ClassVar[str | None] = "losses"
    citation: ClassVar[Citation | None] = Citation(
        title="DivideMix: Learning with Noisy Labels as Semi-supervised Learning",
        authors=("Junnan Li", "Richard Socher", "Steven C. H. Hoi"),
        year=2020,
        arxiv="2002.07394",
        bibtex="""@inproceedings{li2020dividemix,
  title     = {{DivideMix}: Learning with Noisy Labels as Semi-supervised Learning},
  author    = {Li, Junnan and Socher, Richard and Hoi, Steven C. H.},
  booktitle = {International Conference on Learning Representations},
  year      = {2020}
}""",
    )
    prior: Tensor

    def __init__(self, config: DivideMixConfig, task: Task) -> None:
        super().__init__(config, task)
        self.mixer = Mixer(config, fold=True)
        given = config.unlabeled_weight
        self.full_weight = float(task.num_labels) if given is None else given
        prior = check_distribution("class_prior", config.class_prior, task.num_labels)
        self.register_buffer("prior", torch.tensor(prior), persistent=False)
        self.labels = DividedLabels(2, task.num_labeled, config.clean_threshold, config.loss_epochs)

    @classmethod
    def views_for(cls, config: DivideMixConfig) -> Mapping[str, tuple[str, ...]]:
        """V weak views; two at least, for the networks' first epochs."""
        return {"labeled": view_names("weak", max(config.num_weak, 2))}

    def before_epoch(self, scores: Scores, progress: float) -> None:
        """Divide the examples anew by the losses of both networks.

        Raises:
            ValueError: no finite loss: a network has diverged.
        """
        self.labels.update(scores.labeled)

    def warm_start_loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the terms of a step before the first division: cross entropy with all labels, for both networks."""
        labels = batch["labeled"]["labels"]
        losses, entropies = [], []
        for runner, view in zip(self._runners(forward), ("weak", "weak_2"), strict=True):
            (logits,) = runner(batch["labeled"][view])
            losses.append(self.cross_entropy(logits, labels))
            entropies.append(F.entropy(logits).mean())
        loss = sum(losses) - self.config.warm_start_entropy * sum(entropies)
        return {"loss": loss, "supervised": sum(losses) / 2, "entropy": sum(entropies) / 2}

    def finetune_loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the same of a step of the fine-tuning, for both networks too."""
        return self.warm_start_loss(forward, batch, progress)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, the sum of both networks', and means over both of its parts and of ``clean``, the share."""
        labeled = batch["labeled"]
        views = [labeled[name] for name in view_names("weak", self.config.num_weak)]
        runners = self._runners(forward)
        fixed = [self._predict(runner, views, dropout=False) for runner in runners]
        probs = (
            [self._predict(runner, views, dropout=True) for runner in runners] if self.config.target_dropout else fixed
        )
        weight = self.full_weight * F.linear_rampup(progress, self.config.rampup)
        parts: list[dict[str, Tensor]] = []
        losses: list[Tensor] = []
        # The second first: its graph is gone before that of the first is built.
        for number in (1, 0):
            passed = self.labels.passed(1 - number)
            clean = passed[labeled["index"]]
            guesses = F.guess_labels([probs[number], fixed[1 - number]])
            targets = self._targets(self.labels.probs[1 - number], clean, labeled, probs[number], guesses)
            terms = self._mixed_terms(runners[number], views, clean, targets, passed)
            loss = terms["supervised"] + weight * terms["unsupervised"] + self.config.prior_weight * terms["prior"]
            losses.append(
                backward_now(loss, runners[1].unwrapped.parameters()) if number and self.can_backward_now else loss
            )
            parts.append({name: value.detach() for name, value in terms.items()})
        means: dict[str, Any] = {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}
        return {"loss": sum(losses), **means, "weight": weight}

    def _runners(self, forward: Forward) -> tuple[Forward, Forward]:
        return forward, forward.of(self.networks(forward.unwrapped)[1])

    @torch.no_grad()
    def _predict(self, runner: Forward, views: list[Any], dropout: bool) -> Tensor:
        """Mean prediction on all views [B, C]."""
        return F.guess_labels([z.softmax(-1) for z in runner(*views, dropout=dropout)])

    @torch.no_grad()
    def _targets(self, likely: Tensor, clean: Tensor, labeled: dict[str, Any], own: Tensor, guesses: Tensor) -> Tensor:
        """Targets [B, C] by the other network's w [N] and what it calls clean [B]."""
        w = likely[labeled["index"]].unsqueeze(-1)
        refined = w * self.label_distribution(labeled["labels"]) + (1 - w) * own
        return F.sharpen(torch.where(clean.unsqueeze(-1), refined, guesses), self.config.temperature)

    def _mixed_terms(
        self, runner: Forward, views: list[Any], clean: Tensor, targets: Tensor, passed: Tensor
    ) -> dict[str, Tensor]:
        """One network's terms by what the other calls clean: ``clean`` [B] of the batch, ``passed`` [N] of all."""
        count = len(views)
        mix = self.mixer.draw([count * len(targets)], targets.device)
        logits = torch.cat(runner.mixed(*views, mix=mix))
        mixed = mix(targets.repeat(count, 1))
        rows = clean.to(targets.dtype).repeat(count)
        # How many of either kind a batch has on average; 0 of a kind has no rows to divide.
        share = passed.to(rows.dtype).mean()
        tiny = 1 / max(self.task.num_labeled, 1)
        supervised = (rows * F.soft_cross_entropy(logits, mixed)).mean() / share.clamp_min(tiny)
        unsupervised = ((1 - rows) * F.squared_error(logits, mixed)).mean() / (1 - share).clamp_min(tiny)
        return {
            "supervised": supervised,
            "unsupervised": unsupervised,
            "prior": F.prior_divergence(logits, self.prior),
            "clean": share,
        }


class DivideMixTrainer(PeerTrainer):
    """Fine-tunes two networks by DivideMix; ``peer=`` gives it the second: :class:`.PeerTrainer`.

    The labeled examples may be labeled wrongly, and the unlabeled ones are not used. Evaluation examples whose labels
    are right, if there are some, tell most.

    Raises:
        UserError: also for a warm-up that is longer than training.
    """

    objective_class = DivideMix
    config_class = DivideMixConfig
    objective: DivideMix
    args: DivideMixConfig

    # The warm start that ``warm_start_epochs`` gave; a trial of a search may ask for another.
    _warmup = 0

    def _bind_objective(self, student: nn.Module) -> None:
        super()._bind_objective(student)
        if self.args.warm_start_steps in (0, self._warmup):
            self._warmup = self.args.warm_start_steps = self._warmup_steps()

    def clean_probability(self) -> np.ndarray:
        """Of each labeled example [N], in their order, how likely its label is right: float32, mean of both networks.

        Raises:
            UserError: no division was made yet.
        """
        if not int(self.objective.labels.divisions):
            raise UserError("clean_probability: the examples have not been divided yet; train first")
        probs: np.ndarray = self.objective.labels.probs.mean(0).cpu().numpy()
        return probs

    def _warmup_steps(self) -> int:
        """Steps of the warm-up; UserError unless training goes on after them."""
        args, epochs = self.args, self.args.warm_start_epochs
        assert epochs is not None, "open fields are filled for the modality"
        batch = self._train_batch_size * args.world_size * args.gradient_accumulation_steps
        per_epoch = -(-len(self.train_dataset.labeled) // batch)
        steps, total = round(epochs * per_epoch), args.max_steps
        if total <= 0:
            total = int(args.num_train_epochs * per_epoch)
        if steps >= total:
            raise UserError(
                f"warm_start_epochs: got {epochs}, which is {steps} steps of batches of {batch}; expected fewer than "
                f"the {total} steps of training"
            )
        return steps
