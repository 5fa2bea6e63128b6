"""Candidates without repeats, and without what evaluation sets and labeled examples hold.

SentAugment (Du et al., 2021, arXiv:2010.02194, section 3) removes sentences of the test sets that a bank happens to
have. Here a sentence also goes if it is a part of a longer evaluation text, or nearly one of its sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..augment.text.sentences import cut
from ..errors import UserError
from ..jobs import ShowProgress, counted


__all__ = [
    "Cleaned",
    "check_cosines",
    "clean",
    "contained_in",
    "evaluation_sentences",
    "near_duplicates",
    "near_to",
]

# A shorter sentence is removed only if it is a whole sentence of an evaluation text: "I loved this film" is a part of
# many, and says nothing of any.
CONTAINED_WORDS = 6
BLOCK = 1024

_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class Cleaned:
    """What was kept, and why the others were not.

    Args:
        rows: ``[K]`` of the candidates, best first.
        counts: ``candidates``; of these ``evaluation_exact``, ``evaluation_contained``, ``evaluation_near``,
            ``labeled``, ``duplicates`` and ``near_duplicates`` were removed, in this order; ``kept``.
    """

    rows: np.ndarray
    counts: dict[str, int]


def clean(
    texts: Sequence[str],
    vectors: np.ndarray,
    scores: np.ndarray,
    *,
    evaluation: Sequence[str] = (),
    labeled: Sequence[str] = (),
    evaluation_vectors: np.ndarray | None = None,
    near_duplicate: float | None = 0.95,
    near_evaluation: float | None = 0.95,
    progress: bool | ShowProgress = True,
) -> Cleaned:
    """Remove repeats among candidates, and what evaluation sets and labeled examples hold.

    Texts are compared by their words in lower case; punctuation makes no difference. Of texts that are the same, or
    whose embeddings are near each other, the one with the highest score is kept.

    Args:
        texts: N candidates.
        vectors: ``[N, D]``, of norm 1.
        scores: ``[N]``; of equal ones the earlier is better.
        evaluation: texts of evaluation sets. A candidate is removed that is one of their sentences, or that has 6
            words or more and is a part of one of them.
        labeled: texts of the labeled examples. A candidate that stands in one of them, as for ``evaluation``, is
            removed: it would be learned from twice, once under a label that nobody checked.
        evaluation_vectors: ``[E, D]``, of norm 1, of :func:`evaluation_sentences`.
        near_duplicate: least cosine of a near-duplicate; ``None`` keeps them.
        near_evaluation: least cosine to a sentence of an evaluation set; ``None`` keeps what is near.
        progress: as for :func:`textssl.jobs.run_job`.

    Raises:
        UserError: a cosine out of range, or other numbers of rows.
    """
    check_cosines(near_duplicate=near_duplicate, near_evaluation=near_evaluation)
    if not len(texts) == len(vectors) == len(scores):
        raise UserError(f"vectors: got {len(vectors)} for {len(texts)} texts and {len(scores)} scores")
    keys = [_key(text) for text in texts]
    rows = np.argsort(-np.asarray(scores), kind="stable")
    counts = {"candidates": len(texts)}

    def keep(name: str, good: np.ndarray) -> None:
        nonlocal rows
        counts[name] = int(len(rows) - good.sum())
        rows = rows[good]

    keep("evaluation_exact", ~_sentences_of(evaluation, [keys[row] for row in rows]))
    keep("evaluation_contained", ~contained_in([keys[row] for row in rows], evaluation, progress))
    near = np.zeros(len(rows), bool)
    if evaluation_vectors is not None and near_evaluation is not None:
        near = near_to(vectors[rows], evaluation_vectors, near_evaluation)
    keep("evaluation_near", ~near)
    left = [keys[row] for row in rows]
    keep("labeled", ~(_sentences_of(labeled, left) | contained_in(left, labeled, progress)))
    keep("duplicates", _firsts([keys[row] for row in rows]))
    near = np.zeros(len(rows), bool)
    if near_duplicate is not None:
        near = near_duplicates(vectors[rows], near_duplicate, progress)
    keep("near_duplicates", ~near)
    return Cleaned(rows, {**counts, "kept": len(rows)})


def check_cosines(**cosines: float | None) -> None:
    """Raise UserError for a cosine by name that is none in (0, 1]."""
    for name, cosine in cosines.items():
        if cosine is not None and not 0 < cosine <= 1:
            raise UserError(f"{name}: got {cosine}; expected a cosine in (0, 1], or None")


def evaluation_sentences(texts: Iterable[str]) -> list[str]:
    """The texts themselves and their sentences, each once, in order."""
    return list(dict.fromkeys(part for text in texts for part in (text, *cut(text)) if part.strip()))


def contained_in(keys: Sequence[str], texts: Iterable[str], progress: bool | ShowProgress = True) -> np.ndarray:
    """Whether a candidate of 6 words or more is a part of one of ``texts``, by their words.

    The beginnings of the candidates are held in memory, and the texts pass by once.

    Args:
        keys: n candidates: words in lower case, with a space between.
        texts: as they are.
        progress: as for :func:`textssl.jobs.run_job`.

    Returns:
        ``[n]`` bool.
    """
    found = np.zeros(len(keys), bool)
    starts: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for row, key in enumerate(keys):
        if len(words := key.split()) >= CONTAINED_WORDS:
            starts.setdefault(tuple(words[:CONTAINED_WORDS]), []).append((row, f" {key} "))
    if not starts:
        return found
    texts = list(texts)
    with counted(progress, len(texts), 0, "compare with texts that must not come back", "text") as bar:
        for text in texts:
            words = _WORDS.findall(text.casefold())
            whole = f" {' '.join(words)} "
            for start in _windows(words):
                for row, key in starts.get(start, ()):
                    found[row] |= key in whole
            bar.advance()
    return found


def near_to(vectors: np.ndarray, others: np.ndarray, cosine: float) -> np.ndarray:
    """Whether each of n vectors has an inner product of ``cosine`` or more with one of m others."""
    near = np.zeros(len(vectors), bool)
    for first in range(0, len(others), BLOCK):
        block = others[first : first + BLOCK].T
        for start in range(0, len(vectors), BLOCK):
            near[start : start + BLOCK] |= (vectors[start : start + BLOCK] @ block).max(1) >= cosine
    return near


def near_duplicates(vectors: np.ndarray, cosine: float, progress: bool | ShowProgress = True) -> np.ndarray:
    """Whether a vector is near one before it that is kept itself; n^2 D / 2 multiplications.

    Args:
        vectors: ``[n, D]``, of norm 1, the most wanted first.
        cosine: least inner product of two that are near.
        progress: as for :func:`textssl.jobs.run_job`.

    Returns:
        ``[n]`` bool.
    """
    near = np.zeros(len(vectors), bool)
    starts = range(0, len(vectors), BLOCK)
    with counted(progress, len(starts), 0, "near-duplicates", "block") as bar:
        for start in starts:
            part = slice(start, start + BLOCK)
            near[part] = near_to(vectors[part], vectors[:start][~near[:start]], cosine)
            alike = vectors[part] @ vectors[part].T >= cosine
            for i in range(len(alike)):
                # Row by row: one that falls away makes none after it fall.
                near[start + i] |= bool((alike[i, :i] & ~near[start : start + i]).any())
            bar.advance()
    return near


def _key(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def _sentences_of(texts: Iterable[str], keys: Sequence[str]) -> np.ndarray:
    """Whether each key is that of one of the texts, or of one of their sentences."""
    known = {_key(sentence) for sentence in evaluation_sentences(texts)}
    return np.array([key in known for key in keys], bool)


def _windows(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(CONTAINED_WORDS)), strict=False)


def _firsts(keys: Sequence[str]) -> np.ndarray:
    """Whether each is the first of its kind; texts without a word are of one kind."""
    seen: set[str] = set()
    return np.array([not (key in seen or seen.add(key)) for key in keys], bool)  # type: ignore[func-returns-value]
