"""Copies of a network that share its frozen parameters, so that a teacher costs what is trained and no more."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeVar

from torch import nn


__all__ = ["copy_sharing_frozen", "own_copies"]

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
