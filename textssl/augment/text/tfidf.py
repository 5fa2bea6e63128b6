"""TF-IDF word replacement (UDA: Xie et al., 2019, arXiv:1904.12848), and its uniform variant."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .alias_table import AliasTable
from .reading import check_options, text_of
from .special_tokens import SpecialTokens
from .word_ids import WordIds, number_unknown, occurrences
from .word_statistics import WordStatistics
from .words import SplitText, split_words


__all__ = ["TfIdfReplacement", "UniformReplacement"]

# Scores that differ by less than this part of the largest one are equal but for rounding.
ROUNDING = 1e-12


class _WordReplacement:
    """What both replacements share: vocabulary, reading the example, putting the words in."""

    default_p: ClassVar[float]

    def __init__(
        self,
        statistics: WordStatistics,
        p: float | None = None,
        column: str = "text",
        keep_last: int | None = None,
        remember: int = 0,
        special_tokens: Iterable[str] = (),
    ) -> None:
        self.statistics = statistics
        self.special_tokens = SpecialTokens(special_tokens)
        self.p, self.keep_last = self._check(p, keep_last)
        self.column = column
        self.remember = remember
        # As an array, which hands out many words in one call.
        self._words = np.array(statistics.words, dtype=object)
        self._seen: dict[str, tuple[SplitText, np.ndarray | None]] = {}

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        p: float | None = None,
        column: str = "text",
        progress: bool = False,
        keep_last: int | None = None,
        remember: int = 0,
        special_tokens: Sequence[str] = (),
    ) -> Self:
        """Count the words of a corpus, usually all unlabeled texts, and build the augmentation.

        Args:
            texts: the corpus.
            p: see the class.
            column: see the class.
            progress: show a progress bar while counting.
            keep_last: see the class.
            remember: see the class.
            special_tokens: see the class; they are not counted, so never put in.

        Raises:
            UserError: a bad option, before any counting; a corpus without words; a row that is no
                text.
        """
        cls._check(p, keep_last)
        statistics = WordStatistics.fit(texts, progress, special_tokens)
        return cls(statistics, p, column, keep_last, remember, special_tokens)

    @classmethod
    def load(
        cls,
        path: str | Path,
        p: float | None = None,
        column: str = "text",
        keep_last: int | None = None,
        remember: int = 0,
        special_tokens: Sequence[str] = (),
    ) -> Self:
        """Build the augmentation on saved counts; options are not part of the file.

        Raises:
            UserError: a bad option, or a file that :meth:`WordStatistics.load` refuses.
        """
        cls._check(p, keep_last)
        return cls(WordStatistics.load(path), p, column, keep_last, remember, special_tokens)

    def save(self, path: str | Path) -> Path:
        """Save the counts as ``.safetensors`` or ``.json``; see :meth:`WordStatistics.save`."""
        return self.statistics.save(path)

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return a copy of ``example`` whose text is a :class:`SplitText` with replaced words.

        Raises:
            UserError: the column is missing or holds no text.
        """
        text, chances = self._analyze(text_of(example, self.column))
        if chances is not None:
            positions = np.flatnonzero(rng.random(len(chances)) < chances)
            if positions.size:
                text = text._with_known_words(positions.tolist(), self.new_words(positions.size, rng))
        return {**example, self.column: text}

    def new_words(self, count: int, rng: np.random.Generator) -> list[str]:
        """``count`` words, drawn one by one as those that are put in."""
        words: list[str] = self._words[self._draw(count, rng)].tolist()
        return words

    def with_p(self, p: float) -> Self:
        """The same augmentation with another ``p``. Counts and tables, which may be large, are shared.

        Raises:
            UserError: ``p`` is outside [0, 1].
        """
        copied = copy.copy(self)
        copied.p, _ = self._check(p, self.keep_last)
        copied._seen = {}
        return copied

    def _analyze(self, text: str) -> tuple[SplitText, np.ndarray | None]:
        known = self._seen.get(text)
        if known is None:
            cut = split_words(text, self.keep_last)
            known = cut, self._chances_of(cut)
            # Texts come in a new order each epoch: keeping the first ones hits more often than the
            # latest.
            if len(self._seen) < self.remember:
                self._seen[text] = known
        return known

    def _chances_of(self, text: SplitText) -> np.ndarray | None:
        """The chance of each word to be replaced, 0 of those in a special token; ``None`` if the text stays."""
        special = self.special_tokens.positions(text)
        if special is None:
            return self._chances(text.words)
        ordinary = np.flatnonzero(~special)
        some = self._chances([text.words[i] for i in ordinary.tolist()])
        if some is None:
            return None
        chances = np.zeros(len(special))
        chances[ordinary] = some
        return chances

    def _chances(self, words: Sequence[str]) -> np.ndarray | None:
        raise NotImplementedError

    def _draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        raise NotImplementedError

    @classmethod
    def _check(cls, p: float | None, keep_last: int | None) -> tuple[float, int | None]:
        p = cls.default_p if p is None else p
        check_options(p, keep_last)
        return p, keep_last


