"""The documentation builds, its links lead somewhere, its examples run."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import io
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docutils import nodes
from sphinx import addnodes
from transformers import Trainer

import textssl
from textssl.methods import METHODS


ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Pages that are written by hand; Sphinx makes the others.
MADE = re.compile(r"docs/(_build/.*|methods/(?!index).*|reference/(commands|config)\.md|reference/api/(?!index).*)")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in DOCS.rglob("*.md") if not MADE.fullmatch(page.relative_to(ROOT).as_posix())),
]
MODULES = sorted((ROOT / "textssl").rglob("*.py"))
FENCE = re.compile(r"^ *(`{3,})[^\n]*\n.*?^ *\1 *$", re.DOTALL | re.MULTILINE)
SECTIONS = ["Views", "State", "Cost", "When it fails", "Differs from the paper in", "Relations"]
MADE_SECTIONS = ["Settings", "Results", "Recipes", "Citation", "API"]


def names(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def extension(module: str) -> Any:
    """A module of the extension of Sphinx, which is no package."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(DOCS / "_ext"))


@cache
def made_pages() -> dict[str, str]:
    """What the extension of Sphinx writes, by its path below ``docs``."""
    made: dict[str, str] = extension("textssl_docs").generated()
    return made


def anchors(text: str) -> set[str]:
    """Of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def wrong_links(text: str, folder: Path) -> list[str]:
    """Links of Markdown outside code, relative to ``folder``, that lead to no file or no heading."""
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
        path, _, anchor = link.partition("#")
        target = Path(os.path.normpath(folder / path)) if path else None
        made = made_pages().get(target.relative_to(DOCS).as_posix()) if target and DOCS in target.parents else None
        if "://" in link or (made is not None and not anchor):
            continue
        if target is not None and made is None and not target.exists():
            wrong.append(link)
        elif anchor:
            there = text if target is None else made or target.read_text(encoding="utf-8")
            wrong += [] if anchor in anchors(there) else [link]
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_of_a_page(page: Path) -> None:
    assert not wrong_links(page.read_text(encoding="utf-8"), page.parent)


def test_links_of_pages_that_are_made() -> None:
    wrong = {name: wrong_links(text, (DOCS / name).parent) for name, text in made_pages().items()}
    assert not {name: links for name, links in wrong.items() if links}


def test_a_wrong_link_is_seen() -> None:
    """An oracle that sees nothing would find nothing wrong."""
    text = "# A\n`[a](b)` [c](d) [e](#a) [f](#b) [g](https://nowhere)\n```python\nx[0](1)\n```\n"
    assert wrong_links(text, DOCS) == ["d", "#b"]
    text = "[a](methods/uda.md) [b](methods/no.md) [c](methods/uda.md#cost) [d](methods/uda.md#price)"
    assert wrong_links(text, DOCS) == ["methods/no.md", "methods/uda.md#price"]
    assert wrong_links("[a](index.md) [b](guides/saving.md#secrets) [c](guides/saving.md#no)", DOCS) == [
        "guides/saving.md#no"
    ]


def test_the_readme_leads_to_the_documentation() -> None:
    """From its index every page is reached: Sphinx refuses a page that is in no table of contents."""
    assert "](docs/index.md)" in (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    """By the command of ``make docs``, which also refuses pages in no table of contents and broken references."""
    makefile = (ROOT / "Makefile").read_text()
    (command,) = re.findall(r"python -m sphinx (.*) docs docs/_build/html$", makefile, re.MULTILINE)
    arguments = [*command.split(), "-d", str(tmp_path / "doctrees"), "docs", str(tmp_path / "html")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr.strip()
    built = {page.relative_to(tmp_path / "html").as_posix() for page in (tmp_path / "html").rglob("*.html")}
    assert {f"methods/{name}.html" for name in METHODS} <= built


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_page_of_a_method_is_whole(name: str) -> None:
    text = made_pages()[f"methods/{name}.md"]
    parts = dict(re.findall(r"^## ([^\n]+)\n+(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    expected = [*SECTIONS, *MADE_SECTIONS]
    lead = text.partition("\n## ")[0]
    objective, config_class = METHODS[name].objective_class, METHODS[name].config_class
    if name == "supervised":
        expected = [part for part in expected if part not in ("Differs from the paper in", "Relations")]
    else:
        assert "```text\n" in lead, "no equation"
        assert f"\n{objective.citation.bibtex}\n" in parts["Citation"]
    assert [part for part in parts if part in expected] == expected
    assert all(parts[part].strip() for part in expected)
    assert f"--method {name}\n" in parts["Recipes"]
    for cls in (METHODS[name], config_class, objective):
        assert re.search(rf"autoclass:: textssl\.[\w.]*\b{cls.__name__}\n", parts["API"])
    shared = {entry.name: entry.default for entry in dataclasses.fields(textssl.SSLConfig)}
    own = {f.name for f in dataclasses.fields(config_class) if f.name not in shared or shared[f.name] != f.default}
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (.+?) \| (.+) \|$", parts["Settings"], re.MULTILINE)
    assert {row[0] for row in rows} == own
    assert all(len(said) > 3 for _, _, said in rows)


def test_a_setting_has_its_symbol_and_its_default_of_each_modality() -> None:
    """Worked by hand from FixMatch's config: ``threshold`` is the paper's tau, ``ema_decay`` differs for images."""
    page = made_pages()["methods/fixmatch.md"]
    assert re.search(r"^\| `threshold` \| tau \| `0.95` \| least confidence of a pseudo-label", page, re.MULTILINE)
    assert re.search(r"^\| `ema_decay` \|  \| text: `0.99`, image: `0.999`, features: `0.99` \|", page, re.MULTILINE)


def test_every_public_name_stands_on_a_page() -> None:
    text = "\n".join(made_pages().values())
    missing = [name for name in textssl.__all__ if not re.search(rf":: textssl\.[\w.]*\b{name}\n", text)]
    assert not missing


ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`~?([\w.]+)`")


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=names)
def test_what_docstrings_refer_to_exists(folder: Path) -> None:
    """Those too of modules that no page shows: a name of the whole package, or of the module or class around it."""
    imported, missing = extension("references").imported, []
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for target in ROLE.findall(text):
            last = target.rpartition(".")[2]
            here = re.search(rf"^ *(def|class) {last}\b|^ *{last}\b.*[:=]|import .*\b{last}\b", text, re.MULTILINE)
            whole = target.startswith("textssl.")
            if (whole and imported(target) is None) or ("." not in target and not here and not inherited(last)):
                missing.append(f"{path.name}: {target}")
    assert not missing


@cache
def defined() -> frozenset[str]:
    """Functions and classes of the whole package."""
    return frozenset(re.findall(r"^ *(?:def|class) (\w+)", "\n".join(p.read_text() for p in MODULES), re.MULTILINE))


def inherited(name: str) -> bool:
    """Whether a class of the package or transformers' Trainer has a method of that name."""
    return name in defined() or hasattr(Trainer, name)


