from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSeq2SeqLM,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
)

from textssl.augment.text.back_translation import BackTranslation
from textssl.augment.text.sentences import cut
from textssl.augment.text.seq2seq import Seq2SeqEngine
from textssl.augment.text.token_sampler import TokenSampler
from textssl.errors import UserError


WORDS = [f"w{i}" for i in range(40)]
CODES = ["__en__", "__fr__"]
VOCABULARY = ["<pad>", "</s>", "<unk>", *WORDS, ".", *CODES]
POSITIONS = 48


def save_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=POSITIONS,
        additional_special_tokens=CODES,
    ).save_pretrained(folder)


SIZES = {
    "vocab_size": len(VOCABULARY),
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 0,
    # Far from zero, so that a random model has opinions.
    "init_std": 1.0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two Marian checkpoints, with the beam search of the published ones, and one M2M100."""
    root = tmp_path_factory.mktemp("checkpoints")
    state = torch.random.get_rng_state()
    for seed, name in enumerate(("there", "back")):
        torch.manual_seed(seed)
        config = MarianConfig(**SIZES, decoder_start_token_id=0, forced_eos_token_id=1)
        model = MarianMTModel(config)
        model.generation_config.update(num_beams=4, max_length=40, bad_words_ids=[[0]], top_k=50)
        model.save_pretrained(root / name)
        save_tokenizer(root / name)
    torch.manual_seed(2)
    M2M100ForConditionalGeneration(M2M100Config(**SIZES, decoder_start_token_id=1)).save_pretrained(root / "many")
    save_tokenizer(root / "many")
    torch.random.set_rng_state(state)
    return root


def engine(folder: Path, **options) -> Seq2SeqEngine:
    return Seq2SeqEngine(str(folder / "there"), str(folder / "back"), **options)


def sentences(count: int, seed: int = 0) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, 12))) + " ." for _ in range(count)]


def greedy(folder: Path, name: str, text: str, first_token: int | None = None) -> str:
    """The library's own greedy decoding of one sentence, by itself and without padding."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder / name)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / name)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    limit = min(2 * ids.shape[1] + 16, POSITIONS - 2)
    config = model.generation_config
    config.update(max_length=limit + 1, num_beams=1, forced_eos_token_id=None)
    config.update(forced_bos_token_id=first_token)
    tokens = model.generate(ids, generation_config=config)
    return tokenizer.decode(tokens[0], skip_special_tokens=True).strip()


@pytest.mark.slow
def test_temperature_zero_is_greedy_decoding_one_by_one_in_any_batching(folder: Path) -> None:
    texts = sentences(8)
    expected = [greedy(folder, "back", greedy(folder, "there", text)) for text in texts]
    assert len(set(expected)) > 4
    for batch_tokens in (1, 30, 4096):
        exact = engine(folder, temperature=0, batch_tokens=batch_tokens)
        assert exact.translate(texts, np.random.default_rng(0)) == expected
    assert exact.deterministic


@pytest.mark.slow
def test_sampling_is_a_function_of_rng_and_text_alone(folder: Path) -> None:
    texts = [*sentences(14), " ".join(sentences(3))]
    sampled = engine(folder)
    assert not sampled.deterministic
    results = sampled.translate(texts, np.random.default_rng(3))
    assert results == sampled.translate(texts, np.random.default_rng(3))
    assert results != sampled.translate(texts, np.random.default_rng(4))
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = sampled.translate([texts[i] for i in order], np.random.default_rng(3))
    same = [shuffled[k] == results[i] for k, i in enumerate(order)]
    # Other padding changes the seventh digit, and one draw in a million falls just there.
    assert sum(same) >= len(texts) - 1
    alone = [sampled.translate([text], np.random.default_rng(3))[0] for text in texts]
    assert sum(map(str.__eq__, alone, results)) >= len(texts) - 1
    # The same sentence twice in one text is drawn twice.
    twice = sampled.translate([f"{texts[0]}\n\n{texts[0]}"], np.random.default_rng(3))[0]
    assert twice[: len(twice) // 2].strip() != twice[len(twice) // 2 :].strip()


def test_global_random_states_stay(folder: Path) -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    engine(folder).translate(sentences(3), np.random.default_rng(0))
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2] == random.getstate()


def test_text_is_cut_translated_by_sentence_and_joined(folder: Path) -> None:
    parts = sentences(4, seed=5)
    text = "\n\n".join(parts)
    assert cut(text) == parts
    exact = engine(folder, temperature=0)
    rng = np.random.default_rng(0)
    one_by_one = exact.translate(parts, rng)
    assert exact.translate([text], rng) == ["\n\n".join(one_by_one)]
    line = " ".join(parts)
    by_sentence = exact.translate(cut(line), rng)
    assert exact.translate([line], rng) == [" ".join(filter(None, by_sentence))]


def test_a_sentence_that_loses_a_name_stays_as_it_is(folder: Path) -> None:
    exact = engine(folder, temperature=0)
    # The model knows none of these names: each is one unknown token, which is no word of an answer.
    lines = ["w1 w2 @united w3.", "w1 w2 w3.", "w4 https://t.co/x", "w5 #w6 w7"]
    given = "\n".join(lines)
    plain = exact.translate(lines[1:2], np.random.default_rng(0))[0]
    assert exact.translate([given], np.random.default_rng(0)) == ["\n".join([lines[0], plain, *lines[2:]])]


def test_what_has_no_words_passes_and_keeps_its_place(folder: Path) -> None:
    results = engine(folder).translate(["", "w1 w2", " \n", "...", "?!\n\n--"], np.random.default_rng(0))
    assert [results[i] for i in (0, 2, 3, 4)] == ["", " \n", "...", "?!\n\n--"]
    assert engine(folder).translate([], np.random.default_rng(0)) == []


def test_sentence_longer_than_the_model_is_cut_and_not_truncated(folder: Path) -> None:
    # 96 words of 3 characters are below 300 characters a piece, and above 48 positions.
    text = " ".join(WORDS[i % 40] for i in range(70))
    assert len(cut(text)) == 1
    loaded = engine(folder, temperature=0)
    there, _ = loaded._load()
    pieces = list(there.fit([text]))
    assert " ".join(pieces) == text
    assert all(len(piece.split()) + 1 <= POSITIONS for piece in pieces)
    assert len(pieces) == 2
    expected = " ".join(greedy(folder, "back", greedy(folder, "there", piece)) for piece in pieces)
    assert loaded.translate([text], np.random.default_rng(0)) == [" ".join(expected.split())]


def test_translation_is_at_most_twice_as_long_and_a_few(folder: Path) -> None:
    # At a high temperature the end is one token among 46 and rarely drawn.
    there, _ = engine(folder)._load()
    texts = ["w1", "w1 w2 w3 w4", "w5 " * 9]
    out = there.translate(texts, [[i] for i in range(3)], 50.0, 4096)
    # n words and the end make n + 1 tokens.
    limits = [2 * (n + 1) + 16 for n in (1, 4, 9)]
    assert all(len(text.split()) <= limit for text, limit in zip(out, limits, strict=True))


@pytest.mark.slow
def test_multilingual_checkpoint_goes_both_ways(folder: Path) -> None:
    path = str(folder / "many")
    both = Seq2SeqEngine(path, source_language="en", pivot_language="fr", temperature=0)
    there, back = both._load()
    assert there.model is back.model
    assert (there.source, back.source) == ("en", "fr")
    texts = sentences(6)
    for direction, code in ((there, "__fr__"), (back, "__en__")):
        expected = [greedy(folder, "many", text, VOCABULARY.index(code)) for text in texts]
        results = direction.translate(texts, [[i] for i in range(6)], 0.0, 4096)
        assert results == expected
        assert any(expected)
    assert len(both.translate(texts, np.random.default_rng(0))) == 6


def test_sampler_draws_from_the_softmax_at_its_temperature() -> None:
    logits = torch.tensor([2.0, 0.0, -torch.inf, 1.0, -1.0])
    draws, temperature = 40_000, 0.9
    # Even steps through [0, 1) give each token its share of them, up to one draw.
    uniforms = (torch.arange(draws) / draws)[:, None]
    sampler = TokenSampler(uniforms, torch.full((draws,), 9), temperature, end=4)
    out = sampler(torch.zeros(draws, 1, dtype=torch.long), logits.expand(draws, -1))
    share = (out == 0).float().mean(0).numpy()
    weights = np.exp(np.array([2.0, 0.0, -np.inf, 1.0, -1.0]) / temperature)
    assert np.abs(share - weights / weights.sum()).max() < 1e-4
    assert share[2] == 0
    assert bool(((out == 0).sum(1) == 1).all())
    assert bool((out.amin(1) == -torch.inf).all())


@pytest.mark.parametrize("uniform", [0.0, 0.5, float(np.float32(1 - 2**-24))])
def test_sampler_never_draws_what_is_impossible(uniform: float) -> None:
    # A vocabulary of the size of NLLB's, where float32 sums are far from exact.
    logits = torch.zeros(2, 256_206)
    logits[:, :100] = logits[:, -100:] = -torch.inf
    sampler = TokenSampler(torch.full((2, 1), uniform), torch.tensor([5, 5]), 0.9, end=1)
    tokens = sampler(torch.zeros(2, 1, dtype=torch.long), logits).argmax(-1)
    assert bool(((tokens >= 100) & (tokens < 256_106)).all())


def test_sampler_ends_a_row_at_its_limit() -> None:
    logits = torch.tensor([[5.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    sampler = TokenSampler(torch.zeros(2, 3), torch.tensor([1, 2]), 0.0, end=2)
    tokens = [sampler(torch.zeros(2, 1 + step, dtype=torch.long), logits).argmax(-1) for step in range(3)]
    assert [row.tolist() for row in tokens] == [[0, 0], [2, 0], [2, 2]]


def test_sampler_keeps_bfloat16() -> None:
    logits = torch.zeros(1, 4, dtype=torch.bfloat16)
    sampler = TokenSampler(torch.zeros(1, 1), torch.tensor([5]), 0.9, end=2)
    assert sampler(torch.zeros(1, 1, dtype=torch.long), logits).dtype == torch.bfloat16


def test_copies_differ_through_the_store(folder: Path, tmp_path: Path) -> None:
    view = BackTranslation(engine(folder), tmp_path, copies=2, min_chars=0, max_length_change=99.0)
    text = sentences(1)[0]
    view.fill([text], progress=False)
    drawn = {view({"text": text}, np.random.default_rng(seed))["text"] for seed in range(20)}
    assert len(drawn) == 2


def test_nothing_is_loaded_before_it_is_needed(tmp_path: Path) -> None:
    lazy = Seq2SeqEngine(str(tmp_path / "absent"), str(tmp_path / "absent"))
    assert "temperature=0.9" in lazy.identity
    with pytest.raises(UserError, match=r"cannot load .*absent.* as a translator") as caught:
        lazy.translate(["a"], np.random.default_rng(0))
    assert "\n" not in str(caught.value)


def test_identity_tells_models_languages_and_temperature() -> None:
    made = [
        Seq2SeqEngine("a", "b"),
        Seq2SeqEngine("a", "c"),
        Seq2SeqEngine("a", "b", temperature=0.7),
        Seq2SeqEngine("a", source_language="en", pivot_language="fr"),
        Seq2SeqEngine("a", source_language="en", pivot_language="de"),
        Seq2SeqEngine("a", "b", max_chars=200),
    ]
    assert len({one.identity for one in made}) == 6


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("a",), {}, "backward: got None"),
        (("a", "b"), {"source_language": "en"}, "must be given together, got 'en' and None"),
        (("a", "b"), {"temperature": -0.1}, "temperature must be at least 0"),
        (("a", "b"), {"max_chars": 1}, "max_chars at least 2"),
        (("a", "b"), {"batch_tokens": 0}, "batch_tokens at least 1"),
    ],
)
def test_options_out_of_range(arguments, options, message) -> None:
    with pytest.raises(UserError, match=message):
        Seq2SeqEngine(*arguments, **options)


def test_unknown_language(folder: Path) -> None:
    unknown = Seq2SeqEngine(str(folder / "many"), source_language="en", pivot_language="xx")
    with pytest.raises(UserError, match="many does not know 'xx'"):
        unknown.translate(["w1"], np.random.default_rng(0))
