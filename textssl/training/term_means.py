"""Logs of the terms of a loss: means over steps and processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..state import all_mean
from .divergence import DivergenceTrainer


__all__ = ["TermMeans"]


class TermMeans(DivergenceTrainer):
    """Adds the means of all terms since the last log to it, as ``ssl/<name>``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Sum and count of each term since the last log.
        self.terms: dict[str, tuple[Tensor | float, int]] = {}
        super().__init__(*args, **kwargs)

    def count_terms(self, terms: Mapping[str, Tensor | float]) -> None:
        """Add what the next log will tell the means of, and what must be finite."""
        super().count_terms(terms)
        for name, value in terms.items():
            total, count = self.terms.get(name, (0.0, 0))
            self.terms[name] = (total + (value.detach().float() if isinstance(value, Tensor) else value), count + 1)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means of all terms since the last log, over steps and processes, as ``ssl/<name>``."""
        if "loss" in logs and self.terms:
            device = self.args.device
            means = [
                torch.as_tensor(total, dtype=torch.float32, device=device) / count
                for total, count in self.terms.values()
            ]
            for name, mean in zip(self.terms, all_mean(torch.stack(means)).tolist(), strict=True):
                logs[f"ssl/{name}"] = mean
            self.terms.clear()
        super().log(logs, start_time)
