"""The collator: what a batch holds, and that nothing but its key decides a view."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.contract.cases import labeled, swap_words, texts, tokenizer, unlabeled
from textssl.augment import Column, Identity
from textssl.data.sampler import Key, TwoStreamSampler
from textssl.data.two_stream import Item, TwoStreamDataset
from textssl.data.views import ViewCollator, view_rng
from textssl.modalities.text.encoding import TextEncoder


VIEWS = {"labeled": ("weak",), "unlabeled": ("weak", "strong")}


def echo(contents: Sequence[Any], keys: Sequence[Any] | None) -> dict[str, Any]:
    """An encoder that shows what it was given."""
    return {"contents": list(contents), "keys": keys, "size": torch.tensor(len(contents))}


def draw(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**example, "text": f"{example['text']}/{rng.integers(10**9)}"}


def collator(views: Any = VIEWS, ways: Any = None, seed: int = 0, encode: Any = echo, **columns: str) -> ViewCollator:
    return ViewCollator(encode, views, {"strong": draw} if ways is None else ways, seed, **columns)


def item(stream: int, index: int, visit: int = 0) -> Item:
    return Item(Key(stream, index, visit), {"text": f"t{index}", "label": index % 3, "back": f"b{index}"})


def strong(batch: dict[str, Any]) -> list[str]:
    found: list[str] = batch["unlabeled"]["strong"]["contents"]
    return found


def test_a_batch_holds_each_view_of_each_stream() -> None:
    batch = collator()([item(0, 4), item(1, 7, 2), item(0, 5), item(1, 1)])
    assert batch.keys() == {"labeled", "unlabeled"}
    assert batch["labeled"].keys() == {"weak", "index", "labels"}
    assert batch["unlabeled"].keys() == {"weak", "strong", "index"}
    assert batch["labeled"]["weak"]["contents"] == ["t4", "t5"]
    assert batch["unlabeled"]["weak"]["contents"] == ["t7", "t1"]
    assert batch["labeled"]["index"].tolist() == [4, 5]
    assert batch["unlabeled"]["index"].tolist() == [7, 1]
    assert batch["labeled"]["labels"].tolist() == [1, 2]
    assert batch["labeled"]["labels"].dtype == torch.int64


def test_a_stream_that_the_method_does_not_name_is_left_out() -> None:
    assert collator({"labeled": ("weak",)})([item(0, 1), item(1, 1)]).keys() == {"labeled"}
    assert collator()([item(0, 1)]).keys() == {"labeled"}


def test_the_rng_of_a_view_is_that_of_its_key() -> None:
    """Whatever else is in the batch, wherever it stands, and however often it is asked."""
    expected = draw({"text": "t7"}, view_rng(0, Key(1, 7, 2), "strong"))["text"]
    batches = ([item(1, 7, 2)], [item(1, 3), item(1, 7, 2), item(0, 1)], [item(1, 7, 2), item(1, 7, 2)])
    same = collator()
    for members in batches:
        assert expected in strong(same(members))
        assert expected in strong(collator()(members))


@pytest.mark.parametrize(
    "other",
    [
        (1, Key(1, 7, 2), "strong"),
        (0, Key(0, 7, 2), "strong"),
        (0, Key(1, 8, 2), "strong"),
        (0, Key(1, 7, 3), "strong"),
        (0, Key(1, 7, 2), "weak"),
    ],
)
def test_seed_stream_index_visit_and_view_each_change_the_rng(other: tuple[int, Key, str]) -> None:
    same = view_rng(0, Key(1, 7, 2), "strong").integers(2**32, size=4)
    assert np.array_equal(same, view_rng(0, Key(1, 7, 2), "strong").integers(2**32, size=4))
    assert not np.array_equal(same, view_rng(*other).integers(2**32, size=4))


def test_no_two_neighbouring_keys_share_an_rng() -> None:
    """A sum or a product of the parts would let (index 1, visit 2) meet (index 2, visit 1)."""
    draws = {
        int(view_rng(seed, Key(stream, index, visit), view).integers(2**63))
        for seed in range(3)
        for stream in range(2)
        for index in range(5)
        for visit in range(5)
        for view in ("weak", "strong", "strong_1")
    }
    assert len(draws) == 3 * 2 * 5 * 5 * 3


def test_two_views_of_one_way_differ() -> None:
    views = {"unlabeled": ("strong_0", "strong_1")}
    batch = collator(views, {"strong_0": draw, "strong_1": draw})([item(1, 1)])
    assert batch["unlabeled"]["strong_0"]["contents"] != batch["unlabeled"]["strong_1"]["contents"]


def test_the_global_rngs_are_left_alone() -> None:
    torch.manual_seed(0)
    before = (torch.get_rng_state(), np.random.get_state()[1].copy())  # type: ignore[union-attr]
    collator()([item(0, 1), item(1, 1)])
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[arg-type]


def test_static_views_carry_what_identifies_them_and_others_do_not() -> None:
    ways = {"strong": Column("back"), "same": Identity()}
    batch = collator({"labeled": ("weak",), "unlabeled": ("weak", "same", "strong")}, ways)([item(0, 4), item(1, 4)])
    assert batch["labeled"]["weak"]["keys"] == [(0, 4)]
    assert batch["unlabeled"]["weak"]["keys"] == batch["unlabeled"]["same"]["keys"] == [(1, 4)]
    assert batch["unlabeled"]["strong"]["keys"] is None
    assert strong(batch) == ["b4"]


def test_static_views_are_tokenized_once_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four passes over both sets: each labeled and each unlabeled text reaches the tokenizer once."""
    seen: list[str] = []
    encoder = TextEncoder(tokenizer(), 16)
    tokenize = encoder.token_ids
    monkeypatch.setattr(encoder, "token_ids", lambda texts: seen.extend(texts) or tokenize(texts))
    collate = collator({"labeled": ("weak",), "unlabeled": ("weak",)}, {}, encode=encoder)
    both = TwoStreamDataset(labeled(6), unlabeled(10))
    for keys in TwoStreamSampler((6, 10), (3, 5), batches_per_epoch=8, seed=0):
        collate(both.__getitems__(keys))
    assert sorted(seen) == sorted([*labeled(6)["text"], *unlabeled(10)["text"]])


