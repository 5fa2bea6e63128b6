"""Candidate classifiers, from cheap to expensive."""

from .base import Candidate
from .contrastive import Contrastive
from .finetuning import FINETUNED
from .heads import Probe
from .mixture import Mixture
from .propagation import Propagation
from .self_training import SelfTraining


__all__ = ["CANDIDATES"]

CANDIDATES: tuple[Candidate, ...] = (
    Probe(),
    SelfTraining(),
    SelfTraining("labeled"),
    SelfTraining("estimated"),
    Mixture(),
    Propagation(),
    *FINETUNED,
    Contrastive(),
)
