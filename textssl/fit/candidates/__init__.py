"""Candidate classifiers, from cheap to dear."""

from .base import Candidate
from .heads import Probe


__all__ = ["CANDIDATES"]

CANDIDATES: tuple[Candidate, ...] = (Probe(),)
