"""What stands on the command line of a comparison, and the grid that it asks for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...catalog.names import method_named
from ...errors import UserError
from .flags import named_values, numbers, own_flags, training_flags
from .grid import Grid, checksums


__all__ = ["CompareRequest", "folder_of", "requested_grid"]


@dataclass(frozen=True)
class CompareRequest:
    """What stands on the command line of a comparison.

    Attributes:
        words: files, and flags of training, in their order.
        source: of named data.
        test: file of held-out examples.
        methods: names with commas between.
        add: more of them.
        seeds: how many, or which, with commas between.
        labels: numbers of labeled examples with commas between.
        settings: of single methods, ``METHOD.FLAG=VALUE``.
        baseline: whether the supervised baseline is among the cells.
        jobs: how many cells run at a time.
        output: the folder.
        json: print the figures as one JSON document in place of the table.
    """

    words: Sequence[str] = ()
    source: str | None = None
    test: str | None = None
    methods: str | None = None
    add: str | None = None
    seeds: str | None = None
    labels: str | None = None
    settings: Sequence[str] = ()
    baseline: bool = True
    jobs: int | None = None
    output: Path | None = None
    json: bool = False


def requested_grid(request: CompareRequest, before: Grid | None) -> Grid:
    """The grid that a command line asks for.

    Args:
        request: the command line; what it leaves out is as before where cells are added.
        before: the grid of the folder; ``None`` where there is none.

    Raises:
        UserError: no data, no methods, or values that are none.
    """
    positional, flags = _split(request.words)
    data = _data_of(request, positional)
    named = _methods(request.methods)
    added = _methods(request.add)
    goes_on = before is not None and (not data or (bool(added) and not named))
    if not data and before is None:
        raise UserError("labeled: got none; expected a file of labeled examples, or --source NAME --labels N")
    if not named and not goes_on:
        raise UserError("methods: got none; expected names with commas between, such as --methods uda,fixmatch")
    own = own_flags(request.settings)
    labels = () if request.labels is None else numbers("labels", request.labels, 1)
    if goes_on:
        assert before is not None
        return replace(
            before,
            data={**before.data, **data},
            files=checksums({**before.data, **data}),
            methods=tuple(dict.fromkeys([*before.methods, *named, *added])),
            seeds=before.seeds if request.seeds is None else _seeds(request.seeds),
            labels=labels or before.labels,
            flags={**before.flags, **flags},
            own={**before.own, **{name: {**before.own.get(name, {}), **new} for name, new in own.items()}},
        )
    return Grid(
        data=data,
        methods=tuple(dict.fromkeys([*named, *added])),
        seeds=_seeds(request.seeds or "3"),
        labels=labels,
        baseline=request.baseline,
        flags=flags,
        own=own,
        by_labels=len(labels) > 1,
        files=checksums(data),
    )


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Files, which come first, and flags of training."""
    first = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    if first > 2:
        raise UserError(
            f"{words[2]}: expected at most two files, LABELED and UNLABELED; --test names held-out examples"
        )
    return [*words[:first]], training_flags(words[first:])


def _data_of(request: CompareRequest, positional: Sequence[str]) -> dict[str, str]:
    if request.source is not None and positional:
        raise UserError(f"source: got {request.source!r} beside {positional[0]}; give one of them")
    data = dict(zip(("train_file", "unlabeled_file"), positional, strict=False))
    if request.source is not None:
        data["source"] = request.source
    if request.test is not None:
        if request.source is not None:
            raise UserError(
                f"test: got {request.test!r} beside --source {request.source}, which has held-out examples"
            )
        data["test_file"] = request.test
    # The same files from whatever folder the next command is given.
    return {name: os.path.abspath(value) if os.path.exists(value) else value for name, value in data.items()}


def _methods(text: str | None) -> list[str]:
    return list(dict.fromkeys(method_named(name) for name in named_values(text)))


def _seeds(text: str) -> tuple[int, ...]:
    """``3`` is how many; ``0,5`` is which."""
    found = numbers("seeds", text, 0)
    if "," in text:
        return found
    if not found[0]:
        raise UserError(f"seeds: got {text!r}; expected how many, at least 1, or which, such as 0,5,7")
    return tuple(range(found[0]))


def folder_of(request: CompareRequest) -> Path:
    """The folder of a comparison, by default named by its data."""
    if request.output is not None:
        return request.output
    positional, _ = _split(request.words)
    name = request.source or (Path(positional[0]).stem if positional else None)
    if name is None:
        raise UserError("labeled: got none; expected a file of labeled examples, --source NAME, or -o of a comparison")
    return Path("outputs") / f"compare_{name.partition(':')[0]}"
