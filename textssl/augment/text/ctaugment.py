"""CTAugment for texts: the rule of the one for images (arXiv:1911.09785, sec. 3.2), on operations on words."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ...errors import UserError
from ...state import BinRates
from ..plans import PLAN
from ..policy import BinPolicy
from ..views import Augmentation, Column, Example, Identity
from .eda import WordDeletion, WordInsertion, WordSwap
from .reading import check_options
from .tfidf import TfIdfReplacement, UniformReplacement
from .word_statistics import WordStatistics


__all__ = ["TextCTAugment", "TextPlan"]


@dataclass(frozen=True, slots=True)
class TextPlan:
    """A text, and the numbers that decide on its view.

    Args:
        example: as it is.
        draws: [depth, 2] in [0, 1): for each operation which one it is, and which bin of it.
        seed: of all that the operations draw.
    """

    example: Example
    draws: np.ndarray
    seed: int


class TextCTAugment:
    """A strong view of a text whose operations and strengths follow what the model still recognises.

    An operation is a row of augmentations, one per bin, from weakest to strongest. A view applies ``depth``
    operations, drawn with replacement, and of each a bin in proportion to its rate, cut off below ``threshold``. The
    trainer shows the model labeled examples under operations whose bins are drawn alike, and moves the rate of each
    bin towards the probability of the right class: see :class:`textssl.augment.image.CTAugment`. An operation of one
    bin is always applied where it is drawn.

    A worker only draws numbers. The trainer's process applies the operations, by the rates of the step before, and
    encodes the texts; so it is this process that the time of both is spent in. It must be a view by itself, not a
    part of a :class:`Chain`.

    *Prepared columns.* An operation that is a :class:`Column`, such as a back-translation, is applied before the
    others of a view, since it takes the place of the whole text. Where an example lacks the column the operation is
    not drawn: labeled examples often have no translations, and then its bins are never tried and their rates stay 1.

    Args:
        operations: for each name its augmentations, weakest to strongest.
        depth: operations per text; 2.
        decay: rho, share of a rate that one trial leaves; 0.99.
        threshold: bins below this share of the operation's best are not drawn; 0.8.
        column: the example's text.

    Raises:
        UserError: no operation, one without a bin, or a number out of range.
    """

    def __init__(
        self,
        operations: Mapping[str, Sequence[Augmentation]],
        depth: int = 2,
        decay: float = 0.99,
        threshold: float = 0.8,
        column: str = "text",
    ) -> None:
        empty = [name for name, bins in operations.items() if not bins]
        if empty or not operations:
            raise UserError(f"operations: got {f'no bin for {empty[0]!r}' if empty else 'none'}; expected some")
        self.operations = {name: list(bins) for name, bins in operations.items()}
        self.depth = depth
        self.column = column
        sizes = [len(bins) for bins in self.operations.values()]
        self.policy = BinPolicy.fresh(list(self.operations), sizes, depth, decay, threshold)
        self._bins = list(self.operations.values())
        self._columns = [
            {augmentation.name for augmentation in bins if isinstance(augmentation, Column)} for bins in self._bins
        ]

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        bins: int = 5,
        column: str = "text",
        keep_last: int | None = None,
        back_translations: Sequence[str] = (),
        synonyms: Callable[[float], Augmentation] | None = None,
        depth: int = 2,
        decay: float = 0.99,
        threshold: float = 0.8,
        progress: bool = False,
        special_tokens: Sequence[str] = (),
    ) -> Self:
        """Count the words of a corpus, usually all unlabeled texts, and build the usual operations on the counts.

        They are ``identity``; ``tfidf``, word replacement with p from 0.1 to 0.7; ``uniform`` replacement,
        ``deletion``, ``swap`` and ``insertion`` with p from 0.05 to 0.5, which Wei and Zou (2019) try for each; and
        on request ``synonym`` and ``back_translation``. A bin is moved by what it was tried on, so few bins learn
        sooner: 5 here, where images have 17, since a fine-tune has few steps.

        Args:
            texts: the corpus.
            bins: of each operation but ``identity`` and ``back_translation``.
            column: the example's text.
            keep_last: look at the last so many words of a text only, **and drop what stands before**.
            back_translations: columns of translations, from the most to the least faithful: one bin each.
            synonyms: what replaces the share p of words by synonyms, such as
                ``lambda p: Nlpaug(SynonymAug(aug_p=p))``, for which nlpaug needs the files of WordNet.
            depth: see the class.
            decay: see the class.
            threshold: see the class.
            progress: show a progress bar while counting.
            special_tokens: of the tokenizer, beside the common ones such as ``[SEP]`` and ``</s>``; none of the
                operations on words touches them.

        Raises:
            UserError: a number out of range; a corpus without words; a row that is no text.
        """
        if not isinstance(bins, int) or bins < 1:
            raise UserError(f"bins: got {bins!r}; expected a whole number of 1 or more")
        check_options(0.0, keep_last)
        statistics = WordStatistics.fit(texts, progress, special_tokens)
        reads: dict[str, Any] = {"column": column, "keep_last": keep_last, "special_tokens": special_tokens}
        tfidf, uniform = TfIdfReplacement(statistics, **reads), UniformReplacement(statistics, **reads)
        mild = np.linspace(0.05, 0.5, bins).tolist()
        operations: dict[str, Sequence[Augmentation]] = {
            "identity": [Identity()],
            "tfidf": [tfidf.with_p(p) for p in np.linspace(0.1, 0.7, bins).tolist()],
            "uniform": [uniform.with_p(p) for p in mild],
            "deletion": [WordDeletion(p, **reads) for p in mild],
            "swap": [WordSwap(p, **reads) for p in mild],
            "insertion": [WordInsertion(tfidf, p, **reads) for p in mild],
        }
        if synonyms is not None:
            operations["synonym"] = [synonyms(p) for p in mild]
        if back_translations:
            operations["back_translation"] = [Column(name, column) for name in back_translations]
        return cls(operations, depth, decay, threshold, column)

    @property
    def rates(self) -> BinRates:
        """Of the bins of each operation."""
        return self.policy.rates

    def learned(self) -> dict[str, list[float]]:
        """The rate of each bin of each operation, weakest first."""
        return self.policy.learned()

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise UserError unless all prepared columns are among ``names``: else they would never be drawn."""
        if missing := sorted(set().union(*self._columns) - set(names)):
            raise UserError(f"operations: got Column({missing[0]!r}); the data have {sorted(names)}")

    def probe_copy(self) -> Self:
        """A copy with the same rates that draws every bin alike."""
        copied = copy.copy(self)
        copied.policy = self.policy.probe_copy()
        return copied

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return ``example`` as it is, with a plan of what is to be done to it."""
        draws = rng.random((self.depth, 2))
        return {**example, PLAN: TextPlan(example, draws, int(rng.integers(2**63)))}

    def finish(self, plans: Sequence[TextPlan]) -> list[Example]:
        """The example that each plan makes, by the rates as they are now."""
        return [self._applied(plan, chosen) for plan, chosen in zip(plans, self._chosen(plans), strict=True)]

    def hits(self, plans: Sequence[TextPlan]) -> list[list[tuple[int, int]]]:
        """For each plan of a probe copy the operations that it applied, each with its bin."""
        return self._chosen(plans)

    def _chosen(self, plans: Sequence[TextPlan]) -> list[list[tuple[int, int]]]:
        """Operations and bins of each plan, prepared columns first."""
        picked = np.array([self._picked(plan) for plan in plans])
        bins = self.policy.bins(picked, np.array([plan.draws[:, 1] for plan in plans]))
        rows = [list(zip(*row, strict=True)) for row in zip(picked.tolist(), bins.tolist(), strict=True)]
        return [sorted(row, key=lambda step: not self._columns[step[0]]) for row in rows]

    def _picked(self, plan: TextPlan) -> list[int]:
        """The operations of a plan, out of those whose columns the example has."""
        able = [number for number, columns in enumerate(self._columns) if columns <= plan.example.keys()]
        if not able:
            self.check_columns(sorted(plan.example))
        return [able[int(share * len(able))] for share in plan.draws[:, 0].tolist()]

    def _applied(self, plan: TextPlan, chosen: list[tuple[int, int]]) -> Example:
        rng = np.random.Generator(np.random.PCG64(plan.seed))
        example = plan.example
        for number, bin_ in chosen:
            example = self._bins[number][bin_](example, rng)
        return example
