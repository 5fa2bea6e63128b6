"""What callbacks, dataset scores and reports read of a running trainer: no more than this, and never its class."""

from __future__ import annotations

from typing import Any, Protocol

from torch import nn

from ..config import SSLConfig
from ..data.two_stream import TwoStreamDataset
from ..data.views import ViewCollator
from ..forward.base import Forward
from ..modalities import Modality
from ..objective import Objective
from .phases import TrainingPhase


__all__ = ["EpochRun", "RecordedRun", "ReportedRun", "RunData", "ScoredRun", "TrainingRun"]


class EpochRun(Protocol):
    """A run whose sampler is told where an epoch begins."""

    @property
    def sampler(self) -> Any:
        """Draws the batches; ``start`` is the number of the epoch's first."""


class RunData(Protocol):
    """The data of a run, and how they are read."""

    @property
    def args(self) -> SSLConfig:
        """The config."""

    @property
    def modality(self) -> Modality:
        """The modality of the model."""

    @property
    def train_dataset(self) -> TwoStreamDataset:
        """Labeled and unlabeled examples."""

    @property
    def data_collator(self) -> ViewCollator:
        """What makes batches, and inputs of single examples."""


class ReportedRun(RunData, Protocol):
    """Data whose truncated texts are counted."""

    @property
    def eval_dataset(self) -> Any:
        """Held-out examples, or several such sets by name."""


class ScoredRun(RunData, Protocol):
    """A run in which the student scores every example."""

    @property
    def objective(self) -> Objective:
        """The method."""

    @property
    def unwrapped_model(self) -> nn.Module:
        """The student as nothing wraps it."""

    def forward_for(self, model: nn.Module) -> Forward:
        """What the objective runs ``model`` with."""


class RecordedRun(ScoredRun, Protocol):
    """A run whose predictions for unlabeled examples are recorded."""

    @property
    def evaluated_model(self) -> nn.Module:
        """The student, or the average that is evaluated in its place."""


class TrainingRun(ScoredRun, EpochRun, Protocol):
    """A run whose objective is notified of each optimizer step."""

    @property
    def model_wrapped(self) -> Any:
        """The student as DDP wraps it."""

    @property
    def micro_batches(self) -> list[dict[str, Any]]:
        """Batches of the coming optimizer step."""

    @property
    def terms(self) -> dict[str, Any]:
        """Sums of the terms of the loss since the last log."""

    @property
    def phase(self) -> TrainingPhase:
        """Where in its training the run is."""

    @property
    def progress(self) -> float:
        """Share of the method's steps done, in [0, 1]."""
