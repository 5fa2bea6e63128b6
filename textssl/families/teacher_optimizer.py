"""The optimizer and the schedule of a second network, made as Trainer makes the student's."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import Trainer, get_scheduler

from ..config import derive_config
from ..errors import UserError
from ..state import NetworkOptimizer
from ..training.head_learning_rate import set_head_learning_rate
from ..training.lr_schedules import with_warm_start


__all__ = ["attach_optimizer"]


def attach_optimizer(
    holder: NetworkOptimizer, trainer: Trainer, network: nn.Module, learning_rate: float, num_training_steps: int
) -> None:
    """Give ``holder`` the optimizer that the run's arguments ask for, with its schedule.

    Args:
        holder: what saves its state.
        trainer: whose arguments are meant, and whose rule tells which parameters decay.
        network: the network; those of its parameters that require a gradient are moved.
        learning_rate: peak of the method's own steps. 0 leaves the weights as they are.
        num_training_steps: of all training; the network rests in the fine-tuning.

    Raises:
        UserError: an optimizer that is no function of the gradients alone; a ratio of the head's learning rate to
            another one of 0.
    """
    args: Any = trainer.args
    if args.head_learning_rate is not None and not args.learning_rate:
        raise UserError(
            "learning_rate: got 0; with head_learning_rate expected a number above 0, for the head of the second "
            "network learns in the ratio of the two"
        )
    own = derive_config(args, type(args), learning_rate=learning_rate)
    kind, settings = Trainer.get_optimizer_cls_and_kwargs(own)
    if not isinstance(kind, type) or {"params", "model", "optimizer_dict"} & settings.keys():
        raise UserError(f"optim: got {str(args.optim)!r}, which cannot move a second network; try adamw_torch or sgd")
    decayed = set(trainer.get_decay_parameter_names(network))
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in named if name in decayed], "weight_decay": args.weight_decay},
        {"params": [p for name, p in named if name not in decayed], "weight_decay": 0.0},
    ]
    optimizer = kind([group for group in groups if group["params"]], **settings)
    if callable(getattr(optimizer, "train", None)):
        raise UserError(f"optim: got {str(args.optim)!r}, which has no weights between steps; try adamw_torch or sgd")
    if args.head_learning_rate is not None:
        set_head_learning_rate(optimizer, [network], learning_rate * args.head_learning_rate / args.learning_rate)
    holder.attach(optimizer, _factors(own, optimizer, num_training_steps))


def _factors(args: Any, optimizer: torch.optim.Optimizer, steps: int) -> Any:
    """Factor on the learning rate of each group, as in ``SSLTrainer.create_scheduler`` but for the fine-tuning."""
    warm = args.warm_start_steps
    own = steps - warm - args.count_finetune_steps(steps)
    scheduler: Any = get_scheduler(
        args.lr_scheduler_type,
        optimizer=optimizer,
        num_warmup_steps=args.get_warmup_steps(own),
        num_training_steps=own,
        scheduler_specific_kwargs=args.lr_scheduler_kwargs,
    )
    if warm:
        peak = args.warm_start_learning_rate or args.learning_rate
        scheduler = with_warm_start(scheduler, warm, peak / args.learning_rate if args.learning_rate else 1.0)
    factors = getattr(scheduler, "lr_lambdas", None)
    if factors is None:
        raise UserError(
            f"lr_scheduler_type: got one that makes {type(scheduler).__name__}, which is no function of the step; a "
            "second network needs one, such as linear, cosine or constant"
        )
    return factors
