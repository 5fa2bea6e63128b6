"""Training steps of every method written out in plain PyTorch, as one would without this library.

Each takes a :class:`Loop` and a batch of equal widths, runs the forwards that its method needs, and gives the loss.
What a step does besides, backward, clipping, AdamW and the teacher, is :meth:`Loop.step`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


Batch = dict[str, Any]
Inputs = dict[str, Tensor]
Memory = dict[str, Tensor]


class Loop:
    """A model with its optimizer, and with a teacher where its method has one.

    Args:
        model: the classifier.
        teacher_decay: of the teacher; 0 for none.
        bf16: whether forwards run in mixed precision.
        examples: numbers of labeled and of unlabeled examples, for methods that remember each.
        device: of the model and of all batches.
    """

    def __init__(
        self, model: Any, teacher_decay: float, bf16: bool, examples: tuple[int, int], device: str = "cpu"
    ) -> None:
        self.model = model.to(device).train()
        self.device = device
        self.bf16 = bf16
        self.decay = teacher_decay
        self.teacher = copy.deepcopy(model).requires_grad_(False).train() if teacher_decay else None
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, fused=True)
        classes = model.config.num_labels
        streams = zip(("labeled", "unlabeled"), examples, strict=True)
        self.memory: Memory = {stream: torch.zeros(size, classes, device=device) for stream, size in streams}

    def __call__(self, inputs: Inputs, model: nn.Module | None = None, full_precision: bool = False) -> Tensor:
        """Logits [B, C] in float32."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16 and not full_precision):
            logits: Tensor = (self.model if model is None else model)(**inputs).logits
        return logits.float()

    def embed(self, inputs: Inputs) -> Tensor:
        """Word embeddings, or the input itself."""
        ids = inputs.get("input_ids")
        return next(iter(inputs.values())) if ids is None else self.model.get_input_embeddings()(ids)

    def step(self, loss_of: Callable[[Loop, Batch], Tensor], batch: Batch) -> None:
        loss_of(self, batch).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.teacher is not None:
            with torch.no_grad():
                own, others = list(self.teacher.parameters()), list(self.model.parameters())
                torch._foreach_lerp_(own, others, 1 - self.decay)
                for mine, theirs in zip(self.teacher.buffers(), self.model.buffers(), strict=True):
                    mine.copy_(theirs)


def view(batch: Batch, stream: str, name: str = "weak") -> Inputs:
    return {key: value for key, value in batch[stream][name].items() if isinstance(value, Tensor)}


def join(*many: Inputs) -> Inputs:
    return {key: torch.cat([inputs[key] for inputs in many]) for key in many[0]}


def continuous(inputs: Inputs, embedding: Tensor, mask: Tensor | None = None) -> Inputs:
    """Inputs of the model that begin at ``embedding``."""
    if "input_ids" not in inputs:
        return {key: embedding for key in inputs}
    return {"inputs_embeds": embedding, "attention_mask": inputs["attention_mask"] if mask is None else mask}


def unit(d: Tensor, inputs: Inputs) -> Tensor:
    """``d`` with an L2 norm of 1 for each example, 0 on padding."""
    if "attention_mask" in inputs:
        d = d * inputs["attention_mask"].unsqueeze(-1)
    return d / d.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, *[1] * (d.dim() - 1))


def supervised(run: Loop, batch: Batch) -> Tensor:
    return F.cross_entropy(run(view(batch, "labeled")), batch["labeled"]["labels"])


def pseudo_label(run: Loop, batch: Batch) -> Tensor:
    labels = batch["labeled"]["labels"]
    logits, own = run(join(view(batch, "labeled"), view(batch, "unlabeled"))).tensor_split([len(labels)])
    confidence, made = own.detach().softmax(-1).max(-1)
    losses = F.cross_entropy(own, made, reduction="none")
    return F.cross_entropy(logits, labels) + ((confidence > 0.95) * losses).mean()


def pi_model(run: Loop, batch: Batch) -> Tensor:
    labels = batch["labeled"]["labels"]
    views = [view(batch, stream, name) for name in ("weak", "weak_2") for stream in ("labeled", "unlabeled")]
    first, second = run(join(*views)).chunk(2)
    return F.cross_entropy(first[: len(labels)], labels) + F.mse_loss(first.softmax(-1), second.softmax(-1))


