"""What ``textssl`` itself exports: for a program that runs, for an editor and for a type checker."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import pydoc
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from transformers import Pipeline, PreTrainedConfig, PreTrainedModel, Trainer, TrainingArguments

import textssl
from textssl.lazy_exports import lazy_exports
from textssl.methods import METHODS


FRONT = Path(textssl.__file__)
ROOT = FRONT.parents[1]
PACKAGES = ["textssl", *(m.name for m in pkgutil.walk_packages([str(FRONT.parent)], "textssl.") if m.ispkg)]
# What a person makes or calls. Other classes are bases, parts of a method, or are exported by their own package.
KINDS = (Trainer, TrainingArguments, PreTrainedModel, PreTrainedConfig, Pipeline)
# Packages whose exports are all exported by ``textssl`` too.
WHOLE = ("textssl.fit", "textssl.methods", "textssl.models", "textssl.pretraining")

Rows = dict[str, list[str]]


def tree(package: str = "textssl") -> list[ast.stmt]:
    return ast.parse(Path(str(importlib.import_module(package).__file__)).read_text()).body


def typed_rows() -> Rows:
    """Module to names, of the block that type checkers read."""
    (block,) = (node for node in tree() if isinstance(node, ast.If))
    rows: Rows = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.level == 1
        rows[str(node.module)] = [alias.asname or alias.name for alias in node.names]
    return rows


def run_time_rows() -> Rows:
    """Module to names, of the table that the program reads."""
    (table,) = (node for statement in tree() for node in ast.walk(statement) if isinstance(node, ast.Dict))
    rows: Rows = ast.literal_eval(table)
    return rows


def required_rows() -> Rows:
    """Module to names: every method, all of some packages, and every class of a kind that has no subclass here."""
    rows = {f"methods.{name}": [of.config_class.__name__, of.__name__] for name, of in METHODS.items()}
    rows |= {name.partition(".")[2]: list(importlib.import_module(name).__all__) for name in WHOLE}
    found = {}
    for module in pkgutil.walk_packages([str(FRONT.parent)], "textssl."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(value) and value.__module__ == module.name and issubclass(value, KINDS):
                found[name] = value
    exported = {name for names in rows.values() for name in names}
    for name, value in found.items():
        is_base = any(value in other.__mro__[1:] for other in found.values())
        if not name.startswith("_") and not is_base and name not in exported:
            rows.setdefault(value.__module__.partition(".")[2], []).append(name)
    return rows


def advice(rows: Mapping[str, Iterable[str]]) -> str:
    """What to add to ``textssl/__init__.py`` for some modules and names."""
    imports = [f"    from .{module} import {', '.join(names)}" for module, names in rows.items()]
    table = [
        f'            "{module}": [{", ".join(f"{chr(34)}{name}{chr(34)}" for name in names)}],'
        for module, names in rows.items()
    ]
    listed = [f'    "{name}",' for names in rows.values() for name in names]
    return "\n".join(
        [
            "add to textssl/__init__.py, each in its alphabetical place:",
            "if TYPE_CHECKING:",
            *imports,
            "lazy_exports(",
            *table,
            "__all__ = [",
            *listed,
        ]
    )


def without(rows: Rows, known: Iterable[str]) -> Rows:
    """The rows that have a name that is not known, with these names."""
    known = set(known)
    left = {module: [name for name in names if name not in known] for module, names in rows.items()}
    return {module: names for module, names in left.items() if names}


def names_of(rows: Rows) -> list[str]:
    return [name for names in rows.values() for name in names]


def test_every_method_and_every_class_that_a_person_makes_is_exported() -> None:
    required = required_rows()
    assert {"methods.uda", "fit", "pipelines"} <= set(required)
    missing = without(required, set(textssl.__all__) & set(names_of(typed_rows())) & set(names_of(run_time_rows())))
    assert not missing, advice(missing)


def test_the_advice_names_every_line_that_a_new_method_needs() -> None:
    assert advice({"methods.mine": ["MineConfig", "MineTrainer"]}).splitlines() == [
        "add to textssl/__init__.py, each in its alphabetical place:",
        "if TYPE_CHECKING:",
        "    from .methods.mine import MineConfig, MineTrainer",
        "lazy_exports(",
        '            "methods.mine": ["MineConfig", "MineTrainer"],',
        "__all__ = [",
        '    "MineConfig",',
        '    "MineTrainer",',
    ]


def test_type_checkers_and_the_program_see_the_same_names() -> None:
    typed, run_time = typed_rows(), run_time_rows()
    assert typed == run_time, advice(without(typed, names_of(run_time)) | without(run_time, names_of(typed)))
    assert list(typed) == sorted(typed)
    assert sorted(names_of(typed)) == sorted(textssl.__all__)
    assert dir(textssl) == sorted([*textssl.__all__, "__version__"])


def test_each_export_is_the_object_of_its_module() -> None:
    for module, names in run_time_rows().items():
        home = importlib.import_module(f"textssl.{module}")
        for name in names:
            assert name in home.__all__
            value = getattr(textssl, name)
            if name == module:
                # The package itself, which is called.
                assert value is home
                assert inspect.signature(value) == inspect.signature(getattr(home, name))
                continue
            assert value is getattr(home, name)
            if name != "METHODS":
                # Where pickle, ``inspect`` and a model card find it: its own module, not the front.
                assert getattr(importlib.import_module(value.__module__), name) is value
                assert inspect.getmodule(value) is sys.modules[value.__module__] is not textssl


def test_help_begins_with_the_main_entries() -> None:
    text = pydoc.plain(pydoc.TextDoc().document(textssl))
    for name in ("FixMatchTrainer", "fit_classifier", "METHODS", "UserError", "textssl.methods.fixmatch.FixMatch"):
        assert name in str(textssl.__doc__)
    assert text.index("Main entries") < text.index("class UDATrainer")


@pytest.mark.parametrize("package", [name for name in PACKAGES if name not in ("textssl", "textssl.methods")])
def test_packages_export_by_explicit_imports(package: str) -> None:
    """So that a type checker knows each name: no star, no ``__getattr__``, nothing made at run time."""
    defined = set()
    for node in tree(package):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        if isinstance(node, ast.ImportFrom):
            defined |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {ast.unparse(target) for target in targets}
    exported = set(getattr(importlib.import_module(package), "__all__", ()))
    assert "__getattr__" not in defined
    assert exported <= defined


def test_an_export_is_imported_once_and_only_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lazily"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from textssl.lazy_exports import lazy_exports\n"
        "__getattr__, __dir__ = lazy_exports(__name__, {'good': ['one'], 'bad': ['two'], 'good.deep': []})\n"
    )
    (package / "good.py").write_text("one = object()\n")
    (package / "bad.py").write_text("import a_module_that_does_not_exist\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    lazily = importlib.import_module("lazily")
    assert dir(lazily) == sorted(["one", "two", "__version__"])
    assert "lazily.good" not in sys.modules
    assert lazily.one is importlib.import_module("lazily.good").one
    assert vars(lazily)["one"] is lazily.one
    # An extra that is missing is named as such, not as a missing attribute.
    with pytest.raises(ModuleNotFoundError, match="a_module_that_does_not_exist"):
        lazily.two  # noqa: B018
    with pytest.raises(AttributeError, match="module 'lazily' has no attribute 'three'"):
        lazily.three  # noqa: B018
    get, _ = lazy_exports("lazily", {"good": ["absent"]})
    with pytest.raises(AttributeError, match="absent"):
        get("absent")


# In one process: what an import of one trainer adds to an import of Trainer and datasets, and then a star import.
# None of the optional extras can be imported.
PROGRAM = """
import sys
for extra in {extras}:
    sys.modules[extra] = None
