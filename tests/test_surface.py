"""What the package shows, and which of its parts may know which: read off the source itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import textssl
from textssl.citation import Citation
from textssl.config import SSLConfig
from textssl.methods import METHODS
from textssl.objective import Objective


ROOT = Path(textssl.__file__).parent
MODULES = ["textssl", *(found.name for found in pkgutil.walk_packages([str(ROOT)], "textssl."))]

# What each part imports of the package when it is loaded, the lowest parts first.
MAY_IMPORT = {
    "citation": set(),
    "errors": set(),
    "files": set(),
    "functional": set(),
    "lazy_exports": set(),
    "notices": set(),
    "packaged_files": {"errors"},
    "progress": set(),
    "report": {"errors", "files"},
    "secrets": {"errors"},
    "step_cost": set(),
    "state": {"functional"},
    "config": {"errors", "files", "secrets"},
    "forward": {"errors", "functional", "state"},
    "hub": {"citation", "errors", "files", "secrets"},
    "models": {"errors", "files", "packaged_files", "state"},
    "augment": {"errors", "files", "forward", "notices", "progress", "state"},
    "objective": {"citation", "config", "errors", "functional", "step_cost"},
    "data": {"augment", "errors", "files", "notices"},
    "jobs": {"data", "errors", "files", "progress"},
    "modalities": {"augment", "data", "errors", "forward", "functional", "models", "notices", "state"},
    "own_data": {"data", "errors", "files", "modalities", "notices"},
    "sources": {"data", "errors", "files", "packaged_files"},
    "features": {"augment", "data", "errors", "files", "modalities", "models", "notices", "progress"},
    "inference": {
        "augment",
        "data",
        "errors",
        "features",
        "files",
        "forward",
        "modalities",
        "models",
        "notices",
        "own_data",
        "report",
        "textssl",
    },
    "pipelines": {"errors", "modalities"},
    "training": {
        "augment",
        "config",
        "data",
        "errors",
        "files",
        "forward",
        "functional",
        "hub",
        "modalities",
        "models",
        "objective",
        "secrets",
        "state",
    },
    "pretraining": {"config", "data", "errors", "files", "forward", "models", "objective", "state", "training"},
    "self_training": {
        "augment",
        "config",
        "data",
        "errors",
        "files",
        "forward",
        "functional",
        "inference",
        "jobs",
        "modalities",
        "models",
        "objective",
        "state",
        "training",
    },
    "families": {
        "augment",
        "config",
        "data",
        "errors",
        "forward",
        "functional",
        "modalities",
        "models",
        "objective",
        "self_training",
        "state",
        "training",
    },
    "retrieval": {
        "augment",
        "data",
        "errors",
        "features",
        "files",
        "inference",
        "jobs",
        "modalities",
        "models",
        "self_training",
        "state",
    },
    "methods": {
        "citation",
        "config",
        "data",
        "errors",
        "families",
        "forward",
        "functional",
        "models",
        "objective",
        "pretraining",
        "self_training",
        "state",
        "step_cost",
        "training",
    },
    "catalog": {"citation", "errors", "methods", "step_cost"},
    "fit": {
        "augment",
        "config",
        "data",
        "errors",
        "features",
        "files",
        "forward",
        "functional",
        "hub",
        "inference",
        "methods",
        "modalities",
        "models",
        "own_data",
        "report",
        "textssl",
        "training",
    },
    "checks": {"data", "errors", "fit", "modalities", "own_data"},
    "installation": {"augment", "errors"},
    "sklearn": {"errors", "fit", "own_data"},
    "corpus": {
        "augment",
        "data",
        "errors",
        "jobs",
        "notices",
        "own_data",
        "retrieval",
        "self_training",
        "sources",
        "training",
    },
    "cli": {
        "augment",
        "catalog",
        "checks",
        "config",
        "data",
        "errors",
        "features",
        "files",
        "fit",
        "hub",
        "inference",
        "methods",
        "modalities",
        "models",
        "notices",
        "own_data",
        "pretraining",
        "report",
        "retrieval",
        "secrets",
        "sources",
        "training",
    },
    "__main__": {"cli"},
}


def part_of(module: str) -> str:
    """``data`` for ``textssl.data.views``; the package itself is ``textssl``."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "textssl"


