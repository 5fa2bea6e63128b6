"""Semi-supervised learning on Hugging Face Transformers: choose a method by choosing a Trainer class.

Every method's trainer and config can be imported from here (``from textssl import UDAConfig, UDATrainer``). They
are loaded on first use, so that ``import textssl`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


__version__ = "0.1.0"

_HOMES = {
    "Citation": "citation",
    "FitResult": "fit",
    "Objective": "objective",
    "SSLConfig": "config",
    "SSLTrainer": "training.trainer",
    "Task": "objective",
    "UserError": "errors",
    "fit_classifier": "fit",
    "fit_from_names": "fit",
}

__all__ = [
    "Citation",
    "FitResult",
    "Objective",
    "SSLConfig",
    "SSLTrainer",
    "Task",
    "UserError",
    "fit_classifier",
    "fit_from_names",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if name.endswith(("Trainer", "Config")):
        for trainer in import_module(".methods", __name__).METHODS.values():
            for candidate in (trainer, trainer.config_class):
                if candidate.__name__ == name:
                    return candidate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
