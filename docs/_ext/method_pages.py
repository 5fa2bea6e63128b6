"""The page of a method, made from its module, its config and its citation."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

from docstring_markdown import DOCS, as_markdown, table

from textssl.catalog.docstrings import idea_of, sections, title_of
from textssl.catalog.settings import method_settings
from textssl.catalog.summaries import summary_of
from textssl.catalog.texts import cost_line
from textssl.methods import METHODS


__all__ = ["METHODS", "method_page", "methods_table"]

FOLDER = "methods"
ORDER = ("Views", "State", "Cost", "When it fails", "Differs from the paper in", "Relations")


def _docstring(name: str) -> str:
    return inspect.cleandoc(str(import_module(METHODS[name].objective_class.__module__).__doc__))


def method_page(name: str) -> str:
    """The whole page of the method ``name``, as Markdown."""
    trainer = METHODS[name]
    parts = sections(_docstring(name))
    lead, _, body = parts.pop("").partition("\n\n")
    out = [f"# {title_of(_docstring(name))}", as_markdown(_capital(lead.partition(": ")[2]), FOLDER), _facts(name)]
    out += [as_markdown(body, FOLDER)] if body else []
    others = [key for key in parts if key not in ORDER]
    for key in [*[key for key in ORDER if key in parts], *others]:
        out += [f"## {key}", as_markdown(_capital(parts[key]), FOLDER)]
    out += ["## Settings", _settings(name)]
    out += ["## Results", _results(name), "## Recipes", _recipes(name), "## Citation", _citation(name), "## API"]
    out += [_autoclass(cls) for cls in (trainer, trainer.config_class, trainer.objective_class)]
    return "\n\n".join(out) + "\n"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _facts(name: str) -> str:
    trainer, objective, summary = METHODS[name], METHODS[name].objective_class, summary_of(name)
    views = "; ".join(
        f"{stream}: {', '.join(f'`{view}`' for view in names)}" for stream, names in objective.views.items()
    )
    rows = [
        ("Name", f"`{name}`"),
        ("Trainer", f"{{py:class}}`~textssl.{trainer.__name__}`"),
        ("Config", f"{{py:class}}`~textssl.{trainer.config_class.__name__}`"),
        ("Views", views),
        ("Modalities", ", ".join(objective.modalities)),
        ("Needs", ", ".join(summary.needs) or "labeled examples alone"),
        ("Cost of a step", cost_line(summary)),
        ("Source", f"`{Path(inspect.getfile(objective)).relative_to(DOCS.parent).as_posix()}`"),
    ]
    if citation := objective.citation:
        link = f"[{citation.title}](https://arxiv.org/abs/{citation.arxiv})" if citation.arxiv else citation.title
        rows.append(("Paper", f"{link}, {citation.year}"))
    return table(("", ""), rows)


def _settings(name: str) -> str:
    rows = [
        (f"`{setting.name}`", setting.symbol, setting.default, as_markdown(setting.description, FOLDER))
        for setting in method_settings(METHODS[name].config_class)
    ]
    shared = "All other settings are those that every method has: [Config](../reference/config.md)."
    if not rows:
        return f"None of its own. {shared}"
    return f"{table(('setting', 'symbol', 'default', 'what it does'), rows)}\n\n{shared}"


def _results(name: str) -> str:
    """Links to the sections of the pages of results whose tables name the method."""
    links, title = [], re.escape(title_of(_docstring(name)))
    for page in [*sorted((DOCS / "results").glob("*.md")), DOCS / "reference" / "presets.md"]:
        text = page.read_text(encoding="utf-8")
        for heading, section in re.findall(r"^##+ ([^\n]*)\n(.*?)(?=^##+ |\Z)", text, re.DOTALL | re.MULTILINE):
            tables = "\n".join(line for line in section.splitlines() if line.startswith("|"))
            if f"`{name}`" in tables or re.search(rf"\| *{title}\b", tables, re.IGNORECASE):
                slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
                where = page.relative_to(DOCS).as_posix()
                links.append(f"- [{text.partition(chr(10))[0].removeprefix('# ')}: {heading}](../{where}#{slug})")
    return "\n".join(links) if links else "No figures of this method are published here."


def _recipes(name: str) -> str:
    """Commands that run the method; a recipe of its own names it in a call."""
    own = [
        recipe.name
        for recipe in sorted((DOCS.parent / "recipes").glob("*.py"))
        if re.search(rf'\(\s*"{name}"|FOLDER, "{name}"', recipe.read_text(encoding="utf-8"))
    ]
    commands = [
        *[f"accelerate launch recipes/{file}" for file in own],
        f"accelerate launch recipes/train.py --method {name}",
    ]
    return "\n".join(["```bash", *commands, "```"])


def _citation(name: str) -> str:
    citation = METHODS[name].objective_class.citation
    if citation is None:
        return "The baseline needs none."
    return f"```bibtex\n{citation.bibtex}\n```"


def _autoclass(cls: type) -> str:
    public = (
        f"textssl.{cls.__name__}"
        if hasattr(import_module("textssl"), cls.__name__)
        else f"{cls.__module__}.{cls.__name__}"
    )
    return f"```{{eval-rst}}\n.. autoclass:: {public}\n   :members:\n   :show-inheritance:\n```"


def methods_table() -> str:
    """All methods, a line each."""
    rows = []
    for name, trainer in METHODS.items():
        views = trainer.objective_class.views.get("unlabeled", ())
        shown = ", ".join(f"`{view}`" for view in views) or "none"
        told = _docstring(name)
        rows.append((f"[{title_of(told)}]({name}.md)", f"`{name}`", as_markdown(idea_of(told), FOLDER), shown))
    return table(("method", "name", "idea", "views of unlabeled examples"), rows)
