"""How often each word occurs in a corpus: what word replacement learns, as one small file."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import write_atomically
from .special_tokens import SpecialTokens
from .words import normalize_word, split_words


__all__ = ["WordStatistics"]

FORMAT = "textssl word statistics"
VERSION = 1
TEXTS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class WordStatistics:
    """Counts over a corpus of N texts with V different words.

    Words are cut by :func:`split_words` and counted in lower case.

    Attributes:
        words: V words, those of most texts first.
        df: int64 [V], the number of texts that hold the word, 1..N.
        frequency: float64 [V], the sum over texts d of occurrences in d / words of d.
        num_texts: N, texts without a word included.
    """

    words: tuple[str, ...]
    df: np.ndarray
    frequency: np.ndarray
    num_texts: int

    @property
    def idf(self) -> np.ndarray:
        """float64 [V]: ln(N / df), not smoothed; 0 for a word of every text."""
        return np.log(self.num_texts / self.df)

    @property
    def score(self) -> np.ndarray:
        """float64 [V]: S(w) = idf(w) * sum over texts d of tf(w, d) (relative)."""
        return self.idf * self.frequency

    @classmethod
    def fit(cls, texts: Iterable[str], progress: bool = False, special_tokens: Iterable[str] = ()) -> WordStatistics:
        """Count the words of a corpus, in one pass; memory grows with V, not with N.

        Args:
            texts: the corpus, usually all unlabeled texts.
            progress: show a progress bar.
            special_tokens: what is not counted, beside common ones such as ``[SEP]``.

        Raises:
            UserError: ``texts`` is a single text, has no word, or a row is no text (the message
                names it).
        """
        if isinstance(texts, str):
            raise UserError("texts: got one str; expected an iterable of texts")
        counter, special = _Counter(), SpecialTokens(special_tokens)
        for row, text in enumerate(_with_bar(texts) if progress else texts):
            if not isinstance(text, str):
                raise UserError(f"texts: row {row} is {text!r:.60} ({type(text).__name__}); expected str")
            counter.add(special.without(text))
        return counter.finish()

    def save(self, path: str | Path) -> Path:
        """Write one file that appears whole or not at all.

        Args:
            path: a name that ends in ``.safetensors`` or ``.json``; the suffix chooses the format.

        Raises:
            UserError: another suffix.
        """
        path = Path(path)
        head = {"format": FORMAT, "version": VERSION, "num_texts": self.num_texts}
        head["sha256"] = self._digest()
        if _kind(path) == ".json":
            body = {"df": self.df.tolist(), "frequency": self.frequency.tolist()}
            data = json.dumps({**head, **body, "words": self.words}).encode()
        else:
            from safetensors.numpy import save

            joined = np.frombuffer(_joined(self.words), dtype=np.uint8)
            tensors = {"words": joined, "df": self.df, "frequency": self.frequency}
            data = save(tensors, {key: str(value) for key, value in head.items()})
        return write_atomically(path, data)

    @classmethod
    def load(cls, path: str | Path) -> WordStatistics:
        """Read what :meth:`save` wrote.

        Raises:
            UserError: the file is missing, cut short, changed since it was saved, of another kind,
                or of a newer version.
        """
        path = Path(path)
        read = _read_json if _kind(path) == ".json" else _read_safetensors
        try:
            head, words, df, frequency = read(path)
            if head.get("format") != FORMAT:
                raise ValueError(f"its format is {head.get('format')!r}, not {FORMAT!r}")
            if int(head["version"]) != VERSION:
                raise ValueError(f"its version is {head['version']}; this program reads {VERSION}")
            statistics = cls(words, df, frequency, int(head["num_texts"]))
            if statistics._digest() != head["sha256"]:
                raise ValueError("its content does not match its checksum")
            statistics._check()
        except FileNotFoundError:
            raise UserError(f"path: {path} does not exist") from None
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise UserError(f"path: {path} holds no usable word statistics: {reason}") from error
        return statistics

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.num_texts}\n".encode())
        digest.update(_joined(self.words))
        digest.update(self.df.astype("<i8").tobytes())
        digest.update(self.frequency.astype("<f8").tobytes())
        return digest.hexdigest()

    def _check(self) -> None:
        size = len(self.words)
        if not size or self.df.shape != (size,) or self.frequency.shape != (size,):
            raise ValueError("its columns differ in length")
        if self.df.min() < 1 or self.df.max() > self.num_texts:
            raise ValueError("a document frequency is outside 1..N")
        if not np.isfinite(self.frequency).all() or self.frequency.min() <= 0:
            raise ValueError("a frequency is not positive")
        # An inserted word must be cut again as one word, or ids put together by word would be
        # wrong.
        if split_words("\n".join(self.words)).words != self.words:
            wrong = next((word for word in self.words if split_words(word).words != (word,)), self.words[0])
            raise ValueError(f"{wrong!r} is not exactly one word; count the corpus again")


class _Numbers(dict[str, int]):
    """Numbers words in order of first sight; a spelling is normalized once."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __missing__(self, word: str) -> int:
        normal = normalize_word(word)
        number = self.get(normal)
        if number is None:
            number = self[normal] = len(self.words)
            self.words.append(normal)
        self[word] = number
        return number