def mean_teacher(run: Loop, batch: Batch) -> Tensor:
    labels = batch["labeled"]["labels"]
    with torch.no_grad():
        told = run(join(view(batch, "labeled", "weak_2"), view(batch, "unlabeled", "weak_2")), run.teacher)
    logits = run(join(view(batch, "labeled"), view(batch, "unlabeled")))
    return F.cross_entropy(logits[: len(labels)], labels) + F.mse_loss(logits.softmax(-1), told.softmax(-1))


def temporal_ensembling(run: Loop, batch: Batch) -> Tensor:
    labels = batch["labeled"]["labels"]
    logits = run(join(view(batch, "labeled"), view(batch, "unlabeled")))
    loss = F.cross_entropy(logits[: len(labels)], labels)
    for stream, own in zip(("labeled", "unlabeled"), logits.tensor_split([len(labels)]), strict=True):
        index, memory, probs = batch[stream]["index"], run.memory[stream], own.softmax(-1)
        loss = loss + F.mse_loss(probs, memory[index])
        memory[index] = torch.lerp(probs.detach(), memory[index], 0.6)
    return loss


def uda(run: Loop, batch: Batch) -> Tensor:
    labels = batch["labeled"]["labels"]
    with torch.no_grad():
        targets = run(view(batch, "unlabeled")).softmax(-1)
    logits, own = run(join(view(batch, "labeled"), view(batch, "unlabeled", "strong"))).tensor_split([len(labels)])
    return F.cross_entropy(logits, labels) + F.kl_div(own.log_softmax(-1), targets, reduction="batchmean")


def fixmatch(run: Loop, batch: Batch) -> Tensor:
    labels = batch["labeled"]["labels"]
    with torch.no_grad():
        confidence, made = run(view(batch, "unlabeled")).softmax(-1).max(-1)
    strong = view(batch, "unlabeled", "strong")
    kept = (confidence >= 0).nonzero().flatten()
    strong = {key: value[kept] for key, value in strong.items()}
    logits, own = run(join(view(batch, "labeled"), strong)).tensor_split([len(labels)])
    unsupervised = F.cross_entropy(own, made[kept], reduction="sum") / len(made)
    return F.cross_entropy(logits, labels) + unsupervised


def ict(run: Loop, batch: Batch) -> Tensor:
    inputs = view(batch, "unlabeled")
    with torch.no_grad():
        targets = run(inputs, run.teacher).softmax(-1)
    share, partners = float(torch.rand(())), torch.randperm(len(targets)).to(run.device)
    x = run.embed(inputs)
    mask = inputs.get("attention_mask")
    union = None if mask is None else torch.maximum(mask, mask[partners])
    loss = F.cross_entropy(run(view(batch, "labeled")), batch["labeled"]["labels"])
    own = run(continuous(inputs, share * x + (1 - share) * x[partners], union))
    return loss + F.mse_loss(own.softmax(-1), share * targets + (1 - share) * targets[partners])


def adversarial(run: Loop, batch: Batch) -> Tensor:
    inputs, labels = view(batch, "labeled"), batch["labeled"]["labels"]
    x = run.embed(inputs)
    step = torch.zeros_like(x, requires_grad=True)
    loss = F.cross_entropy(run(continuous(inputs, x + step)), labels)
    (gradient,) = torch.autograd.grad(loss, step, retain_graph=True)
    size = 0.3 * x.detach().flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))
    return loss + F.cross_entropy(run(continuous(inputs, x + size * unit(gradient, inputs))), labels)


def vat(run: Loop, batch: Batch) -> Tensor:
    loss = F.cross_entropy(run(view(batch, "labeled")), batch["labeled"]["labels"])
    inputs = view(batch, "unlabeled")
    x = run.embed(inputs)
    with torch.no_grad():
        targets = run(continuous(inputs, x)).softmax(-1)
        # In bfloat16 the divergence of two nearly equal predictions is noise.
        exact = run(continuous(inputs, x.detach()), full_precision=True).softmax(-1) if run.bf16 else targets
    size = x.detach().flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))
    d = (0.01 * size * unit(torch.randn_like(x), inputs)).requires_grad_()
    probe = run(continuous(inputs, x.detach() + d), full_precision=True)
    (gradient,) = torch.autograd.grad(F.kl_div(probe.log_softmax(-1), exact, reduction="sum"), d)
    moved = run(continuous(inputs, x + 0.3 * size * unit(gradient, inputs)))
    return loss + F.kl_div(moved.log_softmax(-1), targets, reduction="batchmean")


