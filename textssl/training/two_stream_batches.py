"""Training batches of two streams: one loader over labeled and unlabeled examples, and the micro-batches of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader
from transformers import Trainer

from ..data.loader import training_loader
from ..data.sampler import TwoStreamSampler
from ..data.two_stream import TwoStreamDataset
from ..data.views import ViewCollator


if TYPE_CHECKING:
    from ..modalities import Modality


__all__ = ["TwoStreamBatches"]


class TwoStreamBatches(Trainer):
    """Draws batches of labeled and unlabeled examples where Trainer draws those of one data set."""

    args: Any
    modality: Modality
    data_collator: ViewCollator
    train_dataset: TwoStreamDataset
    sampler: TwoStreamSampler
    # Of the coming optimizer step, their views finished.
    micro_batches: list[dict[str, Any]]

    def get_train_dataloader(self) -> DataLoader:
        """One loader over both streams; batches are a function of the seed and the number of the batch."""
        args, data = self.args, self.train_dataset
        sizes = (len(data.labeled), 0 if data.unlabeled is None else len(data.unlabeled))
        labeled_batch = self._train_batch_size
        batch_sizes = (labeled_batch, args.mu * labeled_batch if sizes[1] else 0)
        passed, per_batch = (sizes[1], batch_sizes[1]) if sizes[1] else (sizes[0], batch_sizes[0])
        steps = -(-passed // (per_batch * args.world_size * args.gradient_accumulation_steps))
        lengths = None
        if args.train_sampling_strategy == "group_by_length" and data.unlabeled is not None:
            lengths = self.modality.lengths(data.unlabeled, args)
        self.sampler = TwoStreamSampler(
            sizes,
            batch_sizes,
            batches_per_epoch=steps * args.gradient_accumulation_steps * args.world_size,
            seed=args.seed if args.data_seed is None else args.data_seed,
            lengths=lengths,
        )
        return self.accelerator.prepare(training_loader(data, self.sampler, self.data_collator, args))

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list[Any], Any]:
        """Finish the views of the coming step, and remember its micro-batches for objectives that count over all."""
        batches, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        augmentations, encoded = self.data_collator.augmentations, self.data_collator.encoded
        self.micro_batches = [self.modality.on_device(batch, augmentations, encoded) for batch in batches]
        return self.micro_batches, count
