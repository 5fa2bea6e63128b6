"""State that outlives a step: modules whose persistent buffers are all they remember.

``state_dict()`` saves it, ``.to()`` moves it, and after ``update()`` it is identical on every
process.
"""

from __future__ import annotations

from textssl.state.alignment import DistributionAlignment
from textssl.state.averages import RecentMean, RunningMean
from textssl.state.bin_rates import BinRates
from textssl.state.collectives import (
    all_cat,
    all_mean,
    all_sum,
    average_gradients,
    broadcast_from_first,
    rank,
    world_size,
)
from textssl.state.memory import ExampleMemory
from textssl.state.network_optimizer import NetworkOptimizer
from textssl.state.pseudo_label_counts import PseudoLabelCounts
from textssl.state.sharing import copy_sharing_frozen, leave_out_shared
from textssl.state.statistics import average_batch_norms
from textssl.state.step_rows import StepRows
from textssl.state.teacher import EMATeacher
from textssl.state.thresholds import AdaptiveThresholds, ClassThresholds, FixedThreshold, ThresholdPolicy


__all__ = [
    "AdaptiveThresholds",
    "BinRates",
    "ClassThresholds",
    "DistributionAlignment",
    "EMATeacher",
    "ExampleMemory",
    "FixedThreshold",
    "NetworkOptimizer",
    "PseudoLabelCounts",
    "RecentMean",
    "RunningMean",
    "StepRows",
    "ThresholdPolicy",
    "all_cat",
    "all_mean",
    "all_sum",
    "average_batch_norms",
    "average_gradients",
    "broadcast_from_first",
    "copy_sharing_frozen",
    "leave_out_shared",
    "rank",
    "world_size",
]
