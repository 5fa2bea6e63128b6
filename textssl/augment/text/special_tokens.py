"""Special tokens that are written in a text, such as [SEP] between two sentences: no view changes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import UserError
from .words import SplitText


__all__ = ["SpecialTokens", "special_tokens_of"]

# Of BERT, RoBERTa, T5, XLNet, GPT, Llama, Qwen, Gemma, Mistral and DeepSeek, as their tokenizers spell them.
COMMON = (
    r"\[(?:PAD|UNK|CLS|SEP|MASK|BOS|EOS|/?INST|unused\d+)\]"
    r"|</?s>|<(?:pad|unk|mask|sep|cls|bos|eos|eop|eod|extra_id_\d+|start_of_turn|end_of_turn)>"
    # The second kind of bar is the full-width one, of DeepSeek.
    r"|<\|[^\s<>|]{1,40}\|>|<\uff5c[^\s<>\uff5c]{1,40}\uff5c>"
)


class SpecialTokens:
    """Finds special tokens in texts: those that common tokenizers have, and further ones.

    Args:
        tokens: as the tokenizer spells them.

    Raises:
        UserError: ``tokens`` is a single text, or something in it is no text or is blank.
    """

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        if isinstance(tokens, str):
            raise UserError(f"special_tokens: got {tokens!r}; expected a list of tokens")
        self.tokens = tuple(dict.fromkeys(tokens))
        for token in self.tokens:
            if not isinstance(token, str) or not token.strip():
                raise UserError(f"special_tokens: got {token!r}; expected the spelling of a token")
        # The longer of two that begin alike is tried first.
        own = map(re.escape, sorted(self.tokens, key=len, reverse=True))
        self._pattern = re.compile("|".join([*own, COMMON]))
        # Most texts have no character that a special token begins with, which is found out in no time.
        self._firsts = tuple({"[", "<", *(token[0] for token in self.tokens)})

    def positions(self, text: SplitText) -> np.ndarray | None:
        """Which words of ``text`` are in a special token, bool [L]; ``None`` if none is."""
        if not any(first in text for first in self._firsts):
            return None
        spans = [found.span() for found in self._pattern.finditer(text)]
        if not spans:
            return None
        ends = np.cumsum([len(piece) for piece in text.pieces])
        starts, stops = ends[:-1:2], ends[1::2]
        inside = np.zeros(len(stops), dtype=bool)
        for first, last in spans:
            inside |= (starts < last) & (stops > first)
        return inside

    def without(self, text: str) -> str:
        """``text`` with a space in place of each special token."""
        if not any(first in text for first in self._firsts):
            return text
        return self._pattern.sub(" ", text)


def special_tokens_of(tokenizer: Any) -> tuple[str, ...]:
    """All special tokens of a tokenizer of transformers, those that were added to it included."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    tokens = [*getattr(tokenizer, "all_special_tokens", ()), *(str(token) for token in added if token.special)]
    return tuple(dict.fromkeys(token for token in tokens if token.strip()))
