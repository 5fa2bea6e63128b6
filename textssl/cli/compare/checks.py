"""Before the first cell runs: all mistakes are found, and what all cells share is prepared."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ...config import SSLConfig
from ...errors import UserError
from ...methods import METHODS
from ..arguments import parse_arguments
from ..options import RecipeOptions
from ..presets import fitting_preset, presets_for
from ..recipe import trainer_factory, try_construction
from ..run.folder import RunFolder
from ..run.resolved import resolve_run
from ..run.stages import measured_line
from ..task_setups import FeatureTaskSetup, TaskSetup
from .cell_flags import check_flags, words_of
from .cells import PREPARED
from .checked import Checked, pair_name
from .grid import Cell, Grid


__all__ = ["check_grid"]

# Strong views that translate, which takes long.
TRANSLATING = ("apertium", "seq2seq")


def check_grid(grid: Grid, cells: Sequence[Cell], folder: Path, threads: int) -> Checked:
    """Check the cells, and embed and translate what they share.

    Args:
        grid: of the cells.
        cells: those that are to run, at least one.
        folder: of the comparison.
        threads: that this may use.

    Raises:
        UserError: settings, data or a model with which one of the cells could not work.
    """
    torch.set_num_threads(threads)
    check_flags(grid)
    for method in dict.fromkeys(cell.method for cell in cells):
        for labels in dict.fromkeys(cell.labels for cell in cells):
            with _named(method, cells):
                _parsed(grid, Cell(method, labels, cells[0].seed))
    first = _check_first(grid, cells, folder)
    kind = first[cells[0].method]
    data = {pair_name(cells[0]): kind.data.checksum(kind.config)}
    for cell in _one_of_each_pair(cells)[1:]:
        data[pair_name(cell)] = _prepare_pair(grid, cell, first, folder / PREPARED)
    return Checked(
        data=data,
        described=f"{kind.data.describe()}; model: {kind.model_name}",
        measured=measured_line(kind.data),
        with_teacher=tuple(name for name in first if METHODS[name].objective_class.takes_probs),
        devices=0 if kind.config.use_cpu else _accelerators(),
    )


def _check_first(grid: Grid, cells: Sequence[Cell], folder: Path) -> dict[str, TaskSetup]:
    """Build the trainer of each method, with the data of the first cell."""
    found: dict[str, TaskSetup] = {}
    with tempfile.TemporaryDirectory(prefix=".check-", dir=folder) as scratch:
        for method in dict.fromkeys(cell.method for cell in cells):
            with _named(method, cells):
                kind = _set_up(grid, replace(cells[0], method=method), quiet=bool(found))
                kind.prepare(folder / PREPARED)
                with _silently():
                    try_construction(trainer_factory(METHODS[method], kind.config, kind), Path(scratch), kind)
                found[method] = kind
    return found


def _prepare_pair(grid: Grid, cell: Cell, first: Mapping[str, TaskSetup], folder: Path) -> str:
    """Embed or translate the examples of other labels or another seed; their checksum."""
    checksum = ""
    for method in _that_prepare(first):
        kind = _set_up(grid, replace(cell, method=method), quiet=True)
        if not checksum:
            checksum = kind.data.checksum(kind.config)
        if _takes_long(kind):
            kind.prepare(folder)
    return checksum


def _that_prepare(first: Mapping[str, TaskSetup]) -> list[str]:
    """One method of each kind of preparation."""
    kinds: dict[tuple[str, int], str] = {}
    for method, kind in first.items():
        kinds.setdefault((kind.strong if kind.strong != "noise" else "none", len(kind.data.examples)), method)
    return list(kinds.values())


def _takes_long(kind: TaskSetup) -> bool:
    return isinstance(kind, FeatureTaskSetup) or any(name in kind.strong for name in TRANSLATING)


def _one_of_each_pair(cells: Sequence[Cell]) -> list[Cell]:
    return list({(cell.labels, cell.seed): cell for cell in reversed(cells)}.values())[::-1]


def _parsed(grid: Grid, cell: Cell, quiet: bool = False) -> tuple[RecipeOptions, SSLConfig]:
    types: list[type] = [RecipeOptions, METHODS[cell.method].config_class]
    words = [*words_of(grid, cell, Path(cell.method)), *(["--data_check=off"] if quiet else [])]
    options, config = parse_arguments(types, presets_for(cell.method), fitting_preset()[0], words)
    return options, config


def _set_up(grid: Grid, cell: Cell, quiet: bool) -> TaskSetup:
    """As a recipe does, up to the preparation of its views."""
    with _silently():
        options, config = _parsed(grid, cell, quiet)
        run = RunFolder(str(config.output_dir), [options, config])
        resolved = resolve_run(cell.method, METHODS[cell.method], options, config, "imdb", run)
        return resolved.setup_class(resolved.options, resolved.config, resolved.data, set(resolved.views))


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    """What a run says of its data and plan is in the log of each cell; warnings are logged, and not held back."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _accelerators() -> int:
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return 0 if found is None or found.type == "cpu" else torch.accelerator.device_count()


@contextlib.contextmanager
def _named(method: str, cells: Sequence[Cell]) -> Iterator[None]:
    """Name the method in a mistake; what already the first one meets is none of a single method."""
    try:
        yield
    except UserError as error:
        if method == cells[0].method:
            raise
        raise UserError(f"{method}: {error}") from error
