"""Reports of runs as tests make them up: texts of four classes, images, two methods."""

from __future__ import annotations

import base64
import io
import itertools
import math

import numpy as np
from PIL import Image

from textssl.report import (
    Bin,
    Candidate,
    ClassScore,
    ClassShares,
    Curve,
    Evaluation,
    Item,
    Mistake,
    PseudoLabelQuality,
    RunReport,
    Uncertain,
    ViewExample,
)


CLASSES = ("world", "sports", "business", "science & technology")
TEXTS = (
    "Oil prices fell below 40 dollars a barrel on Tuesday after producers failed to agree on a cut in output.",
    "The striker scored twice in the second half, and the visitors left the ground with a point that they had earned.",
    "Engineers say that the probe has sent the first pictures of the far side, from a height of nine kilometres.",
    "Ministers from eleven countries met in Geneva to talk about the borders that the treaty of 1998 left open.",
    "Shares of the chip maker rose by a tenth when it said that its next processor will be ready before the summer.",
    "The court has put off its judgement, for two of the three judges were taken ill on the eve of the last session.",
)


def confusion() -> tuple[tuple[int, ...], ...]:
    return ((221, 6, 14, 9), (3, 243, 1, 3), (19, 2, 203, 26), (11, 4, 24, 211))


def evaluation() -> Evaluation:
    """Per-class scores and accuracy follow from the counts."""
    table = np.array(confusion())
    hits, predicted, support = table.diagonal(), table.sum(0), table.sum(1)
    scores = [
        ClassScore(name, hit / guess, hit / true, 2 * hit / (guess + true), int(true))
        for name, hit, guess, true in zip(CLASSES, hits, predicted, support, strict=True)
    ]
    edges = np.linspace(0, 1, 11)
    counts = (0, 0, 4, 23, 61, 88, 102, 141, 213, 368)
    bins = []
    for n, (low, high) in enumerate(itertools.pairwise(edges)):
        middle = (low + high) / 2 if counts[n] else None
        accuracy = None if middle is None else min(1.0, middle + 0.06 * math.sin(3 * n))
        bins.append(Bin(float(low), float(high), middle, accuracy, counts[n]))
    return Evaluation(
        measured_on="held-out examples of news_test.csv",
        count=int(table.sum()),
        accuracy=float(hits.sum() / table.sum()),
        low=0.858,
        high=0.897,
        macro_f1=float(np.mean([score.f1 for score in scores if score.f1 is not None])),
        log_loss=0.371,
        ece=0.028,
        per_class=tuple(scores),
        confusion=confusion(),
        reliability=tuple(bins),
    )


def curves() -> tuple[Curve, ...]:
    steps, rng = tuple(range(10, 601, 10)), np.random.default_rng(0)
    places = np.linspace(0, 1, len(steps))

    def noisy(values: np.ndarray, scale: float) -> tuple[float, ...]:
        return tuple(abs(float(value)) for value in values + scale * rng.normal(size=len(values)))

    evaluated = steps[9::10]
    return (
        Curve("supervised", "loss", "uda", steps, noisy(1.3 * np.exp(-4 * places) + 0.1, 0.04)),
        Curve("unsupervised", "loss", "uda", steps, noisy(0.25 * places * np.exp(-2 * places), 0.01)),
        Curve("supervised", "loss", "supervised", steps, noisy(1.3 * np.exp(-7 * places) + 0.02, 0.03)),
        Curve("mask rate", "mask rate", "uda", steps, noisy(0.05 + 0.7 * places**0.6, 0.02)),
        Curve("threshold", "threshold", "uda", steps, tuple(float(0.25 + 0.75 * place) for place in places)),
        Curve("validation", "accuracy", "uda", evaluated, (0.71, 0.79, 0.84, 0.86, 0.87, 0.88)),
        Curve("validation", "accuracy", "supervised", evaluated, (0.69, 0.74, 0.76, float("nan"), 0.76, 0.75)),
    )


def views() -> tuple[ViewExample, ...]:
    changed = (
        "Oil costs fell under 40 dollars a barrel Tuesday after producers failed to agree on reductions in output.",
        "The striker scored two goals in the second half and the guests left the field with a point they had earned.",
        "Engineers say the probe has sent first images of the far side, taken from an altitude of nine kilometres.",
    )
    return tuple(
        ViewExample(Item(text), (("weak", Item(text)), ("strong", Item(other))))
        for text, other in zip(TEXTS, changed, strict=False)
    )


