"""What a student's labeled loss says of the labels that it learned from, for a teacher to hear.

A micro-batch is kept until the student has taken its step. The labeled loss is then measured again under the same
dropout, in training mode, in the student's own precision: what it changed by is small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .. import functional as F
from ..objective import Batch
from ..state import all_mean, average_gradients


if TYPE_CHECKING:
    from ..forward.base import Forward, Noise


__all__ = [
    "StoredMicroBatch",
    "copy_trained_weights",
    "labeled_loss",
    "labeled_loss_decrease",
    "log_prob_response",
    "requiring_gradients",
    "sample_labels",
]

# ||e v||, how far the student is moved to see how its predictions change.
PROBE = 0.01
# A zero gradient stays zero, whatever it is divided by.
TINY = 1e-12


@dataclass
class StoredMicroBatch:
    """What must be known again of a micro-batch, once the student has taken its step.

    Args:
        batch: the micro-batch.
        progress: share of training done.
        labels: the classes that were drawn [muB]; ``None`` where labels are soft.
        strong: the teacher's logits on the strong view [muB, C], with their graph; ``None`` to be computed again.
        teacher_noise: of the teacher's pass on that view.
        student_noise: of the student's.
        labeled_noise: of the student's pass on the labeled view.
        before: L(S), a scalar; ``None`` in a warm start, where nothing was taught.
    """

    batch: Batch
    progress: float
    labels: Tensor | None = None
    strong: Tensor | None = None
    teacher_noise: Noise | None = None
    student_noise: Noise | None = None
    labeled_noise: Noise | None = None
    before: Tensor | None = None


@torch.no_grad()
def sample_labels(logits: Tensor, index: Tensor, salt: Tensor | int) -> Tensor:
    """One class per example, drawn from its probabilities by the example's own random numbers.

    Neither the batch nor the process matters: see :func:`textssl.functional.keyed_uniform`.

    Args:
        logits: ``[B, C]``.
        index: ``[B]`` int64, which example.
        salt: an int64 scalar, such as the step.

    Returns:
        ``[B]`` int64.

    Source: the largest of the logits with noise of Gumbel, 1954, is a draw from their softmax.
    """
    uniform = F.keyed_uniform(index, (logits.shape[-1],), salt)
    return (logits.float() - (-uniform.log()).log()).argmax(-1)


@contextmanager
def requiring_gradients(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Parameters require a gradient for a while; at other times nothing of theirs is recorded or trained."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)


def labeled_loss(forward: Forward, batch: Batch, noise: Noise | None = None) -> Tensor:
    """Mean cross entropy of the student on a micro-batch's labels, without any effect on its running statistics."""
    labeled = batch["labeled"]
    (logits,) = forward(labeled["weak"], model=forward.unwrapped, noise=noise, full_precision=True)
    return nn.functional.cross_entropy(logits, labeled["labels"])


def labeled_loss_decrease(forward: Forward, stored: Sequence[StoredMicroBatch]) -> Tensor:
    """h, the old labeled loss less the new: a mean over micro-batches and processes, a scalar."""
    with torch.no_grad():
        return _gain(stored, [labeled_loss(forward, t.batch, t.labeled_noise) for t in stored])


def copy_trained_weights(student: nn.Module) -> list[Tensor]:
    """The weights before the step, for :func:`log_prob_response`: a copy of those that are trained."""
    return [p.detach().clone() for p in _trained(student)]


def log_prob_response(
    forward: Forward,
    stored: Sequence[StoredMicroBatch],
    origin: Sequence[Tensor],
    rates: Mapping[int, float] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """h, and how the log-probabilities at ``origin`` change along the gradient of the new labeled loss.

    Args:
        forward: runs the student, which has taken its step.
        stored: all micro-batches of the step on this process.
        origin: what :func:`copy_trained_weights` gave before the step.
        rates: learning rates of parameters, by ``id``, in units of the step's; of those that are missing it is 1.

    Returns:
        A scalar, and w = d log p_{S + e v}(u) / de for each micro-batch, ``[muB, C]``, without gradient. v is the
        gradient, each parameter's part of it times its rate.
    """
    parameters = _trained(forward.unwrapped)
    losses, gradient = _labeled_gradient(forward, stored, parameters)
    if rates:
        gradient = [g * rates.get(id(p), 1.0) for p, g in zip(parameters, gradient, strict=True)]
    norm = torch.stack(torch._foreach_norm(gradient)).float().norm()
    step = PROBE / norm.clamp_min(TINY)
    ends: list[list[Tensor]] = []
    for sign in (1.0, -1.0):
        with torch.no_grad(), _moved(parameters, origin, sign * step, gradient):
            ends.append([_log_probs(forward, t) for t in stored])
    return _gain(stored, losses), [(a - b) / (2 * step) for a, b in zip(*ends, strict=True)]


def _trained(student: nn.Module) -> list[nn.Parameter]:
    return [p for p in student.parameters() if p.requires_grad]


@torch.no_grad()
def _gain(stored: Sequence[StoredMicroBatch], after: Sequence[Tensor]) -> Tensor:
    before = [t.before for t in stored if t.before is not None]
    return all_mean(torch.stack(before).mean() - torch.stack([loss.detach() for loss in after]).mean())


def _labeled_gradient(
    forward: Forward, stored: Sequence[StoredMicroBatch], parameters: Sequence[nn.Parameter]
) -> tuple[list[Tensor], list[Tensor]]:
    """Each micro-batch's labeled loss, and the gradient of their mean over all processes."""
    losses = []
    for micro in stored:
        with torch.enable_grad():
            loss = labeled_loss(forward, micro.batch, micro.labeled_noise)
        # Not backward(): DDP would take the gradients for those of a step of its own.
        parts = torch.autograd.grad(loss / len(stored), parameters, allow_unused=True)
        losses.append(loss.detach())
        for parameter, part in zip(parameters, parts, strict=True):
            if part is not None:
                parameter.grad = part if parameter.grad is None else parameter.grad.add_(part)
    average_gradients(parameters)
    gradient = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return losses, gradient


def _log_probs(forward: Forward, micro: StoredMicroBatch) -> Tensor:
    (logits,) = forward(
        micro.batch["unlabeled"]["strong"], model=forward.unwrapped, noise=micro.student_noise, full_precision=True
    )
    return logits.log_softmax(-1)


@contextmanager
def _moved(
    parameters: Sequence[nn.Parameter], origin: Sequence[Tensor], step: Tensor, direction: Sequence[Tensor]
) -> Iterator[None]:
    """For a while the parameters stand at ``origin + step * direction``; then they are what they were, to the bit."""
    kept = [p.data for p in parameters]
    for parameter, start, d in zip(parameters, origin, direction, strict=True):
        parameter.data = torch.addcmul(start, d, step.to(d.dtype))
    try:
        yield
    finally:
        for parameter, data in zip(parameters, kept, strict=True):
            parameter.data = data
