"""``auto_find_batch_size``: a training that runs out of memory begins again, as if a smaller batch had been set."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from transformers import Trainer


__all__ = ["BatchSizeFinder"]


class BatchSizeFinder(Trainer):
    """Gives each attempt the weights, the objective and the random numbers that the first began with.

    Trainer goes on with what the attempts before have left: weights that moved, and means of a method that counted.
    """

    # What the first attempt began with.
    _start: _Start | None = None
    _train_batch_size: Any

    def rebuild_objective(self) -> None:
        """Make what depends on the model and on the size of a batch anew."""
        raise NotImplementedError

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train, as :class:`transformers.Trainer` does."""
        self._start = None
        try:
            return super().train(*args, **kwargs)
        finally:
            self._start = None

    def _inner_training_loop(self, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        if self.args.auto_find_batch_size:
            if self._start is None:
                self._start = _Start(self)
            else:
                self._train_batch_size = batch_size
                self._start.restore(self)
                self.rebuild_objective()
        return super()._inner_training_loop(batch_size, *args, **kwargs)


class _Start:
    """Where a training began: on the host, for the device has no memory to spare."""

    def __init__(self, trainer: Any) -> None:
        network = trainer.unwrapped_model
        self.weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        self.generators = (random.getstate(), np.random.get_state(), torch.get_rng_state())
        self.device = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self, trainer: Any) -> None:
        """Take the trainer back there."""
        network = trainer.unwrapped_model
        network.load_state_dict(self.weights)
        network.zero_grad()
        trainer.optimizer = trainer.lr_scheduler = None
        own, numpy, torch_state = self.generators
        random.setstate(own)
        np.random.set_state(numpy)
        torch.set_rng_state(torch_state)
        if self.device:
            torch.cuda.set_rng_state_all(self.device)