def text_report() -> RunReport:
    return RunReport(
        kind="train",
        title="uda on news_labeled.csv",
        facts=(
            ("method", "uda (Xie et al., 2020, arXiv:1904.12848)"),
            ("labeled", "40 texts of 4 classes, news_labeled.csv"),
            ("unlabeled", "1,500 texts, news_unlabeled.csv"),
            ("held out", "1,000 texts, news_test.csv"),
            ("model", "sentence-transformers/all-MiniLM-L6-v2, 22.7 million parameters"),
            ("steps", "600, batches of 8 labeled and 56 unlabeled"),
            ("seed", "0"),
            ("time", "4 min 12 s"),
            ("device", "cpu, 2 cores"),
            ("versions", "textssl 0.1.0, transformers 5.24.0, torch 2.13.0, Python 3.11.2"),
        ),
        command="textssl train --method uda news_labeled.csv news_unlabeled.csv --test_file news_test.csv --seed 0",
        findings=(
            "uda reached 87.8 % accuracy on 1,000 held-out texts, 11.6 points more than the supervised baseline.",
            "Science & technology is taken for business in 24 of 250 texts.",
        ),
        warnings=("3 of 40 labeled texts are blank after truncation to 128 tokens.",),
        classes=CLASSES,
        candidates=(
            Candidate("supervised", (0.762,), 0.762, 0.735, 0.788, log_loss=0.71, seconds=48.0),
            Candidate("uda", (0.878,), 0.878, 0.858, 0.897, 0.116, 0.089, 0.143, 0.371, 252.0, chosen=True),
        ),
        candidate_measured_on="1,000 held-out texts of news_test.csv",
        candidate_level=0.95,
        curves=curves(),
        class_shares=(
            ClassShares("labels", ((0.25, 0.25, 0.25, 0.25),)),
            ClassShares("unlabeled truth", ((0.24, 0.26, 0.27, 0.23),)),
            ClassShares("predictions", ((0.26, 0.25, 0.25, 0.24),)),
            ClassShares(
                "pseudo-labels",
                ((0.4, 0.3, 0.2, 0.1), (0.32, 0.29, 0.21, 0.18), (0.27, 0.27, 0.24, 0.22), (0.26, 0.26, 0.25, 0.23)),
                (100, 200, 400, 600),
            ),
        ),
        pseudo_labels=(
            PseudoLabelQuality(100, 0.21, 0.955, (0.93, 0.99, 0.96, 0.94), 1500),
            PseudoLabelQuality(300, 0.52, 0.942, (0.92, 0.99, 0.93, 0.92), 1500),
            PseudoLabelQuality(600, 0.74, 0.931, (0.91, 0.98, 0.92, 0.91), 1500),
        ),
        evaluation=evaluation(),
        examples=views(),
        mistakes=(
            Mistake(Item(TEXTS[4]), "business", "science & technology", 0.987, 812),
            Mistake(Item(TEXTS[0]), "business", "world", 0.971, 33),
            Mistake(Item(TEXTS[5] * 12), "world", "business", 0.933, 407),
        ),
        uncertain=(
            Uncertain(Item(TEXTS[3]), "world", 0.31, 1204),
            Uncertain(Item(TEXTS[2]), "science & technology", 0.36, 77),
        ),
        uncertain_file="label_next.csv",
    )


def picture(seed: int, side: int = 28) -> str:
    """A PNG in base64: a bright square somewhere on noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, size=(side, side), dtype=np.uint8)
    top, left = rng.integers(2, side - 12, size=2)
    pixels[top : top + 10, left : left + 10] = 230
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def image_report() -> RunReport:
    """Two methods and three seeds, on images; no evaluation of one model."""
    return RunReport(
        kind="compare",
        title="3 methods on mnist5k",
        facts=(("data", "mnist5k, 40 labeled images of 2 classes"), ("seeds", "0, 1, 2")),
        findings=("fixmatch lost to supervised: 81.0 against 84.2 %.",),
        classes=("zero", "one"),
        candidates=(
            Candidate(
                "supervised", (0.84, 0.86, 0.826), 0.842, 0.812, 0.872, log_loss=0.44, seconds=31.0, chosen=True
            ),
            Candidate("fixmatch", (0.79, 0.85, 0.79), 0.81, 0.751, 0.869, -0.032, -0.06, -0.004, 0.61, 188.0),
            Candidate("mixmatch", (0.85, None, 0.84), 0.845, 0.81, 0.88, 0.003, -0.02, 0.026, 0.45, 201.0),
            Candidate("dividemix", note="skipped: it would take longer than the time that is left"),
        ),
        candidate_measured_on="1,000 held-out images",
        examples=(
            ViewExample(
                Item(image=picture(0)), (("weak", Item(image=picture(1))), ("strong", Item(image=picture(2))))
            ),
        ),
        mistakes=(Mistake(Item(image=picture(3)), "zero", "one", 0.99, 5),),
        uncertain=(Uncertain(Item(image=picture(4)), "one", 0.51, 17),),
    )
