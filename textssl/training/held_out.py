"""A Trainer that checks the data which `evaluate` and `predict` are given."""

from __future__ import annotations

from typing import Any

import datasets
from torch.utils.data import DataLoader
from transformers import Trainer

from .held_out_checks import HeldOutCheck


__all__ = ["CheckedHeldOut"]


class CheckedHeldOut(Trainer):
    """Data that come after construction are checked as those before were, by ``held_out``."""

    held_out: HeldOutCheck

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Trainer reads them from the signature of ``forward``: ``**kwargs`` names none, and nothing would be measured.
        self.label_names = ["labels"]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Of a data set that ``evaluate`` is given, labels by name get the model's ids."""
        if isinstance(eval_dataset, datasets.Dataset):
            eval_dataset = self.held_out.labeled(eval_dataset)
        return super().get_eval_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader:
        """The same of data for ``predict``, which may have no labels."""
        if isinstance(test_dataset, datasets.Dataset):
            test_dataset = self.held_out.test(test_dataset)
        return super().get_test_dataloader(test_dataset)
