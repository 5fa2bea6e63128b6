"""The parts of a run's report: what one candidate, curve, class, bin or example has to say."""

from __future__ import annotations

from dataclasses import dataclass

from textssl.errors import UserError


__all__ = [
    "Bin",
    "Candidate",
    "ClassScore",
    "ClassShares",
    "Curve",
    "Evaluation",
    "Item",
    "Mistake",
    "PseudoLabelQuality",
    "Uncertain",
    "ViewExample",
]


@dataclass(frozen=True)
class Item:
    """An example as a person sees it; of features alone there is neither.

    Attributes:
        text: the text, or a pair of texts joined by a line break.
        image: PNG in base64, small: about 160 pixels a side.
    """

    text: str | None = None
    image: str | None = None


@dataclass(frozen=True)
class Candidate:
    """One of the compared classifiers: a candidate of ``fit``, a method of ``compare``, a stage of ``train``.

    Attributes:
        name: of the method.
        scores: one for each seed or fold.
        mean: of the scores.
        low: lower end of its interval.
        high: upper end of its interval.
        difference: to the baseline, paired; ``None`` for the baseline itself.
        difference_low: lower end of its interval.
        difference_high: upper end of its interval.
        log_loss: of held-out examples.
        seconds: that it took.
        chosen: whether it is (part of) what the run gives back.
        note: why it was skipped or stopped, or what else is to be known.
    """

    name: str
    scores: tuple[float | None, ...] = ()
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    log_loss: float | None = None
    seconds: float | None = None
    chosen: bool = False
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """A value over optimizer steps. Curves of one group share a chart.

    Attributes:
        name: such as ``"supervised"``, ``"mask rate"``, ``"threshold of sports"``.
        group: ``"loss"``, ``"mask rate"``, ``"threshold"``, ``"accuracy"``, ``"confidence"`` or another.
        run: the method or the baseline that it is of.
        steps: in increasing order.
        values: one for each step.
    """

    name: str
    group: str
    run: str
    steps: tuple[int, ...]
    values: tuple[float | None, ...]

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.values):
            raise UserError(f"curve {self.name!r:.80}: got {len(self.values)} values for {len(self.steps)} steps")


@dataclass(frozen=True)
class ClassShares:
    """The shares of the classes, once or over steps.

    Attributes:
        name: ``"labels"``, ``"predictions"``, ``"pseudo-labels"`` or ``"unlabeled truth"``.
        shares: ``[n, C]``, one row for each step; ``[1, C]`` without steps.
        steps: empty if they were counted once.
    """

    name: str
    shares: tuple[tuple[float | None, ...], ...]
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.shares) != max(1, len(self.steps)):
            raise UserError(f"shares {self.name!r:.80}: got {len(self.shares)} rows for {len(self.steps)} steps")


@dataclass(frozen=True)
class PseudoLabelQuality:
    """How good the pseudo-labels were at a step, where the truth is known.

    Attributes:
        step: optimizer step; 0 where it was measured once, at the end.
        kept_share: of the unlabeled examples that pass the threshold.
        accuracy: of the kept ones.
        per_class: accuracy of the kept ones of each (pseudo-)class ``[C]``, or empty.
        count: number of unlabeled examples that it was measured on.
    """

    step: int
    kept_share: float | None
    accuracy: float | None = None
    per_class: tuple[float | None, ...] = ()
    count: int | None = None


@dataclass(frozen=True)
class ClassScore:
    """The scores of one class.

    Attributes:
        name: of the class.
        precision: share of the examples predicted as it that are of it.
        recall: share of its examples that were found.
        f1: harmonic mean of both.
        support: number of its examples.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class Bin:
    """The predictions of which the confidence is between two numbers.

    Attributes:
        low: lower end of the bin.
        high: upper end of the bin.
        confidence: mean, of the predictions in it; ``None`` where it is empty.
        accuracy: of the predictions in it; ``None`` where it is empty.
        count: number of predictions in it.
    """

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


@dataclass(frozen=True)
class Evaluation:
    """How the model did on labeled examples that it was not trained on.

    Attributes:
        measured_on: in words, such as ``"held-out examples of test.csv"`` or ``"labeled examples, out of fold"``.
        count: number of examples.
        accuracy: on them.
        low: lower end of the interval of the accuracy.
        high: upper end of the interval of the accuracy.
        macro_f1: on them.
        log_loss: on them, in nats.
        ece: expected calibration error.
        per_class: one for each class, in the order of ``RunReport.classes``.
        confusion: ``[C, C]`` counts, true classes by predicted ones.
        reliability: bins of increasing confidence.
        level: of the interval.
    """

    measured_on: str
    count: int
    accuracy: float | None
    low: float | None = None
    high: float | None = None
    macro_f1: float | None = None
    log_loss: float | None = None
    ece: float | None = None
    per_class: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    reliability: tuple[Bin, ...] = ()
    level: float = 0.95


@dataclass(frozen=True)
class ViewExample:
    """An unlabeled example beside the views that the method trained on.

    Attributes:
        original: the example.
        views: names, such as ``"weak"`` and ``"strong"``, with what the view made of it.
    """

    original: Item
    views: tuple[tuple[str, Item], ...]


@dataclass(frozen=True)
class Mistake:
    """An evaluated example that the model got wrong; the most confident come first.

    Attributes:
        item: the example.
        label: name of its class.
        predicted: name of the predicted class.
        confidence: probability of the predicted class.
        row: number of its row in the data, from 0.
    """

    item: Item
    label: str
    predicted: str
    confidence: float | None
    row: int | None = None


@dataclass(frozen=True)
class Uncertain:
    """An unlabeled example that is worth labeling next; the least confident come first.

    Attributes:
        item: the example.
        predicted: name of the predicted class.
        confidence: probability of the predicted class.
        row: number of its row in the data, from 0.
    """

    item: Item
    predicted: str
    confidence: float | None
    row: int | None = None
