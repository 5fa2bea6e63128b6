"""Packages that textssl needs or can use, as its metadata list them."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable

from .part import BROKEN, FINE, MISSING, Part


__all__ = ["EXTRAS", "optional_packages", "required_packages"]

# What each extra is for; those that are left out serve the development of the library.
EXTRAS = {
    "embedded": "reviews, images and a small encoder, so that no model hub is needed",
    "features": "embeddings of any encoder of sentence-transformers",
    "image": "nothing more than the core: images need no further package",
    "lora": "models with adapters, such as LoRA",
    "nlpaug": "augmenters of nlpaug as views",
    "onnx": "export of a model to ONNX",
    "ray": "jobs over a corpus on several machines",
    "retrieval": "a bank of sentences and its search; label_propagation on more than 50,000 examples",
    "search": "hyperparameter search",
    "serving": "a server that answers with a model",
    "tracking": "logs for TensorBoard",
    "translation": "back-translation by Marian, NLLB and M2M models",
}
MODULES = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn", "huggingface-hub": "huggingface_hub"}


def required_packages(
    requirements: Iterable[str], load: Callable[[str], object] = importlib.import_module
) -> list[Part]:
    """Those without which textssl does not work; each is imported.

    Args:
        requirements: as metadata have them.
        load: imports a module.
    """
    parts = []
    for name, wanted, extra in _parsed(requirements):
        if extra is None:
            part = _installed(name, wanted, "", f"pip install '{name}{wanted}'")
            parts.append(part if part.state != FINE else _loaded(part, load))
    return [Part(part.name, BROKEN, part.found, "", part.install) if part.state == MISSING else part for part in parts]


def optional_packages(requirements: Iterable[str]) -> list[Part]:
    """Those that extras bring, with what they are for and the command that installs them; none is imported."""
    parts: dict[str, Part] = {}
    for name, wanted, extra in _parsed(requirements):
        if extra in EXTRAS and extra != "image":
            known = parts.get(name)
            enables = EXTRAS[extra] if known is None else f"{known.enables}; {EXTRAS[extra]}"
            parts[name] = _installed(name, wanted, enables, f"pip install 'textssl[{extra}]'")
    return sorted(parts.values(), key=lambda part: part.install)


def _parsed(requirements: Iterable[str]) -> list[tuple[str, str, str | None]]:
    """Name, wanted versions and extra of each requirement that is for this machine."""
    from packaging.requirements import Requirement

    found = []
    for line in requirements:
        requirement = Requirement(line)
        extras = [None, *EXTRAS] if requirement.marker is not None else [None]
        for extra in extras:
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra or ""}):
                found.append((requirement.name, str(requirement.specifier), extra))
                if extra is None:
                    break
    return found


def _installed(name: str, wanted: str, enables: str, install: str) -> Part:
    from packaging.specifiers import SpecifierSet

    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Part(name, MISSING, "not installed", enables, install)
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        return Part(name, MISSING, f"{version}, which is not {wanted}", enables, install)
    return Part(name, FINE, version, enables)


def _loaded(part: Part, load: Callable[[str], object]) -> Part:
    try:
        load(MODULES.get(part.name, part.name))
    except Exception as error:  # whatever a broken package raises
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        again = f"pip install --force-reinstall {part.name}"
        return Part(part.name, BROKEN, f"{part.found} cannot be imported: {reason}", "", again)
    return part
