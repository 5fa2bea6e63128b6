"""Adversarial: labels survive the worst small step of the input (Goodfellow et al., 2015, arXiv:1412.6572).

The loss of a batch of B labeled examples is

    mean_b CE(y_b, p(x_b))  +  w mean_b CE(y_b, p(x_b + r_b))

where r carries no gradient and follows the gradient g of the first cross entropy with respect to the input:
r = epsilon g / ||g||_2 (``norm="l2"``), or r = epsilon sign(g) (``norm="linf"``). On text the input is the word
embeddings, before positions and normalisation, and the norm is over the whole text, padding left out (Miyato, Dai and
Goodfellow, 2017, arXiv:1605.07725).

*Views.* labeled: ``weak``. No unlabeled ones.

*State.* None.

*Cost.* A step is two forwards over the B labeled examples, clean and perturbed, and three backwards: the gradient of
the input takes one of its own.

*Differs from the paper in.* The terms have weights 1 and 1, as in the paper on text; the paper on images has 0.5 and
0.5, which is half of it. Both passes meet the same dropout. By default the size of the step is a share of the
example's own input (``relative_epsilon``), which is ours: the papers give absolute sizes, for pixels in [0, 1] and
for embeddings normalised over the vocabulary, and a pretrained model's inputs are neither. Special tokens are
perturbed as words are. The gradient is that of the clean pass itself, in the run's precision, and costs no further
forward: unlike that of VAT it is no difference of two nearly equal predictions, so bfloat16 suffices.

*When it fails.* It smooths the classifier around labeled examples alone, and can gain little where they are few: on
embeddings of film reviews it ended at 65.2 % against 65.5 % of the supervised baseline (mean of three seeds). A step
that is too large changes the class of the input itself.

*Relations.* Without ``adversarial_weight`` it is the supervised baseline; VAT asks for no label, and so for
agreement on unlabeled examples too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_allowed, check_not_negative
from ..errors import UserError
from ..objective import Batch, Objective
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["Adversarial", "AdversarialConfig", "AdversarialTrainer", "PerturbationConfig"]


@dataclass
class PerturbationConfig(SSLConfig):
    """How far an input is moved: by a size, or by a share of the input's own. At most one is given.

    Args:
        epsilon: size of the step, in units of the model's input; 0 for none.
        relative_epsilon: size of the step as a share of the size of the example's own input: that of word embeddings,
            padding left out, of pixels as the image processor gives them, of features before any standardisation.

    Raises:
        UserError: both are given, or one is negative.
    """

    epsilon: float | None = field(
        default=None, metadata={"help": "epsilon, size of the perturbation in units of the model's input."}
    )
    relative_epsilon: float | None = field(
        default=None, metadata={"help": "Size of the perturbation, as a share of the size of the example's own input."}
    )

    def __post_init__(self) -> None:
        check_not_negative("epsilon", self.epsilon)
        check_not_negative("relative_epsilon", self.relative_epsilon)
        if self.epsilon is not None and self.relative_epsilon is not None:
            raise UserError(
                f"epsilon: got {self.epsilon} with relative_epsilon {self.relative_epsilon}; they say the same "
                "in two ways, so set one of them"
            )
        super().__post_init__()

    def paper_values(self, modality: str) -> dict[str, Any]:
        """As for every config; where one size is given, the other stays unset."""
        values = super().paper_values(modality)
        if self.epsilon is None and self.relative_epsilon is None:
            return values
        return {name: value for name, value in values.items() if name not in ("epsilon", "relative_epsilon")}

    def size(self, own: Tensor) -> float | Tensor:
        """Size of the perturbation of examples whose own inputs have the sizes ``own`` [B]."""
        if self.epsilon is not None:
            return self.epsilon
        assert self.relative_epsilon is not None
        return self.relative_epsilon * own


@dataclass
class AdversarialConfig(PerturbationConfig):
    """Arguments of adversarial training; an epoch is a pass over the labeled data, and ``mu`` has no effect.

    Args:
        epsilon: L2 norm of the step, or its largest component with ``norm="linf"``. The paper has 0.25 for pixels in
            [0, 1] with ``linf``; on text 5 with ``l2``, for normalised embeddings.
        relative_epsilon: the same as a share of the L2 norm of the example's input, or of its root mean square with
            ``norm="linf"``; 0.3 for text, 0.15 for images, 0.05 for features, unless ``epsilon`` is given.
            Starting points of ours; try a third and three times as much.
        norm: ``l2``, which follows the gradient, or ``linf``, its sign.
        adversarial_weight: w, of the perturbed term.

    Raises:
        UserError: a value out of range, an unknown norm, both sizes given.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"relative_epsilon": 0.3},
        "image": {"relative_epsilon": 0.15},
        "features": {"relative_epsilon": 0.05},
    }

    norm: str = field(default="l2", metadata={"help": "Norm that bounds the perturbation: l2 or linf."})
    adversarial_weight: float = field(default=1.0, metadata={"help": "w, weight of the perturbed term."})

    def __post_init__(self) -> None:
        check_allowed("norm", self.norm, ("l2", "linf"))
        check_not_negative("adversarial_weight", self.adversarial_weight)
        super().__post_init__()


