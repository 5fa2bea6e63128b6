"""One module per method. The directory is the registry: adding a file here is all it takes.

``METHODS`` maps the name of each method, its module's name, to its trainer. It imports all methods when it is first
asked for; importing one method does not import the others.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from ..training.trainer import SSLTrainer

    METHODS: dict[str, type[SSLTrainer]]

__all__ = ["METHODS"]


def _trainer_of(name: str) -> type[SSLTrainer]:
    from ..training.trainer import SSLTrainer

    module = import_module(f"{__name__}.{name}")
    trainers = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, SSLTrainer) and value.__module__ == module.__name__
    ]
    if len(trainers) != 1:
        raise ImportError(f"{module.__name__} defines {len(trainers)} trainers; expected one")
    return trainers[0]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> dict[str, type[SSLTrainer]]:
        if name != "METHODS":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        methods = {module.name: _trainer_of(module.name) for module in iter_modules(__path__)}
        globals()["METHODS"] = methods
        return methods

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
