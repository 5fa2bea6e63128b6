"""VAT: predictions are held under the perturbation that changes them most (Miyato et al., 2018, arXiv:1704.03976).

The loss of a batch of B labeled and muB unlabeled examples is

    mean_b CE(y_b, p(x_b))  +  lambda mean_{all muB} KL(sg p(u) || p(u + r_u))

where r has norm epsilon and points where the divergence grows fastest: along the first eigenvector of its Hessian at
r = 0. Power iteration finds it from a random direction d: repeat d <- grad_d KL(sg p(u) || p(u + xi d / ||d||)). On
text the input is the word embeddings, before positions and normalisation, and the norm is over the whole text, padding
left out (Miyato, Dai and Goodfellow, 2017, arXiv:1605.07725).

All passes on an unlabeled batch, the clean, the probing and the perturbed ones, meet the same dropout: otherwise the
divergence would be that of two dropout masks. Gradients with respect to d are taken in full precision, since they are
of a difference between nearly equal predictions, and leave no gradient in the parameters.

*Views.* labeled: ``weak``; unlabeled: ``weak``.

*State.* The number of steps. The random direction is a function of it, of the seed and of the example's number alone,
so neither the batch, nor padding, nor the process, nor a resume changes it.

*Cost.* A step is one forward and backward over the B labeled examples, and K + 2 forwards and K + 1 backwards over the
muB unlabeled ones, with K power iterations; in mixed precision one forward more.

*Differs from the paper in.* The divergence is over the unlabeled stream; the paper's is over labeled and unlabeled
examples (put the labeled ones into the unlabeled data for that). On text and features the size of the step is a share
of the example's own input (``relative_epsilon``), which is ours: the paper on text has 5 for embeddings that are
normalised over the vocabulary, and a pretrained model's are not. Special tokens are perturbed as words are. The
probe's size xi is a share of the input's norm as well; the authors' code has 1e-6 for images and 0.1 for text, and
float32 loses part of the direction at 1e-6. The divergence is the authors'; other implementations reverse it, to
KL(p(u + r) || p(u)), or take a norm per token.

*When it fails.* The method moves the boundary to where the unlabeled examples are few. Where classes overlap without
such a gap, as sentiment does in the embeddings of a general encoder, the smoothest function gives most examples one
class: with large steps it fell below supervised training in our runs, to chance at worst. The default for features is
therefore small; raise it where classes are clusters.

*Relations.* With labels in place of predictions it is adversarial training; with a random r it is consistency under
noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..forward.backend import Inputs
from ..forward.base import Noise
from ..objective import Batch, Objective, Task
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer
from .adversarial import PerturbationConfig


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["VAT", "VATConfig", "VATTrainer"]


@dataclass
class VATConfig(PerturbationConfig):
    """Arguments of VAT.

    Args:
        epsilon: L2 norm of the step over a whole example, in units of the model's input; 8 for images, the paper's
            value for CIFAR-10 with augmentation. That is 0.15 of the norm of 32x32x3 values of unit variance: for
            larger images set ``relative_epsilon`` to 0.15 instead.
        relative_epsilon: the same as a share of the L2 norm of the example's own input, padding left out; 0.3 for text
            and 0.01 for features unless ``epsilon`` is given. Starting points of ours; see above.
        xi: L2 norm of the probe that the divergence is differentiated at, as a share of the same.
        power_iterations: K, steps of power iteration; 1 in the paper. Each costs a forward and a backward.
        unlabeled_weight: lambda, of the divergence; 1 in the paper.
        rampup: share of training over which ``unlabeled_weight`` rises linearly from 0; 0, the paper's, for none.
        entropy_weight: of the entropy of predictions on unlabeled examples; 1 in the paper's VAT+EntMin.

    Raises:
        UserError: a value out of range, both sizes given.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"relative_epsilon": 0.3},
        "image": {"epsilon": 8.0, "relative_epsilon": None},
        "features": {"relative_epsilon": 0.01},
    }

    xi: float = field(default=1e-2, metadata={"help": "xi, size of the probe as a share of the input's norm."})
    power_iterations: int = field(default=1, metadata={"help": "K, steps of power iteration."})
    unlabeled_weight: float = field(default=1.0, metadata={"help": "lambda, weight of the divergence."})
    rampup: float = field(default=0.0, metadata={"help": "Share of training over which lambda rises; 0 for none."})
    entropy_weight: float = field(
        default=0.0, metadata={"help": "Weight of the entropy of predictions on unlabeled examples."}
    )

    def __post_init__(self) -> None:
        check_positive("xi", self.xi)
        if self.power_iterations < 1:
            raise UserError(f"power_iterations: got {self.power_iterations}; expected at least 1")
        check_not_negative("unlabeled_weight", self.unlabeled_weight)
        check_unit_interval("rampup", self.rampup)
        check_not_negative("entropy_weight", self.entropy_weight)
        super().__post_init__()


