"""Two networks that are trained side by side by the trainer's own optimizer."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from ..forward.backend import Backend
from ..models.adapters import has_adapters, refuse_adapters
from ..models.modeling_ensemble import Ensemble
from ..objective import Objective, Task
from ..state import leave_out_shared
from .second_network import SecondNetworkTrainer, make_second_network


__all__ = ["PeerObjective", "PeerTrainer"]


class PeerObjective(Objective):
    """An objective with a second network, ``peer``, that is trained as the student is, and is part of the state.

    Both are evaluated and saved as one model, or with ``config.ensemble`` off the student alone.
    """

    other_needs: ClassVar[tuple[str, ...]] = ("second network",)
    peer: nn.Module | None

    def __init__(self, config: Any, task: Task) -> None:
        super().__init__(config, task)
        self.peer = None

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Refuse a model with adapters where both networks are to be saved as one."""
        super().check_model(backend, model)
        if self.config.ensemble:
            refuse_adapters("model", model, "an ensemble of two networks holds no adapters; allowed: ensemble=False")

    def bind(self, model: nn.Module) -> None:
        """Make the second network, unless there is one: a copy of the student with a head of its own."""
        if self.peer is None:
            self.peer = make_second_network(model, self.config.seed)  # type: ignore[arg-type]
        # The trainer's evaluation asks nobody: passes that train switch the mode themselves.
        self.peer.eval()
        if not has_adapters(self.peer):
            self.peer.requires_grad_(True)
        leave_out_shared(self, "peer", model)

    def networks(self, student: nn.Module) -> list[nn.Module]:
        """Return both."""
        assert self.peer is not None, "bound by the trainer"
        return [student, self.peer]

    @property
    def can_backward_now(self) -> bool:
        """Whether one network's gradients may be taken before the other is run, which saves the memory of its graph.

        Not where float16 has the loss scaled, nor where checkpointing, which saves as much, forbids it.
        """
        return not (self.config.fp16 or self.config.gradient_checkpointing)

    def evaluated(self, student: nn.Module) -> nn.Module:
        """Return both as one model, or the first."""
        return Ensemble.of(self.networks(student)) if self.config.ensemble else student  # type: ignore[arg-type]


class PeerTrainer(SecondNetworkTrainer):
    """A trainer of two networks.

    Args:
        model: the first network.
        args: the method's config.
        train_dataset: the labeled examples.
        unlabeled_dataset: as for any trainer.
        eval_dataset: as for any trainer.
        processing_class: as for any trainer.
        augmentations: as for any trainer.
        peer: the second network; by default a copy of the first whose head is drawn anew. If the first starts from
            random weights, give it one that starts from others. Classes, their order and the tokenizer must be those
            of the first, its architecture need not; where its classes have no names it is given those of the first.
        peer_processing_class: tokenizer or image processor that ``peer`` was made with, to be checked.
        **kwargs: as for any trainer.

    Raises:
        UserError: also for a peer that cannot read the inputs of the first or has other labels.
    """

    second_network_argument = "peer"
    objective: PeerObjective

    def _bind_objective(self, student: nn.Module) -> None:
        peer, processing_class = self._given
        if peer is not None:
            self.objective.peer = self._check_given(student, peer, processing_class)
        super()._bind_objective(student)