class _Counter:
    def __init__(self) -> None:
        self.numbers = _Numbers()
        self.df = np.zeros(0, dtype=np.int64)
        self.frequency = np.zeros(0)
        self.num_texts = 0
        self.pending = array("q")
        self.lengths: list[int] = []

    def add(self, text: str) -> None:
        words = split_words(text).words
        self.pending.extend(map(self.numbers.__getitem__, words))
        self.lengths.append(len(words))
        if len(self.lengths) == TEXTS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        size = len(self.numbers.words)
        ids = np.array(self.pending, dtype=np.int64)
        lengths = np.array(self.lengths, dtype=np.int64)
        texts = np.repeat(np.arange(len(lengths)), lengths)
        once = np.unique(texts * size + ids) % max(size, 1)
        grown = size - len(self.df)
        self.df = np.pad(self.df, (0, grown)) + np.bincount(once, minlength=size)
        self.frequency = np.pad(self.frequency, (0, grown)) + np.bincount(
            ids, weights=1.0 / lengths[texts], minlength=size
        )
        self.num_texts += len(lengths)
        self.pending, self.lengths = array("q"), []

    def finish(self) -> WordStatistics:
        self.flush()
        words = self.numbers.words
        if not words:
            raise UserError(f"texts: got {self.num_texts} texts without a word; expected a corpus")
        df = self.df.tolist()
        order = np.array(sorted(range(len(words)), key=lambda i: (-df[i], words[i])))
        # Split anew, the words lie side by side in memory, the common ones in few cache lines.
        packed = "\n".join([words[i] for i in order]).split("\n")
        return WordStatistics(tuple(packed), self.df[order], self.frequency[order], self.num_texts)


def _with_bar(texts: Iterable[str]) -> Iterable[str]:
    from tqdm.auto import tqdm

    return tqdm(texts, desc="Counting words", unit="text")


def _kind(path: Path) -> str:
    if path.suffix not in (".safetensors", ".json"):
        raise UserError(f"path: got {path}; expected a name ending in .safetensors or .json")
    return path.suffix


def _joined(words: tuple[str, ...]) -> bytes:
    # No word holds a line end. A lone surrogate, legal in a str, must survive the way to the file
    # and back.
    return "\n".join(words).encode(errors="surrogatepass")


Content = tuple[dict[str, Any], tuple[str, ...], np.ndarray, np.ndarray]


def _read_json(path: Path) -> Content:
    head = json.loads(path.read_bytes())
    if not isinstance(head, dict) or not all(isinstance(word, str) for word in head["words"]):
        raise ValueError("it has no list of words")
    df = np.array(head["df"], dtype=np.int64)
    return head, tuple(head["words"]), df, np.array(head["frequency"], dtype=np.float64)


def _read_safetensors(path: Path) -> Content:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        head = file.metadata() or {}
        words = file.get_tensor("words").tobytes().decode(errors="surrogatepass")
        return head, tuple(words.split("\n")), file.get_tensor("df"), file.get_tensor("frequency")
