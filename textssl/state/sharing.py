"""Copies of a network that share its frozen parameters, so that a teacher costs what is trained and no more."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, TypeVar

from torch import nn


__all__ = ["copy_sharing_frozen", "leave_out_shared", "own_copies"]

Network = TypeVar("Network", bound=nn.Module)


def copy_sharing_frozen(model: Network) -> Network:
    """A copy of ``model`` whose frozen parameters are those of ``model`` itself; all else is copied.

    Moving either of the two to another device moves the shared parameters of both. Of a model without frozen
    parameters it is an ordinary deep copy.

    Args:
        model: the unwrapped model.
    """
    return copy.deepcopy(model, {id(p): p for p in model.parameters() if not p.requires_grad})


def own_copies(model: nn.Module, shared: Iterable[nn.Parameter]) -> None:
    """Replace parameters of ``model`` that it shares with another by frozen copies; tied ones stay tied.

    Args:
        model: changed in place.
        shared: the parameters to replace.
    """
    copies = {id(p): nn.Parameter(p.detach().clone(), requires_grad=False) for p in shared}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if id(parameter) in copies:
                module._parameters[name] = copies[id(parameter)]


def leave_out_shared(holder: nn.Module, child: str, student: nn.Module) -> None:
    """Let the state of ``holder`` have no parameter that its network shares with the student, and need none.

    Args:
        holder: whose ``state_dict()`` is saved.
        child: the name of the network among its children.
        student: what is saved by itself, with all that is shared.
    """
    known = {id(parameter) for parameter in student.parameters()}
    named = holder.get_submodule(child).named_parameters(prefix=child, remove_duplicate=False)
    shared = {name: parameter for name, parameter in named if id(parameter) in known}

    def drop(_: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        for name in shared:
            state.pop(prefix + name, None)

    def fill(_: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        state.update({prefix + name: parameter for name, parameter in shared.items()})

    if shared:
        holder.register_state_dict_post_hook(drop)
        holder.register_load_state_dict_pre_hook(fill)
