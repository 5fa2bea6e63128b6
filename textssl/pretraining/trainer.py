"""PretrainingTrainer: masked language modelling whose batches and masks are functions of the seed alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import datasets
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..config import derive_config
from ..data.loader import training_loader
from ..data.sampler import Key, TwoStreamSampler
from ..data.two_stream import TwoStreamDataset
from ..errors import UserError
from ..forward.passes import pass_overhead
from ..objective import Objective, Task
from ..state import all_sum
from ..state.module_modes import evaluating
from ..training.callbacks import EpochCallback
from ..training.checkpointing_trainer import CheckpointingTrainer
from .config import PretrainingConfig
from .masked_lm import reading_at
from .masking import MaskingCollator, TokenMasker


__all__ = ["PretrainingTrainer"]

HELD_OUT = 0
# By default a fresh head learns so many times as fast.
FRESH_HEAD = 10.0


class PretrainingTrainer(CheckpointingTrainer):
    """Trains a masked language model on windows of tokens.

    The loss is the mean cross entropy over all masked tokens of a step's windows, in float32, whatever the number of
    processes and micro-batches. The head is run at masked places alone, and windows of unequal length in passes of
    like length.

    Args:
        model: a masked language model.
        args: settings.
        train_windows: ``input_ids``, one row a window.
        held_out_windows: to measure the loss on, with masks that are the same each time; may be empty.
        processing_class: the tokenizer.
        fresh_head: whether the head has a learning rate of its own.
        **kwargs: as for ``transformers.Trainer``.

    Raises:
        UserError: no windows, a tokenizer without a mask token, or settings that are not supported.
    """

    # compute_loss undoes both divisions that follow: Trainer's by the accumulation steps, DDP's by the processes.
    loss_is_scaled_for_ga = False
    args: PretrainingConfig
    model: PreTrainedModel
    data_collator: MaskingCollator
    train_dataset: TwoStreamDataset
    sampler: TwoStreamSampler

    def __init__(
        self,
        model: PreTrainedModel,
        args: PretrainingConfig,
        train_windows: datasets.Dataset,
        held_out_windows: datasets.Dataset,
        processing_class: PreTrainedTokenizerBase,
        fresh_head: bool = False,
        **kwargs: Any,
    ) -> None:
        if not len(train_windows):
            raise UserError("dataset: its texts have no tokens; expected at least one window")
        if args.torch_compile:
            raise UserError(
                "torch_compile: got True; the head is run at masked places alone, which cannot be compiled"
            )
        args = derive_config(args, type(args))
        # DataParallel would cut our batches apart; one process per device is what accelerate launches.
        args._n_gpu = min(args.n_gpu, 1)
        masker = TokenMasker(processing_class, args.mask_share, args.whole_word)
        multiple = 8 if args.device.type == "cuda" else 1
        super().__init__(
            model=model,
            args=args,
            data_collator=MaskingCollator(masker, processing_class, args.seed, pass_overhead(args.device), multiple),
            train_dataset=TwoStreamDataset(held_out_windows, train_windows),
            eval_dataset=held_out_windows if len(held_out_windows) else None,
            processing_class=processing_class,
            **kwargs,
        )
        # Nothing is remembered: checkpoints are those of the model.
        self.objective = Objective(args, Task(0, 0, len(train_windows), ()))
        self.fresh_head = fresh_head
        # Share of one masked token in the loss of the coming step.
        self.token_weight: Tensor | float = 0.0
        self.add_callback(EpochCallback(self))

    def create_optimizer(self, model: Any = None) -> Any:
        """Trainer's optimizer, in which a fresh head has the learning rate of one."""
        optimizer = super().create_optimizer(model)
        if not self.fresh_head:
            return optimizer
        # Output embeddings that are tied are the encoder's.
        encoder = {id(p) for p in self.unwrapped_model.base_model.parameters()}
        rate = self.args.head_learning_rate or FRESH_HEAD * self.args.learning_rate
        for group in list(optimizer.param_groups):
            head = [p for p in group["params"] if id(p) not in encoder]
            group["params"] = [p for p in group["params"] if id(p) in encoder]
            optimizer.add_param_group({**group, "params": head, "lr": rate})
        return optimizer

    # --- data

    def get_train_dataloader(self) -> DataLoader:
        """Batches of windows; a function of the seed and the number of the batch."""
        args, data = self.args, self.train_dataset
        size, per_step = self._train_batch_size, args.world_size * args.gradient_accumulation_steps
        self.sampler = TwoStreamSampler(
            (0, len(data)),
            (0, size),
            batches_per_epoch=-(-len(data) // (size * per_step)) * per_step,
            seed=args.seed if args.data_seed is None else args.data_seed,
        )
        return self.accelerator.prepare(training_loader(data, self.sampler, self.data_collator, args))

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list[Any], Any]:
        """Count the masked tokens of the coming step over all its micro-batches and processes."""
        batches, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        own = sum(len(part["labels"]) for batch in batches for part in batch["passes"])
        total = all_sum(torch.tensor(float(own), device=device))
        self.token_weight = self.args.world_size * len(batches) / total
        return batches, count

    # --- loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The micro-batch's part of the mean over all masked tokens of the step."""
        loss = self._summed(model, inputs["passes"]) * self.token_weight
        self.count_terms({"loss": loss})
        return loss

    def _summed(self, model: nn.Module, passes: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Cross entropy of all masked tokens of a micro-batch, summed."""
        network = self.accelerator.unwrap_model(model)
        losses = []
        for part in passes:
            with self.accelerator.autocast(), reading_at(network, part["places"]):
                logits = model(input_ids=part["input_ids"], attention_mask=part["attention_mask"]).logits
            losses.append(nn.functional.cross_entropy(logits[0].float(), part["labels"], reduction="sum"))
        return torch.stack(losses).sum()

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Of all passes."""
        return self._ops_per_token * sum(part["input_ids"].numel() for part in inputs["passes"])

    @cached_property
    def _ops_per_token(self) -> int:
        """Counting the parameters takes a walk over the model."""
        return super().floating_point_ops({"input_ids": torch.empty(1)})

    # --- evaluation

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Measure the loss on the held-out windows.

        Returns:
            ``eval_loss``, the mean over all masked tokens, and ``eval_perplexity``, its exponential; nothing where
            no windows are held out.

        Raises:
            UserError: other data than the held-out windows.
        """
        if eval_dataset is not None:
            raise UserError("eval_dataset: the loss is measured on the held-out windows; leave it out")
        args, data = self.args, self.train_dataset
        if not len(data.labeled):
            return {}
        rows, sums = range(args.process_index, len(data.labeled), args.world_size), torch.zeros(2, device=args.device)
        with evaluating(self.model):
            for start in range(0, len(rows), args.eval_batch_size):
                keys = [Key(HELD_OUT, row, 0) for row in rows[start : start + args.eval_batch_size]]
                batch: dict[str, Any] = self._prepare_inputs(self.data_collator(data.__getitems__(keys)))
                sums[0] += self._summed(self.model, batch["passes"])
                sums[1] += sum(len(part["labels"]) for part in batch["passes"])
        total, count = all_sum(sums).tolist()
        loss = total / count
        metrics = {f"{metric_key_prefix}_loss": loss, f"{metric_key_prefix}_perplexity": math.exp(min(loss, 700.0))}
        self.check_measured(metrics, metric_key_prefix)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(args, self.state, self.control, metrics)
        return metrics
