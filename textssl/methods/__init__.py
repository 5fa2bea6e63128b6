"""One module per method. The directory is the registry: adding a file here is all it takes."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ..training.trainer import SSLTrainer


__all__ = ["METHODS"]


def _trainer_of(name: str) -> type[SSLTrainer]:
    module = import_module(f"{__name__}.{name}")
    trainers = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, SSLTrainer) and value.__module__ == module.__name__
    ]
    if len(trainers) != 1:
        raise ImportError(f"{module.__name__} defines {len(trainers)} trainers; expected one")
    return trainers[0]


METHODS: dict[str, type[SSLTrainer]] = {module.name: _trainer_of(module.name) for module in iter_modules(__path__)}
