"""Round trips through neural translators: any sequence-to-sequence checkpoint of ``transformers``.

Source: Xie et al., 2019, UDA, arXiv:1904.12848, which samples from the whole softmax at a
temperature of .7 to .9, without beam search, sentence by sentence, in both directions.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import UserError
from .sentences import cut
from .token_sampler import TokenSampler
from .untranslated import cut_lines, join_lines, names_lost


__all__ = ["Seq2SeqEngine"]

# A translation has at most LONGER times the source's tokens, and a few. Sampling may wander on
# without an end.
LONGER, FEW = 2, 16


class Seq2SeqEngine:
    """Translate to a pivot language and back with two checkpoints, or one for both ways.

    Lines are cut into sentences (``sentences.cut``), sentences without a letter or digit pass as
    they are, and the results are joined by a space; what separates the lines of a text stays. A
    sentence whose translation lacks one of its handles, hashtags, links or e-mail addresses stays
    as it is. Sentences of like length share a batch. A sentence longer than the model can read is
    cut further.

    Sampling is by inversion: each sentence has its own stream of uniform numbers, derived from one
    draw of the rng and from its text, so a result does not depend on the other texts or on their
    order, up to rounding (which, in bfloat16, other padding may change). No global random state is
    read or changed.

    Args:
        forward: checkpoint from the texts' language to the pivot, a name on the Hub or a folder,
            such as ``Helsinki-NLP/opus-mt-en-fr``. Loaded when first used.
        backward: checkpoint for the way back. Default: ``forward``, for a multilingual model.
        source_language: code of the texts' language, for NLLB (``eng_Latn``), M2M100 (``en``) and
            the like.
        pivot_language: code of the pivot.
        temperature: of the sampling; 0 takes the most probable token. Default .9, as in UDA.
        max_chars: sentences of so many characters or more are cut. Default 300, as in UDA.
        batch_tokens: source tokens in a batch, padding included. Default 4,096.
        device: such as ``"cuda"``. Default: a GPU if there is one. A GPU computes in bfloat16.

    Raises:
        UserError: if an argument is out of its range, or only one language is given; on first use,
            if a checkpoint cannot be loaded or does not know a language.
    """

    def __init__(
        self,
        forward: str,
        backward: str | None = None,
        *,
        source_language: str | None = None,
        pivot_language: str | None = None,
        temperature: float = 0.9,
        max_chars: int = 300,
        batch_tokens: int = 4096,
        device: str | None = None,
    ) -> None:
        if temperature < 0 or max_chars < 2 or batch_tokens < 1:
            raise UserError(
                f"temperature must be at least 0, max_chars at least 2 and batch_tokens at least "
                f"1, got {temperature}, {max_chars} and {batch_tokens}"
            )
        if (source_language is None) != (pivot_language is None):
            raise UserError(
                f"source_language and pivot_language must be given together, "
                f"got {source_language!r} and {pivot_language!r}"
            )
        if backward is None and source_language is None:
            raise UserError(
                "backward: got None; give a second checkpoint, or source_language and "
                "pivot_language of a multilingual one"
            )
        self.forward = forward
        self.backward = forward if backward is None else backward
        self.source_language = source_language
        self.pivot_language = pivot_language
        self.temperature = temperature
        self.max_chars = max_chars
        self.batch_tokens = batch_tokens
        self.device = device
        self._directions: tuple[_Direction, _Direction] | None = None

    @property
    def deterministic(self) -> bool:
        """Whether the temperature is 0."""
        return self.temperature == 0

    @property
    def identity(self) -> str:
        """What a cached translation depends on besides text and rng. A folder counts by name."""
        models = f"{self.forward} {self.source_language} {self.backward} {self.pivot_language}"
        # "by lines" tells these from translations of earlier versions, which joined lines and lost names.
        return f"seq2seq {models} temperature={self.temperature:g} max_chars={self.max_chars} by lines"

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Round trips of the texts, in their order. Takes one number from ``rng``."""
        root = int(rng.integers(2**63))
        there, _ = self._load()
        separators: list[list[str]] = []
        pieces, owners, streams = [], [], []
        for row, text in enumerate(texts):
            digest = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest())
            lines, between = cut_lines(text)
            separators.append(between)
            fitting = [(at, part) for at, line in enumerate(lines) for part in there.fit(cut(line, self.max_chars))]
            for number, (at, piece) in enumerate(fitting):
                pieces.append(piece)
                owners.append((row, at))
                streams.append([root, digest, number])
        results: list[list[list[str]]] = [[[] for _ in between[1:]] for between in separators]
        for (row, at), piece in zip(owners, self._round_trips(pieces, streams), strict=True):
            results[row][at].append(piece)
        return [
            join_lines([" ".join(filter(None, line)) for line in lines], between)
            for lines, between in zip(results, separators, strict=True)
        ]

    def _round_trips(self, pieces: Sequence[str], streams: Sequence[Sequence[int]]) -> list[str]:
        """Each sentence there and back; as it is without a letter or digit, or if a name gets lost."""
        spoken = [i for i, piece in enumerate(pieces) if any(map(str.isalnum, piece))]
        middle = [pieces[i] for i in spoken]
        for number, direction in enumerate(self._load()):
            seeds = [[*streams[i], number] for i in spoken]
            middle = direction.translate(middle, seeds, self.temperature, self.batch_tokens)
        results = list(pieces)
        for i, piece in zip(spoken, middle, strict=True):
            results[i] = pieces[i] if names_lost(pieces[i], piece) else piece
        return results

    def _load(self) -> tuple[_Direction, _Direction]:
        if self._directions is None:
            there = _Direction.load(self.forward, self.device)
            back = copy.copy(there) if self.backward == self.forward else _Direction.load(self.backward, self.device)
            there.set_languages(self.source_language, self.pivot_language)
            back.set_languages(self.pivot_language, self.source_language)
            self._directions = there, back
        return self._directions


