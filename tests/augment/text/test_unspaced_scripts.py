"""Views of texts in scripts that write no spaces between words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from textssl.augment.text import (
    TextCTAugment,
    TfIdfReplacement,
    UniformReplacement,
    WordDeletion,
    WordInsertion,
    WordStatistics,
    WordSwap,
    split_words,
)


WORDS = {
    "Thai": "อาหาร อร่อย มาก บริการ แย่ ราคา แพง ไม่ ดี ร้าน นี้ ชอบ พนักงาน ช้า สะอาด โรงแรม",
    "Lao": "ອາຫານ ແຊບ ຫຼາຍ ບໍ່ ດີ ຮ້ານ ນີ້ ມັກ ລາຄາ ແພງ",
    "Khmer": "ម្ហូប ឆ្ងាញ់ ណាស់ សេវាកម្ម មិន ល្អ ហាង នេះ ថ្លៃ",
    "Burmese": "အစားအစာ ကောင်း တယ် ဆိုင် ဈေး ကြီး မ ကြိုက် ဘူး",
    "kana": "とても おいしい でした まあまあ です けれど やすい すごく まずい もう また",
    "Katakana": "レストラン サービス ホテル スタッフ コーヒー メニュー",
    "kanji and kana": "料理 は とても 店員 が 親切 でした 不親切 丁寧",
    "Chinese": "这家 餐厅 的 服务 很好 但是 价格 有点 贵",
    "emoji": "😀 😂 😡 👍🏽 👎 ❤️ 🇩🇪 ★ 👨‍👩‍👧",
}


def corpus(script: str, number: int = 60) -> list[str]:
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(WORDS[script].split(), rng.integers(5, 10))) for _ in range(number)]


def replacements(texts: list[str]) -> list[Any]:
    return [TfIdfReplacement.fit(texts), UniformReplacement.fit(texts)]


@pytest.mark.parametrize("script", WORDS)
def test_a_sensible_share_of_each_text_is_replaced(script: str) -> None:
    texts = corpus(script)
    for view, least, most in zip(replacements(texts), (0.2, 0.1), (0.85, 0.5), strict=True):
        shares, grown = [], []
        for seed, text in enumerate(texts):
            old, new = split_words(text), view({"text": text}, np.random.default_rng(seed))["text"]
            # One unit for one: the text is neither cut short nor stuffed with whole clauses.
            assert len(new.words) == len(old.words)
            shares.append(np.mean([a != b for a, b in zip(old.words, new.words, strict=True)]))
            grown.append(len(new) / len(old))
        assert least < np.mean(shares) < most
        assert 0.75 < np.mean(grown) < 1.33


@pytest.mark.slow
@pytest.mark.parametrize("script", WORDS)
def test_nearly_all_texts_change_under_every_operation(script: str) -> None:
    texts = corpus(script)
    statistics = WordStatistics.fit(texts)
    ctaugment = TextCTAugment.fit(texts)
    for view in [*replacements(texts), WordDeletion(0.2), WordSwap(0.2), WordInsertion(statistics, 0.2)]:
        same = sum(view({"text": text}, np.random.default_rng(i))["text"] == text for i, text in enumerate(texts))
        assert same < len(texts) / 4, type(view).__name__
    plans = [ctaugment({"text": text}, np.random.default_rng(i)) for i, text in enumerate(texts)]
    finished = ctaugment.finish([plan["device plan"] for plan in plans])
    assert sum(new["text"] == text for new, text in zip(finished, texts, strict=True)) < len(texts) / 3


def test_no_unit_is_torn() -> None:
    """What stands in a text after replacement is made of units of the corpus: no vowel sign without its letter."""
    for script in ("Thai", "Burmese", "emoji"):
        texts = corpus(script)
        units = {unit for text in texts for unit in split_words(text).words}
        for view in replacements(texts):
            for seed, text in enumerate(texts):
                assert set(view({"text": text}, np.random.default_rng(seed))["text"].words) <= units


def test_a_mixed_text_keeps_its_english_words_whole() -> None:
    texts = [f"the food {thai} very good service" for thai in corpus("Thai")]
    view = UniformReplacement.fit(texts, p=0.0)
    assert view({"text": texts[0]}, np.random.default_rng(0))["text"].words[:2] == ("the", "food")
    assert {"the", "food", "very", "good", "service"} <= set(view.statistics.words)


def test_statistics_of_units_survive_the_way_to_a_file(tmp_path) -> None:
    for script in WORDS:
        statistics = WordStatistics.fit(corpus(script))
        loaded = WordStatistics.load(statistics.save(tmp_path / f"{script}.safetensors"))
        assert loaded.words == statistics.words


def test_words_counted_by_the_rule_of_spaces_alone_are_refused(tmp_path) -> None:
    statistics = WordStatistics.fit(["a b", "a"])
    old = WordStatistics(("a", "とても"), statistics.df, statistics.frequency, 2)
    with pytest.raises(Exception, match="'とても' is not exactly one word; count the corpus again"):
        WordStatistics.load(old.save(tmp_path / "old.json"))
