"""Places inside a network of transformers: its hidden layers, and the vector that its last linear layer reads."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .. import functional as F
from ..errors import UserError
from ..state.module_modes import evaluating
from .mix import Mix


__all__ = ["check_hidden", "check_run_once", "hidden_layers", "last_linear", "mixed_inside", "read_vector"]

SERVED = "models such as BERT, RoBERTa, DistilBERT, DeBERTa-v2, ELECTRA, ModernBERT, MiniLM and ViT serve"
MASK = "attention_mask"


def hidden_layers(model: nn.Module) -> list[nn.Module]:
    """The encoder's layers, first to last.

    Raises:
        UserError: none were found: no list of as many modules of one kind as the config has layers.
    """
    count = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count and len({type(layer) for layer in module}) == 1:
            return list(module)
    raise UserError(
        f"model: {type(model).__name__} has no list of {'' if count is None else f'{count} '}hidden layers that can "
        f"be mixed; {SERVED}"
    )


def last_linear(model: nn.Module) -> nn.Linear:
    """The linear layer that makes the logits; where an adapter of peft wraps it, the wrapper, which has its sizes.

    Raises:
        UserError: the model has no linear layer.
    """
    found = [*_linear_layers(model)]
    if not found:
        raise UserError(f"model: {type(model).__name__} has no linear layer, so no pooled vector that one reads")
    return found[-1]


def _linear_layers(module: nn.Module) -> Iterator[Any]:
    """Linear layers that are run, in order. An adapter's own, within the layer that it changes, are none."""
    if isinstance(module, nn.Linear) or isinstance(getattr(module, "base_layer", None), nn.Linear):
        yield module
        return
    copies = getattr(module, "modules_to_save", None)
    if isinstance(copies, nn.ModuleDict):
        # What peft trains whole has a copy for each adapter, beside the original.
        wrapper: Any = module
        yield from _linear_layers(dict(copies.items()).get(wrapper.active_adapters[0], wrapper.original_module))
        return
    for child in module.children():
        yield from _linear_layers(child)


@contextmanager
def read_vector(model: nn.Module) -> Iterator[list[Tensor]]:
    """What the last linear layer reads, [B, D] for each pass of the model, in their order.

    Raises:
        UserError: it reads each position, not one vector of the whole example.
    """
    read: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].dim() != 2:
            raise UserError(
                f"model: the last linear layer of {type(model).__name__} reads every position, not a pooled vector; "
                f"{SERVED}"
            )
        read.append(inputs[0])

    hook = last_linear(model).register_forward_pre_hook(note)
    try:
        yield read
    finally:
        hook.remove()


