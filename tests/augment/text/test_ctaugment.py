"""CTAugment for texts: its operations applied one by one, and nothing decided by anything but rng and rates."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from textssl.augment import Chain, Column, Identity
from textssl.augment.plans import PLAN, AdaptiveAugmentation, DeviceAugmentation, LateAugmentation
from textssl.augment.text import Nlpaug, TextCTAugment, TfIdfReplacement, UniformReplacement, WordDeletion
from textssl.augment.text.ctaugment import TextPlan
from textssl.errors import UserError


CORPUS = ["alpha beta gamma", "alpha beta delta", "alpha epsilon", "zeta zeta eta"]


class Mark:
    """Writes its name, and a number that it draws, behind the text."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**example, "text": f"{example['text']} {self.name}:{rng.integers(1000)}"}


def marks(*sizes: int, **settings: Any) -> TextCTAugment:
    table = {f"op{o}": [Mark(f"{o}.{b}") for b in range(size)] for o, size in enumerate(sizes)}
    return TextCTAugment(table, **settings)


def plans_of(view: TextCTAugment, count: int = 300, example: dict[str, Any] | None = None) -> list[TextPlan]:
    given = {"text": "x"} if example is None else example
    return [view(given, np.random.default_rng(seed))[PLAN] for seed in range(count)]


def texts_of(view: TextCTAugment, plans: list[TextPlan]) -> list[str]:
    return [example["text"] for example in view.finish(plans)]


def applied(text: str) -> list[tuple[int, int]]:
    """Operations and bins that the marks behind a text tell of."""
    found = [mark.partition(":")[0].split(".") for mark in text.split()[1:]]
    return [(int(o), int(b)) for o, b in found]


def by_hand(view: TextCTAugment, plan: TextPlan, rates: list[list[float]]) -> str:
    rng = np.random.Generator(np.random.PCG64(plan.seed))
    text = "x"
    for which, share in plan.draws.tolist():
        number = int(which * len(rates))
        values = [rate + 0.01 for rate in rates[number]]
        kept = [value / max(values) if value / max(values) >= 0.8 else 0.0 for value in values]
        bin_ = 0
        while share * sum(kept) >= sum(kept[: bin_ + 1]):
            bin_ += 1
        text += f" {number}.{bin_}:{rng.integers(1000)}"
    return text


def test_operations_are_applied_in_the_order_drawn_with_bins_by_the_rates() -> None:
    view = marks(4, 1, 3, depth=3)
    rates = [[1.0, 0.9, 0.7, 0.85], [0.2], [0.3, 1.0, 0.4]]
    for number, row in enumerate(rates):
        view.rates.rates[number, : len(row)] = torch.tensor(row)
    plans = plans_of(view)
    texts = texts_of(view, plans)
    assert texts == [by_hand(view, plan, rates) for plan in plans]
    seen = {step for text in texts for step in applied(text)}
    # What is below .8 of the best never comes: (0, 2), (2, 0) and (2, 2).
    assert seen == {(0, 0), (0, 1), (0, 3), (1, 0), (2, 1)}


def test_a_probe_tries_all_bins_alike_and_says_which() -> None:
    view = marks(5, 1, 3)
    view.rates.rates[0, 1:] = 0.0
    probe = view.probe_copy()
    assert probe.rates is view.rates
    plans = plans_of(probe, 3000)
    hits = probe.hits(plans)
    assert hits == [applied(text) for text in texts_of(probe, plans)]
    counts = Counter(hit for row in hits for hit in row)
    for (operation, _), count in counts.items():
        # Of 6000 draws a third each; the standard deviation of the rarest count is below 20.
        assert abs(count - 2000 / (5, 1, 3)[operation]) < 100
    assert len(counts) == 9


def test_a_plan_and_its_text_depend_on_the_rng_alone() -> None:
    view = marks(3, 2)
    given = {"text": "x", "label": 1}
    plans = plans_of(view, 20, given)
    assert given == {"text": "x", "label": 1}
    again = pickle.loads(pickle.dumps(plans_of(pickle.loads(pickle.dumps(view)), 20, given)))
    whole = texts_of(view, plans)
    assert texts_of(view, again) == whole
    assert [texts_of(view, [plan])[0] for plan in plans] == whole
    assert len(set(whole)) == 20
    view.rates.rates.mul_(0.5)
    assert [plan.seed for plan in plans_of(view, 20)] == [plan.seed for plan in plans]
    assert view.finish(plans)[0].keys() == {"text", "label"}


def test_a_prepared_column_goes_first() -> None:
    view = TextCTAugment({"mark": [Mark("0.0")], "back": [Column("back")]})
    texts = texts_of(view, plans_of(view, 200, {"text": "x", "back": "translated"}))
    kinds = Counter(text.split()[0] + "+" * (len(text.split()) - 1) for text in texts)
    # Neither is lost where both were drawn, in whatever order.
    assert kinds.keys() == {"x++", "translated+", "translated"}
    assert abs(kinds["translated+"] - 100) < 30