def mixed(run: Loop, views: list[Inputs], targets: Tensor, fold: bool) -> tuple[Tensor, Tensor]:
    """Logits of all rows of the views, mixed in pairs, and their targets."""
    inputs, partners = join(*views), torch.randperm(len(targets)).to(run.device)
    share = torch.distributions.Beta(0.75, 0.75).sample((len(targets),)).to(run.device)
    share = torch.maximum(share, 1 - share) if fold else share
    x = run.embed(inputs)
    mask = inputs.get("attention_mask")
    union = None if mask is None else torch.maximum(mask, mask[partners])
    logits = run(continuous(inputs, torch.lerp(x[partners], x, share.view(-1, *[1] * (x.dim() - 1))), union))
    return logits, torch.lerp(targets[partners], targets, share[:, None])


def one_hot(run: Loop, batch: Batch) -> Tensor:
    return F.one_hot(batch["labeled"]["labels"], run.model.config.num_labels).float()


def cold(probs: Tensor) -> Tensor:
    powers = probs.square()
    return powers / powers.sum(-1, keepdim=True)


def mixup(run: Loop, batch: Batch) -> Tensor:
    return F.cross_entropy(*mixed(run, [view(batch, "labeled")], one_hot(run, batch), fold=False))


def mixmatch(run: Loop, batch: Batch) -> Tensor:
    views = [view(batch, "unlabeled"), view(batch, "unlabeled", "weak_2")]
    with torch.no_grad():
        guess = cold(run(join(*views)).softmax(-1).view(2, -1, run.model.config.num_labels).mean(0))
    labels = one_hot(run, batch)
    logits, targets = mixed(run, [view(batch, "labeled"), *views], torch.cat([labels, guess, guess]), fold=True)
    own, others = logits.tensor_split([len(labels)])
    first, rest = targets.tensor_split([len(labels)])
    return F.cross_entropy(own, first) + F.mse_loss(others.softmax(-1), rest)


def remixmatch(run: Loop, batch: Batch) -> Tensor:
    weak, strong = view(batch, "unlabeled"), view(batch, "unlabeled", "strong")
    views = [strong, view(batch, "unlabeled", "strong_2"), weak]
    with torch.no_grad():
        guess = cold(run(weak).softmax(-1))
    labels = one_hot(run, batch)
    logits, targets = mixed(run, [view(batch, "labeled"), *views], torch.cat([labels, guess, guess, guess]), fold=True)
    return F.cross_entropy(logits, targets) + F.cross_entropy(run(strong), guess)


def mixtext(run: Loop, batch: Batch) -> Tensor:
    views = [view(batch, "unlabeled"), view(batch, "unlabeled", "strong")]
    run.model.eval()
    with torch.no_grad():
        guess = cold(run(join(*views)).softmax(-1).view(2, -1, run.model.config.num_labels).mean(0))
    run.model.train()
    labels = one_hot(run, batch)
    logits, targets = mixed(run, [view(batch, "labeled"), *views], torch.cat([labels, guess, guess]), fold=True)
    return F.cross_entropy(logits, targets)


def mixup_pseudo_label(run: Loop, batch: Batch) -> Tensor:
    inputs, index, memory = view(batch, "unlabeled"), batch["unlabeled"]["index"], run.memory["unlabeled"]
    run.model.eval()
    with torch.no_grad():
        clean = run(inputs).softmax(-1)
    run.model.train()
    labels = torch.cat([one_hot(run, batch), memory[index]])
    logits, targets = mixed(run, [view(batch, "labeled"), inputs], labels, fold=False)
    memory[index] = clean
    log_probs = logits.log_softmax(-1)
    entropy = -(log_probs.exp() * log_probs).sum(-1).mean()
    return F.cross_entropy(logits, targets) + 0.4 * entropy - 0.8 * log_probs.exp().mean(0).log().mean()


# Method: its loss, and the decay of its teacher.
BARE_STEPS: dict[str, tuple[Callable[[Loop, Batch], Tensor], float]] = {
    "adversarial": (adversarial, 0.0),
    "fixmatch": (fixmatch, 0.99),
    "ict": (ict, 0.99),
    "mean_teacher": (mean_teacher, 0.99),
    "mixmatch": (mixmatch, 0.99),
    "mixtext": (mixtext, 0.0),
    "mixup": (mixup, 0.0),
    "mixup_pseudo_label": (mixup_pseudo_label, 0.0),
    "pi_model": (pi_model, 0.0),
    "pseudo_label": (pseudo_label, 0.0),
    "remixmatch": (remixmatch, 0.99),
    "supervised": (supervised, 0.0),
    "temporal_ensembling": (temporal_ensembling, 0.0),
    "uda": (uda, 0.0),
    "vat": (vat, 0.0),
}
