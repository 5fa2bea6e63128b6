"""Label propagation: labels that spread over a graph of the student's own features, made anew each epoch.

Iscen et al., 2019, arXiv:1904.04717. At each epoch the student's pooled vectors of all N examples, labeled and
unlabeled, are joined to a graph of nearest neighbours, and the labels diffuse over it: with S the normalised graph,

    (I - alpha S) F = Y,   q_i = max(F_i, 0) / sum max(F_i, 0),   y_i = argmax q_i,   omega_i = 1 - H(q_i) / log C

where omega is divided by its largest value, and labeled examples have their own label and omega = 1. Until the next
epoch the loss of a batch of B labeled and muB unlabeled examples is

    1/(B + muB) sum_i omega_i zeta_{y_i} CE(y_i, p(x_i)),   zeta_c = (N/C) / |{i: y_i = c}|

The paper trains on the labeled data first (its first stage): ``warm_start_steps`` does, and the first graph is made
from what it leaves. With 0, the default as of every method, the first graph is that of the pretrained features, which
serves where these tell the classes apart; a network that starts from random weights needs the warm start.

*Views.* labeled and unlabeled: ``weak``. Features come from the examples as they are, in evaluation mode.

*State.* A label and a weight for each unlabeled example, and a weight for each class: 12 bytes an example, in every
checkpoint.

*Cost.* A step is one forward and backward over B + muB rows. An epoch costs one more evaluation pass over all
examples, and a search for neighbours: exact, whose time grows with N^2, for up to 50,000 examples, and by an inverted
index of FAISS beyond, whose time grows with N^1.5. At 60,000 vectors of 384 numbers both take 40 seconds of one core;
the diffusion takes 15.

*Differs from the paper in.* Similarities below 0 count as 0: the authors' code takes an odd power, which keeps their
sign, of features that come from a ReLU and have none. At most N/4 neighbours are taken, and beyond 50,000 examples
they are approximate. The diffusion is solved to a residual of 1e-6, where the authors stop after 20 iterations.
Label smoothing, if any, acts on the labeled examples alone.

*When it fails.* Labels follow the features: where the nearest neighbours of an example belong to other classes, the
pseudo-labels are wrong and ``ssl/certainty`` need not show it. A network that starts from random weights needs
``warm_start_steps``.

*Relations.* Pseudo-Label with labels from the graph, not from the classifier, and weights in place of a threshold.
A class that few examples are given weighs much: up to N/(C |L_c|) where it keeps its labeled examples alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from .. import functional as F
from ..citation import Citation
from ..config import SSLConfig, check_allowed, check_decay, check_positive
from ..errors import UserError
from ..families.mixing import check_not_compiled
from ..objective import Batch, Objective, Scores, Task
from ..state import broadcast_from_first, rank
from ..step_cost import StepCost
from ..training.trainer import SSLTrainer


if TYPE_CHECKING:
    from ..forward.backend import Backend
    from ..forward.base import Forward


__all__ = ["LabelPropagation", "LabelPropagationConfig", "LabelPropagationTrainer"]

# More examples than this are searched approximately: exactly, they take minutes on a CPU at each epoch.
EXACT = 50_000
# Inverted lists that are looked at for each example.
PROBED = 32


@dataclass
class LabelPropagationConfig(SSLConfig):
    """Arguments of label propagation. Defaults are the paper's for CIFAR-10.

    Args:
        mu: unlabeled examples per labeled one; 1: half of the paper's batch is labeled.
        num_neighbors: neighbours of each example in the graph; 50. At most a quarter of all examples.
        gamma: power of similarities; 3.
        diffusion: alpha, share of a label that comes from the neighbours; 0.99.
        refresh_steps: steps from one graph to the next; ``None``: an epoch.
        graph: how neighbours are found: ``exact``; ``faiss``, approximately (``pip install 'textssl[retrieval]'``);
            or ``auto``, which is exact for up to 50,000 examples.

    Raises:
        UserError: a value out of range.
    """

    mu: int = field(default=1, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    num_neighbors: int = field(default=50, metadata={"help": "Neighbours of each example in the graph."})
    gamma: float = field(default=3.0, metadata={"help": "Power of similarities."})
    diffusion: float = field(default=0.99, metadata={"help": "alpha, share of a label that comes from neighbours."})
    refresh_steps: int | None = field(
        default=None, metadata={"help": "Steps from one graph to the next. Default: an epoch."}
    )
    graph: str = field(default="auto", metadata={"help": "How neighbours are found: auto, exact or faiss."})

    def __post_init__(self) -> None:
        check_positive("num_neighbors", self.num_neighbors)
        check_positive("gamma", self.gamma)
        check_decay("diffusion", self.diffusion)
        check_positive("refresh_steps", self.refresh_steps)
        check_allowed("graph", self.graph, ("auto", "exact", "faiss"))
        super().__post_init__()


class LabelPropagation(Objective):
    """Pseudo-labels that diffuse from labeled examples over a graph of features."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",), "unlabeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(
        forward=(1, 1), backward=(1, 1), besides="each epoch, the model looks at all examples"
    )
    scored: ClassVar[str | None] = "features"
    citation: ClassVar[Citation | None] = Citation(
        title="Label Propagation for Deep Semi-supervised Learning",
        authors=("Ahmet Iscen", "Giorgos Tolias", "Yannis Avrithis", "Ondřej Chum"),
        year=2019,
        arxiv="1904.04717",
        bibtex="""@inproceedings{iscen2019label,
  title     = {Label Propagation for Deep Semi-supervised Learning},
  author    = {Iscen, Ahmet and Tolias, Giorgos and Avrithis, Yannis and Chum, Ond{\\v{r}}ej},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019}
}""",
    )
    pseudo_labels: Tensor
    weights: Tensor
    class_weights: Tensor

    def __init__(self, config: LabelPropagationConfig, task: Task) -> None:
        super().__init__(config, task)
        self.approximate = _is_approximate(config, task.num_labeled + task.num_unlabeled)
        # Until the first graph no unlabeled example counts.
        self.register_buffer("pseudo_labels", torch.zeros(task.num_unlabeled, dtype=torch.long))
        self.register_buffer("weights", torch.zeros(task.num_unlabeled))
        self.register_buffer("class_weights", torch.ones(task.num_labels))

    def takes_class_weights(self) -> bool:
        """No: it balances the classes itself."""
        return False

    def takes_loss_function(self) -> bool:
        """No: each example has a weight."""
        return False

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Raise UserError where the features cannot be read: of a model that is compiled, or has no pooled vector."""
        super().check_model(backend, model)
        backend.check_pooled(model)
        check_not_compiled(self.config, "the graph of its features")

    def score_every(self, steps_per_epoch: int) -> int:
        """An epoch, or ``refresh_steps``."""
        return self.config.refresh_steps or steps_per_epoch

    def before_epoch(self, scores: Scores, progress: float) -> None:
        """Build the graph, and let the labels diffuse over it: on the first process, from which all have the result.

        Raises:
            ValueError: features that are not finite.
        """
        if rank() == 0:
            self._diffuse(scores)
        for state in (self.pseudo_labels, self.weights, self.class_weights):
            state.copy_(broadcast_from_first(state))

    def _diffuse(self, scores: Scores) -> None:
        config, features = self.config, torch.cat([scores.labeled, scores.unlabeled])
        # A class without a labeled example, which the trainer refuses, would have nothing to spread.
        present, own = scores.labels.unique(return_inverse=True)
        labels = torch.cat([own, own.new_full((len(scores.unlabeled),), -1)])
        neighbors = _approximate_neighbors(features, config.num_neighbors) if self.approximate else None
        probs, weights = F.propagate_labels(
            features, labels, len(present), config.num_neighbors, config.gamma, config.diffusion, neighbors
        )
        found = probs.argmax(-1)
        self.pseudo_labels.copy_(present[found[len(own) :]])
        self.weights.copy_(weights[len(own) :])
        self.class_weights.zero_().index_copy_(0, present, F.class_balance_weights(found, len(present)))

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss``, ``supervised``, ``unsupervised`` and ``certainty``, the mean weight of unlabeled rows."""
        labels, index = batch["labeled"]["labels"], batch["unlabeled"]["index"]
        logits, own = forward(batch["labeled"]["weak"], batch["unlabeled"]["weak"])
        pseudo_labels, weights = self.pseudo_labels[index], self.weights[index]
        self.count_pseudo_labels(pseudo_labels, weights, index)
        known = self.class_weights[labels] * self.cross_entropy(logits, labels, reduction="none")
        guessed = nn.functional.cross_entropy(own, pseudo_labels, reduction="none")
        # Both are divided by all rows, whatever they weigh.
        rows = len(labels) + len(index)
        supervised = known.sum() / rows
        unsupervised = (weights * self.class_weights[pseudo_labels] * guessed).sum() / rows
        return {
            "loss": supervised + unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "certainty": weights.mean(),
        }