class TfIdfReplacement(_WordReplacement):
    """Replaces words that tell little about a text by words that tell little about the corpus.

    In a text x of L words, c(w) = tf(w) * idf(w), where tf(w) is the share of the words that are w,
    and C is the largest c. The word at position i is replaced where u_i < P_i, u_i uniform, with

        P_i = (C - c(x_i)) / sum_j (C - c(x_j)) * p * L

    by a word drawn from q(w), proportional to max S - S(w), where S is
    :attr:`WordStatistics.score`. P is not clipped, so the share replaced is a little below ``p``;
    the best word of a text always stays, and the best of the corpus is never inserted. A new word
    may equal the old one, as in the authors' code.

    Rules where the paper says nothing: a word that the corpus lacks has df = 1, so idf = ln N. A
    text without words, of one word or of equal scores stays as it is. If all words of the corpus
    have the same S, q is uniform. Inserted words are in lower case, whatever they replace; spacing
    and all other words stay as written.

    Differs from the authors' code in: accents are kept in the counts; new words are drawn one by
    one, not from a shuffled cache; the text may be new to the corpus.

    Args:
        statistics: counts of the corpus.
        p: expected share of replaced words before clipping, the paper's p; 0.7 as in its DBpedia
            runs.
        column: the example's text.
        keep_last: look at the last so many words only, **and drop what stands before**: for a model
            that reads the end of long texts, with at least as many words as it reads tokens.
            ``None``: the whole text.
        remember: keep the analysis of the first so many texts, about 10 kB each, which halves the
            time of a second visit.
        special_tokens: of the tokenizer, beside the common ones such as ``[SEP]`` and ``</s>``,
            which are known. In a text they stay, and count for nothing.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    default_p = 0.7

    def __init__(
        self,
        statistics: WordStatistics,
        p: float | None = None,
        column: str = "text",
        keep_last: int | None = None,
        remember: int = 0,
        special_tokens: Iterable[str] = (),
    ) -> None:
        super().__init__(statistics, p, column, keep_last, remember, special_tokens)
        self._ids = WordIds(statistics.words)
        # One more entry, which the index -1 of an unknown word meets.
        self._idf = np.append(statistics.idf, np.log(statistics.num_texts))
        self._new_words = AliasTable(self.replacement_probs)

    @property
    def replacement_probs(self) -> np.ndarray:
        """float64 [V]: q, the probability of each word to be inserted."""
        score = self.statistics.score
        rest = score.max() - score
        total = rest.sum()
        return rest / total if total > 0 else np.full(len(rest), 1 / len(rest))

    def replacement_chances(self, text: str) -> np.ndarray:
        """float64 [L]: P of each word of ``text``, not clipped; zeros if the text stays."""
        cut = split_words(text, self.keep_last)
        chances = self._chances_of(cut)
        return np.zeros(len(cut.words)) if chances is None else chances

    def _chances(self, words: Sequence[str]) -> np.ndarray | None:
        length = len(words)
        if length < 2:
            return None
        ids = np.fromiter(map(self._ids.__getitem__, words), dtype=np.int64, count=length)
        idf = self._idf[ids]
        if ids.min() < 0:
            number_unknown(ids, words)
        # L * c: the factor cancels out.
        scores = occurrences(ids) * idf
        highest = scores.max()
        gaps = highest - scores
        total = gaps.sum()
        if total <= ROUNDING * length * highest:
            return None
        return gaps * (self.p * length / total)

    def _draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return self._new_words.draw(count, rng)


class UniformReplacement(_WordReplacement):
    """Replaces each word with the same probability by any word of the corpus (UDA's ``unif``).

    A text of fewer than 3 words stays as it is. Inserted words are in lower case. The authors walk
    through a shuffled vocabulary; here each word is drawn on its own, from all V words alike.

    Args:
        statistics: counts of the corpus; only the words are used.
        p: probability to replace a word; 0.3.
        column: the example's text.
        keep_last: as in :class:`TfIdfReplacement`.
        remember: as in :class:`TfIdfReplacement`.
        special_tokens: as in :class:`TfIdfReplacement`.

    Raises:
        UserError: ``p`` is outside [0, 1] or ``keep_last`` is below 1.
    """

    default_p = 0.3

    def _chances(self, words: Sequence[str]) -> np.ndarray | None:
        return np.full(len(words), self.p) if len(words) >= 3 else None

    def _draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(len(self._words), size=count)
