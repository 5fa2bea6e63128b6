"""Pages of the public classes and functions of each part of the package, and of the settings that methods share."""

from __future__ import annotations

import dataclasses
import inspect
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from docstring_markdown import as_markdown, table
from method_pages import METHODS

from textssl.catalog.settings import default_of, descriptions_of
from textssl.config import SSLConfig


__all__ = ["PARTS", "annotations_of", "api_page", "config_page", "public_names"]

# Part: what its page is called. The first page that an object stands on describes it; later ones link there.
PARTS = {
    "textssl": "Trainer, config, objective",
    "textssl.functional": "Losses, masks and targets",
    "textssl.state": "State",
    "textssl.augment": "Views",
    "textssl.augment.text": "Views of texts",
    "textssl.augment.image": "Views of images",
    "textssl.models": "Models",
    "textssl.features": "Features",
    "textssl.fit": "The choice among classifiers",
    "textssl.inference": "Saved classifiers",
    "textssl.retrieval": "Retrieval",
    "textssl.pretraining": "In-domain pretraining",
    "textssl.jobs": "Jobs over a corpus",
    "textssl.sources": "Named sources of data",
    "textssl.training.metrics": "Metrics",
    "textssl.hub": "Model cards and the Hub",
    "textssl.report": "Reports",
    "textssl.self_training": "Rounds of self-training",
    "textssl.families": "What methods of a family share",
    "textssl.modalities": "Modalities",
    "textssl.forward": "What an objective may do with a model",
}


def _of_methods() -> set[Any]:
    """Classes that stand on the pages of methods."""
    return {cls for trainer in METHODS.values() for cls in (trainer, trainer.config_class, trainer.objective_class)}


def public_names(part: str) -> list[tuple[str, str]]:
    """Pairs of module and name: of the part itself, or of its modules where it exports nothing."""
    module = import_module(part)
    if part == "textssl" or getattr(module, "__all__", []):
        return [(part, name) for name in module.__all__]
    inner = [f"{part}.{found.name}" for found in iter_modules(module.__path__) if not found.name.startswith("_")]
    return [(name, public) for name in inner for public in import_module(name).__all__]


def api_page(part: str, described: dict[int, str]) -> str:
    """The page of ``part``; ``described`` tells where an object stands already, and learns of those of this page."""
    module = import_module(part)
    docstring = inspect.cleandoc(module.__doc__ or "")
    out = [f"# {PARTS[part]}", f"`{part}`", as_markdown(docstring, "reference/api")]
    elsewhere, own, methods = [], [], _of_methods()
    for home, name in public_names(part):
        value = getattr(import_module(home), name)
        if isinstance(value, type) and value in methods:
            continue
        if not isinstance(value, ModuleType) and id(value) in described:
            elsewhere.append(f"- {{py:obj}}`{home}.{name} <{described[id(value)]}>`")
            continue
        described[id(value)] = f"{home}.{name}"
        own.append(_directive(home, name, value))
    if part == "textssl":
        out.append("The trainer, config and objective of each method stand on its [page](../../methods/index.md).")
    out += own
    out += ["Described elsewhere:", "\n".join(elsewhere)] if elsewhere else []
    return "\n\n".join(out) + "\n"


def _directive(module: str, name: str, value: object) -> str:
    if isinstance(value, type):
        lines = [f".. autoclass:: {module}.{name}", "   :members:", "   :show-inheritance:"]
    elif inspect.isroutine(value):
        lines = [f".. autofunction:: {module}.{name}"]
    else:
        lines = [f".. py:data:: {module}.{name}", "", f"   {_shown(value)}."]
    return "\n".join(["```{eval-rst}", *lines, "```"])


def _shown(value: object) -> str:
    """A constant in a few words; an alias of a type as it is written."""
    if isinstance(value, dict | tuple | list):
        return f"A {type(value).__name__}: {', '.join(f'``{key}``' for key in value)}"
    return f"``{value}``"


CONFIG = """# Config

Settings that every method has, beside those of its own, which stand on [its page](../methods/index.md), and those of
transformers' `TrainingArguments`: [which of them act here, and which are refused](trainer_arguments.md). In the
recipes each is a flag and a key of the YAML file.

{table}
"""


def config_page() -> str:
    """The settings that every method has."""
    ours = {name for cls in SSLConfig.__mro__ if cls.__module__.startswith("textssl") for name in annotations_of(cls)}
    said, rows = descriptions_of(SSLConfig), []
    for entry in dataclasses.fields(SSLConfig):
        if entry.name in ours:
            text = said.get(entry.name, str(entry.metadata["help"]))
            rows.append((f"`{entry.name}`", default_of(SSLConfig, entry), as_markdown(text, "reference")))
    return CONFIG.format(table=table(("setting", "default", "what it does"), rows))


def annotations_of(cls: type) -> dict[str, Any]:
    """Fields that a class itself writes down."""
    return {
        name: value for name, value in vars(cls).get("__annotations__", {}).items() if "ClassVar" not in str(value)
    }
