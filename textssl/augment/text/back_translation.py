"""Back-translation: a text, translated to another language and back, says the same in other words.

Source: Xie et al., 2019, UDA, arXiv:1904.12848, where the strong view is a sampled
English-French-English round trip; the idea is of Sennrich et al., 2016, arXiv:1511.06709.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ...errors import UserError
from ...progress import ShowProgress, counted
from .translation_guard import TranslationGuard, TranslationReport, accept_translation
from .translation_store import TranslationStore, translation_key


if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

__all__ = ["BackTranslation", "TranslationEngine", "accept_translation"]


class TranslationEngine(Protocol):
    """What ``BackTranslation`` asks of a translator: round trips of a list of texts."""

    @property
    def identity(self) -> str:
        """What a result depends on besides text and rng: languages, models, temperature."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the rng makes no difference, so that a second copy would be the same."""
        ...

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Translate each text to the pivot language and back: as many texts, in the same order.

        A sampling engine whose result for a text shall not depend on the other texts takes one
        number from ``rng`` and derives a stream for each text from that number and the text.
        """
        ...


class BackTranslation:
    """A view that replaces a text by its round trip through another language.

    It works in two ways. ``fill`` and ``add_column`` are batch jobs: they translate many texts and
    keep every result in ``store``, under a hash of the engine, the seed, the copy number and the
    text. A job that was killed goes on where it was and gives the same results; equal texts are
    translated once. Called on an example, it takes the stored translation, of several copies one
    picked by the rng; a text that is not in the store is translated on the spot with randomness
    from the rng, and not stored.

    The guard, see ``TranslationGuard``, is applied when a result is used, not when it is stored, so
    a store serves every setting of it. Where it refuses, the original stands. ``add_column`` warns
    if that happens to more than a fifth of the texts, and leaves the counts in ``report``.

    Args:
        engine: an ``ApertiumEngine``, a ``Seq2SeqEngine`` or any other ``TranslationEngine``.
        store: folder for the results, or a ``TranslationStore``. Default: memory only.
        column: the text column. Default ``"text"``.
        seed: of the sampled translations in the store.
        copies: translations per text in the store. Default 1.
        min_chars: keep the original if either text has fewer characters. Default 10, as in UDA.
        max_length_change: keep the original if the length changes by a larger share. Default .5, as
            in UDA.
        keep_negation: keep the original if it negates and the translation does not.
        negations: words that negate in the language of the texts. Default: English ones.

    Raises:
        UserError: if an argument is out of its range, or several copies are asked of an engine that
            always gives the same one; and when a column is missing or holds something other than
            text.
    """

    # A text that is not in the store is translated on the spot: nothing is tried beforehand.
    is_slow: ClassVar[bool] = True

    def __init__(
        self,
        engine: TranslationEngine,
        store: str | os.PathLike[str] | TranslationStore | None = None,
        *,
        column: str = "text",
        seed: int = 0,
        copies: int = 1,
        min_chars: int = 10,
        max_length_change: float = 0.5,
        keep_negation: bool = False,
        negations: Sequence[str] | None = None,
    ) -> None:
        if copies < 1 or seed < 0 or min_chars < 0 or max_length_change <= 0:
            raise UserError(
                f"copies must be at least 1, seed and min_chars at least 0 and max_length_change "
                f"positive, got {copies}, {seed}, {min_chars} and {max_length_change}"
            )
        if copies > 1 and engine.deterministic:
            raise UserError(
                f"copies: got {copies}, but {engine.identity} always translates a text the same way; allowed is 1"
            )
        self.engine = engine
        self.store = store if isinstance(store, TranslationStore) else TranslationStore(store)
        self.column = column
        self.seed = seed
        self.copies = copies
        self.guard = TranslationGuard(min_chars, max_length_change, keep_negation, negations)
        self.report: TranslationReport | None = None

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return the example with its text back-translated."""
        if self.column not in example:
            raise UserError(f"column: got {self.column!r}; the data have {sorted(example)}")
        text = example[self.column]
        _check_texts([text], self.column)
        copy = int(rng.integers(self.copies))
        translation = self.store.get(self._key(text, copy))
        if translation is None:
            translation = self._translate([text], rng)[0]
        return {**example, self.column: text if self.guard.reason(text, translation) else translation}

    def fill(self, texts: Sequence[str], *, batch_size: int = 512, progress: bool | ShowProgress = True) -> int:
        """Translate every text that is not in the store yet.

        Args:
            texts: any number; equal ones are translated once.
            batch_size: texts per call of the engine. Each call's results are written before the
                next call, so this much work is lost when the job is killed.
            progress: show a bar with the number of translations and the folder; or what shows the progress, see
                :func:`textssl.progress.counted`.

        Returns:
            The number of new translations.

        Raises:
            UserError: if something among the texts is not a string; the message names its row.
        """
        if batch_size < 1:
            raise UserError(f"batch_size: got {batch_size}; expected at least 1")
        _check_texts(texts, self.column)
        distinct = list(dict.fromkeys(texts))
        missing = [self._missing(distinct, copy) for copy in range(self.copies)]
        new = sum(map(len, missing))
        total, where = self.copies * len(distinct), "memory" if self.store.folder is None else self.store.folder
        with counted(progress, total, total - new, f"back-translation into {where}", "text") as bar:
            for copy, keyed in enumerate(missing):
                for batch in _batches(keyed, batch_size):
                    # Anew for each call, so that a resumed job draws as an uninterrupted one.
                    rng = np.random.default_rng([self.seed, copy])
                    results = self._translate(list(batch.values()), rng)
                    self.store.add(dict(zip(batch, results, strict=True)))
                    bar.advance(len(batch))
        return new

    def add_column(
        self,
        dataset: Dataset,
        name: str = "back_translation",
        *,
        batch_size: int = 512,
        progress: bool | ShowProgress = True,
        reasons: bool = False,
    ) -> Dataset:
        """Fill the store with a data set's texts and add the results as columns.

        Args:
            dataset: with the text column.
            name: of the new column; with several copies ``name_0``, ``name_1``, ...
            batch_size: as in ``fill``.
            progress: as in ``fill``.
            reasons: add ``<new column>_kept_reason`` as well: why the original stands there, empty
                where the translation does.

        Returns:
            The data set with a column of translations per copy, each guarded: where a translation
            was not accepted stands the original.

        Raises:
            UserError: if the text column is missing, a new one exists, or a text is not a string.
        """
        names = [f"{name}_{copy}" for copy in range(self.copies)] if self.copies > 1 else [name]
        if self.column not in dataset.column_names:
            raise UserError(f"column: got {self.column!r}; the data have {dataset.column_names}")
        new = [*names, *(f"{column}_kept_reason" for column in names if reasons)]
        if taken := sorted({*new} & {*dataset.column_names}):
            raise UserError(f"name: got {name!r}, but the data already have {taken}")
        texts = dataset.with_format(None)[self.column][:]
        for column, rows in zip(names, self.guarded(texts, batch_size=batch_size, progress=progress), strict=True):
            dataset = dataset.add_column(column, [text for text, _ in rows])
            if reasons:
                dataset = dataset.add_column(f"{column}_kept_reason", [reason for _, reason in rows])
        assert self.report is not None, "guarded() reports"
        if self.report.many_kept:
            logger.warning("back-translation by %s: %s", self.engine.identity, self.report.lines()[0])
        return dataset

    def guarded(
        self, texts: Sequence[str], *, batch_size: int = 512, progress: bool | ShowProgress = True
    ) -> list[list[tuple[str, str]]]:
        """Fill the store with texts, and give what stands in for each of them; counts are left in ``report``.

        Args:
            texts: N texts.
            batch_size: as in ``fill``.
            progress: as in ``fill``.

        Returns:
            For each copy N pairs: the translation, or the text itself; and why the text is kept, empty if it is not.

        Raises:
            UserError: as from ``fill``.
        """
        self.fill(texts, batch_size=batch_size, progress=progress)
        triples = [self._guarded(texts, copy) for copy in range(self.copies)]
        self.report = TranslationReport.of(self.guard, [triple for rows in triples for triple in rows])
        return [[(text if reason else new, reason) for text, new, reason in rows] for rows in triples]

    def keep(self, texts: Sequence[str], translations: Sequence[str], copy: int = 0) -> None:
        """Store translations that were made elsewhere, by the engine and seed of this view.

        Args:
            texts: any number.
            translations: as many.
            copy: their number, from 0.
        """
        pairs = zip(texts, translations, strict=True)
        keyed = {self._key(text, copy): str(translation) for text, translation in pairs}
        self.store.add({key: translation for key, translation in keyed.items() if key not in self.store})

    def _key(self, text: str, copy: int) -> str:
        seed = 0 if self.engine.deterministic else self.seed
        return translation_key(self.engine.identity, seed, copy, text)

    def _missing(self, texts: Sequence[str], copy: int) -> dict[str, str]:
        keyed = {self._key(text, copy): text for text in texts}
        return {key: text for key, text in keyed.items() if key not in self.store}

    def _guarded(self, texts: Sequence[str], copy: int) -> list[tuple[str, str, str]]:
        """Of each text itself, its stored translation, and why the text is kept, if it is."""
        rows = []
        for text in texts:
            translation = self.store.get(self._key(text, copy))
            assert translation is not None, "fill() stores a translation for every text and copy"
            rows.append((text, translation, self.guard.reason(text, translation)))
        return rows

    def _translate(self, texts: list[str], rng: np.random.Generator) -> list[str]:
        results = self.engine.translate(texts, rng)
        if len(results) != len(texts) or not all(isinstance(text, str) for text in results):
            raise RuntimeError(
                f"the engine {self.engine.identity} must return one string for each of "
                f"{len(texts)} texts, got {len(results)} results"
            )
        return results


def _check_texts(texts: Sequence[Any], column: str) -> None:
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            where = f" in row {row}" if len(texts) > 1 else ""
            raise UserError(f"column {column!r}: got {text!r:.80}{where}; expected texts")


def _batches(keyed: Mapping[str, str], size: int) -> Iterator[dict[str, str]]:
    items = list(keyed.items())
    for start in range(0, len(items), size):
        yield dict(items[start : start + size])
