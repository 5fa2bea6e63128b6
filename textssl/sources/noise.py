"""Labels that may be wrong: true ones made wrong by chance, and weak ones by rules."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import UserError


__all__ = ["FLIPS", "SENTIMENT_RULES", "flip_labels", "keyword_labels"]

FLIPS = ("symmetric", "asymmetric")
# A number of its own beside those of ``splits``: which examples are labeled says nothing of which labels are
# wrong.
NOISE = 2

#: Words of film reviews for :func:`keyword_labels`, negative 0 and positive 1: plain ones that came to mind, fitted on
#: nothing. Measured on 2,000 reviews of the embedded IMDb (its training part, shuffled with seed 0), ties drawn with
#: seed 0: 28.4 % of the labels are wrong, 44 % of those of negative reviews and 13 % of those of positive ones.
SENTIMENT_RULES: Mapping[int, tuple[str, ...]] = {
    0: (
        "annoying",
        "awful",
        "bad",
        "boring",
        "disappointing",
        "dull",
        "horrible",
        "lame",
        "poor",
        "ridiculous",
        "stupid",
        "terrible",
        "waste of time",
        "weak",
        "worst",
    ),
    1: (
        "amazing",
        "beautiful",
        "best",
        "brilliant",
        "enjoyable",
        "excellent",
        "favorite",
        "fun",
        "good",
        "great",
        "love",
        "perfect",
        "superb",
        "well done",
        "wonderful",
    ),
}


def flip_labels(
    labels: Sequence[int] | np.ndarray, rate: float, num_labels: int, seed: int, kind: str = "symmetric"
) -> np.ndarray:
    """Make a share of labels wrong; a function of the arguments alone.

    The "symmetric noise of r %" of the DivideMix paper (Li et al., 2020, arXiv:2002.07394, section 4.1) draws the new
    class among all of them, the true one included, so that r (1 - 1/C) of the labels are wrong. Here ``rate`` is the
    share of labels that are wrong. With one seed the rows of a smaller rate are among those of a larger one, and have
    the same wrong class there.

    Args:
        labels: [N] class numbers, 0 to C - 1.
        rate: share of the labels that get another class, in [0, 1): ``round(rate * N)`` rows.
        num_labels: C, at least 2.
        seed: 0 or larger.
        kind: ``"symmetric"``, each of the C - 1 other classes is as likely; ``"asymmetric"``, class c becomes
            (c + 1) mod C.

    Returns:
        [N] int64.

    Raises:
        UserError: an argument out of its range.
    """
    if kind not in FLIPS:
        raise UserError(f"kind: got {kind!r}; allowed: {', '.join(FLIPS)}")
    if not 0 <= rate < 1:
        raise UserError(f"rate: got {rate}; expected a number in [0, 1)")
    if num_labels < 2:
        raise UserError(f"num_labels: got {num_labels}; expected at least 2")
    _check_seed(seed)
    ids = _class_numbers(labels, num_labels)
    rng = np.random.default_rng([seed, NOISE])
    rows = rng.permutation(len(ids))[: round(rate * len(ids))]
    steps = rng.integers(1, num_labels, len(ids)) if kind == "symmetric" else np.ones(len(ids), np.int64)
    ids[rows] = (ids[rows] + steps[rows]) % num_labels
    return ids


def keyword_labels(texts: Sequence[str], rules: Mapping[int, Sequence[str]], seed: int) -> np.ndarray:
    """Weak labels: the class whose keywords a text has most often.

    Keywords match as whole words, in upper or lower case. A place in a text counts once for a class, and the longest
    keyword that fits takes it: "waste" and "waste of time" in "a waste of time" are one match. Where several classes
    have most matches, or none has any, one of them is drawn by a hash of text and seed: equal texts have equal labels,
    in whatever order they come.

    Args:
        texts: N texts.
        rules: class number to its keywords, each of one or several words; two classes or more.
        seed: 0 or larger.

    Returns:
        [N] int64, keys of ``rules``.

    Raises:
        UserError: fewer than two classes, a class without a keyword, an empty keyword, a text that is none.
    """
    _check_seed(seed)
    if len(rules) < 2 or min(rules) < 0:
        raise UserError(f"rules: got the classes {sorted(rules)}; expected two or more, each 0 or larger")
    classes = sorted(rules)
    patterns = [_pattern(c, rules[c]) for c in classes]
    found = np.empty(len(texts), np.int64)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"texts: row {row} is {type(text).__name__}; expected a string")
        counts = [sum(1 for _ in pattern.finditer(text)) for pattern in patterns]
        candidates = [c for c, count in zip(classes, counts, strict=True) if count == max(counts)]
        found[row] = candidates[_draw(text, seed) % len(candidates)] if len(candidates) > 1 else candidates[0]
    return found


def _class_numbers(labels: Sequence[int] | np.ndarray, num_labels: int) -> np.ndarray:
    """A copy as int64."""
    ids = np.asarray(labels)
    if ids.ndim != 1 or (len(ids) and not np.issubdtype(ids.dtype, np.integer)):
        raise UserError(f"labels: expected N integers, got shape {list(ids.shape)} of {ids.dtype}")
    wrong = (ids < 0) | (ids >= num_labels)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(f"labels: got {ids[row]} in row {row}; expected class numbers 0 to {num_labels - 1}")
    return ids.astype(np.int64)


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise UserError(f"seed: got {seed}; expected 0 or larger")


def _pattern(number: int, keywords: Sequence[str]) -> re.Pattern[str]:
    if isinstance(keywords, str) or not keywords or not all(keyword.split() for keyword in keywords):
        raise UserError(f"rules: got {keywords!r} for class {number}; expected keywords, none of them empty")
    longest_first = sorted(keywords, key=len, reverse=True)
    alternatives = "|".join(r"\s+".join(map(re.escape, keyword.split())) for keyword in longest_first)
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)


def _draw(text: str, seed: int) -> int:
    content = f"{seed} {text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
