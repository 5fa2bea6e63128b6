"""Programs and data that no extra of pip brings."""

from __future__ import annotations

from importlib.util import find_spec

from ..augment.text.apertium import installed_pairs
from ..augment.text.nlpaug import NLTK_DATA, missing_nltk_data
from ..errors import UserError
from .part import FINE, MISSING, Part


__all__ = ["engine_parts"]

BACK_TRANSLATION = "back-translation without a model: textssl train --strong apertium, textssl back-translate"


def engine_parts() -> list[Part]:
    """Apertium with its pairs of languages, and the data of NLTK that nlpaug reads."""
    return [_apertium(), *([] if find_spec("nltk") is None else [_nltk_data()])]


def _apertium() -> Part:
    install = "apt-get install apertium apertium-eng-spa"
    try:
        pairs = installed_pairs()
    except UserError as error:
        reason = str(error).removeprefix("engine: ").partition("; on Debian")[0]
        return Part("Apertium", MISSING, reason, BACK_TRANSLATION, install)
    if not pairs:
        return Part("Apertium", MISSING, "no pair of languages goes there and back", BACK_TRANSLATION, install)
    return Part("Apertium", FINE, f"there and back: {', '.join(pairs)}", BACK_TRANSLATION)


def _nltk_data() -> Part:
    absent, enables = missing_nltk_data(), "synonyms and antonyms of nlpaug"
    if not absent:
        return Part("data of NLTK", FINE, ", ".join(NLTK_DATA), enables)
    install = f"python -m nltk.downloader {' '.join(absent)}"
    return Part("data of NLTK", MISSING, f"no {', '.join(absent)}", enables, install)