class Adversarial(Objective):
    """Cross entropy of labeled examples as they are, and after their worst small step."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(forward=(2, 0), backward=(3, 0))
    perturbs_inputs: ClassVar[bool] = True
    citation: ClassVar[Citation | None] = Citation(
        title="Explaining and Harnessing Adversarial Examples",
        authors=("Ian J. Goodfellow", "Jonathon Shlens", "Christian Szegedy"),
        year=2015,
        arxiv="1412.6572",
        bibtex="""@inproceedings{goodfellow2015explaining,
  title     = {Explaining and Harnessing Adversarial Examples},
  author    = {Goodfellow, Ian J. and Shlens, Jonathon and Szegedy, Christian},
  booktitle = {International Conference on Learning Representations},
  year      = {2015}
}""",
    )

    def takes_loss_function(self) -> bool:
        """No: each example is perturbed by the gradient of its own loss."""
        return False

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised`` and ``adversarial``, the cross entropy of the perturbed inputs."""
        inputs, labels = batch["labeled"]["weak"], batch["labeled"]["labels"]
        x = forward.embed(inputs)
        noise = forward.noise()
        step = torch.zeros_like(x, requires_grad=True)
        (logits,) = forward(forward.from_embedding(inputs, x + step))
        losses = self.cross_entropy(logits, labels, reduction="none")
        r = self._perturbation(losses, step, x.detach(), forward.mask(inputs))
        # The dropout of the clean pass; batch norms learn from clean inputs alone.
        (perturbed,) = forward(forward.from_embedding(inputs, (x + r).to(x.dtype)), noise=noise, statistics=False)
        supervised, adversarial = losses.mean(), self.cross_entropy(perturbed, labels, reduction="none").mean()
        return {
            "loss": supervised + self.config.adversarial_weight * adversarial,
            "supervised": supervised,
            "adversarial": adversarial,
        }

    def _perturbation(self, losses: Tensor, step: Tensor, x: Tensor, mask: Tensor | None) -> Tensor:
        """The step r, of the shape of ``x``, without gradient."""
        # The gradient of a confident example shrinks with its loss; over the loss, float16 can hold it. Only the
        # direction of each example's gradient matters.
        scaled = losses / losses.detach().clamp_min(torch.finfo(losses.dtype).eps)
        (g,) = torch.autograd.grad(scaled.sum(), step, retain_graph=True)
        if self.config.norm == "linf":
            return F.sign_perturbation(g, self.config.size(F.example_rms(x, mask)), mask)
        return F.normalize_perturbation(g, self.config.size(F.example_norm(x, mask)), mask)


class AdversarialTrainer(SSLTrainer):
    """Fine-tunes by adversarial training."""

    objective_class = Adversarial
    config_class = AdversarialConfig