from transformers import Trainer
import datasets
stock = set(sys.modules)
from textssl import UDATrainer
print(*sorted(set(sys.modules) - stock))
from textssl import *
print(*sorted(n for n in globals() if n in __import__("textssl").__all__))
"""
EXTRAS = [
    "faiss",
    "nlpaug",
    "optuna",
    "peft",
    "ray",
    "sacremoses",
    "sentence_transformers",
    "sentencepiece",
    "tensorboard",
]
HEAVY = ["evaluate", "matplotlib", "pandas", "scipy", "sklearn", "torchvision"]


@pytest.mark.slow
def test_one_trainer_loads_little_more_than_trainer_and_datasets() -> None:
    program = PROGRAM.format(extras=EXTRAS)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=FRONT.parents[1])
    assert done.returncode == 0, done.stderr
    added, names = (line.split() for line in done.stdout.splitlines())
    assert not {name.partition(".")[0] for name in added} & {*EXTRAS, *HEAVY}
    assert [name for name in added if name.startswith("textssl.methods.")] == ["textssl.methods.uda"]
    assert not [name for name in added if name.split(".")[1:2] in (["cli"], ["fit"], ["retrieval"])]
    assert names == sorted(textssl.__all__)


# What a person may write, each line with what mypy says of it; a line without a comment is right.
CHECKED = """
# mypy: disallow-untyped-defs, disallow-any-generics, disallow-any-unimported, warn-return-any, strict-equality
import textssl
from textssl import METHODS, FixMatchConfig, FixMatchTrainer, SSLConfig, SSLTrainer, UDAConfig, UserError
from textssl import fit_classifier
from textssl.augment.text import WordSwap
from textssl.functional import sharpen
from textssl.methods.fixmatch import FixMatch
from textssl import Nonsense  # error: Module "textssl" has no attribute "Nonsense"