def statements(body: list[ast.stmt], typing_too: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that run with the module; those for annotations alone, and those within functions, on request."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
            continue
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        in_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (for_types or in_function) and not typing_too:
            continue
        for field in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, field, None)
            if isinstance(inner, list):
                yield from statements(inner, typing_too)


@cache
def imports_of(module: str, all_of_them: bool = False) -> frozenset[str]:
    """Modules of the package that ``module`` imports."""
    path = Path(str(importlib.import_module(module).__file__))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in statements(ast.parse(path.read_text()).body, all_of_them):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
        origin = ".".join(part for part in (base, node.module or "") if part)
        for alias in node.names:
            inner = f"{origin}.{alias.name}"
            found.add(inner if inner in MODULES else origin)
    return frozenset(name for name in found if name in MODULES and name != module)


def check_each(check: Callable[[str], None], names: Iterable[str]) -> None:
    """Let ``check`` judge each name, and fail with what it says of all that it refuses."""
    failures = []
    for name in names:
        try:
            check(name)
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    if failures:
        pytest.fail("\n".join(failures), pytrace=False)


def test_a_check_of_all_tells_each_that_fails() -> None:
    def check(name: str) -> None:
        assert name != "b"
        assert len({}[name] if name == "c" else name) == 1

    with pytest.raises(pytest.fail.Exception) as failed:
        check_each(check, "abcd")
    told = str(failed.value)
    assert [line for line in told.splitlines() if line[:3] in ("a: ", "b: ", "c: ", "d: ")] == [
        line for line in told.splitlines() if line.startswith(("b: AssertionError: ", "c: KeyError: "))
    ]
    assert told.count("AssertionError") == told.count("KeyError") == 1


def check_all(module: str) -> None:
    loaded = importlib.import_module(module)
    defined = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module
    }
    listed = getattr(loaded, "__all__", [])
    if module.rpartition(".")[2].startswith("_"):
        # A module that is private as a whole needs no list.
        return
    # Constants, then classes, then functions, as ruff sorts them.
    assert listed == sorted(listed, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert len(set(listed)) == len(listed)
    for name in listed:
        assert hasattr(loaded, name), name
    assert defined <= set(listed)


def test_all_is_sorted_true_and_complete() -> None:
    check_each(check_all, MODULES)


def test_the_reader_of_imports_sees_what_it_must() -> None:
    """An oracle that sees nothing would find nothing wrong."""
    assert {"textssl.objective", "textssl.data.validation"} <= imports_of("textssl.training.data_preparation")
    assert {"textssl.errors", "textssl.augment.text"} <= imports_of("textssl.modalities.text.modality")
    assert "textssl.config" not in imports_of("textssl.training.data_preparation")
    assert "textssl.config" in imports_of("textssl.training.data_preparation", all_of_them=True)
    assert {"textssl.training.checkpoints", "textssl.objective"} <= imports_of(
        "textssl.training.checkpointing_trainer"
    )
    assert "textssl.training.trainer" in imports_of("textssl.methods.uda")
    assert "textssl.functional" in imports_of("textssl.methods.uda")


def check_imports(module: str) -> None:
    part = part_of(module)
    others = {part_of(name) for name in imports_of(module)} - {part}
    assert others <= MAY_IMPORT[part], f"{module} imports {sorted(others - MAY_IMPORT[part])}"


def test_imports_point_one_way() -> None:
    check_each(check_imports, [m for m in MODULES if part_of(m) != "textssl"])


def test_the_table_allows_no_more_than_is_used() -> None:
    used: dict[str, set[str]] = {part: set() for part in MAY_IMPORT}
    for module in MODULES:
        if part_of(module) in used:
            used[part_of(module)] |= {part_of(name) for name in imports_of(module)} - {part_of(module)}
    assert used == MAY_IMPORT


def test_the_table_stands_on_itself() -> None:
    """Each part imports parts that are listed above it: no two need each other."""
    listed: list[str] = []
    for part, others in MAY_IMPORT.items():
        assert others - {"textssl"} <= set(listed), part
        listed.append(part)


# What only parts above may import, and those parts. Imports within functions count here too.
ABOVE = {
    "cli": {"__main__"},
    "fit": {"checks", "cli", "sklearn", "textssl"},
    "methods": {"catalog", "cli", "fit", "textssl"},
}


def check_what_it_knows(module: str) -> None:
    part = part_of(module)
    known = {part_of(name) for name in imports_of(module, all_of_them=True)} - {part}
    assert not {name for name in known & set(ABOVE) if part not in ABOVE[name]}


@pytest.mark.slow
def test_nothing_below_knows_the_command_line_the_choice_or_the_methods() -> None:
    check_each(check_what_it_knows, [m for m in MODULES if part_of(m) != "cli"])


def check_that_it_needs_torch_alone(module: str) -> None:
    tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text())
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module)]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names | {"torch", "textssl"}, name