class VAT(Objective):
    """Virtual adversarial training."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 3), backward=(1, 2))
    perturbs_inputs: ClassVar[bool] = True
    citation: ClassVar[Citation | None] = Citation(
        title="Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning",
        authors=("Takeru Miyato", "Shin-ichi Maeda", "Masanori Koyama", "Shin Ishii"),
        year=2018,
        arxiv="1704.03976",
        bibtex="""@article{miyato2018virtual,
  title   = {Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning},
  author  = {Miyato, Takeru and Maeda, Shin-ichi and Koyama, Masanori and Ishii, Shin},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  volume  = {41},
  number  = {8},
  pages   = {1979--1993},
  year    = {2018}
}""",
    )

    steps: Tensor

    def __init__(self, config: VATConfig, task: Task) -> None:
        super().__init__(config, task)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``weight`` and ``entropy`` where it has a weight."""
        labeled, inputs = batch["labeled"], batch["unlabeled"]["weak"]
        (logits,) = forward(labeled["weak"])
        supervised = self.cross_entropy(logits, labeled["labels"])
        x = forward.embed(inputs)
        # Every later pass on these rows meets the dropout that the first one draws.
        noise = forward.noise()
        with torch.set_grad_enabled(self.config.entropy_weight > 0):
            (clean,) = forward(forward.from_embedding(inputs, x), statistics=False)
        targets = clean.detach().softmax(-1)
        r = self._perturbation(forward, inputs, x.detach(), batch["unlabeled"]["index"], targets, noise)
        (perturbed,) = forward(forward.from_embedding(inputs, (x + r).to(x.dtype)), noise=noise, statistics=False)
        unsupervised = F.kl_divergence(perturbed, targets).mean()
        weight = self.config.unlabeled_weight * F.linear_rampup(progress, self.config.rampup)
        terms: dict[str, Any] = {
            "loss": supervised + weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "weight": weight,
        }
        if self.config.entropy_weight:
            terms["entropy"] = F.entropy(clean).mean()
            terms["loss"] = terms["loss"] + self.config.entropy_weight * terms["entropy"]
        return terms

    def after_step(self, forward: Forward, progress: float) -> None:
        """Count the step: the next one begins from other random directions."""
        self.steps.add_(1)

    def _perturbation(
        self, forward: Forward, inputs: Inputs, x: Tensor, index: Tensor, targets: Tensor, noise: Noise
    ) -> Tensor:
        """The step r, of the shape of ``x``, without gradient."""

        def run(embedding: Tensor) -> Tensor:
            # The bare model: neither DDP nor a parameter's gradient is concerned.
            (logits,) = forward(
                forward.from_embedding(inputs, embedding.to(x.dtype)),
                model=forward.unwrapped,
                noise=noise,
                statistics=False,
                full_precision=True,
            )
            return logits

        if _is_mixed(forward, x.device):
            # Rounded predictions differ from exact ones by more than the probe changes them.
            with torch.no_grad():
                targets = run(x).softmax(-1)
        mask = forward.mask(inputs)
        own = F.example_norm(x, mask)
        d = self._random_direction(x, index, mask)
        for _ in range(self.config.power_iterations):
            d = F.normalize_perturbation(d, self.config.xi * own, mask).requires_grad_()
            (d,) = torch.autograd.grad(F.kl_divergence(run(x + d), targets).sum(), d)
        return F.normalize_perturbation(d, self.config.size(own), mask)

    def _random_direction(self, x: Tensor, index: Tensor, mask: Tensor | None) -> Tensor:
        """[B, ...] standard normal numbers, those of a text counted from its first token, wherever padding is."""
        positions = None if mask is None else (mask.long().cumsum(1) - 1).clamp_min(0)
        salt = self.steps * 2**32 + self.config.seed
        return F.keyed_normal(index, tuple(x.shape[1:]), salt, positions)


def _is_mixed(forward: Forward, device: torch.device) -> bool:
    """Whether ordinary passes run in mixed precision."""
    with forward.autocast():
        return torch.is_autocast_enabled(device.type)


class VATTrainer(SSLTrainer):
    """Fine-tunes by virtual adversarial training."""

    objective_class = VAT
    config_class = VATConfig
