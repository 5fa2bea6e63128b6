"""Back-translation as a job over a corpus, for more than one process or machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from .back_translation import TranslationEngine


__all__ = ["TranslationJob"]


class TranslationJob:
    """What :func:`textssl.jobs.run_job` calls to translate the texts of a shard there and back.

    Args:
        engine: as for :class:`BackTranslation`; it travels to other processes.
        column: of the texts.
        seed: of sampled translations.
        copy: number of the translation of each text, from 0.
    """

    def __init__(self, engine: TranslationEngine, *, column: str = "text", seed: int = 0, copy: int = 0) -> None:
        self.engine, self.column = engine, column
        self.seed, self.copy = seed, copy

    @property
    def name(self) -> str:
        """The engine, and for one that samples what it draws by."""
        drawn = "" if self.engine.deterministic else f", seed {self.seed}, copy {self.copy}"
        return f"back-translations by {self.engine.identity}{drawn}"

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[str]]:
        """``{"translation": [n]}`` of n texts; of several calls each draws anew, so that none depends on another."""
        rng = np.random.default_rng([self.seed, self.copy])
        return {"translation": self.engine.translate(list(rows[self.column]), rng)}
