from __future__ import annotations

import random
import subprocess
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from textssl.augment.text import Nlpaug, SplitText
from textssl.errors import UserError


with warnings.catch_warnings():
    # Its source has invalid escapes, which warn when it is first compiled.
    warnings.simplefilter("ignore")
    import nlpaug.augmenter.char as nac
    import nlpaug.augmenter.word as naw
    import nlpaug.flow as naf


TEXT = "The quick brown fox jumps over the lazy dog and runs far away from it"


class Fake:
    """Returns what it is told, or calls a function of the text."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.options: dict[str, Any] = {}

    def augment(self, text: str, **options: Any) -> Any:
        self.options = options
        return self.result(text) if callable(self.result) else self.result


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


AUGMENTERS = {
    "swap": lambda: naw.RandomWordAug(action="swap"),
    "delete": lambda: naw.RandomWordAug(action="delete"),
    "split": lambda: naw.SplitAug(),
    "keyboard": lambda: nac.KeyboardAug(),
    "char": lambda: nac.RandomCharAug(action="insert"),
    "sequential": lambda: naf.Sequential([naw.RandomWordAug(action="swap"), nac.RandomCharAug()]),
    "sometimes": lambda: naf.Sometimes([naw.RandomWordAug(), nac.RandomCharAug()], aug_p=0.5),
}


@pytest.mark.parametrize("name", sorted(AUGMENTERS))
def test_the_same_rng_gives_the_same_text_in_any_order(name: str) -> None:
    view = Nlpaug(AUGMENTERS[name]())
    texts = [f"{TEXT} number {i}" for i in range(8)]
    first = [view({"text": text}, rng(i))["text"] for i, text in enumerate(texts)]
    random.random()
    np.random.random()
    second = [view({"text": texts[i]}, rng(i))["text"] for i in reversed(range(8))]
    assert first == second[::-1]
    assert {type(text) for text in first} == {str}
    assert len({view({"text": TEXT}, rng(seed))["text"] for seed in range(20)}) > 5


def test_the_global_generators_are_put_back() -> None:
    def states() -> tuple[Any, ...]:
        numpy = np.random.get_state()
        return random.getstate(), numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()

    before = states()
    Nlpaug(naw.RandomWordAug(action="swap"))({"text": TEXT}, rng())
    Nlpaug(Fake(lambda text: f"{text} {torch.rand(())} {random.random()}"))({"text": TEXT}, rng())
    assert states() == before

    def fail(text: str) -> str:
        random.random()
        np.random.random()
        raise KeyError("broken model")

    with pytest.raises(KeyError, match="broken model") as caught:
        Nlpaug(Fake(fail))({"text": TEXT}, rng())
    assert states() == before
    assert caught.value.__notes__ == ["raised inside nlpaug's Fake"]


def test_torch_draws_follow_the_rng() -> None:
    view = Nlpaug(Fake(lambda text: str(torch.rand(()).item())))
    assert view({"text": TEXT}, rng(1)) == view({"text": TEXT}, rng(1))
    assert view({"text": TEXT}, rng(1)) != view({"text": TEXT}, rng(2))


def test_runs_in_the_calling_thread_and_asks_for_one_text() -> None:
    threads = []

    def note(text: str) -> str:
        threads.append(threading.current_thread())
        return text

    fake = Fake(note)
    Nlpaug(fake)({"text": TEXT}, rng())
    assert fake.options == {"n": 1, "num_thread": 1}
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("new", "new"),
        (["new"], "new"),
        ([["new"]], "new"),
        (["new", "two"], "new"),
        ([], TEXT),
        ("", ""),
    ],
)
def test_whatever_nlpaug_returns_one_text_comes_out(result: Any, expected: str) -> None:
    example = {"text": TEXT, "label": 3}
    assert Nlpaug(Fake(result))(example, rng()) == {"text": expected, "label": 3}
    assert example == {"text": TEXT, "label": 3}


def test_an_empty_text_stays() -> None:
    assert Nlpaug(naw.RandomWordAug())({"text": ""}, rng())["text"] == ""
    assert Nlpaug(Fake("never"))({"text": ""}, rng())["text"] == ""


def test_a_split_text_goes_in_as_a_plain_one() -> None:
    seen = []
    view = Nlpaug(Fake(lambda text: seen.append(type(text)) or text))
    assert type(view({"text": SplitText("a b")}, rng())["text"]) is str
    assert seen == [str]


def test_zero_is_zero() -> None:
    augmenter = naw.RandomWordAug(action="delete", aug_p=0)
    # What nlpaug does with it, the reason for the rule.
    assert augmenter.augment(TEXT) != [TEXT]
    view = Nlpaug(augmenter)
    assert all(view({"text": TEXT}, rng(seed))["text"] == TEXT for seed in range(20))
    assert view.unchanged_share == 1.0
    sometimes = Nlpaug(naf.Sometimes([naw.RandomWordAug()], aug_p=0.0))
    assert sometimes({"text": TEXT}, rng())["text"] == TEXT


def test_zero_inside_a_flow_is_refused() -> None:
    flow = naf.Sequential([naw.RandomWordAug(), naf.Sometimes([naw.RandomWordAug(aug_p=0)])])
    with pytest.raises(UserError, match="Sequential holds RandomWordAug with aug_p=0"):
        Nlpaug(flow)


def test_share_of_unchanged_texts() -> None:
    view = Nlpaug(Fake(lambda text: text.replace("x", "y")))
    assert view.unchanged_share == 0.0
    for text in ["a", "x", "b", "", "xx"]:
        view({"text": text}, rng())
    assert view.unchanged_share == 3 / 5


def test_bad_arguments() -> None:
    with pytest.raises(UserError, match="augmenter: got int; expected an augmenter of nlpaug"):
        Nlpaug(3)
    detailed = naw.RandomWordAug()
    detailed.include_detail = True
    with pytest.raises(UserError, match="include_detail=True; expected False"):
        Nlpaug(detailed)
    with pytest.raises(UserError, match="Fake returned dict; expected text"):
        Nlpaug(Fake({}))({"text": TEXT}, rng())
    view = Nlpaug(Fake("new"), column="review")
    with pytest.raises(UserError, match=r"column: got 'review'; the example has \['text'\]"):
        view({"text": TEXT}, rng())
    with pytest.raises(UserError, match=r"column 'review': got None \(NoneType\)"):
        view({"review": None}, rng())


@pytest.mark.slow
def test_importing_textssl_does_not_import_nlpaug() -> None:
    code = "import sys, textssl.augment.text; print([m for m in sys.modules if m.startswith('nlpaug')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


class WordNet:
    """Where nlpaug's synonyms come from; without the data of NLTK it raises what NLTK raises."""


