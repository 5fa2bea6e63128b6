"""The loader of training batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader
from transformers.trainer_utils import seed_worker

from .sampler import TwoStreamSampler
from .two_stream import TwoStreamDataset


if TYPE_CHECKING:
    from transformers import TrainingArguments


__all__ = ["training_loader"]


def training_loader(
    data: TwoStreamDataset, sampler: TwoStreamSampler, collate: Callable[[Any], Any], args: TrainingArguments
) -> DataLoader:
    """Loads the batches that ``sampler`` names, with the workers and the pinned memory of ``args``."""
    return DataLoader(
        data,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=args.dataloader_num_workers,
        pin_memory=args.dataloader_pin_memory and args.device.type == "cuda",
        persistent_workers=args.dataloader_persistent_workers,
        prefetch_factor=args.dataloader_prefetch_factor,
        multiprocessing_context=getattr(args, "dataloader_multiprocessing_context", None),
        worker_init_fn=partial(seed_worker, num_workers=args.dataloader_num_workers, rank=args.process_index),
    )
