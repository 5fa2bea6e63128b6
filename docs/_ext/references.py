"""References of docstrings and signatures: strict where a person wrote one, lenient in types."""

from __future__ import annotations

import builtins
import re
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from transformers import TrainingArguments

import textssl


__all__ = ["imported", "prepare", "resolve", "short_signature"]

HEADER = re.compile(r"(Args|Attributes|Example|Examples|Note|Raises|Returns|Source|Yields|Usage):$")


@cache
def _index() -> dict[str, list[Any]]:
    """Public names of all modules, and what they are called."""
    found: dict[str, list[Any]] = {}
    for module in walk_packages(textssl.__path__, "textssl."):
        loaded = import_module(module.name)
        for name in getattr(loaded, "__all__", ()):
            found.setdefault(name, []).append(getattr(loaded, name))
    return found


def imported(target: str) -> Any:
    """What a dotted name of the package stands for; None where nothing does."""
    parts = target.split(".")
    for split in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:split]))
            for name in parts[split:]:
                value = getattr(value, name)
        except (ImportError, AttributeError):
            continue
        return value
    return None


def _meant(target: str, node: nodes.Element) -> list[Any]:
    """Objects that ``target`` may mean where ``node`` stands."""
    module, cls = node.get("py:module"), node.get("py:class")
    places = [target, f"{module}.{cls}.{target}", f"{module}.{target}"]
    found = [imported(place) for place in places if place.startswith("textssl")]
    head, _, rest = target.partition(".")
    for value in _index().get(head, []):
        found.append(imported(f"{value.__module__}.{target}") if rest and hasattr(value, "__module__") else value)
    return [value for value in found if value is not None]


def _key(value: Any) -> tuple[str, str] | None:
    try:
        return value.__module__, value.__qualname__
    except AttributeError:
        return None


@cache
def _documented(names: frozenset[str]) -> dict[tuple[str, str], str]:
    """Of what is described: where it was defined, and under which name it is described."""
    found = {}
    for name in sorted(names):
        value = imported(name)
        if (key := _key(value)) is not None:
            found.setdefault(key, name)
    return found


def resolve(app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, contnode: nodes.Element) -> Any:
    """Link to where an object is described, whatever name it was called by.

    A name within the package that is not described anywhere stays as it is written. Names of other libraries do too,
    for nothing is fetched. A name that means nothing is a warning.
    """
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"]).lstrip("~.")
    meant = _meant(target, node)
    objects = env.get_domain("py").objects
    described = _documented(frozenset(name for name, entry in objects.items() if not entry.aliased))
    for value in meant:
        name = described.get(_key(value) or ("", ""))
        if name is not None:
            entry = objects[name]
            reference = nodes.reference("", "", contnode, internal=True)
            reference["refuri"] = f"{app.builder.get_relative_uri(node['refdoc'], entry.docname)}#{entry.node_id}"
            return reference
    foreign = "." in target and not target.startswith("textssl")
    if meant or foreign or hasattr(builtins, target) or _is_type(node):
        return contnode
    return None


def _is_type(node: nodes.Element) -> bool:
    """Whether Sphinx made the reference from a signature or a list of bases: there names may be of any library."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, addnodes.desc_signature):
            return True
        if isinstance(parent, nodes.paragraph) and parent.astext().startswith("Bases:"):
            return True
        parent = parent.parent
    return False


def prepare(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Say in reStructuredText what our docstrings mean, before napoleon reads them."""
    lines[:] = _sentences(_with_code(lines), what)


def _with_code(lines: list[str]) -> list[str]:
    """Literal blocks in place of indented ones that follow a sentence: they are formulas and commands."""
    out: list[str] = []
    before = ""
    for number, line in enumerate(lines):
        begins = line.startswith("    ") and number > 0 and not lines[number - 1].strip()
        sentence = before and not before.startswith(" ") and not before.endswith("::") and not HEADER.match(before)
        if begins and sentence and not line.lstrip().startswith(">>>"):
            out += ["::", ""]
        out.append(line)
        before = line.rstrip() or before
    return out


def _sentences(lines: list[str], what: str) -> list[str]:
    """Types stand in signatures: what precedes a colon in ``Returns`` and in a property's docstring is no type."""
    out = ["..", ""] if what in ("attribute", "data", "property") else []
    returned = False
    for line in lines:
        if line == "Returns:":
            returned = True
            continue
        # The first line of the section; those after it are indented as it is.
        out.append(f":returns: {line.lstrip()}" if returned else line)
        returned = False
    return out


def short_signature(app: Sphinx, what: str, name: str, value: Any, *rest: Any) -> tuple[str, str | None] | None:
    """A config has more than a hundred arguments, which stand in tables."""
    if what == "class" and isinstance(value, type) and issubclass(value, TrainingArguments):
        return "(output_dir=None, **settings)", None
    return None
