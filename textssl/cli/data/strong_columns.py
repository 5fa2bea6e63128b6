"""Strong views that a person made: columns of the unlabeled data."""

from __future__ import annotations

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...data.columns import is_string
from ...errors import UserError
from ..options import STRONG_VIEWS, RecipeOptions
from ..typed_settings import did_you_mean


__all__ = ["strong_columns"]


def strong_columns(rows: datasets.Dataset | None, options: RecipeOptions, columns: list[str]) -> tuple[str, ...]:
    """The columns that ``--strong`` names; empty where it names a view that is made.

    Args:
        rows: unlabeled examples with all their columns.
        options: the recipe's.
        columns: of the inputs.

    Raises:
        UserError: no such column, one of the inputs themselves, of something else than texts, or with a row without
            a text.
    """
    if options.strong in STRONG_VIEWS:
        return ()
    prefix = f"strong: got {options.strong!r}; "
    names = tuple(dict.fromkeys(name.strip() for name in options.strong.split(",") if name.strip()))
    known = [] if rows is None else [name for name in rows.column_names if name not in columns]
    for name in names or (options.strong,):
        if rows is None or name not in known:
            near = did_you_mean(name, {*known, *STRONG_VIEWS})
            raise UserError(
                f"{prefix}the unlabeled data have no further column {name!r}{near}; allowed: "
                f"{', '.join(STRONG_VIEWS)}, or columns of the unlabeled data, {', '.join(known) or 'which have none'}"
            )
        _check(rows, name, prefix)
    if len(columns) > 1:
        raise UserError(f"{prefix}a column is a view of single texts, and examples are pairs")
    return names


def _check(rows: datasets.Dataset, name: str, prefix: str) -> None:
    values = rows.select_columns([name]).with_format("arrow")[:][name]
    if not is_string(values.type):
        raise UserError(f"{prefix}column {name!r} holds {values.type}; expected texts")
    blank = np.asarray(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), pa.scalar("", values.type)), True))
    if blank.any():
        raise UserError(
            f"{prefix}column {name!r} has no text in {blank.sum():,} of {len(blank):,} rows, the first of which is "
            f"row {int(np.argmax(blank))}; give every unlabeled example one"
        )
