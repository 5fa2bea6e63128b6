"""Masks: how many tokens, which, what stands in their place, and that nothing but seed, window and visit decides."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.contract.cases import tokenizer
from textssl.data.sampler import Key
from textssl.data.two_stream import Item
from textssl.errors import UserError
from textssl.pretraining.masking import MaskingCollator, TokenMasker


CLS, SEP, MASK, FIRST, SIZE = 2, 3, 4, 5, 65


def window(length: int, seed: int = 0) -> np.ndarray:
    words = np.random.default_rng(seed).integers(FIRST, SIZE, length)
    return np.array([CLS, *words, SEP])


@pytest.mark.parametrize(("share", "length", "expected"), [(0.15, 100, 15), (0.15, 1, 1), (0.01, 20, 1), (1.0, 7, 7)])
def test_count_of_tokens(share: float, length: int, expected: int) -> None:
    ids = window(length)
    masked, places = TokenMasker(tokenizer(), share)(ids, np.random.default_rng(0))
    assert len(set(places.tolist())) == len(places) == expected
    assert places.min() >= 1
    assert places.max() <= length
    assert places.tolist() == sorted(places.tolist())
    untouched = np.setdiff1d(np.arange(length + 2), places)
    assert (masked[untouched] == ids[untouched]).all()


def test_shares_of_masked_replaced_and_kept() -> None:
    """Of 20,000 choices, with five standard errors; a random token is the right one in 60."""
    masker, rng = TokenMasker(tokenizer(), 0.5), np.random.default_rng(1)
    fates = {"masked": 0, "kept": 0, "other": 0}
    chosen_at, drawn = np.zeros(102), set()
    for _ in range(400):
        ids = window(100, 2)
        masked, places = masker(ids, rng)
        chosen_at[places] += 1
        for place in places:
            fate = "masked" if masked[place] == MASK else "kept" if masked[place] == ids[place] else "other"
            fates[fate] += 1
            drawn |= {int(masked[place])} if fate == "other" else set()
    shares = {fate: count / 20_000 for fate, count in fates.items()}
    assert shares["masked"] == pytest.approx(0.8, abs=0.015)
    assert shares["other"] == pytest.approx(0.1 * 59 / 60, abs=0.011)
    assert shares["kept"] == pytest.approx(0.1 + 0.1 / 60, abs=0.011)
    # Each place with a chance of a half, and each word as a random token; never a special one.
    assert chosen_at[[0, -1]].tolist() == [0, 0]
    assert abs(chosen_at[1:-1] / 400 - 0.5).max() < 0.15
    assert drawn == set(range(FIRST, SIZE))


def test_special_tokens_within_a_text_are_not_predicted_but_unknown_words_are() -> None:
    ids = np.array([CLS, 1, SEP, MASK, SEP])
    masked, places = TokenMasker(tokenizer(), 1.0)(ids, np.random.default_rng(0))
    assert places.tolist() == [1]
    assert masked[[0, 2, 3, 4]].tolist() == [CLS, SEP, MASK, SEP]


@pytest.fixture(scope="module")
def pieces() -> PreTrainedTokenizerFast:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "##er", "sing", "a", "un", "##believ"]
    fast = Tokenizer(models.WordPiece({t: i for i, t in enumerate([*vocabulary, "##able"])}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")}
    return PreTrainedTokenizerFast(tokenizer_object=fast, **names)


def test_whole_words_are_chosen_with_all_their_pieces(pieces: PreTrainedTokenizerFast) -> None:
    ids = np.array([CLS, *pieces("a playing unbelievable sing singer a a a player a")["input_ids"], SEP])
    words = [{1}, {2, 3}, {4, 5, 6}, {7}, {8, 9}, {10}, {11}, {12}, {13, 14}, {15}]
    masker, seen = TokenMasker(pieces, 0.2, whole_word=True), set()
    for seed in range(200):
        _, places = masker(ids, np.random.default_rng(seed))
        chosen = set(places.tolist())
        hit = [word for word in words if word & chosen]
        assert set().union(*hit) == chosen
        # Three of fifteen: a word of two or three pieces counts as such, and no word is too long here.
        assert len(chosen) == 3
        seen |= {min(word) for word in hit}
    assert seen == {min(word) for word in words}


def test_a_word_longer_than_the_share_is_chosen_where_it_comes_first(pieces: PreTrainedTokenizerFast) -> None:
    ids = np.array([CLS, *pieces("unbelievable")["input_ids"], SEP])
    assert TokenMasker(pieces, 0.15, whole_word=True)(ids, np.random.default_rng(0))[1].tolist() == [1, 2, 3]


def test_what_masks_need(pieces: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match="whole_word: got True; it needs a vocabulary with word pieces"):
        TokenMasker(tokenizer(), 0.15, whole_word=True)
    bare = PreTrainedTokenizerFast(tokenizer_object=pieces.backend_tokenizer, pad_token="[PAD]")
    with pytest.raises(UserError, match="mask token"):
        TokenMasker(bare, 0.15)


def items(lengths: list[int], visit: int = 0) -> list[Item]:
    return [Item(Key(1, i, visit), {"input_ids": window(n, i).tolist()}) for i, n in enumerate(lengths)]


def rows_of(batch: dict) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Of each window, found by what it was, what the model sees."""
    found = {}
    for part in batch["passes"]:
        original = part["input_ids"].flatten().clone()
        original[part["places"]] = part["labels"]
        for row, seen, mask in zip(
            original.view_as(part["input_ids"]), part["input_ids"], part["attention_mask"].bool(), strict=True
        ):
            found[tuple(row[mask].tolist())] = tuple(seen[mask].tolist())
            assert (seen[~mask] == 0).all()
    return found


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_collator_puts_labels_where_tokens_were(side: str) -> None:
    told = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer().backend_tokenizer, pad_token="[PAD]", mask_token="[MASK]", padding_side=side
    )
    told.add_special_tokens({"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"})
    lengths = [3, 30, 12, 29, 3]
    for overhead, passes in ((0, 4), (10_000, 1)):
        batch = MaskingCollator(TokenMasker(told, 0.15), told, seed=0, overhead=overhead)(items(lengths))
        assert len(batch["passes"]) == passes
        assert set(rows_of(batch)) == {tuple(window(n, i)) for i, n in enumerate(lengths)}
        assert sum(len(part["labels"]) for part in batch["passes"]) == sum(max(1, round(0.15 * n)) for n in lengths)


def test_masks_depend_on_seed_window_and_visit_alone() -> None:
    def seen(members: list[Item], seed: int = 0, overhead: int = 0) -> dict:
        return rows_of(MaskingCollator(TokenMasker(tokenizer(), 0.3), tokenizer(), seed, overhead)(members))

    lengths = [20, 25, 30, 20]
    whole = seen(items(lengths))
    alone = {}
    for item in reversed(items(lengths)):
        alone |= seen([item], overhead=9)
    assert alone == whole
    assert all(a != b for a, b in zip(whole.values(), seen(items(lengths, visit=1)).values(), strict=True))
    assert all(a != b for a, b in zip(whole.values(), seen(items(lengths), seed=1).values(), strict=True))
    widths = {p["input_ids"].shape[1] for p in MaskingCollator(
        TokenMasker(tokenizer(), 0.3), tokenizer(), 0, 0, multiple=8)(items(lengths))["passes"]}  # fmt: skip
    assert widths == {24, 32}