def test_plain_examples_make_an_ordinary_batch() -> None:
    """What Trainer's own evaluation and a model's forward take: nothing but tensors."""
    encoder = TextEncoder(tokenizer(), 16)
    examples = [{"text": text, "label": label, "id": "x"} for text, label in zip(*texts(4, 0), strict=True)]
    batch = collator(encode=encoder)(examples)
    assert batch.keys() == {"input_ids", "attention_mask", "labels"}
    assert torch.equal(batch["input_ids"], encoder([e["text"] for e in examples])["input_ids"])
    assert batch["labels"].tolist() == [0, 1, 2, 0]
    assert "labels" not in collator(encode=encoder)([{"text": "w1"}])


def test_columns_go_by_the_names_they_were_given() -> None:
    one = Item(Key(0, 0, 0), {"review": "r", "stars": 2, "text": "no"})
    batch = collator({"labeled": ("weak",)}, column="review", label_column="stars")([one])
    assert batch["labeled"]["weak"]["contents"] == ["r"]
    assert batch["labeled"]["labels"].tolist() == [2]


def batches(workers: int, copied: bool = False) -> list[dict[str, Any]]:
    collate: Any = collator(ways={"strong": swap_words}, encode=TextEncoder(tokenizer(), 16))
    both = TwoStreamDataset(labeled(6), unlabeled(10))
    if copied:
        both, collate = pickle.loads(pickle.dumps((both, collate)))
    sampler = TwoStreamSampler((6, 10), (3, 5), batches_per_epoch=6, seed=0)
    context = "fork" if workers else None
    return list(
        DataLoader(
            both,
            batch_sampler=sampler,  # type: ignore[arg-type]
            collate_fn=collate,
            num_workers=workers,
            multiprocessing_context=context,
        )
    )


def flat(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in flat(tree[key])]
    return [tree.tolist() if isinstance(tree, torch.Tensor) else tree]


@pytest.mark.parametrize(("workers", "copied"), [(2, False), (0, True)])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_worker_processes_change_nothing(workers: int, copied: bool) -> None:
    """Forked ones, and what spawned ones are sent: a pickle."""
    alone, shared = batches(0), batches(workers, copied)
    assert len(alone) == len(shared) == 6
    assert [flat(batch) for batch in alone] == [flat(batch) for batch in shared]
    assert flat(alone[0]) != flat(alone[1])