class _Direction:
    """One checkpoint, translating one way."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.source: str | None = None
        self.options: dict[str, Any] = {}
        # Published checkpoints ask for beam search, and for lengths of their own.
        model.generation_config.update(
            num_beams=1, do_sample=False, early_stopping=False, length_penalty=1.0, max_length=None
        )
        positions = getattr(model.config, "max_position_embeddings", None) or 512
        self.max_tokens = min(positions, tokenizer.model_max_length)

    @classmethod
    def load(cls, name: str, device: str | None) -> _Direction:
        import torch
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            # Weights are drawn before they are loaded.
            with torch.random.fork_rng(devices=[]):
                model = AutoModelForSeq2SeqLM.from_pretrained(name, dtype=dtype)
        except (ImportError, OSError, ValueError) as error:
            remedy = (
                "pip install 'textssl[translation]'"
                if isinstance(error, ImportError)
                else "give a folder or a name on the Hub, such as Helsinki-NLP/opus-mt-en-fr"
            )
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"engine: cannot load {name!r} as a translator: {reason}; {remedy}") from error
        return cls(name, model.to(device).eval(), tokenizer)

    def set_languages(self, source: str | None, target: str | None) -> None:
        if target is None:
            return
        for language in (source, target):
            if self._language_token(language) is None:
                raise UserError(f"source_language, pivot_language: {self.name} does not know {language!r}")
        self.source = source
        self.options = {"forced_bos_token_id": self._language_token(target)}

    def _language_token(self, language: str | None) -> int | None:
        vocabulary = self.tokenizer.get_vocab()
        # NLLB and mBART spell the token as the code, M2M100 as __code__.
        return vocabulary.get(language, vocabulary.get(f"__{language}__"))

    def fit(self, pieces: Sequence[str]) -> Iterator[str]:
        """The pieces, those cut further which the model cannot read whole."""
        for piece in pieces:
            # A token has at least one byte, so most pieces need not be counted.
            short = len(piece.encode("utf-8", "replace")) + FEW < self.max_tokens
            if short or len(piece) < 4 or len(self._ids([piece])[0]) <= self.max_tokens:
                yield piece
            else:
                yield from self.fit(cut(piece, max(2, (len(piece) + 1) // 2)))

    def translate(
        self,
        texts: Sequence[str],
        seeds: Sequence[Sequence[int]],
        temperature: float,
        batch_tokens: int,
    ) -> list[str]:
        """Translations in the order of the texts; ``seeds[i]`` seeds the sampling of text i."""
        results = [""] * len(texts)
        ids = [self._truncate(row) for row in self._ids(texts)] if texts else []
        for rows in _batches([len(row) for row in ids], batch_tokens):
            batch = self._generate([ids[i] for i in rows], [seeds[i] for i in rows], temperature)
            for row, text in zip(rows, batch, strict=True):
                results[row] = text.strip()
        return results

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if self.source is not None:
            self.tokenizer.src_lang = self.source
        # Silent, because rows are cut to what the model can read further on.
        encoded = self.tokenizer(list(texts), truncation=False, verbose=False)
        return [list(row) for row in encoded["input_ids"]]

    def _truncate(self, row: list[int]) -> list[int]:
        # The last token ends the sentence and has to stay.
        return row if len(row) <= self.max_tokens else [*row[: self.max_tokens - 1], row[-1]]

    def _generate(self, ids: list[list[int]], seeds: list[Sequence[int]], temperature: float) -> list[str]:
        import torch

        limits = [min(LONGER * len(row) + FEW, self.max_tokens - 2) for row in ids]
        uniforms = [np.random.default_rng(seed).random(max(limits) + 1, np.float32) for seed in seeds]
        device = self.model.device
        sampler = TokenSampler(
            torch.from_numpy(np.stack(uniforms)).to(device),
            torch.tensor(limits, device=device),
            temperature,
            _end_token(self.model.generation_config),
        )
        encoded = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt")
        with torch.inference_mode():
            tokens = self.model.generate(
                encoded["input_ids"].to(device),
                attention_mask=encoded["attention_mask"].to(device),
                max_new_tokens=max(limits) + 1,
                logits_processor=[sampler],
                **self.options,
            )
        return list(self.tokenizer.batch_decode(tokens, skip_special_tokens=True))


def _end_token(config: Any) -> int:
    end = config.eos_token_id
    return int(end[0] if isinstance(end, list) else end)


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Rows by length, longest first, so many that rows times the longest stay within the budget."""
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    start = 0
    while start < len(rows):
        size = max(1, batch_tokens // lengths[rows[start]])
        yield rows[start : start + size]
        start += size
