"""Whether a back-translation may stand in for the text, and if not, why the text is kept as it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...errors import UserError
from .untranslated import names_lost


__all__ = ["TranslationGuard", "TranslationReport", "accept_translation"]

TEXT_TOO_SHORT = "text too short"
EMPTY = "translation empty"
TOO_SHORT = "translation too short"
TOO_LONG = "translation too long"
NAME_LOST = "handle or link lost"
NEGATION_LOST = "negation lost"
UNCHANGED = "unchanged"

# Above this share of texts that are kept as they are, a person is warned.
MANY = 0.2

_ENGLISH = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|without)\b"
    # Tweets spell these without the apostrophe as well, and with a curly one.
    r"|n['\u2019]t\b|\b(?:do|does|did|is|are|was|were|has|have|had|ca|wo|would|could|should|ai)nt\b",
    re.IGNORECASE,
)


def accept_translation(
    original: str, translation: str, *, min_chars: int = 10, max_length_change: float = 0.5
) -> bool:
    """UDA's guard: whether a back-translation may stand in for the original.

    Args:
        original: a text.
        translation: its round trip.
        min_chars: both must have at least so many characters.
        max_length_change: largest ``|len(translation) - len(original)| / len(original)``.

    >>> accept_translation("a film I liked", "one movie I liked")
    True
    >>> accept_translation("good", "well")
    False
    """
    return not _length_reason(original, translation, min_chars, max_length_change)


def _length_reason(original: str, translation: str, min_chars: int, max_length_change: float) -> str:
    if len(original) < min_chars:
        return TEXT_TOO_SHORT
    if original.strip() and not translation.strip():
        # However many spaces there are.
        return EMPTY
    if len(translation) < min_chars:
        return TOO_SHORT if translation else EMPTY
    if abs(len(translation) - len(original)) > max_length_change * len(original):
        return TOO_LONG if len(translation) > len(original) else TOO_SHORT
    return ""


class TranslationGuard:
    """UDA's guard of lengths, and two more: of names, and on request of negations.

    A text is kept if the translation lacks one of its handles, hashtags, links, e-mail addresses or special tokens.

    Args:
        min_chars: as in :func:`accept_translation`.
        max_length_change: as in :func:`accept_translation`.
        keep_negation: keep a text that negates if its translation does not: that says the opposite.
        negations: words that negate in the language of the texts; English ones by default, ``n't`` included.

    Raises:
        UserError: a number out of range, or ``negations`` is empty or a single text.
    """

    def __init__(
        self,
        min_chars: int = 10,
        max_length_change: float = 0.5,
        keep_negation: bool = False,
        negations: Sequence[str] | None = None,
    ) -> None:
        if isinstance(negations, str) or (negations is not None and not [word for word in negations if word.strip()]):
            raise UserError(f"negations: got {negations!r}; expected a list of words, or None for English")
        self.min_chars = min_chars
        self.max_length_change = max_length_change
        self.keep_negation = keep_negation
        self._negation = _ENGLISH
        if negations is not None:
            words = "|".join(re.escape(word.strip()) for word in negations if word.strip())
            self._negation = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def negates(self, text: str) -> bool:
        """Whether ``text`` has a word that negates."""
        return self._negation.search(text) is not None

    def reason(self, original: str, translation: str) -> str:
        """Why ``original`` is kept; empty if ``translation`` is taken.

        ``"unchanged"`` is a translation that says the same in the same words, as also of what the engine gave up.
        """
        if reason := _length_reason(original, translation, self.min_chars, self.max_length_change):
            return reason
        if names_lost(original, translation):
            return NAME_LOST
        if self.keep_negation and self.negates(original) and not self.negates(translation):
            return NEGATION_LOST
        return UNCHANGED if translation == original else ""


@dataclass
class TranslationReport:
    """What came of the translations of many texts.

    Attributes:
        texts: how many there were.
        kept: for each reason how many are kept as they are.
        negated: texts that negate, and have a translation that could be taken but for that.
        negation_lost: those of them whose translation does not negate.
    """

    texts: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    negated: int = 0
    negation_lost: int = 0

    @classmethod
    def of(cls, guard: TranslationGuard, triples: Iterable[tuple[str, str, str]]) -> TranslationReport:
        """Count over ``(original, translation, reason)``."""
        report = cls()
        for original, translation, reason in triples:
            report.texts += 1
            if reason:
                report.kept[reason] += 1
            if reason in ("", UNCHANGED, NEGATION_LOST) and guard.negates(original):
                report.negated += 1
                report.negation_lost += not guard.negates(translation)
        return report

    @property
    def kept_share(self) -> float:
        """Share of the texts that are kept as they are; 0.0 of none."""
        return self.kept.total() / self.texts if self.texts else 0.0

    @property
    def many_kept(self) -> bool:
        """Whether more than a fifth are."""
        return self.kept_share > MANY

    def lines(self) -> list[str]:
        """For people: how many are kept and why, and how many negations went."""
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.kept.most_common())
        details = f" ({self.kept_share:.0%}): {reasons}" if reasons else ""
        lines = [f"kept as they are: {self.kept.total()} of {self.texts} texts{details}"]
        if self.negated:
            share = self.negation_lost / self.negated
            lines.append(
                f"negation lost in translation: {self.negation_lost} of {self.negated} texts that negate ({share:.0%})"
            )
        return lines