def test_the_loss_core_needs_nothing_but_torch() -> None:
    check_each(check_that_it_needs_torch_alone, [m for m in MODULES if part_of(m) in ("functional", "state")])


def test_no_module_needs_itself() -> None:
    """Depth first over all imports, those for annotations alone and those within functions too."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in imports_of(module, all_of_them=True):
                # A package that re-exports its own modules is no cycle of theirs.
                if not module.startswith(f"{other}."):
                    visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sys, textssl; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    loaded = set(done.stdout.split())
    assert "textssl" in loaded
    assert not loaded & {"torch", "transformers", "datasets", "numpy", "accelerate", "sklearn", "pyarrow"}


def test_methods_are_the_files_of_their_folder() -> None:
    files = {module.name for module in pkgutil.iter_modules([str(ROOT / "methods")])}
    assert set(METHODS) == files
    assert {"supervised", "uda"} <= files


def check_method(name: str) -> None:
    trainer = METHODS[name]
    module: ModuleType = importlib.import_module(f"textssl.methods.{name}")
    for part in (trainer, trainer.config_class):
        assert part.__module__ == module.__name__
        assert getattr(textssl, part.__name__) is part
    objective = trainer.objective_class
    assert issubclass(objective, Objective)
    assert issubclass(trainer.config_class, SSLConfig)
    assert objective.__module__ == module.__name__
    for word in ("*Views.*", "*State.*", "*Cost.*", "*When it fails.*"):
        assert word in str(module.__doc__)
    if name == "supervised":
        assert objective.citation is None
        return
    assert isinstance(objective.citation, Citation)
    assert objective.citation.arxiv is None or re.fullmatch(r"\d{4}\.\d{4,5}", objective.citation.arxiv)
    assert str(objective.citation.year) in str(module.__doc__)
    assert "*Differs from the paper in.*" in str(module.__doc__)


def test_a_method_is_reachable_described_and_cited() -> None:
    check_each(check_method, sorted(METHODS))


def test_what_the_package_does_not_have_is_no_attribute() -> None:
    for name in ("NoSuchTrainer", "NoSuchConfig", "nothing"):
        with pytest.raises(AttributeError, match=f"module 'textssl' has no attribute '{name}'"):
            getattr(textssl, name)
    assert set(textssl.__all__) <= set(dir(textssl))


def test_the_version_is_the_newest_of_the_changelog() -> None:
    changelog = (ROOT.parent / "CHANGELOG.md").read_text()
    newest = re.search(r"^## \[?v?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == textssl.__version__