@contextmanager
def mixed_inside(model: nn.Module, mix: Mix) -> Iterator[None]:
    """For a while, the output of layer ``mix.at`` is mixed: the layers above see one text made of two (TMix).

    Up to that layer a row attends to itself; from there on, and in a head that pools over positions, to what is real
    in either of the two. Padding lies on one side, so the union of two masks is the longer one.

    Args:
        model: the unwrapped model. All its rows must go through in one pass.
        mix: of the rows; ``at`` is the number of a hidden layer, from 1.
    """
    assert isinstance(mix.at, int)
    layers = hidden_layers(model)
    given: list[Tensor] = []

    def note_mask(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        mask = kwargs.get(MASK)
        if mask is None:
            return None
        # A copy: what the head pools by is changed on the way, and the caller's must not be.
        given.append(mask.clone())
        return args, {**kwargs, MASK: given[-1]}

    def mix_output(_: nn.Module, args: Any, output: Any) -> Any:
        for mask in given:
            mask.copy_(F.join_masks(mask, mix.index))
        if isinstance(output, Tensor):
            return mix(output)
        return type(output)((mix(output[0]), *output[1:]))

    with ExitStack() as hooks:
        hooks.callback(model.register_forward_pre_hook(note_mask, with_kwargs=True).remove)
        hooks.callback(layers[mix.at - 1].register_forward_hook(mix_output).remove)
        for number, layer in enumerate(layers):
            change = _union if number >= mix.at else _seeing
            hook = _masks_changed(layer, functools.partial(change, mix=mix))
            hooks.callback(layer.register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield


def _masks_changed(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """A hook that changes the mask given to the layer, whatever form the model gave it."""
    names = list(inspect.signature(type(layer).forward).parameters)[1:]
    place = names.index(MASK) if MASK in names else None

    def changed(mask: Any) -> Any:
        if mask is None:
            return None
        if not isinstance(mask, Tensor):
            raise UserError(
                f"attn_implementation: its masks are of type {type(mask).__name__}, which cannot be joined; load the "
                "model with attn_implementation='sdpa' or 'eager'"
            )
        return change(mask)

    def join(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if MASK in kwargs:
            return args, {**kwargs, MASK: changed(kwargs[MASK])}
        if place is not None and place < len(args):
            return (*args[:place], changed(args[place]), *args[place + 1 :]), kwargs
        return args, kwargs

    return join


def _union(mask: Tensor, mix: Mix) -> Tensor:
    return F.join_masks(mask, mix.index) if len(mask) == len(mix.partners) else mask


def _seeing(mask: Tensor, mix: Mix) -> Tensor:
    """Padding that the mask lets see nothing sees its row's tokens, as all of BERT's does.

    Its state is mixed where the partner is longer. DeBERTa-v2's padding, and ModernBERT's outside its window, would
    see all columns alike, and a wider batch would change the mix.
    """
    if mask.dim() != 4 or mask.shape[-2] == 1:
        return mask
    seen = mask == 0 if mask.is_floating_point() else mask != 0
    blind, tokens = ~seen.any(-1, keepdim=True), seen.any(-2, keepdim=True)
    if not mask.is_floating_point():
        return torch.where(blind, tokens.to(mask.dtype), mask)
    return torch.where(blind, torch.zeros_like(mask).masked_fill(~tokens, torch.finfo(mask.dtype).min), mask)


def check_run_once(checkpointing: bool) -> None:
    """Raise UserError where layers are run a second time for their gradients, without a mix."""
    if checkpointing:
        raise UserError(
            "gradient_checkpointing: got True; layers that are run again would not be mixed again. Use mix_at "
            "'input' or 'pooled'"
        )


def check_hidden(model: nn.Module, inputs: dict[str, Tensor], numbers: list[int]) -> None:
    """Raise UserError unless hidden layers of the model can be mixed.

    A short row whose hidden state is replaced by a long row's must end in the long row's logits: then the masks of
    the layers above, and the pooling, follow the mix.

    Args:
        model: the classifier.
        inputs: two rows, of which the second is the shorter where there is padding.
        numbers: of the layers, from 1.
    """
    layers = hidden_layers(model)
    if wrong := [number for number in numbers if not 1 <= number <= len(layers)]:
        raise UserError(
            f"mix_layers: got {wrong[0]}; expected numbers from 1 to {len(layers)}, the hidden layers of "
            f"{type(model).__name__}"
        )
    check_run_once(any(getattr(module, "gradient_checkpointing", False) for module in model.modules()))
    device = next(model.parameters()).device
    index, kept = torch.tensor([0, 0], device=device), torch.tensor([1.0, 0.0], device=device)
    with torch.no_grad(), evaluating(model):
        for number in numbers:
            try:
                expected = model(**inputs).logits[:1].expand(2, -1)
                with mixed_inside(model, Mix([0, 0], index, kept, number)):
                    got = model(**inputs).logits
            except UserError:
                raise
            except (TypeError, ValueError, RuntimeError, AttributeError) as error:
                raise UserError(
                    f"model: hidden layer {number} of {type(model).__name__} cannot be mixed; {SERVED}"
                ) from error
            if not torch.allclose(expected, got, atol=1e-3, rtol=1e-2):
                raise UserError(
                    f"model: with hidden layer {number} of {type(model).__name__} mixed, its head does not follow; "
                    f"{SERVED}"
                )
