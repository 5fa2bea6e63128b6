"""Every test runs offline, on the CPU, on one thread."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path


# Before torch or huggingface_hub are imported anywhere: both read them once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import pytest
from hypothesis import settings
from transformers.utils import logging as transformers_logging

from tests.command_line import Ended, call
from tests.ddp.pool import TwoProcesses
from tests.of_method import all_methods, methods_of


HERE = Path(__file__).parent
# All tests of these folders are slow: they train each method, run whole recipes and scripts, or need more processes.
SLOW_FOLDERS = [
    HERE / name for name in ("contract", "data_scripts", "ddp", "pretraining", "recipes", "reference", "self_training")
]

# Tests after which what was imported meanwhile is left out of garbage collections.
TESTS_TO_FREEZE = 25
_finished = 0

# A busy machine is no defect of an example.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def _embeddings_are_kept_out_of_the_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["TEXTSSL_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _other_libraries_are_as_loud_as_before() -> Iterator[None]:
    """Recipes and commands silence them for their process."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    yield
    transformers_logging.set_verbosity(verbosity)
    if bars:
        transformers_logging.enable_progress_bar()


@pytest.fixture(scope="session", autouse=True)
def _imported_modules_are_no_garbage() -> None:
    """Accelerate collects garbage whenever a training begins: most of a short one is a walk over what was imported."""
    freeze_imported_modules()


def pytest_runtest_logfinish(nodeid: str, location: tuple[str, int | None, str]) -> None:
    """Tests import more as they go: without this, later collections walk over all of it."""
    global _finished
    _finished += 1
    if _finished % TESTS_TO_FREEZE == 0:
        freeze_imported_modules()


def freeze_imported_modules() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoProcesses]:
    """Two gloo processes, which the first test that runs a job on them starts."""
    pool = TwoProcesses(tmp_path_factory.mktemp("two_processes"))
    yield pool
    pool.close()


@pytest.fixture
def command_line(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """``textssl`` as a person calls it, within this process: ``command_line("fit", "few.csv").out``."""
    return lambda *words, **options: call(capfd, *words, **options)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--method",
        action="append",
        metavar="NAME",
        help="run the tests of one method alone: its own, its cases of the contract and all others that it is a "
        "parameter of; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    unknown = set(config.option.method or ()) - set(all_methods())
    if unknown:
        raise pytest.UsageError(
            f"--method: got {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(all_methods()))}"
        )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether nothing of a folder would be run: ``make fast`` does not collect what it leaves out as a whole."""
    return ("not slow" in config.option.markexpr and collection_path in SLOW_FOLDERS) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of the wanted methods alone; mark slow folders and tests that share the two processes.

    The latter come first so that one worker of pytest-xdist has them all.
    """
    if wanted := set(config.option.method or ()):
        kept = [item for item in items if wanted & methods_of(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in SLOW_FOLDERS):
            item.add_marker("slow")
    sharing = {item for item in items if "two_processes" in getattr(item, "fixturenames", ())}
    for item in sharing:
        item.add_marker("ddp")
    items.sort(key=lambda item: item not in sharing)
