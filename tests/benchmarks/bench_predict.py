"""Rate of ``textssl predict`` beside a bare loop over batches of the same model, texts sorted by length.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_predict.py``. The loop has all texts in memory, sorts all of
them, and keeps the probabilities there; ``predict`` reads a CSV file, sorts within windows, and writes another file.
The two take turns, so a busy machine slows both; the median of the ratios of CPU time is printed, aim 0.9.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoTokenizer

from textssl.inference import load_classifier
from textssl.inference.predicting import plan_prediction
from textssl.modalities.text.truncation import as_trained
from textssl.models import PooledTextClassifier, embedded_model_path
from textssl.own_data.opening import open_rows
from textssl.sources.named import load_source


@torch.no_grad()
def bare_loop(model: Any, tokenizer: Any, texts: list[str], batch_size: int) -> torch.Tensor:
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    probs = torch.empty(len(texts), model.config.num_labels)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs = tokenizer([texts[row] for row in rows], truncation=True, padding=True, return_tensors="pt")
        probs[rows] = model(**inputs).logits.softmax(-1)
    return probs


def ratios(rivals: tuple[Callable[[], object], Callable[[], object]], rounds: int) -> list[float]:
    """CPU time of the first over that of the second, of each round."""
    found = []
    for _ in range(rounds):
        spent = []
        for work in rivals:
            begin = time.process_time()
            work()
            spent.append(time.process_time() - begin)
        found.append(spent[0] / spent[1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        PooledTextClassifier.from_encoder("embedded", ["negative", "positive"]).save_pretrained(folder / "model")
        tokenizer = AutoTokenizer.from_pretrained(embedded_model_path())
        as_trained(tokenizer, 128, "end", token_types=False).save_pretrained(folder / "model")
        for source, batch_size in (("rotten_tomatoes", 32), ("imdb", 32), ("rotten_tomatoes", 8)):
            texts = load_source(source, "embedded").test["text"][: arguments.count]
            with (folder / "in.csv").open("w", newline="") as file:
                csv.writer(file).writerows([["text"], *([text] for text in texts)])
            classifier = load_classifier(folder / "model", batch_size=batch_size)
            found = ratios(
                (
                    lambda c=classifier, t=texts, b=batch_size: bare_loop(c.model, c.processor, t, b),  # type: ignore
                    lambda c=classifier: plan_prediction(  # type: ignore
                        c, open_rows(str(folder / "in.csv")), str(folder / "out.csv"), overwrite=True
                    ).run(),
                ),
                arguments.rounds,
            )
            listed = ", ".join(f"{ratio:.2f}" for ratio in found)
            print(f"{source}, batches of {batch_size}: predict at {median(found):.2f} of the bare loop ({listed})")


if __name__ == "__main__":
    main()
