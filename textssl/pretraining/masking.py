"""Masks: which tokens of a window are to be predicted, and what stands in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from ..data.two_stream import Item
from ..data.views import view_rng
from ..errors import UserError
from ..forward.passes import plan_passes
from .corpus import special_ids


__all__ = ["MaskingCollator", "TokenMasker"]

# Of the chosen tokens (Devlin et al., 2019, arXiv:1810.04805): masked, and replaced by a random one; the rest stay.
MASKED, REPLACED = 0.8, 0.1
CONTINUES = "##"


class TokenMasker:
    """Chooses tokens of a window, a pure function of the window and an rng.

    Of n tokens that are not special, ``max(1, round(share * n))`` are chosen. With whole words, words are drawn in
    random order as long as their pieces fit in that number; the first is taken whatever its length.

    Args:
        tokenizer: with a mask token.
        share: of the tokens.
        whole_word: choose whole words.

    Raises:
        UserError: no mask token; whole words without a WordPiece vocabulary.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, share: float, whole_word: bool = False) -> None:
        if tokenizer.mask_token_id is None:
            raise UserError("processing_class: expected a tokenizer that has a mask token")
        self.share = share
        self.mask_token_id = int(tokenizer.mask_token_id)
        self.special = np.zeros(len(tokenizer), dtype=bool)
        self.special[sorted(special_ids(tokenizer))] = True
        self.ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
        self.continues: np.ndarray | None = None
        if whole_word:
            names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
            self.continues = np.array([str(name).startswith(CONTINUES) for name in names])
            if not self.continues.any():
                raise UserError(
                    f"whole_word: got True; it needs a vocabulary with word pieces such as '{CONTINUES}ing'"
                )

    def __call__(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids [T] with masks in them, and the places [M], in order, that are to be predicted."""
        candidates = np.flatnonzero(~self.special[ids])
        count = max(1, round(self.share * len(candidates)))
        if self.continues is None:
            chosen = rng.choice(candidates, count, replace=False)
        else:
            chosen = self._words(ids, candidates, count, rng)
        chosen.sort()
        fate, masked = rng.random(len(chosen)), ids.copy()
        masked[chosen[fate < MASKED]] = self.mask_token_id
        replaced = chosen[(fate >= MASKED) & (fate < MASKED + REPLACED)]
        masked[replaced] = rng.choice(self.ordinary, len(replaced))
        return masked, chosen

    def _words(self, ids: np.ndarray, candidates: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        assert self.continues is not None
        # A word begins where a piece does not continue, or where a special token stands between.
        begins = ~self.continues[ids[candidates]]
        begins[1:] |= np.diff(candidates) > 1
        begins[0] = True
        words = np.split(candidates, np.flatnonzero(begins)[1:])
        chosen: list[np.ndarray] = []
        room = count
        for number in rng.permutation(len(words)):
            word = words[number]
            if len(word) <= room or not chosen:
                chosen.append(word)
                room -= len(word)
            if room <= 0:
                break
        return np.concatenate(chosen)


class MaskingCollator:
    """Makes a micro-batch of windows: masks by an rng of the seed, the window and its visit alone, in a few passes.

    Args:
        masker: chooses the tokens.
        tokenizer: pads as it does.
        seed: of all masks.
        overhead: cost of one more pass, in padded positions; see :func:`textssl.forward.passes.plan_passes`.
        multiple: widths are multiples of it.
    """

    def __init__(
        self, masker: TokenMasker, tokenizer: PreTrainedTokenizerBase, seed: int, overhead: int, multiple: int = 1
    ) -> None:
        self.masker = masker
        self.pad_token_id = int(tokenizer.pad_token_id)
        self.left = tokenizer.padding_side == "left"
        self.seed = seed
        self.overhead = overhead
        self.multiple = multiple

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return ``passes``, a list of dicts of windows of like length.

        Each has ``input_ids`` and ``attention_mask`` [B, T], ``places`` [M], numbers of positions of the flattened
        ids, and ``labels`` [M], the tokens that were there.
        """
        windows = [np.asarray(item.example["input_ids"], dtype=np.int64) for item in items]
        masked = [
            self.masker(ids, view_rng(self.seed, item.key, "mask")) for item, ids in zip(items, windows, strict=True)
        ]
        plan = plan_passes([len(ids) for ids in windows], self.overhead)
        return {"passes": [self._padded([windows[i] for i in rows], [masked[i] for i in rows]) for rows in plan]}

    def _padded(
        self, windows: Sequence[np.ndarray], masked: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> dict[str, torch.Tensor]:
        width = -(-max(map(len, windows)) // self.multiple) * self.multiple
        ids = np.full((len(windows), width), self.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(windows), width), dtype=np.int64)
        places, labels = [], []
        for row, (window, (changed, chosen)) in enumerate(zip(windows, masked, strict=True)):
            start = width - len(window) if self.left else 0
            ids[row, start : start + len(window)] = changed
            mask[row, start : start + len(window)] = 1
            places.append(row * width + start + chosen)
            labels.append(window[chosen])
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "places": torch.from_numpy(np.concatenate(places)),
            "labels": torch.from_numpy(np.concatenate(labels)),
        }