@pytest.mark.parametrize(
    ("target", "in_signature", "known"),
    [
        ("textssl.UDATrainer", False, True),
        ("textssl.NoSuchTrainer", False, False),
        ("textssl.functional.no_such_loss", False, False),
        ("sharpen", False, True),
        ("no_such_loss", False, False),
        ("torch.Tensor", False, True),
        ("ValueError", False, True),
        ("Tensor", True, True),
    ],
)
def test_sphinx_hears_of_references_to_nothing(target: str, in_signature: bool, known: bool) -> None:
    """``None`` is what makes Sphinx warn. Names of other libraries are not looked up."""
    node = addnodes.pending_xref("", refdomain="py", reftype="class", reftarget=target, refdoc="index")
    if in_signature:
        addnodes.desc_signature("", "", node)
    env = SimpleNamespace(get_domain=lambda name: SimpleNamespace(objects={}))
    found = extension("references").resolve(None, env, node, nodes.literal())
    assert (found is not None) is known


def examples() -> list[doctest.DocTest]:
    """All ``>>>`` of docstrings and of pages."""
    found = []
    for path in MODULES:
        if ">>> " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
            found += [test for test in doctest.DocTestFinder().find(module) if test.examples]
    for page in PAGES:
        # The fence would be read as what is printed.
        text = re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        test = doctest.DocTestParser().get_doctest(text, {}, names(page), str(page), 0)
        found += [test] if test.examples else []
    return found


def test_every_example_of_a_prompt_runs() -> None:
    tests = examples()
    counted = sum(len(test.examples) for test in tests)
    written = [line for path in [*MODULES, *PAGES] for line in path.read_text(encoding="utf-8").splitlines()]
    assert counted == sum(line.lstrip().startswith(">>> ") for line in written)
    runner, said = doctest.DocTestRunner(), io.StringIO()
    for test in tests:
        runner.run(test, out=said.write)
    assert not said.getvalue()
    skipped = sum(bool(example.options.get(doctest.SKIP)) for test in tests for example in test.examples)
    assert runner.summarize(verbose=False).attempted == counted - skipped
