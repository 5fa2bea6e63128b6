"""Back-translations of a file: a column that a strong view reads, for texts of any number."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from ..augment.text.apertium import ApertiumEngine
from ..augment.text.back_translation import BackTranslation, TranslationEngine
from ..augment.text.seq2seq import Seq2SeqEngine
from ..augment.text.translation_guard import TranslationReport
from ..augment.text.translation_job import TranslationJob
from ..errors import UserError
from ..jobs import ENGINES, ShowProgress, run_job
from .inputs import TextRows, read_text_rows
from .outputs import OutputFile


__all__ = ["BackTranslated", "TranslatorSettings", "back_translate_file"]

TRANSLATORS = ("apertium", "seq2seq")
NO_TEXT = "no text"


@dataclass(frozen=True)
class TranslatorSettings:
    """Which translator, and which of its results are taken.

    Args:
        engine: ``apertium`` or ``seq2seq``.
        source: language of the texts: ``eng`` for Apertium, ``eng_Latn`` for NLLB, ``en`` for M2M100.
        pivot: language to go through: ``spa`` for Apertium, ``fra_Latn`` for NLLB.
        forward: of seq2seq, the checkpoint to the pivot language.
        backward: of seq2seq, the checkpoint back; by default ``forward``.
        temperature: of seq2seq, of the sampling.
        processes: of Apertium, calls at the same time.
        copies: translations of each text; Apertium has one.
        seed: of the sampling.
        keep_negation: keep a text that negates if its translation does not.
        negations: words that negate in the language of the texts; English ones by default.

    Raises:
        UserError: settings that do not fit together.
    """

    engine: str = "apertium"
    source: str | None = None
    pivot: str | None = None
    forward: str | None = None
    backward: str | None = None
    temperature: float = 0.9
    processes: int = 1
    copies: int = 1
    seed: int = 0
    keep_negation: bool = False
    negations: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.engine not in TRANSLATORS:
            raise UserError(f"engine: got {self.engine!r}; allowed are {', '.join(TRANSLATORS)}")
        if self.engine == "seq2seq" and self.forward is None:
            raise UserError(
                "forward: got None; engine 'seq2seq' needs a checkpoint, a folder or a name on the Hub such as "
                "Helsinki-NLP/opus-mt-en-fr"
            )
        for name in ("forward", "backward"):
            if self.engine == "apertium" and getattr(self, name) is not None:
                raise UserError(f"{name}: got {getattr(self, name)!r}, which engine 'apertium' does not read")
        if self.keep_negation and self.negations is None and not (self.source or "en").startswith("en"):
            raise UserError(
                f"keep_negation: the texts are in {self.source!r}; say by negations which words negate there"
            )

    def make(self) -> TranslationEngine:
        """The translator.

        Raises:
            UserError: it is not installed, or does not know the languages.
        """
        if self.engine == "apertium":
            try:
                return ApertiumEngine(self.source or "eng", self.pivot or "spa", processes=self.processes)
            except UserError as error:
                if "not installed" not in str(error):
                    raise
                raise UserError(f"{error}; or translate by models: --engine seq2seq --forward MODEL") from error
        assert self.forward is not None, "checked at the beginning"
        return Seq2SeqEngine(
            self.forward,
            self.backward,
            source_language=self.source,
            pivot_language=self.pivot,
            temperature=self.temperature,
        )


@dataclass(frozen=True)
class BackTranslated:
    """What was written.

    Attributes:
        path: of the file.
        rows: of the input and of the file.
        blank: how many of them have no text.
        columns: of translations.
        engine: what translated.
        report: how many texts are kept as they are, and why.
    """

    path: Path
    rows: int
    blank: int
    columns: list[str]
    engine: str
    report: TranslationReport

    def describe(self) -> str:
        """Lines for a person."""
        left = f", {self.blank:,} of them without a text" if self.blank else ""
        lines = [
            f"{self.path}: {self.rows:,} rows{left}; columns: {', '.join(self.columns)}",
            f"engine: {self.engine}",
        ]
        return "\n".join([*lines, *self.report.lines()])

    def facts(self) -> dict[str, Any]:
        """What a script may want, for JSON."""
        report = self.report
        return {
            "output": str(self.path),
            "rows": self.rows,
            "without_text": self.blank,
            "columns": self.columns,
            "engine": self.engine,
            "texts": report.texts,
            "kept_as_they_are": report.kept.total(),
            "reasons": dict(report.kept),
            "negated": report.negated,
            "negation_lost": report.negation_lost,
        }


def back_translate_file(
    path: str | os.PathLike[str],
    output: OutputFile,
    settings: TranslatorSettings,
    *,
    text_column: str | None = None,
    name: str = "back_translation",
    batch_size: int = 512,
    engine: str = "local",
    workers: int = 2,
    progress: bool | ShowProgress = True,
) -> BackTranslated:
    """Translate the texts of a file there and back, and write its rows with a column of the results.

    The column ``NAME`` (``NAME_0``, ``NAME_1`` and so on of several copies) holds the translation, or the text where
    that was not accepted; ``NAME_kept_reason`` says why. Rows without a text keep their place. A job that was killed
    goes on with the same call.

    Args:
        path: the file.
        output: where to write; its parts are the translations.
        settings: the translator.
        text_column: of the texts; by default the only one that fits.
        name: of the new column.
        batch_size: texts of a step; a killed job loses at most one.
        engine: where the job runs, see :func:`textssl.jobs.run_job`.
        workers: processes of Ray.
        progress: as for :func:`textssl.jobs.run_job`.

    Raises:
        UserError: input that cannot work; a translator that is not installed.
    """
    if engine not in ENGINES:
        raise UserError(f"run_on: got {engine!r}; allowed are {', '.join(ENGINES)}")
    if batch_size < 1:
        raise UserError(f"batch_size: got {batch_size}; expected at least 1")
    given = read_text_rows(path, text_column)
    names = [f"{name}_{copy}" for copy in range(settings.copies)] if settings.copies > 1 else [name]
    new = [column for one in names for column in (one, f"{one}_kept_reason")]
    if taken := sorted({*new} & {*given.dataset.column_names}):
        raise UserError(f"name: got {name!r}, and the data have a column {taken[0]!r} already; choose another")
    view = BackTranslation(
        settings.make(),
        output.parts / "translations",
        column=given.columns[0],
        seed=settings.seed,
        copies=settings.copies,
        keep_negation=settings.keep_negation,
        negations=settings.negations,
    )
    texts = [str(text) for text in given.texts()[given.columns[0]]]
    if engine == "ray":
        _translate_with_ray(view, texts, output.parts / "shards", batch_size, workers, progress)
    copies = view.guarded(texts, batch_size=batch_size, progress=progress)
    dataset = given.dataset
    for column, rows in zip(names, copies, strict=True):
        dataset = _with_column(dataset, given, column, rows)
    output.write(dataset)
    assert view.report is not None, "guarded() reports"
    return BackTranslated(output.path, len(dataset), int(given.blank.sum()), names, view.engine.identity, view.report)


def _with_column(dataset: Dataset, given: TextRows, column: str, rows: Sequence[tuple[str, str]]) -> Dataset:
    """The translations in their rows; rows without a text have it as it is."""
    values: list[str | None] = list(given.dataset[given.columns[0]])
    reasons = [NO_TEXT] * len(values)
    for row, (text, reason) in zip(given.spoken.tolist(), rows, strict=True):
        values[row], reasons[row] = text, reason
    added = dataset.add_column(column, pa.array(values, pa.string()))
    return added.add_column(f"{column}_kept_reason", pa.array(reasons, pa.string()))


def _translate_with_ray(
    view: BackTranslation,
    texts: Sequence[str],
    folder: Path,
    batch_size: int,
    workers: int,
    progress: bool | ShowProgress,
) -> None:
    """Have Ray translate the different texts, and put the results into the view's store."""
    different = list(dict.fromkeys(texts))
    for copy in range(view.copies):
        shards = run_job(
            TranslationJob(view.engine, column=view.column, seed=view.seed, copy=copy),
            Dataset.from_dict({view.column: different}),
            folder / f"copy-{copy}",
            columns=[view.column],
            rows_per_shard=batch_size,
            engine="ray",
            workers=workers,
            progress=progress,
            description=f"translation {copy}",
        )
        assert shards is not None, "one process makes all shards"
        view.keep(different, list(shards.column("translation")), copy)