WordNet.__module__ = "nlpaug.model.word_dict.wordnet"


class Synonyms(Fake):
    def __init__(self, result: Any) -> None:
        super().__init__(result)
        self.model = WordNet()


class Flow(list):
    """Flows of nlpaug are lists."""

    def augment(self, text: str, **options: Any) -> str:
        return text


def test_missing_data_of_nltk_are_named_when_the_view_is_made() -> None:
    """The message is that of NLTK 3.10, colours included."""

    def lookup(text: str) -> str:
        raise LookupError("\n****\n  Resource \x1b[93mwordnet\x1b[0m not found.\n  Please use the NLTK Downloader\n")

    command = "python -m nltk.downloader wordnet omw-1.4 averaged_perceptron_tagger_eng"
    with pytest.raises(UserError, match=rf"augmenter: Synonyms needs data of NLTK .*; get them by: {command}$"):
        Nlpaug(Synonyms(lookup))
    with pytest.raises(UserError, match="needs data of NLTK"):
        Nlpaug(Flow([naw.RandomWordAug(), Synonyms(lookup)]))


def test_data_that_are_there_are_tried_without_a_trace() -> None:
    random.seed(3)
    expected = random.random()
    random.seed(3)
    view = Nlpaug(Synonyms(lambda text: text + str(random.random())))
    assert random.random() == expected
    assert view.calls == 0