class Mine(FixMatch): ...

class MineTrainer(FixMatchTrainer):
    objective_class = Mine

def name(config: SSLConfig) -> type[SSLTrainer]:
    return METHODS["uda"]

reveal_type(UDAConfig(output_dir="out"))  # note: Revealed type is "textssl.methods.uda.UDAConfig"
reveal_type(textssl.FixMatchConfig(threshold=0.9).threshold)  # note: Revealed type is "float"
reveal_type(name(FixMatchConfig()))  # note: Revealed type is "type[textssl.training.trainer.SSLTrainer]"
reveal_type(UserError("x"))  # note: Revealed type is "textssl.errors.UserError"
UDAConfig(nonsense=3)  # error: Unexpected keyword argument "nonsense" for "UDAConfig"
FixMatchConfig(threshold="high")  # error: Argument "threshold" to "FixMatchConfig" has incompatible type "str"
textssl.NoSuchTrainer  # error: Module has no attribute "NoSuchTrainer"
sharpen("x", 0.5)  # error: Argument 1 to "sharpen" has incompatible type "str"
"""


@pytest.mark.slow
def test_mypy_knows_every_export_and_refuses_what_there_is_not(tmp_path: Path) -> None:
    lines = [*CHECKED.strip().splitlines(), f"from textssl import {', '.join(textssl.__all__)}"]
    for package in PACKAGES[1:]:
        if exported := getattr(importlib.import_module(package), "__all__", None):
            lines += [f"from {package} import {name} as {package.replace('.', '_')}_{name}" for name in exported]
    program = tmp_path / "program.py"
    program.write_text("\n".join(lines) + "\n")
    # The settings and the cache of ``make lint``, after which this takes two seconds.
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-codes", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    said: dict[int, list[str]] = {}
    for line in done.stdout.splitlines():
        # What mypy kept of an equal program in an earlier folder is told with that folder.
        _, found, rest = line.partition(f"/{program.name}:")
        assert found, line
        number, _, message = rest.partition(": ")
        said.setdefault(int(number), []).append(message)
    expected = {at: line.partition("  # ")[2] for at, line in enumerate(lines, start=1) if "  # " in line}
    assert set(said) == set(expected), done.stdout + done.stderr
    for at, message in expected.items():
        assert said[at][0].startswith(message)
