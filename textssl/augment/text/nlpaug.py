"""Any augmenter of nlpaug as a view: one example in, one out, random only through ``rng``."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...errors import UserError


__all__ = ["NLTK_DATA", "Nlpaug", "missing_nltk_data"]

# What synonyms and antonyms of nlpaug read.
NLTK_DATA = ("wordnet", "omw-1.4", "averaged_perceptron_tagger_eng")
# Modules of nlpaug whose classes ask NLTK.
ASKS_NLTK = ("nlpaug.model.word_dict.wordnet", "nlpaug.model.word_rule.shuffle")
SAMPLE = "The quick brown fox jumps over the lazy dog. It runs far away."


class Nlpaug:
    """Makes an augmenter of nlpaug (Ma, 2019) a pure function of ``(example, rng)``.

    nlpaug draws from ``random``, ``np.random`` and, in its language models, torch. All three are
    seeded from ``rng`` for the call and put back afterwards, also after an error. It runs in the
    calling thread; calls from several threads at once would disturb each other.

    An augmenter with ``aug_p=0`` changes nothing here, as it says; nlpaug itself reads 0 as "not
    given" and changes 30 % of the words. An empty text, or one of which nlpaug returns nothing,
    stays as it is. Errors inside nlpaug are raised, with a note that names the augmenter. An nlpaug
    augmenter that finds nothing to do returns its input in silence: watch ``unchanged_share``.

    Args:
        augmenter: an augmenter or a flow of nlpaug, for example ``RandomWordAug(action="swap")``.
        column: the example's text.

    Raises:
        UserError: ``augmenter`` has no ``augment`` method, reports details instead of text
            (``include_detail=True``), is a flow with a member of ``aug_p=0``, or needs data of NLTK that are not
            there.
    """

    def __init__(self, augmenter: Any, column: str = "text") -> None:
        name = type(augmenter).__name__
        if not callable(getattr(augmenter, "augment", None)):
            raise UserError(f"augmenter: got {name}; expected an augmenter of nlpaug")
        if getattr(augmenter, "include_detail", False):
            raise UserError(f"augmenter: {name} has include_detail=True; expected False")
        idle = [type(member).__name__ for member in _members(augmenter) if _is_idle(member)]
        if idle:
            raise UserError(f"augmenter: {name} holds {idle[0]} with aug_p=0, which nlpaug takes for 0.3; remove it")
        for member in [augmenter, *_members(augmenter)]:
            _check_data(member)
        self.augmenter = augmenter
        self.column = column
        self.calls = 0
        self.unchanged = 0

    @property
    def unchanged_share(self) -> float:
        """Share of the texts so far, in this process, that came back unchanged; 0.0 before any."""
        return self.unchanged / self.calls if self.calls else 0.0

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return a copy of ``example`` with the augmented text.

        Raises:
            UserError: the column is missing or holds no text, or nlpaug returned something else
                than text.
        """
        if self.column not in example:
            raise UserError(f"column: got {self.column!r}; the example has {sorted(example)}")
        text = example[self.column]
        if not isinstance(text, str):
            raise UserError(f"column {self.column!r}: got {text!r:.60} ({type(text).__name__}); expected str")
        text = str(text)
        augmented = text if _is_idle(self.augmenter) or not text else self._augment(text, rng)
        self.calls += 1
        self.unchanged += augmented == text
        return {**example, self.column: augmented}

    def _augment(self, text: str, rng: np.random.Generator) -> str:
        try:
            with _seeded(int(rng.integers(2**32))):
                result = self.augmenter.augment(text, n=1, num_thread=1)
        except Exception as error:
            error.add_note(f"raised inside nlpaug's {type(self.augmenter).__name__}")
            raise
        while isinstance(result, list):
            if not result:
                return text
            result = result[0]
        if not isinstance(result, str):
            raise UserError(
                f"augmenter: {type(self.augmenter).__name__} returned {type(result).__name__}; expected text"
            )
        return result


def missing_nltk_data() -> list[str]:
    """Which of ``NLTK_DATA`` are not on this machine; nothing is loaded."""
    from nltk import data

    folders = {"wordnet": "corpora", "omw-1.4": "corpora", "averaged_perceptron_tagger_eng": "taggers"}
    return [name for name in NLTK_DATA if not _is_there(data, f"{folders[name]}/{name}")]


def _is_there(data: Any, resource: str) -> bool:
    # A corpus may lie there as it was downloaded.
    for name in (resource, f"{resource}.zip"):
        try:
            data.find(name)
        except LookupError:
            continue
        return True
    return False


def _check_data(augmenter: Any) -> None:
    """One call on a sample: data that are missing would end training at its first text."""
    if type(getattr(augmenter, "model", None)).__module__ not in ASKS_NLTK:
        return
    try:
        with _seeded(0):
            augmenter.augment(SAMPLE, n=1, num_thread=1)
    except LookupError as error:
        named = re.search(r"Resource \W*?(?:\x1b\[\d+m)?([\w.-]+)", str(error))
        missing = named[1] if named and named[1] not in NLTK_DATA else " ".join(NLTK_DATA)
        raise UserError(
            f"augmenter: {type(augmenter).__name__} needs data of NLTK that are not on this machine; get them by: "
            f"python -m nltk.downloader {missing}"
        ) from error


def _members(augmenter: Any) -> Iterator[Any]:
    # The flows of nlpaug are lists of augmenters.
    if isinstance(augmenter, list):
        for member in augmenter:
            yield member
            yield from _members(member)


def _is_idle(augmenter: Any) -> bool:
    share = getattr(augmenter, "aug_p", None)
    return share is not None and share == 0


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    generator = torch.default_generator
    torch_state = generator.get_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        generator.set_state(torch_state)
