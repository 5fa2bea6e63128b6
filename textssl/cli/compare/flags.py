"""Flags of training on the command line of a comparison: for all methods, or for one."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import UserError


__all__ = ["named_values", "numbers", "own_flags", "training_flags"]

# What the grid decides, and what to give in its place.
DECIDED = {
    "seed": "--seeds",
    "num_labeled": "--labels",
    "method": "--methods",
    "output_dir": "-o",
    "train_file": "the file itself, before all flags",
    "unlabeled_file": "the second file, before all flags",
    "test_file": "--test",
    "no_baseline": "--no-baseline",
    "baseline": "--no-baseline",
    "baseline_steps": "--set supervised.max_steps=N",
    "baseline_epochs": "--set supervised.num_train_epochs=N",
    "baseline_learning_rate": "--set supervised.learning_rate=X",
}
# What has no meaning for many runs at once.
REFUSED = {
    "push_to_hub": "each cell would be pushed; push the one that you choose",
    "resume_from_checkpoint": "the same command goes on by itself",
    "overwrite": "delete the folder, or choose another -o",
    "hub_token": "nothing is pushed; hf auth login lets cells read private models",
    "teacher": "the baseline of each seed is the teacher; without --no-baseline there is always one",
}


def training_flags(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Flags that the comparison has not itself, with their values, the last where a flag is repeated.

    Args:
        words: as they stand on the command line, after the files.

    Raises:
        UserError: a word that belongs to no flag, or a flag that the grid decides.
    """
    flags: dict[str, tuple[str, ...]] = {}
    name = None
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            flags[name] = (value,) if equals else ()
        elif name is None or (word.startswith("-") and not _is_number(word)):
            raise UserError(f"{word}: no such flag; see textssl compare --help")
        else:
            flags[name] += (word,)
    for name in flags:
        _check_free(name, name)
    return flags


def own_flags(settings: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """What ``--set METHOD.FLAG=VALUE`` says, by method.

    Raises:
        UserError: it has another form, or names a flag that the grid decides.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for setting in settings:
        left, equals, value = setting.partition("=")
        method, dot, name = left.partition(".")
        name = name.replace("-", "_")
        if not (equals and dot and method and name):
            raise UserError(f"set: got {setting!r}; expected METHOD.FLAG=VALUE, such as fixmatch.threshold=0.8")
        if name != "teacher":
            _check_free(name, f"set: {left}")
        found.setdefault(method.replace("-", "_"), {})[name] = (value,)
    return found


def named_values(text: str | None) -> tuple[str, ...]:
    """Names with commas between, each once."""
    names = [name.strip() for name in (text or "").split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def numbers(flag: str, text: str, least: int) -> tuple[int, ...]:
    """Whole numbers with commas between, each once, in increasing order.

    Raises:
        UserError: something else, or a number below ``least``.
    """
    try:
        found = sorted({int(part) for part in named_values(text)})
    except ValueError:
        found = []
    if not found or found[0] < least:
        raise UserError(f"{flag}: got {text!r}; expected whole numbers with commas between, each at least {least}")
    return tuple(found)


def _check_free(name: str, shown: str) -> None:
    name = {"labels": "num_labeled"}.get(name, name)
    if name in DECIDED:
        raise UserError(f"{shown}: the grid decides it; give {DECIDED[name]}")
    if name in REFUSED:
        raise UserError(f"{shown}: not for a comparison; {REFUSED[name]}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
