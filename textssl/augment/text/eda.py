"""Easy data augmentation: words deleted, exchanged and inserted (Wei and Zou, 2019, arXiv:1901.11196).

The authors take punctuation and line breaks out of all texts and work on what is left. Here both stay where they are:
a punctuation character is not deleted, moved or put in, nor counted as a word, and lines stay lines. So do special
tokens such as ``[SEP]``.

The fourth of the authors' operations, replacement by synonyms, needs WordNet: see :class:`Nlpaug`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .reading import check_options, text_of
from .scripts import PUNCTUATION
from .special_tokens import SpecialTokens
from .tfidf import TfIdfReplacement
from .word_statistics import WordStatistics
from .words import SplitText, split_words


__all__ = ["WordDeletion", "WordInsertion", "WordSwap"]

_LINE_BREAK = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
# How often what was drawn for insertion and is punctuation is drawn anew, before the rest is drawn from words alone,
# which takes a walk over the vocabulary.
TRIES = 20


class _WordChange:
    """What the operations share: arguments, reading the example, putting the text together."""

    def __init__(
        self,
        p: float = 0.1,
        column: str = "text",
        keep_last: int | None = None,
        special_tokens: Iterable[str] = (),
    ) -> None:
        check_options(p, keep_last)
        self.p = p
        self.column = column
        self.keep_last = keep_last
        self.special_tokens = SpecialTokens(special_tokens)

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return a copy of ``example`` whose text is a :class:`SplitText` of changed words.

        Raises:
            UserError: the column is missing or holds no text.
        """
        text = split_words(text_of(example, self.column), self.keep_last)
        if self.p:
            special = self.special_tokens.positions(text)
            places = [
                place
                for place, word in enumerate(text.words)
                if word not in PUNCTUATION and (special is None or not special[place])
            ]
            if places:
                text = self._changed(text, places, special, rng)
        return {**example, self.column: text}

    def _changed(
        self, text: SplitText, places: list[int], special: np.ndarray | None, rng: np.random.Generator
    ) -> SplitText:
        """Change ``text``, whose words at ``places`` may be changed; ``special`` tells those in special tokens."""
        raise NotImplementedError

    def _count(self, places: Sequence[int]) -> int:
        """How many changes: the share ``p`` of the words, at least one."""
        return max(1, int(self.p * len(places)))


class WordDeletion(_WordChange):
    """Deletes each word with probability ``p``; one, any of them, is kept where all would go.

    A deleted word takes the spaces after it along, but no line break.

    Args:
        p: probability to delete a word, the authors' alpha; 0.1.
        column: the example's text.
        keep_last: look at the last so many words only, **and drop what stands before**.
        special_tokens: of the tokenizer, beside the common ones.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    def _changed(
        self, text: SplitText, places: list[int], special: np.ndarray | None, rng: np.random.Generator
    ) -> SplitText:
        goes = rng.random(len(places)) < self.p
        if goes.all():
            goes[rng.integers(len(places))] = False
        deleted = {place for place, gone in zip(places, goes.tolist(), strict=True) if gone}
        first, *after = text.pieces[::2]
        # Between two words that stay, and at both ends: what separated them, and the deleted ones between them.
        words, gaps = [], [[first]]
        for place, (word, separator) in enumerate(zip(text.words, after, strict=True)):
            if place in deleted:
                gaps[-1].append(separator)
            else:
                words.append(word)
                gaps.append([separator])
        separators = [_merged(gap, gap[0]) for gap in gaps[:-1]]
        return SplitText._of_words(words, [*separators, _merged(gaps[-1], gaps[-1][-1])])


def _merged(separators: Sequence[str], otherwise: str) -> str:
    """Those with a line break, or if none has, ``otherwise``."""
    return "".join(filter(_LINE_BREAK.search, separators)) or otherwise


class WordSwap(_WordChange):
    """Exchanges two words, ``p`` times the number of words, rounded down, and at least once.

    Each time the two places are drawn anew, from all pairs of different places. A text of one word stays as it is.

    Args:
        p: exchanges per word, the authors' alpha; 0.1.
        column: the example's text.
        keep_last: look at the last so many words only, **and drop what stands before**.
        special_tokens: of the tokenizer, beside the common ones.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    def _changed(
        self, text: SplitText, places: list[int], special: np.ndarray | None, rng: np.random.Generator
    ) -> SplitText:
        if len(places) < 2:
            return text
        words, number, count = list(text.words), len(places), self._count(places)
        first, shift = rng.integers(number, size=count), rng.integers(1, number, size=count)
        for i, j in zip(first.tolist(), ((first + shift) % number).tolist(), strict=True):
            a, b = places[i], places[j]
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
        special_tokens: of the tokenizer, beside the common ones.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    def __init__(
        self,
        statistics: WordStatistics | TfIdfReplacement,
        p: float = 0.1,
        column: str = "text",
        keep_last: int | None = None,
        special_tokens: Iterable[str] = (),
    ) -> None:
        super().__init__(p, column, keep_last, special_tokens)
        self.source = TfIdfReplacement(statistics) if isinstance(statistics, WordStatistics) else statistics

    def _changed(
        self, text: SplitText, places: list[int], special: np.ndarray | None, rng: np.random.Generator
    ) -> SplitText:
        words, separators = (np.array(part, dtype=object) for part in (text.words, text.pieces[::2]))
        # Before which word of the text each goes; the number of words stands for the end.
        open_gaps = np.arange(len(words) + 1)
        if special is not None:
            open_gaps = np.delete(open_gaps, np.flatnonzero(special[:-1] & special[1:]) + 1)
        gaps = open_gaps[rng.integers(len(open_gaps), size=self._count(places))]
        new = self._new_words(len(gaps), rng)
        gaps = np.sort(gaps[: len(new)])
        joined = np.insert(words, gaps, new)
        # A new word has a space after it; at the end of the text, before it.
        between = np.insert(separators, np.minimum(gaps + 1, len(words)), " ")
        return SplitText._of_words(joined.tolist(), between.tolist())

    def _new_words(self, count: int, rng: np.random.Generator) -> list[str]:
        """``count`` words that are no punctuation, or none if the replacement never puts in such a word."""
        new: list[str] = []
        for _ in range(TRIES):
            new += [word for word in self.source.new_words(count - len(new), rng) if word not in PUNCTUATION]
            if len(new) == count:
                return new
        words = np.array(self.source.statistics.words, dtype=object)
        probs = np.where([word in PUNCTUATION for word in words], 0.0, self.source.replacement_probs)
        return [*new, *rng.choice(words, count - len(new), p=probs / probs.sum())] if probs.any() else []
