"""The grid of a comparison: its cells, what all of them share, and its record in the folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import sha256_of, write_atomically


__all__ = ["BASELINE", "GRID_FILE", "Cell", "Grid", "checksums", "joined", "read_grid"]

BASELINE = "supervised"
GRID_FILE = "grid.json"
VERSION = 1

Words = tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Attributes:
        method: a key of ``METHODS``, or ``"fit"``.
        labels: number of labeled examples, where the grid says it.
        seed: of the run, and of the labels that are drawn.
    """

    method: str
    labels: int | None
    seed: int

    def __str__(self) -> str:
        labels = "" if self.labels is None else f"{self.labels} labels, "
        return f"{self.method}, {labels}seed {self.seed}"

    @property
    def baseline(self) -> Cell:
        """The cell that this one is compared with."""
        return replace(self, method=BASELINE)


@dataclass(frozen=True)
class Grid:
    """What is compared on what.

    Attributes:
        data: flags of the data and their values, such as ``train_file``.
        methods: in the order of the table, without the baseline unless it was named.
        seeds: of the runs.
        labels: numbers of labeled examples; empty where all are taken, or as many as a preset says.
        baseline: whether the supervised baseline is among the cells.
        flags: flags of training, common to all methods.
        own: flags of single methods, by method.
        by_labels: whether folders are named by the number of labels too.
        files: checksums of the files of ``data``.
        drawn: checksums of the examples of each number of labels and seed.
        described: the data, for a person.
        measured: what accuracies are of, for a person.
    """

    data: Mapping[str, str]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    labels: tuple[int, ...] = ()
    baseline: bool = True
    flags: Mapping[str, Words] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Words]] = field(default_factory=dict)
    by_labels: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    drawn: Mapping[str, str] = field(default_factory=dict)
    described: str = ""
    measured: str = ""

    @property
    def rows(self) -> tuple[str, ...]:
        """All methods, the baseline first."""
        return (BASELINE, *(name for name in self.methods if name != BASELINE)) if self.baseline else self.methods

    def cells(self) -> list[Cell]:
        """All cells, those of one seed beside each other, so that pairs are complete early."""
        labels: tuple[int | None, ...] = self.labels or (None,)
        return [Cell(method, count, seed) for seed in self.seeds for count in labels for method in self.rows]

    def folder_of(self, cell: Cell, folder: Path) -> Path:
        """The run folder of a cell."""
        inner = folder / cell.method
        return (inner / f"labels_{cell.labels}" if self.by_labels else inner) / f"seed_{cell.seed}"

    def write(self, folder: Path) -> None:
        """Record the grid in its folder."""
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=1)
        write_atomically(folder / GRID_FILE, text.encode())


def read_grid(folder: Path) -> Grid | None:
    """The grid of a folder; ``None`` where there is none.

    Raises:
        UserError: the folder holds something else, or a record that cannot be read.
    """
    path = folder / GRID_FILE
    if folder.exists() and not folder.is_dir():
        raise UserError(f"output: {folder} is a file; choose another -o")
    if not path.is_file():
        # A leftover of a kill before anything was written.
        others = [entry for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.exists() else []
        if others:
            raise UserError(f"output: {folder} holds files that are no comparison; choose another -o")
        return None
    try:
        record = json.loads(path.read_text())
        if record.pop("version") != VERSION:
            raise UserError(f"output: {path} is of another version of textssl; choose another -o")
        for name in ("methods", "seeds", "labels"):
            record[name] = tuple(record[name])
        record["flags"] = _tuples(record["flags"])
        record["own"] = {method: _tuples(flags) for method, flags in record["own"].items()}
        return Grid(**record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"output: {path} is damaged; choose another -o") from error


def joined(before: Grid, now: Grid, folder: Path) -> Grid:
    """The cells of both grids.

    Raises:
        UserError: data or settings differ, so that their cells could not be compared.
    """
    changes = [f"{name} was {old}, is {new}" for name, old, new in _differences(before, now)]
    if changes:
        raise UserError(f"output: {folder} holds another comparison: {'; '.join(changes)}; choose another -o")
    if now.labels != before.labels and not before.by_labels:
        was = ",".join(map(str, before.labels)) or "not given"
        raise UserError(
            f"labels: got {','.join(map(str, now.labels)) or 'none'}; {folder} was made with labels {was}, and one "
            "number alone; choose another -o"
        )
    return replace(
        before,
        methods=_union(before.methods, now.methods),
        seeds=tuple(sorted({*before.seeds, *now.seeds})),
        labels=tuple(sorted({*before.labels, *now.labels})),
        own={**before.own, **now.own},
        files={**now.files},
    )


def checksums(data: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of each file among the flags of data; folders and names of the Hub have none here."""
    return {name: sha256_of(value) for name, value in data.items() if name.endswith("_file") and Path(value).is_file()}


def _differences(before: Grid, now: Grid) -> list[tuple[str, str, str]]:
    found = [(name, *pair) for name, pair in _changed(before.data, now.data)]
    if not found:
        files = [name for name, _ in _changed(before.files, now.files)]
        found = [(f"the content of {now.data[name]}", "another", "changed") for name in files]
    found += [(name, *pair) for name, pair in _changed(before.flags, now.flags)]
    for method in {*before.rows} & {*now.rows}:
        pairs = _changed(before.own.get(method, {}), now.own.get(method, {}))
        found += [(f"{method}.{name}", *pair) for name, pair in pairs]
    if before.baseline != now.baseline:
        found.append(("baseline", str(before.baseline).lower(), str(now.baseline).lower()))
    return sorted(found)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, tuple[str, str]]]:
    names = sorted(before.keys() | now.keys())
    return [(n, (_shown(before.get(n)), _shown(now.get(n)))) for n in names if before.get(n) != now.get(n)]


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value if isinstance(value, str) else " ".join(value) or "given")


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return first + tuple(name for name in second if name not in first)


def _tuples(flags: Mapping[str, Any]) -> dict[str, Words]:
    return {name: tuple(words) for name, words in flags.items()}
