"""How long texts are for a tokenizer, how many are cut, and what it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .finding import KEPT, Finding
from .part import Part


__all__ = ["TokenCounts", "count_tokens", "token_findings"]

# Enough to know a share to within three points.
SAMPLE = 1000
# Unknown tokens in more than this share of all are worth a word.
UNKNOWN = 0.01
# Of a tokenizer of transformers without a limit: above it.
NO_LIMIT = 10**9


@dataclass(frozen=True)
class TokenCounts:
    """Lengths of a sample of texts, special tokens included.

    Attributes:
        texts: how many there are that are not blank.
        sampled: how many texts were tokenised.
        median: of their lengths.
        high: the length that 95 % of them do not exceed.
        longest: of them.
        truncated: the share that is longer than ``max_length``.
        max_length: the most that training reads.
        unknown: the share of tokens that the tokenizer does not know.
        positions: the most that the encoder can read; ``None`` where it has no limit.
    """

    texts: int
    sampled: int
    median: int
    high: int
    longest: int
    truncated: float
    max_length: int
    unknown: float
    positions: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def count_tokens(part: Part, tokenizer: Any, max_length: int) -> tuple[TokenCounts, list[int], list[int]] | None:
    """Counts, and rows that are cut and that hold unknown tokens; ``None`` where there is no text.

    At most a thousand texts are tokenised, evenly spaced, as where training begins.
    """
    rows = [row for row, text in enumerate(part.texts) if text and text.strip()]
    if not rows:
        return None
    chosen = [rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))]
    ids = tokenizer([part.texts[row] for row in chosen], add_special_tokens=True, verbose=False)["input_ids"]
    lengths = np.array([len(one) for one in ids])
    missing = [one.count(tokenizer.unk_token_id) if tokenizer.unk_token_id is not None else 0 for one in ids]
    counts = TokenCounts(
        texts=len(rows),
        sampled=len(chosen),
        median=int(np.median(lengths)),
        high=int(np.quantile(lengths, 0.95)),
        longest=int(lengths.max()),
        truncated=float((lengths > max_length).mean()),
        max_length=max_length,
        unknown=float(sum(missing) / lengths.sum()),
        positions=_positions(tokenizer),
    )
    cut = [row for row, length in zip(chosen, lengths, strict=True) if length > max_length]
    return counts, cut, [row for row, count in zip(chosen, missing, strict=True) if count]


def token_findings(part: Part, counts: TokenCounts, cut: list[int], unknown: list[int]) -> Iterator[Finding]:
    """Texts that are cut, and words that a tokenizer does not know."""
    sample = f" of a sample of {counts.sampled:,}" if counts.sampled < counts.texts else ""
    if cut:
        kept = f"{KEPT}: the end of each is not read"
        yield Finding(
            "truncated", part.name,
            f"{counts.truncated:.1%} of the texts{sample} have more than {counts.max_length} tokens",
            kept, kept, f"{_longer(counts)}; textssl train --truncation start reads the end of long texts",
            len(cut), counts.sampled, part.examples(cut),
        )  # fmt: skip
    if counts.unknown > UNKNOWN:
        kept = f"{KEPT}: the model sees them all as the same unknown token"
        yield Finding(
            "unknown tokens", part.name, f"{counts.unknown:.1%} of the tokens{sample} are unknown to the tokenizer",
            kept, kept, "take an encoder that knows these letters", len(unknown), counts.sampled,
            part.examples(unknown),
        )  # fmt: skip


def _positions(tokenizer: Any) -> int | None:
    """The limit of a tokenizer; a tokenizer without one says a number that no encoder has."""
    limit = getattr(tokenizer, "model_max_length", None)
    return int(limit) if limit is not None and limit < NO_LIMIT else None


def _longer(counts: TokenCounts) -> str:
    """What a larger ``max_length`` brings: a power of two, as models have them, within what the encoder can read."""
    if counts.high <= counts.max_length:
        return f"95 % are read whole: leave --max_length at {counts.max_length}"
    limit = counts.positions
    if limit is not None and counts.max_length >= limit:
        return f"the encoder reads {limit:,} tokens at most: take one that reads more, or split long texts"
    enough = int(2 ** np.ceil(np.log2(counts.high)))
    if limit is None or counts.high <= limit:
        return f"--max_length {min(enough, limit or enough)} reads 95 % of the texts whole, at a higher price"
    return f"--max_length {limit}, the most that the encoder reads, reads more of each, at a higher price"
