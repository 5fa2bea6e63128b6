"""``textssl check`` as a function: read, look, ask the programs, write."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...checks import CheckReport, check_data
from ...errors import UserError
from ...files import write_atomically
from ...fit.parts import Columns
from ...models.embedded import EMBEDDED, embedded_model_path
from .refusals import Refusals, refusals


__all__ = ["checked", "write_suspects"]

logger = logging.getLogger(__name__)


def checked(
    files: Mapping[str, str], columns: Columns, encoder: str, max_length: int, suspects: bool, seed: int
) -> tuple[CheckReport | None, Refusals]:
    """What was found, ``None`` where the data cannot be read, and what the programs would refuse.

    Args:
        files: by part.
        columns: that a person named.
        encoder: whose tokenizer counts, and by whose embeddings suspects are found.
        max_length: most tokens of a text.
        suspects: whether labels that may be wrong are looked for.
        seed: of the folds for that.

    Raises:
        UserError: a file that is not there, a column that was named and is not there, an encoder that cannot be
            loaded.
    """
    try:
        report = check_data(
            files, columns, tokenizer=_tokenizer(encoder), max_length=max_length,
            suspects_by=encoder if suspects else None, seed=seed,
        )  # fmt: skip
    except UserError as error:
        if "no such file" in str(error) or any(
            f"no column {name!r}" in str(error) for name in (columns.text, columns.image, columns.label) if name
        ):
            raise
        asked = refusals(files, columns, None)
        if not asked.any:
            raise
        return None, asked
    return report, refusals(files, columns, report.parts["labeled"].data.modality)


def _tokenizer(encoder: str) -> Any:
    from transformers import AutoTokenizer

    if encoder == EMBEDDED:
        try:
            return _with_limit(AutoTokenizer, embedded_model_path())
        except UserError as error:
            logger.warning("tokens are not counted: %s.", error)
            return None
    try:
        return _with_limit(AutoTokenizer, encoder)
    except Exception as error:  # files and networks have more kinds of failure than can be listed
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"encoder: {encoder!r} has no tokenizer that can be loaded ({reason[:200]})") from error


def _with_limit(kind: Any, encoder: Any) -> Any:
    """A tokenizer whose ``model_max_length`` is at most the number of the encoder's positions."""
    from transformers import AutoConfig

    tokenizer = kind.from_pretrained(encoder)
    try:
        positions = getattr(AutoConfig.from_pretrained(encoder), "max_position_embeddings", None)
    except (OSError, ValueError):
        # A folder of a tokenizer alone.
        positions = None
    if isinstance(positions, int) and positions > 0:
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    return tokenizer


def write_suspects(report: CheckReport, path: Path) -> None:
    """All suspects as CSV, with the columns of the table that a person sees."""
    rows = [suspect.as_json() for suspect in report.suspects or []]
    text = io.StringIO(newline="")
    fields = ["row", "line", "label", "suggested", "label_probability", "suggested_probability", "content"]
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.getvalue().encode())
