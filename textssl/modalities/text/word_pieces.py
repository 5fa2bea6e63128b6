"""Token ids of a text put together from the ids of its words: known words cost next to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Literal

from ...augment.text.words import DROPPED, SPACES, SplitText, bert_words, stands_alone
from ...errors import UserError


__all__ = ["WordPieceCache", "special_ids"]

# A word that the tokenizer would not cut where we do: its text is tokenised as a whole.
Ids = tuple[int, ...] | None


class WordPieceCache:
    """Encodes a :class:`SplitText` word by word; the ids equal those of tokenising the whole text.

    Equal they are because the tokenizer cuts wherever the text is cut: it is BERT's (Devlin et al.,
    2019, arXiv:1810.04805), which separates words at whitespace and around each punctuation
    character and ideograph before word pieces are sought within a word. That it does so is read off
    its parts, and tried on each punctuation character and ideograph when it is first met, since
    Unicode versions differ.

    Args:
        tokenizer: a tokenizer of transformers for which :meth:`supports` holds. Tokens must not be
            added to it afterwards.
        max_words: words remembered, about 200 bytes each; beyond it the oldest half is forgotten.

    Raises:
        UserError: the tokenizer is not supported.
    """

    def __init__(self, tokenizer: Any, max_words: int = 200_000) -> None:
        special = special_ids(tokenizer) if self.supports(tokenizer) else None
        if special is None:
            raise UserError(
                f"tokenizer: {type(tokenizer).__name__} does not cut words as BERT does; tokenise whole texts instead"
            )
        self.tokenizer = tokenizer
        self.max_words = max_words
        self._ids: dict[str, Ids] = {}
        added = tokenizer.backend_tokenizer.get_added_tokens_decoder().values()
        self._added = tuple({token.content for token in added})
        self._before, self._after = special

    @staticmethod
    def supports(tokenizer: Any) -> bool:
        """Whether the ids of any text are those of its words in a row.

        True for a tokenizer of the ``tokenizers`` library with BERT's normalizer (cleaning text and
        setting ideographs apart), BERT's pre-tokenizer, a WordPiece model, special tokens only
        around the text, and no added token that is sought in normalized text.
        """
        from tokenizers import models, normalizers, pre_tokenizers

        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            return False
        normalizer = backend.normalizer
        if not isinstance(normalizer, normalizers.BertNormalizer):
            return False
        if not (normalizer.clean_text and normalizer.handle_chinese_chars):
            return False
        if not isinstance(backend.pre_tokenizer, pre_tokenizers.BertPreTokenizer):
            return False
        if not isinstance(backend.model, models.WordPiece):
            return False
        if any(token.normalized for token in backend.get_added_tokens_decoder().values()):
            return False
        between_words = "".join(chain(_members(SPACES), _members(DROPPED.replace("\\x00", "\0"))))
        if backend.pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(between_words)):
            return False
        return special_ids(tokenizer) is not None

    def encode(self, text: SplitText, max_tokens: int, side: Literal["left", "right"]) -> list[int] | None:
        """The ids of ``text``, without special tokens.

        Args:
            text: a text that knows its words.
            max_tokens: most ids returned.
            side: which end of a longer text is cut away: ``"left"`` keeps its end.

        Returns:
            At most ``max_tokens`` ids, or ``None`` where the whole text must be tokenised: it holds
            the spelling of an added token, such as ``[MASK]``, or a rare character that the
            tokenizer cuts differently.

        Raises:
            ValueError: another ``side``.
        """
        if side not in ("left", "right"):
            raise ValueError(f"side: got {side!r}; expected 'left' or 'right'")
        if any(content in text for content in self._added):
            return None
        words = bert_words(text)
        keep_end = side == "left"
        kept: list[tuple[int, ...]] = []
        room = max_tokens
        for at, word in enumerate(reversed(words) if keep_end else words):
            if word not in self._ids:
                self._learn(_window(words, at, room, keep_end))
            ids = self._ids[word]
            # The word beyond the last one kept counts as well: the tokenizer must cut between the
            # two.
            if ids is None:
                return None
            if room <= 0:
                break
            kept.append(ids)
            room -= len(ids)
        if keep_end:
            kept.reverse()
        flat = list(chain.from_iterable(kept))
        return flat[max(len(flat) - max_tokens, 0) :] if keep_end else flat[: max(max_tokens, 0)]

    @property
    def num_special_tokens(self) -> int:
        """How many ids :meth:`add_special_tokens` adds."""
        return len(self._before) + len(self._after)

    def add_special_tokens(self, ids: Sequence[int]) -> list[int]:
        """``ids`` between the special ids that the tokenizer puts around one text."""
        return [*self._before, *ids, *self._after]

    def _learn(self, words: Sequence[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self._ids]
        if len(self._ids) + len(new) > self.max_words:
            for word in list(islice(self._ids, len(self._ids) // 2 + len(new))):
                del self._ids[word]
            new = list(dict.fromkeys(words))
        for word, ids in zip(new, _ids_of(self.tokenizer, new, special=False), strict=True):
            self._ids[word] = tuple(ids) if self._cuts_around(word) else None

    def _cuts_around(self, word: str) -> bool:
        if not stands_alone(word):
            return True
        backend = self.tokenizer.backend_tokenizer
        normal = backend.normalizer.normalize_str(f"a{word}a")
        found = [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]
        return len(found) > 1 and found[0] == found[-1] == "a"


def _ids_of(tokenizer: Any, texts: list[str], special: bool) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=special, truncation=False, padding=False, verbose=False)["input_ids"]


def special_ids(tokenizer: Any) -> tuple[list[int], list[int]] | None:
    """The ids that a tokenizer puts before and after a single text; ``None`` if it does not do only that."""
    (bare,), (wrapped,) = (_ids_of(tokenizer, ["a"], special) for special in (False, True))
    for start in range(len(wrapped) - len(bare) + 1):
        if wrapped[start : start + len(bare)] == bare:
            return wrapped[:start], wrapped[start + len(bare) :]
    return None


def _window(words: Sequence[str], at: int, room: int, keep_end: bool) -> Sequence[str]:
    # Nearly every word gives a token, so these are what the rest of the walk needs: one call for
    # all of them.
    if keep_end:
        end = len(words) - at
        return words[max(end - max(room, 1), 0) : end]
    return words[at : at + max(room, 1)]


def _members(ranges: str) -> Iterator[str]:
    at = 0
    while at < len(ranges):
        last = at + 2 if ranges[at + 1 : at + 2] == "-" else at
        yield from map(chr, range(ord(ranges[at]), ord(ranges[last]) + 1))
        at = last + 1
