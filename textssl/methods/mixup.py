"""mixup: a mix of two labeled examples has the mix of their labels (Zhang et al., 2018, arXiv:1710.09412).

The loss of a batch of B labeled examples is

    mean_B CE(Mix_l(y_i, y_j), p(Mix_l(x_i, x_j)))

with Mix_l(a, b) = l a + (1 - l) b, l ~ Beta(alpha, alpha), and j a permutation of the batch; the cross entropy is
linear in the label. No unlabeled example is used: it is the supervised baseline of the mixing family.

On text (Guo, Mao and Zhang, 2019, arXiv:1905.08941) ``mix_at="input"`` is their wordMixup, which mixes word embeddings
under the union of the attention masks, and ``mix_at="pooled"`` their senMixup, which mixes the sentence vector before
the softmax layer. ``mix_at="hidden"`` is TMix on the labeled data (Chen et al., 2020, arXiv:2004.12239).

*Views.* labeled: ``weak``.

*State.* None.

*Cost.* One forward and backward over the B labeled examples.

*Differs from the paper in.* Nothing in the formula. Padding counts where a partner is longer: wordMixup's authors pad
all sentences to one length. alpha is 1 by default for text, as in Guo's work, and for images 0.2, the paper's for
ImageNet (it has 1 for CIFAR-10, where networks train long).

*When it fails.* It uses no unlabeled example. Where a mix of two inputs means little it can lose: on embeddings of
film reviews it ended at 64.0 % against 65.5 % of supervised training (mean of three seeds).

*Relations.* ICT, MixMatch and MixText mix unlabeled examples too, with guesses in place of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..families.mixing import Mixer, MixingConfig, MixingObjective
from ..objective import Batch, Task
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["Mixup", "MixupConfig", "MixupTrainer"]


@dataclass
class MixupConfig(MixingConfig):
    """Arguments of mixup.

    Args:
        alpha: of the Beta distribution; by default 1 for text, else 0.2.
        per_example: draw a coefficient for each example; one for the batch, as in the authors' code, by default.
        mix_at: ``input`` by default; ``hidden`` or ``pooled``.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"alpha": 1.0, "mix_at": "input"},
        "image": {"alpha": 0.2, "mix_at": "input"},
        "features": {"alpha": 0.2, "mix_at": "input"},
    }


class Mixup(MixingObjective):
    """Cross entropy on mixed labeled examples."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 0), backward=(1, 0))
    citation: ClassVar[Citation | None] = Citation(
        title="mixup: Beyond Empirical Risk Minimization",
        authors=("Hongyi Zhang", "Moustapha Cisse", "Yann N. Dauphin", "David Lopez-Paz"),
        year=2018,
        arxiv="1710.09412",
        bibtex="""@inproceedings{zhang2018mixup,
  title     = {mixup: Beyond Empirical Risk Minimization},
  author    = {Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David},
  booktitle = {International Conference on Learning Representations},
  year      = {2018}
}""",
    )

    def __init__(self, config: MixupConfig, task: Task) -> None:
        super().__init__(config, task)
        self.mixer = Mixer(config, fold=False)

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss`` and ``supervised``, which are the same."""
        targets = self.label_distribution(batch["labeled"]["labels"])
        mix = self.mixer.draw([len(targets)], targets.device)
        (logits,) = forward.mixed(batch["labeled"]["weak"], mix=mix)
        loss = F.soft_cross_entropy(logits, mix(targets)).mean()
        return {"loss": loss, "supervised": loss}


class MixupTrainer(SSLTrainer):
    """Fine-tunes by mixup."""

    objective_class = Mixup
    config_class = MixupConfig
