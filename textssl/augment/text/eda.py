"""Easy data augmentation: words deleted, exchanged and inserted (Wei and Zou, 2019, arXiv:1901.11196).

The fourth of the authors' operations, replacement by synonyms, needs WordNet: see :class:`Nlpaug`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .reading import check_options, text_of
from .tfidf import TfIdfReplacement
from .word_statistics import WordStatistics
from .words import SplitText, split_words


__all__ = ["WordDeletion", "WordInsertion", "WordSwap"]


class _WordChange:
    """What the operations share: arguments, reading the example, putting the text together."""

    def __init__(self, p: float = 0.1, column: str = "text", keep_last: int | None = None) -> None:
        check_options(p, keep_last)
        self.p = p
        self.column = column
        self.keep_last = keep_last

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return a copy of ``example`` whose text is a :class:`SplitText` of changed words.

        Raises:
            UserError: the column is missing or holds no text.
        """
        text = split_words(text_of(example, self.column), self.keep_last)
        return {**example, self.column: self._changed(text, rng) if self.p and text.words else text}

    def _changed(self, text: SplitText, rng: np.random.Generator) -> SplitText:
        raise NotImplementedError

    def _count(self, text: SplitText) -> int:
        """How many changes: the share ``p`` of the words, at least one."""
        return max(1, int(self.p * len(text.words)))


class WordDeletion(_WordChange):
    """Deletes each word with probability ``p``; one, any of them, is kept where all would go.

    A punctuation character is a word too; the authors take them out of all texts beforehand. What separates words
    stays where it was: a deleted word takes the spaces after it along.

    Args:
        p: probability to delete a word, the authors' alpha; 0.1.
        column: the example's text.
        keep_last: look at the last so many words only, **and drop what stands before**.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    def _changed(self, text: SplitText, rng: np.random.Generator) -> SplitText:
        words, separators = text.words, text.pieces[::2]
        kept = np.flatnonzero(rng.random(len(words)) >= self.p).tolist()
        kept = kept or [int(rng.integers(len(words)))]
        after = [*(separators[i + 1] for i in kept[:-1]), separators[-1]]
        return SplitText._of_words([words[i] for i in kept], [separators[0], *after])


class WordSwap(_WordChange):
    """Exchanges two words, ``p`` times the number of words, rounded down, and at least once.

    Each time the two places are drawn anew, from all pairs of different places. A text of one word stays as it is.

    Args:
        p: exchanges per word, the authors' alpha; 0.1.
        column: the example's text.
        keep_last: look at the last so many words only, **and drop what stands before**.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    def _changed(self, text: SplitText, rng: np.random.Generator) -> SplitText:
        words = list(text.words)
        if len(words) < 2:
            return text
        count = self._count(text)
        first, shift = rng.integers(len(words), size=count), rng.integers(1, len(words), size=count)
        for a, b in zip(first.tolist(), ((first + shift) % len(words)).tolist(), strict=True):
            words[a], words[b] = words[b], words[a]
        return SplitText._of_words(words, text.pieces[::2])


class WordInsertion(_WordChange):
    """Inserts words at random places: ``p`` times the number of words, rounded down, and at least one.

    *Differs from the paper in.* The authors insert synonyms of words of the text; here words are drawn as
    :class:`TfIdfReplacement` draws them, those that tell little about any text: nothing has to be downloaded.

    Args:
        statistics: counts of the corpus; or a replacement built on them, whose tables are then shared.
        p: words inserted per word of the text, the authors' alpha; 0.1.
        column: the example's text.
        keep_last: look at the last so many words only, **and drop what stands before**.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    def __init__(
        self,
        statistics: WordStatistics | TfIdfReplacement,
        p: float = 0.1,
        column: str = "text",
        keep_last: int | None = None,
    ) -> None:
        super().__init__(p, column, keep_last)
        self.source = TfIdfReplacement(statistics) if isinstance(statistics, WordStatistics) else statistics

    def _changed(self, text: SplitText, rng: np.random.Generator) -> SplitText:
        words, separators = (np.array(part, dtype=object) for part in (text.words, text.pieces[::2]))
        # Before which word of the text each goes; the number of words stands for the end.
        places = np.sort(rng.integers(len(words) + 1, size=self._count(text)))
        joined = np.insert(words, places, self.source.new_words(len(places), rng))
        # A new word has a space after it; at the end of the text, before it.
        between = np.insert(separators, np.minimum(places + 1, len(words)), " ")
        return SplitText._of_words(joined.tolist(), between.tolist())