def test_an_operation_whose_column_is_missing_is_not_drawn() -> None:
    view = TextCTAugment({"back": [Column("b0"), Column("b1")], "mark": [Mark("1.0"), Mark("1.1")]})
    probe = view.probe_copy()
    for without in ({"text": "x"}, {"text": "x", "b1": "only one"}):
        plans = plans_of(probe, 100, without)
        hits = [hit for row in probe.hits(plans) for hit in row]
        assert set(hits) == {(1, 0), (1, 1)}
        assert len(hits) == 200
        assert all(applied(text) == row for text, row in zip(texts_of(probe, plans), probe.hits(plans), strict=True))
    both = plans_of(probe, 100, {"text": "x", "b0": "a", "b1": "b"})
    assert {hit[0] for row in probe.hits(both) for hit in row} == {0, 1}


def test_columns_that_no_data_have() -> None:
    view = TextCTAugment({"back": [Column("b0"), Column("b1")]})
    view.check_columns(["text", "b1", "b0"])
    told = r"operations: got Column\('b0'\); the data have \['text'\]"
    with pytest.raises(UserError, match=told):
        view.check_columns(["text"])
    with pytest.raises(UserError, match=told):
        view.finish(plans_of(view, 1))


def test_the_usual_operations_share_the_counts() -> None:
    view = TextCTAugment.fit(CORPUS, bins=4, column="body", keep_last=7)
    table = view.operations
    assert {name: len(bins) for name, bins in table.items()} == {
        "identity": 1,
        "tfidf": 4,
        "uniform": 4,
        "deletion": 4,
        "swap": 4,
        "insertion": 4,
    }
    replacements: list[Any] = [*table["tfidf"], *table["uniform"]]
    assert len({id(each.statistics) for each in replacements}) == 1
    for kind in (TfIdfReplacement, UniformReplacement):
        assert len({id(each._words) for each in replacements if type(each) is kind}) == 1
    assert {id(each.source._words) for each in table["insertion"]} == {id(table["tfidf"][0]._words)}
    for name, bins in table.items():
        if name != "identity":
            strengths = [each.p for each in bins]
            assert strengths == sorted(set(strengths))
            assert {(each.column, each.keep_last) for each in bins} == {("body", 7)}
    assert [each.p for each in table["tfidf"]] == pytest.approx([0.1, 0.3, 0.5, 0.7])
    assert [each.p for each in table["deletion"]] == pytest.approx([0.05, 0.2, 0.35, 0.5])
    assert view.learned()["tfidf"] == [1.0] * 4


def test_translations_and_synonyms_on_request() -> None:
    class Shouting:
        def __init__(self, share: float) -> None:
            self.aug_p = share

        def augment(self, text: str, **settings: Any) -> str:
            return text.upper()

    view = TextCTAugment.fit(
        CORPUS, bins=2, synonyms=lambda p: Nlpaug(Shouting(p)), back_translations=["cold", "hot"], depth=1
    )
    assert [each.augmenter.aug_p for each in view.operations["synonym"]] == [0.05, 0.5]
    assert [each.name for each in view.operations["back_translation"]] == ["cold", "hot"]
    texts = texts_of(view, plans_of(view, 200, {"text": "alpha beta", "cold": "c", "hot": "h"}))
    assert {"ALPHA BETA", "c", "h", "alpha beta"} <= set(texts)


def test_it_is_what_a_trainer_looks_for() -> None:
    view = TextCTAugment({"identity": [Identity()]})
    for each in (view, view.probe_copy()):
        assert isinstance(each, LateAugmentation)
        assert isinstance(each, AdaptiveAugmentation)
        assert not isinstance(each, DeviceAugmentation)
    for other in (WordDeletion(), Chain([view])):
        assert not isinstance(other, LateAugmentation | AdaptiveAugmentation)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"operations": {}}, "operations: got none; expected some"),
        ({"operations": {"a": [Identity()], "b": []}}, "operations: got no bin for 'b'; expected some"),
        ({"depth": 0}, "depth: got 0"),
        ({"decay": -0.1}, "decay: got -0.1"),
        ({"threshold": 1.1}, "threshold: got 1.1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        TextCTAugment(**{"operations": {"a": [Identity()]}, **settings})


def test_a_corpus_that_cannot_serve_is_refused() -> None:
    with pytest.raises(UserError, match="bins: got 0"):
        TextCTAugment.fit(CORPUS, bins=0)
    with pytest.raises(UserError, match="texts: row 1 is None"):
        TextCTAugment.fit(["a", None])  # type: ignore[list-item]
    with pytest.raises(UserError, match="keep_last: got 0"):
        TextCTAugment.fit(CORPUS, keep_last=0)
