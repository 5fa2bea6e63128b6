"""How sentence-transformers makes vectors of an encoder's states: the files beside the encoder, read and written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from ..errors import UserError
from ..files import write_atomically


__all__ = ["SentenceFiles", "read_sentence_files", "write_sentence_files"]

# What the newest release writes as one name was a switch for each.
SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
OURS = {"mean": "mean", "cls": "cls", "lasttoken": "last"}


@dataclass(frozen=True)
class SentenceFiles:
    """What the files say.

    Attributes:
        pooling: as in ``PooledClassifierConfig``; ``None`` where there are no such files.
        normalize: whether the vectors are brought to length 1.
        max_seq_length: most tokens of a text; ``None`` where nobody said.
    """

    pooling: str | None = None
    normalize: bool = False
    max_seq_length: int | None = None


def read_sentence_files(place: str, revision: str | None = None, pooling: str | None = None) -> SentenceFiles:
    """Read ``modules.json`` and what it names; no code is run and no weight is read.

    Args:
        place: a folder, or a name on the Hub.
        revision: of a name on the Hub.
        pooling: what a person chose; then a way of pooling that this library does not have is no error.

    Raises:
        UserError: modules other than Transformer, Pooling and Normalize, in this order; a way of pooling that this
            library does not have; files that are damaged.
    """
    modules = _read(place, "modules.json", revision)
    if modules is None:
        return SentenceFiles()
    try:
        named = [(str(module["type"]).rsplit(".", 1)[-1], str(module["path"])) for module in modules]
    except (TypeError, KeyError) as error:
        raise UserError(f"encoder: modules.json of {place!r} is damaged") from error
    kinds = [kind for kind, _ in named]
    if strange := [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]:
        raise UserError(
            f"encoder: {place!r} has a module {strange[0]!r} of sentence-transformers; expected Transformer, Pooling "
            "and Normalize alone"
        )
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        raise UserError(f"encoder: {place!r} has modules {kinds}; expected Transformer, Pooling, Normalize")
    own = _read(place, _within(named[0][1], "sentence_bert_config.json"), revision) or {}
    length = own.get("max_seq_length")
    if pooling is None:
        pooling = _pooling(place, _read(place, _within(named[1][1], "config.json"), revision) or {})
    return SentenceFiles(pooling, "Normalize" in kinds, int(length) if length else None)


def write_sentence_files(
    folder: str | Path, pooling: str, normalize: bool, size: int, max_seq_length: int | None
) -> None:
    """Write ``modules.json`` and what it names, in the form that all releases of sentence-transformers read.

    Args:
        folder: of the encoder and its tokenizer.
        pooling: as in ``PooledClassifierConfig``.
        normalize: whether the vectors are brought to length 1.
        size: D, numbers in a vector.
        max_seq_length: most tokens of a text; ``None`` leaves it to the tokenizer.
    """
    paths = {"Transformer": "", "Pooling": "1_Pooling"} | ({"Normalize": "2_Normalize"} if normalize else {})
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(paths.items())
    ]
    switches = {name: OURS.get(mode) == pooling for name, mode in SWITCHES.items()}
    contents: dict[str, Any] = {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": max_seq_length, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": size, **switches},
    }
    for path in paths.values():
        Path(folder, path).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomically(Path(folder, name), json.dumps(content, indent=2).encode())


def _pooling(place: str, config: dict[str, Any]) -> str:
    modes = config.get("pooling_mode") or [mode for name, mode in SWITCHES.items() if config.get(name)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) > 1 or modes[0] not in OURS:
        raise UserError(
            f"encoder: {place!r} pools by {' and '.join(map(str, modes))}; allowed: {', '.join(OURS)}. Give pooling "
            "to choose another"
        )
    return OURS[modes[0]]


def _within(folder: str, name: str) -> str:
    if Path(folder).is_absolute() or ".." in Path(folder).parts:
        raise UserError(f"encoder: modules.json names the folder {folder!r}; expected one beside it")
    return f"{folder}/{name}" if folder else name


def _read(place: str, name: str, revision: str | None) -> Any:
    """The content of a JSON file; ``None`` where there is none."""
    try:
        if Path(place).is_dir():
            path: Any = Path(place, name)
            path = path if path.is_file() else None
        else:
            path = cached_file(place, name, revision=revision, _raise_exceptions_for_missing_entries=False)
        return None if path is None else json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"encoder: {name} of {place!r} cannot be read ({reason[:200]})") from error
