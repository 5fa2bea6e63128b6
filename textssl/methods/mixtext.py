"""MixText: hidden states of labeled, unlabeled and back-translated texts are mixed (Chen et al., 2020).

arXiv:2004.12239. Of each unlabeled text u there are K augmented versions, back-translations in the paper. Its label is
guessed from all of them and sharpened,

    q_u = sharpen((w_0 p(u) + sum_k w_k p(augmented_k(u))) / sum w, T)

without gradient (equation 4). The labeled texts with their labels and all versions of the unlabeled texts with their
guesses form one set; each row is mixed with a random row of it by TMix: both run to layer m, drawn for each batch, and
their hidden states h, h' go on as l h + (1 - l) h', l = max(l, 1 - l), l ~ Beta(alpha, alpha) (equations 1 to 3). The
loss is

    mean_{labeled rows} CE(y', p)  +  lambda_u r(t) mean_{unlabeled rows} KL(q' || p)  +  lambda_m hinge

where the hinge asks for predictions on unlabeled texts that are sure: mean max(0, gamma - ||p(u)||^2) in the paper
(section 3.4), max(0, H(p(u)) - gamma) in the authors' code. r(t) climbs linearly over the whole training.

*Views.* labeled: ``weak``; unlabeled: ``weak``, the text itself, and ``strong``, ``strong_2``, ..., its augmented
versions: as many as ``guess_weights`` has numbers after the first. Back-translations are columns prepared ahead:
``augmentations={"strong": Column("german"), "strong_2": Column("russian")}``; without any, words are replaced.

*State.* None, unless ``ema_decay`` is set.

*Cost.* A step is one forward without gradient over muB rows of each version that counts in the guess, and one forward
and backward over B + (K + 1) muB mixed rows. The hinge adds a forward and backward over muB rows.

*Differs from the paper in.* Attention masks of a pair are joined at and above layer m, where the authors' code has no
mask at all, so that padding is attended to and pooled. Guesses are made without dropout (``target_dropout``). The
layers are those at 7, 9 and 12 twelfths of the depth, for BERT-base the paper's. Images and features, which the paper
does not have, mix their input with alpha 0.75, MixMatch's, or 0.1.

*When it fails.* Nothing keeps guesses from falling into one class: where the input says little about the label, as
sentiment from embeddings of a frozen encoder, a network with room to know the labeled examples by heart did so, and
called all else one class. A small alpha, T = 1 and a small weight, the defaults for features, prevent it; so does
ReMixMatch's alignment. On IMDb, fine-tuned for some 250 steps, it ended six points below supervised training; on
topics it gained six.

*Relations.* MixMatch with hidden layers, KL divergence and several kinds of views; without unlabeled data it is TMix,
``mixup`` with ``mix_at="hidden"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import functional as F
from ..citation import Citation
from ..config import check_allowed, check_decay, check_not_negative, check_positive, check_unit_interval
from ..errors import UserError
from ..families.ema_evaluated import AveragedObjective
from ..families.mixing import Mixer, MixingConfig, MixingObjective
from ..objective import Batch, Task, view_names
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.backend import Inputs
    from ..forward.base import Forward


__all__ = ["MixText", "MixTextConfig", "MixTextTrainer"]


@dataclass
class MixTextConfig(MixingConfig):
    """Arguments of MixText. Defaults are the paper's for few labels.

    Args:
        mu: unlabeled examples per labeled one; 2.
        guess_weights: w, the weight of the text itself in its guess, then those of its augmented versions, one number
            each; [1, 1]. The authors have 1, 1, 0 for AG News and Yahoo! (original, German, Russian), 1, 1, 1 for
            DBpedia and 1, 0, 0 for IMDb. Versions of weight 0 are still trained on.
        temperature: T of the sharpening; by default 0.5 (the authors have 0.3 for AG News and 1 for IMDb), and 1 for
            features.
        alpha: of the Beta distribution; 16 for text, which mixes about half and half, with some 10 labels a class; the
            authors take 0.2 to 0.4 beyond 200. By default 0.75 for images, 0.1 for features.
        per_example: draw a coefficient for each row; one for the batch, as in the authors' code, by default.
        mix_at: ``hidden`` for text, ``input`` for images and features by default.
        separate_mix: mix labeled rows with labeled ones and the others with others, without max(l, 1 - l).
        unlabeled_weight: lambda_u at the end of the ramp; by default 1, and 0.3 for features.
        rampup: share of training over which it climbs linearly; 1.
        hinge_weight: lambda_m; 0 by default, as in the authors' runs, and then the hinge costs nothing.
        hinge: ``norm``, the paper's, or ``entropy``, that of the authors' code.
        margin: gamma; 0.7.
        ema_decay: of weights that are evaluated in place of the student's; 0, as in the paper, evaluates the student.
        target_dropout: whether dropout is active while labels are guessed.

    Raises:
        UserError: a value out of range.
    """

    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "text": {"alpha": 16.0, "mix_at": "hidden", "temperature": 0.5, "unlabeled_weight": 1.0},
        "image": {"alpha": 0.75, "mix_at": "input", "temperature": 0.5, "unlabeled_weight": 1.0},
        "features": {"alpha": 0.1, "mix_at": "input", "temperature": 1.0, "unlabeled_weight": 0.3},
    }

    mu: int = field(default=2, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    guess_weights: list[float] = field(
        default_factory=lambda: [1.0, 1.0],
        metadata={"help": "Weights in a guess: of the text itself, then of each augmented version."},
    )
    temperature: float | None = field(
        default=None, metadata={"help": "T, of the sharpening of guesses. Default: 0.5, for features 1."}
    )
    separate_mix: bool = field(default=False, metadata={"help": "Mix labeled and unlabeled rows apart, unfolded."})
    unlabeled_weight: float | None = field(
        default=None, metadata={"help": "lambda_u, weight of the unlabeled term. Default: 1, for features 0.3."}
    )
    rampup: float = field(default=1.0, metadata={"help": "Share of training over which the weight climbs."})
    hinge_weight: float = field(default=0.0, metadata={"help": "lambda_m, weight of the hinge on unsure predictions."})
    hinge: str = field(default="norm", metadata={"help": "What the hinge looks at: norm or entropy."})
    margin: float = field(default=0.7, metadata={"help": "gamma, the margin of the hinge."})
    ema_decay: float = field(default=0.0, metadata={"help": "Decay of an EMA that is evaluated; 0 for none."})
    target_dropout: bool = field(
        default=False, metadata={"help": "Whether dropout is active while labels are guessed."}
    )

    def __post_init__(self) -> None:
        if not self.guess_weights or min(self.guess_weights) < 0 or not sum(self.guess_weights) > 0:
            raise UserError(
                f"guess_weights: got {self.guess_weights}; expected numbers of 0 or more, not all 0: one for the text "
                "itself and one for each augmented version"
            )
        check_positive("temperature", self.temperature)
        for name in ("unlabeled_weight", "hinge_weight", "margin"):
            check_not_negative(name, getattr(self, name))
        check_unit_interval("rampup", self.rampup)
        check_allowed("hinge", self.hinge, ("norm", "entropy"))
        check_decay("ema_decay", self.ema_decay)
        super().__post_init__()


class MixText(MixingObjective, AveragedObjective):
    """TMix of labeled texts and guessed ones."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak", "strong")}
    cost: ClassVar[StepCost | None] = StepCost(forward=(1, 4), backward=(1, 2))
    citation: ClassVar[Citation | None] = Citation(
        title="MixText: Linguistically-Informed Interpolation of Hidden Space for Semi-Supervised Text Classification",
        authors=("Jiaao Chen", "Zichao Yang", "Diyi Yang"),
        year=2020,
        arxiv="2004.12239",
        bibtex="""@inproceedings{chen2020mixtext,
  title     = {{MixText}: Linguistically-Informed Interpolation of Hidden Space for Semi-Supervised Text
               Classification},
  author    = {Chen, Jiaao and Yang, Zichao and Yang, Diyi},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year      = {2020}
}""",
    )

    def __init__(self, config: MixTextConfig, task: Task) -> None:
        super().__init__(config, task)
        self.mixer = Mixer(config, fold=not config.separate_mix)

    @classmethod
    def views_for(cls, config: MixTextConfig) -> Mapping[str, tuple[str, ...]]:
        """The text itself and its augmented versions."""
        augmented = len(config.guess_weights) - 1
        return {"labeled": ("weak",), "unlabeled": ("weak", *(view_names("strong", augmented) if augmented else ()))}

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised``, ``weight``, ``confidence`` and, if weighed, ``hinge``."""
        config, labels = self.config, batch["labeled"]["labels"]
        views = [batch["unlabeled"][name] for name in self.views_for(config)["unlabeled"]]
        guesses = self._guess(forward, views)
        self.count_pseudo_labels(guesses, None, batch["unlabeled"].get("index"))
        targets = torch.cat([self.label_distribution(labels), *[guesses] * len(views)])
        rest = len(targets) - len(labels)
        sizes = [len(labels), rest] if config.separate_mix else [len(targets)]
        mix = self.mixer.draw(sizes, targets.device)
        logits, *others = forward.mixed(batch["labeled"]["weak"], *views, mix=mix)
        own, guessed = mix(targets).tensor_split([len(labels)])
        terms: dict[str, Any] = {
            "supervised": F.soft_cross_entropy(logits, own).mean(),
            "unsupervised": F.kl_divergence(torch.cat(others), guessed).mean(),
            "weight": config.unlabeled_weight * F.linear_rampup(progress, config.rampup),
            "confidence": guesses.amax(-1).mean(),
        }
        terms["loss"] = terms["supervised"] + terms["weight"] * terms["unsupervised"]
        if config.hinge_weight:
            terms["hinge"] = self._hinge(forward, views[0])
            terms["loss"] = terms["loss"] + config.hinge_weight * terms["hinge"]
        return terms

    @torch.no_grad()
    def _guess(self, forward: Forward, views: list[Inputs]) -> Tensor:
        """Sharpened weighted mean of the predictions on all versions [muB, C]."""
        weights = self.config.guess_weights
        # A version without weight need not be run.
        counted = [(view, weight) for view, weight in zip(views, weights, strict=True) if weight > 0]
        logits = forward(*[view for view, _ in counted], dropout=self.config.target_dropout)
        guess = F.guess_labels([z.softmax(-1) for z in logits], [weight for _, weight in counted])
        return F.sharpen(guess, self.config.temperature)

    def _hinge(self, forward: Forward, view: Inputs) -> Tensor:
        """How far predictions on the texts as they are stay from sure."""
        (logits,) = forward(view)
        if self.config.hinge == "entropy":
            return (F.entropy(logits) - self.config.margin).clamp_min(0).mean()
        return (self.config.margin - logits.softmax(-1).square().sum(-1)).clamp_min(0).mean()


class MixTextTrainer(SSLTrainer):
    """Fine-tunes by MixText."""

    objective_class = MixText
    config_class = MixTextConfig
