"""What an objective may do with a model: run it on rows of any views, and reach its continuous input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ..state.module_modes import evaluating, frozen_running_statistics, own_precision, training
from .backend import Backend, Inputs
from .device_transfer import rows_on
from .inside import mixed_inside, read_vector
from .mix import Mix
from .passes import plan_passes


__all__ = ["Forward", "Noise"]

# States of the random number generators that dropout draws from: the CPU's, and the device's if it has one.
Noise = list[Tensor]


class Forward:
    """Runs the student, or another model, on views.

    Args:
        model: the student as the trainer wrapped it (DDP).
        unwrapped: the student itself.
        backend: of the modality.
        autocast: makes the context of mixed precision, for each call of a model.
        pass_overhead: cost of one more pass, in padded positions; ``None`` joins all rows in one pass.
        batch_norm: whose passes move running statistics: ``"all"`` rows or those of the ``"labeled"`` stream.
    """

    def __init__(
        self,
        model: nn.Module,
        unwrapped: nn.Module,
        backend: Backend,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        pass_overhead: int | None = None,
        batch_norm: str = "all",
    ) -> None:
        self.model = model
        self.unwrapped = unwrapped
        self.backend = backend
        self.autocast = autocast
        self.pass_overhead = pass_overhead
        self.batch_norm = batch_norm

    def __call__(
        self,
        *inputs: Inputs,
        model: nn.Module | None = None,
        dropout: bool = True,
        noise: Noise | None = None,
        statistics: bool = True,
        full_precision: bool = False,
    ) -> list[Tensor]:
        """Logits [B_i, C] in float32 for each of ``inputs``.

        Rows of all inputs are sorted by length and run in a few passes of like length, which changes the
        logits by rounding only. Inputs without rows give logits [0, C] and cost nothing.

        Args:
            *inputs: views.
            model: run this model in place of the student.
            dropout: whether the model is in training mode, with dropout and batch statistics, or in
                evaluation mode. Its mode is given back afterwards.
            noise: what :meth:`noise` gave before: inputs of equal shape then meet the same dropout. The
                generators are given back as they were.
            statistics: whether running statistics of batch norms may move. Those of another model than the
                student never do.
            full_precision: run in the model's own precision, whatever the run's mixed precision is.
        """
        return self._all(inputs, model, dropout, noise, statistics, full_precision)

    def pooled(self, *inputs: Inputs, dropout: bool = True) -> list[Tensor]:
        """What the student's last linear layer reads of each of ``inputs``, [B_i, D] in float32: the pooled vector.

        Without ``dropout`` in evaluation mode, as in :meth:`__call__`.
        """
        return self._all(inputs, dropout=dropout, pooled=True)

    def mixed(self, *inputs: Inputs, mix: Mix) -> list[Tensor]:
        """Logits [B_i, C] in float32 of the student in training mode, on rows that are mixed in pairs.

        Rows of all inputs count as one batch: ``mix`` names partners by their number in it. Gradients reach the
        whole network below the mix, through both of a pair. It costs a forward of as many unmixed rows; rows whose
        hidden layer is mixed share one pass, those of another place the passes of :meth:`__call__`.

        Args:
            *inputs: views, each with at least one row.
            mix: of the rows of all inputs together.
        """
        sizes = [self.backend.size(i) for i in inputs]
        if mix.at == "pooled":
            # The last layer is linear: it makes of mixed vectors the mixed logits.
            return list(mix(torch.cat(self(*inputs))).split(sizes))
        joined = self.backend.join(inputs)
        if mix.at == "input":
            embedding = mix(self.embed(joined))
            mixed = self.from_embedding(self.backend.mixable(joined, mix.partners), embedding)
            return (
                self(*self._parted(mixed, inputs)) if self.batch_norm != "all" else list(self(mixed)[0].split(sizes))
            )
        with (
            training(self.model),
            nullcontext() if self.batch_norm == "all" else frozen_running_statistics(self.model),
            mixed_inside(self.unwrapped, mix),
        ):
            return list(self._passed(self.model, joined, False, False).split(sizes))

    def _parted(self, joined: Inputs, inputs: Sequence[Inputs]) -> list[Inputs]:
        """The rows of ``joined`` as those of ``inputs``, each with its stream."""
        parts, start = [], 0
        for part in inputs:
            rows = range(start, start + self.backend.size(part))
            parts.append({**self.backend.take(joined, rows), "stream": part.get("stream")})
            start += len(rows)
        return parts

    def of(self, network: nn.Module) -> Forward:
        """What runs ``network``, which learns too, as this runs the student: its statistics move, its input mixes."""
        return Forward(network, network, self.backend, self.autocast, self.pass_overhead, self.batch_norm)

    def changed(self, inputs: Inputs, classes: Sequence[int]) -> Inputs:
        """Inputs of which row b went through change ``classes[b]`` of the backend's pretext task."""
        return self.backend.changed(inputs, classes)

    def _all(
        self,
        inputs: Sequence[Inputs],
        model: nn.Module | None = None,
        dropout: bool = True,
        noise: Noise | None = None,
        statistics: bool = True,
        full_precision: bool = False,
        pooled: bool = False,
    ) -> list[Tensor]:
        network = self.model if model is None else model
        filled = [i for i in inputs if self.backend.size(i)]
        if not filled:
            raise ValueError("inputs: all are empty; expected at least one row")
        with ExitStack() as held:
            held.enter_context(training(network) if dropout else evaluating(network))
            if noise is not None:
                held.enter_context(self._replayed(noise))
            moved = statistics and model is None
            logits = [self._joined(network, group, moved, full_precision, pooled) for group in self._groups(filled)]
        return list(
            (torch.cat(logits) if len(logits) > 1 else logits[0]).split([self.backend.size(i) for i in inputs])
        )

    def _groups(self, filled: list[Inputs]) -> list[list[Inputs]]:
        """Inputs that share passes: all, or consecutive ones of a stream where only one stream moves statistics."""
        if self.batch_norm == "all":
            return [filled]
        groups: list[list[Inputs]] = []
        for inputs in filled:
            if groups and groups[-1][0].get("stream") == inputs.get("stream"):
                groups[-1].append(inputs)
            else:
                groups.append([inputs])
        return groups

    def _joined(
        self, network: nn.Module, group: list[Inputs], statistics: bool, full_precision: bool, pooled: bool
    ) -> Tensor:
        moved = statistics and self.batch_norm in ("all", group[0].get("stream"))
        with nullcontext() if moved else frozen_running_statistics(network):
            joined = self.backend.join(group) if len(group) > 1 else group[0]
            return self._run(network, joined, full_precision, pooled)

    def _run(self, network: nn.Module, joined: Inputs, full_precision: bool, pooled: bool) -> Tensor:
        lengths = self.backend.lengths(joined)
        # Rows of equal length, as images are, need no plan.
        passes = plan_passes(lengths, self.pass_overhead if len(set(lengths)) > 1 else None)
        if len(passes) == 1:
            return self._passed(network, joined, full_precision, pooled)
        parts = [self._passed(network, self.backend.take(joined, rows), full_precision, pooled) for rows in passes]
        order = [row for rows in passes for row in rows]
        back = sorted(range(len(order)), key=order.__getitem__)
        return torch.cat(parts).index_select(0, rows_on(back, parts[0].device))

    def _passed(self, network: nn.Module, inputs: Inputs, full_precision: bool, pooled: bool) -> Tensor:
        """Logits of one pass, or what the last layer reads."""
        with (
            own_precision(network) if full_precision else self.autocast(),
            read_vector(self.unwrapped) if pooled else nullcontext() as read,
        ):
            logits: Tensor = network(**self.backend.tensors(inputs)).logits
        return logits.float() if read is None else read[0].float()

    def take(self, inputs: Inputs, rows: Sequence[int]) -> Inputs:
        """The named rows of a view, so that a method need not pay for the others."""
        return self.backend.take(inputs, rows)

    def embed(self, inputs: Inputs) -> Tensor:
        """The student's continuous input: word embeddings [B, T, H] for text, pixels [B, C, H, W], features [B, D]."""
        return self.backend.embed(self.unwrapped, inputs)

    def from_embedding(self, inputs: Inputs, embedding: Tensor) -> Inputs:
        """``inputs`` with ``embedding`` in place of what it was computed from."""
        return self.backend.from_embedding(inputs, embedding)

    def mask(self, inputs: Inputs) -> Tensor | None:
        """[B, T], 0 on the padding of the continuous input; ``None`` where there is none."""
        return self.backend.mask(inputs)

    def noise(self) -> Noise:
        """What dropout will draw from here on; hand it to a later call to meet the same dropout again."""
        device = next(self.unwrapped.parameters()).device
        states = [torch.get_rng_state()]
        return states if device.type == "cpu" else [*states, torch.get_device_module(device).get_rng_state(device)]

    @contextmanager
    def _replayed(self, noise: Noise) -> Iterator[None]:
        before = self.noise()
        self._set_noise(noise)
        try:
            yield
        finally:
            self._set_noise(before)

    def _set_noise(self, noise: Noise) -> None:
        torch.set_rng_state(noise[0])
        device = next(self.unwrapped.parameters()).device
        for state in noise[1:]:
            torch.get_device_module(device).set_rng_state(state, device)
