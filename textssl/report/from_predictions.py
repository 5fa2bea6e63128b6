"""Parts of a report that are made of predicted probabilities: the evaluation, mistakes, candidates, sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from textssl.report.classification_scores import classification_scores, wilson_interval
from textssl.report.paired_accuracy import Interval, paired_accuracy, paired_mean
from textssl.report.parts import Bin, Candidate, ClassScore, Evaluation, Item, Mistake


__all__ = ["candidates_of", "evaluation_of", "log_losses", "mistakes_of", "verdicts"]

MISTAKES = 20
# Log-loss that is worse by less says little about single examples.
TOO_SURE = 0.05
LEAST = float(np.finfo(np.float64).eps)


def evaluation_of(labels: np.ndarray, probs: np.ndarray, label_names: Sequence[str], measured_on: str) -> Evaluation:
    """All scores of probabilities against labels.

    Args:
        labels: class numbers ``[N]``.
        probs: probabilities ``[N, C]``.
        label_names: of the C classes.
        measured_on: what the examples are, in words.
    """
    scores = classification_scores(labels, probs, label_names)
    low, high = scores.accuracy_interval
    return Evaluation(
        measured_on=measured_on,
        count=scores.examples,
        accuracy=scores.accuracy,
        low=low,
        high=high,
        macro_f1=scores.macro_f1,
        log_loss=scores.log_loss,
        ece=scores.calibration_error,
        per_class=tuple(ClassScore(c.label, c.precision, c.recall, c.f1, c.support) for c in scores.per_class),
        confusion=tuple(tuple(row) for row in scores.confusion),
        reliability=tuple(Bin(b.low, b.high, b.confidence, b.accuracy, b.count) for b in scores.reliability),
    )


def mistakes_of(
    labels: np.ndarray,
    probs: np.ndarray,
    label_names: Sequence[str],
    item_of: Callable[[int], Item],
    rows: Sequence[int] | np.ndarray | None = None,
    count: int = MISTAKES,
) -> tuple[Mistake, ...]:
    """The examples that are predicted wrong with the greatest confidence, most confident first.

    Args:
        labels: class numbers ``[N]``.
        probs: probabilities ``[N, C]``.
        label_names: of the C classes.
        item_of: what shows an example, by its place among the N.
        rows: number of each example's row in the data ``[N]``; ``None`` where nobody knows.
        count: at most so many.
    """
    predicted, confidence = probs.argmax(1), probs.max(1)
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return tuple(
        Mistake(
            item=item_of(int(place)),
            label=label_names[labels[place]],
            predicted=label_names[predicted[place]],
            confidence=float(confidence[place]),
            row=None if rows is None else int(rows[place]),
        )
        for place in order
    )


def log_losses(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Log-loss of each example ``[N]``, in nats, as ``classification_scores`` counts them."""
    losses: np.ndarray = -np.log(np.clip(probs[np.arange(len(labels)), labels].astype(np.float64), LEAST, None))
    return losses


def candidates_of(
    labels: np.ndarray,
    probs: Mapping[str, np.ndarray],
    chosen: str,
    baseline: str | None,
    seconds: Mapping[str, float | None],
    level: float,
) -> tuple[Candidate, ...]:
    """Classifiers that were measured on the same examples, the baseline first.

    Args:
        labels: class numbers ``[N]``.
        probs: of each classifier by name, probabilities ``[N, C]``.
        chosen: the one that the run gives back.
        baseline: the one that the others are compared with; ``None`` compares none.
        seconds: that each of them took to train.
        level: of the intervals.
    """
    names = sorted(probs, key=lambda name: name != baseline)
    right = {name: probs[name].argmax(1) == labels for name in names}
    found = []
    for name in names:
        accuracy = float(right[name].mean())
        low, high = wilson_interval(int(right[name].sum()), len(labels), level)
        candidate = Candidate(
            name=name,
            scores=(accuracy,),
            mean=accuracy,
            low=low,
            high=high,
            log_loss=float(log_losses(labels, probs[name]).mean()),
            seconds=seconds.get(name),
            chosen=name == chosen,
        )
        if baseline in right and name != baseline:
            gap = paired_accuracy(right[name], right[baseline], level)
            candidate = replace(candidate, difference=gap.value, difference_low=gap.low, difference_high=gap.high)
        found.append(candidate)
    return tuple(found)


def verdicts(
    labels: np.ndarray, probs: Mapping[str, np.ndarray], chosen: str, others: Sequence[str], measured_on: str
) -> list[str]:
    """Sentences that say whether a classifier is better than others, the one about its own accuracy first.

    A difference of which the interval holds 0 is called none. Where accuracy does not tell, or tells the opposite,
    log-loss is told too.

    Args:
        labels: class numbers ``[N]``.
        probs: of each classifier by name, probabilities ``[N, C]``.
        chosen: the one in question.
        others: what it is compared with.
        measured_on: what the examples are, in words.
    """
    right = {name: probs[name].argmax(1) == labels for name in probs}
    share = float(right[chosen].mean())
    low, high = wilson_interval(int(right[chosen].sum()), len(labels))
    found = [f"{chosen}: accuracy {100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f}) on {measured_on}"]
    for other in others:
        gap = paired_accuracy(right[chosen], right[other])
        sentence = _accuracy_verdict(chosen, other, gap, 100 * float(right[other].mean()))
        if len(labels) > 1:
            sentence += _loss_verdict(labels, probs[chosen], probs[other], gap)
        found.append(sentence)
    return found


def _accuracy_verdict(chosen: str, other: str, gap: Interval, accuracy: float) -> str:
    size = f"{_points(abs(gap.value))} points"
    if gap.low > 0:
        interval = f"{_points(gap.low)} to {_points(gap.high)}"
        return f"{chosen} is more accurate than {other} by {size} ({interval}; {other}: {accuracy:.1f} %)"
    if gap.high < 0:
        interval = f"{_points(-gap.high)} to {_points(-gap.low)}"
        return f"{chosen} lost to {other}: it is less accurate by {size} ({interval}; {other}: {accuracy:.1f} %)"
    side = "the same accuracy" if not gap.value else f"{size} {'more' if gap.value > 0 else 'less'}"
    interval = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
    return f"{chosen} and {other} cannot be told apart by accuracy: {side} ({interval}; {other}: {accuracy:.1f} %)"


def _loss_verdict(labels: np.ndarray, probs: np.ndarray, others: np.ndarray, gap: Interval) -> str:
    own, theirs = log_losses(labels, probs), log_losses(labels, others)
    loss = paired_mean(own, theirs)
    figures = f"{own.mean():.3f} against {theirs.mean():.3f}"
    if loss.low > 0:
        sure = gap.high >= 0 and loss.value > TOO_SURE
        return f"; its log-loss is worse, {figures}" + (": it is too sure of its mistakes" if sure else "")
    if loss.high < 0:
        return f"; its log-loss is better, {figures}"
    return f"; log-loss {figures}, a difference that may be chance"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
