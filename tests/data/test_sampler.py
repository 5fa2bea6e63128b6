"""Batches of two streams, against counting by hand and against accelerate's own sharding."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from accelerate import skip_first_batches
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from textssl.data.sampler import LABELED, UNLABELED, Key, TwoStreamSampler


def sampler(
    sizes: tuple[int, int] = (5, 23),
    batch_sizes: tuple[int, int] = (3, 6),
    batches_per_epoch: int = 4,
    seed: int = 0,
    **settings: object,
) -> TwoStreamSampler:
    return TwoStreamSampler(sizes, batch_sizes, batches_per_epoch, seed, **settings)  # type: ignore[arg-type]


def keys_of(source: TwoStreamSampler, batches: int, stream: int) -> list[Key]:
    return [key for number in range(batches) for key in source.batch(number) if key.stream == stream]


class Echo(Dataset):  # type: ignore[type-arg]
    """Gives back the key it is asked for."""

    def __len__(self) -> int:
        return 23

    def __getitem__(self, key: Key) -> Key:
        return key


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    batch_sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    grouped=st.booleans(),
    window=st.integers(1, 4),
)
def test_each_index_comes_once_in_each_visit(
    sizes: tuple[int, int], batch_sizes: tuple[int, int], grouped: bool, window: int
) -> None:
    lengths = [(7 * i) % 13 for i in range(sizes[1])] if grouped else None
    source = sampler(sizes, batch_sizes, lengths=lengths, window=window)
    for stream in (LABELED, UNLABELED):
        visits = 3
        batches = -(-visits * sizes[stream] // batch_sizes[stream])
        keys = keys_of(source, batches, stream)
        counts = Counter((key.visit, key.index) for key in keys[: visits * sizes[stream]])
        assert counts == {(visit, i): 1 for visit in range(visits) for i in range(sizes[stream])}
        assert [key.visit for key in keys] == sorted(key.visit for key in keys)


def test_a_batch_is_labeled_keys_then_unlabeled_ones() -> None:
    for batch in sampler():
        assert [key.stream for key in batch] == [LABELED] * 3 + [UNLABELED] * 6


def test_a_labeled_set_smaller_than_the_batch_starts_its_next_visit_within_it() -> None:
    batch = sampler(sizes=(2, 9), batch_sizes=(5, 1)).batch(0)[:5]
    assert [key.visit for key in batch] == [0, 0, 1, 1, 2]
    assert {key.index for key in batch[:2]} == {key.index for key in batch[2:4]} == {0, 1}


def test_a_stream_of_batch_size_zero_is_left_out_though_its_set_is_empty() -> None:
    assert {key.stream for key in sampler(sizes=(5, 0), batch_sizes=(3, 0)).batch(1)} == {LABELED}
    assert {key.stream for key in sampler(sizes=(0, 5), batch_sizes=(0, 3)).batch(1)} == {UNLABELED}


@pytest.mark.parametrize(("stream", "sizes"), [("labeled", (0, 5)), ("unlabeled", (5, 0))])
def test_an_empty_set_is_named(stream: str, sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"the {stream} set is empty"):
        sampler(sizes=sizes)


def test_an_epoch_has_at_least_one_batch() -> None:
    with pytest.raises(ValueError, match="batches_per_epoch: got 0"):
        sampler(batches_per_epoch=0)


def test_a_batch_depends_on_its_number_alone() -> None:
    """Asked in any order, on one sampler or on a fresh one for each."""
    numbers = [11, 0, 3, 2, 40, 3, 1]
    one = sampler(lengths=list(range(23)))
    assert [one.batch(n) for n in numbers] == [sampler(lengths=list(range(23))).batch(n) for n in numbers]


def test_an_epoch_begins_where_the_last_one_ended() -> None:
    source, all_batches = sampler(), [sampler().batch(n) for n in range(8)]
    assert list(source) == all_batches[:4]
    source.start = 4
    assert list(source) == all_batches[4:]
    assert len(source) == 4


def test_the_seed_changes_the_order_and_nothing_else() -> None:
    orders = {tuple(key.index for key in keys_of(sampler(seed=s), 4, UNLABELED)[:23]) for s in range(5)}
    assert len(orders) == 5
    assert all(sorted(order) == list(range(23)) for order in orders)


def test_streams_and_visits_are_shuffled_apart() -> None:
    """Equal sizes would show one permutation used twice."""
    source = sampler(sizes=(50, 50), batch_sizes=(50, 50))
    orders = {tuple(k.index for k in source.batch(v) if k.stream == s) for v in range(3) for s in (0, 1)}
    assert len(orders) == 6


def test_every_permutation_of_a_small_set_is_as_likely() -> None:
    """6 orders of 3 items over 1200 seeds: 200 each, standard deviation 13."""
    counts = Counter(tuple(k.index for k in sampler((3, 1), (3, 1), seed=s).batch(0)[:3]) for s in range(1200))
    assert len(counts) == 6
    assert max(abs(count - 200) for count in counts.values()) < 4 * 13


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_together_see_the_joint_batches(processes: int) -> None:
    """accelerate gives whole batches in turn: step t of W processes is batches tW to tW + W - 1."""
    joint = [sampler().batch(n) for n in range(4 * processes)]
    shards = [
        list(BatchSamplerShard(sampler(batches_per_epoch=4 * processes), processes, rank)) for rank in range(processes)
    ]
    assert [batch for step in zip(*shards, strict=True) for batch in step] == joint


@pytest.mark.parametrize("processes", [1, 2])
def test_a_resumed_loader_goes_on_with_the_next_batch(processes: int) -> None:
    """What Trainer does on a resume: skip the batches of the epoch under way."""

    def loader(rank: int) -> DataLoader:  # type: ignore[type-arg]
        source = sampler(batches_per_epoch=6 * processes)
        source.start = 6 * processes
        shard = BatchSamplerShard(source, processes, rank)
        return DataLoader(Echo(), batch_sampler=shard, collate_fn=list)

    for rank in range(processes):
        whole = list(loader(rank))
        assert len(whole) == 6
        for skipped in (1, 4):
            assert list(skip_first_batches(loader(rank), skipped)) == whole[skipped:]


@pytest.mark.parametrize("size", [1000, 997, 1003])
def test_grouped_batches_hold_like_lengths_across_visits(size: int) -> None:
    """1000 is a multiple of the batch, the others are not: later visits begin within a batch."""
    lengths = np.random.default_rng(0).lognormal(5, 0.7, size).astype(int)

    def spreads(source: TwoStreamSampler) -> np.ndarray:
        batches = [[lengths[k.index] for k in source.batch(n)[1:]] for n in range(3 * size // 10)]
        return np.array([np.ptp(batch) for batch in batches])

    grouped = spreads(sampler((3, size), (1, 10), lengths=list(lengths), window=20))
    random = spreads(sampler((3, size), (1, 10)))
    # A window's 20 batches each hold a twentieth of its lengths. All but a few per visit are tight: those that
    # straddle two visits, and the longest tail of each of the 5 windows.
    assert np.median(grouped) < np.median(random) / 10
    assert (grouped > np.median(random)).mean() < 0.06


def test_grouped_batches_are_shuffled_and_windows_are_random() -> None:
    """Neither does training go from short to long, nor do the same examples always meet."""
    lengths = list(range(400))
    source = sampler((3, 400), (1, 10), lengths=lengths, window=10)
    means = [np.mean([k.index for k in source.batch(n)[1:]]) for n in range(40)]
    for begin in range(0, 40, 10):
        assert means[begin : begin + 10] != sorted(means[begin : begin + 10])
    first = {frozenset(k.index for k in source.batch(n)[1:]) for n in range(40)}
    second = {frozenset(k.index for k in source.batch(n)[1:]) for n in range(40, 80)}
    assert not first & second


def test_labeled_keys_do_not_depend_on_grouping() -> None:
    plain, grouped = sampler(), sampler(lengths=list(range(23)))
    assert keys_of(plain, 20, LABELED) == keys_of(grouped, 20, LABELED)


def test_iteration_can_stop_early_and_begin_again() -> None:
    source = sampler()
    assert list(islice(source, 2)) == list(source)[:2]