class LabelPropagationTrainer(SSLTrainer):
    """Fine-tunes by label propagation."""

    objective_class = LabelPropagation
    config_class = LabelPropagationConfig


def _is_approximate(config: LabelPropagationConfig, count: int) -> bool:
    """Whether the neighbours of ``count`` examples come from FAISS; UserError if they should and cannot."""
    if config.graph == "exact" or (config.graph == "auto" and count <= EXACT):
        return False
    if find_spec("faiss") is None:
        raise UserError(
            f"graph: got {config.graph!r}; the neighbours of {count} examples are found with FAISS: "
            "pip install 'textssl[retrieval]', or set graph='exact', which takes time that grows with their square"
        )
    return True


def _approximate_neighbors(features: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Similarities and row numbers [N, k'] of an inverted index; an example's own number may be among them."""
    import faiss

    unit = nn.functional.normalize(features.float(), dim=-1).cpu().numpy()
    if not (unit == unit).all():
        raise ValueError("features: got nan or infinity; expected finite numbers")
    count, size = unit.shape
    # As many lists as each has members, and not so many that FAISS has too few examples to place them by.
    lists = max(min(int(count**0.5), count // 39), 1)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical = True
    index.train(unit)
    index.add(unit)
    index.nprobe = min(lists, PROBED)
    # One more than asked for: the example itself.
    similarities, indices = index.search(unit, max(min(k, count // 4), 1) + 1)
    return torch.from_numpy(similarities).to(features.device), torch.from_numpy(indices).to(features.device)
