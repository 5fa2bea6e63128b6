"""Two text columns: encoded as the tokenizer does, changed side by side, saved, labeled by teachers, in files."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    pipeline,
)

from tests.contract import tiny_texts
from tests.contract.cases import build
from tests.contract.tiny_pairs import COLUMNS, dataset, problem, tokenizer
from textssl.augment import Chain, Column, EachSide, Identity
from textssl.augment.text import TextCTAugment, TfIdfReplacement, WordSwap, for_pairs
from textssl.cli.data.loading import load_task
from textssl.cli.options import RecipeOptions
from textssl.cli.task_setups import FeatureTaskSetup
from textssl.cli.task_setups.strong_view import strong_view
from textssl.errors import UserError
from textssl.functional import mix
from textssl.methods.fixmatch import FixMatchConfig, FixMatchTrainer
from textssl.methods.supervised import SupervisedConfig
from textssl.modalities.features.modality import FeatureModality
from textssl.modalities.text.backend import TextBackend
from textssl.modalities.text.encoding import TextEncoder
from textssl.models.pairs import takes_token_types
from textssl.pretraining.corpus import texts_of
from textssl.retrieval.in_domain import predict_probs
from textssl.self_training.round_data import round_settings
from textssl.self_training.teachers import TeacherJob, load_teacher


PAIRS = [("w0 w1 w2", "w3"), ("w4", "w5 w6 w7 w8 w9 w10 w11"), ("", "w1"), (" ".join(["w1"] * 20), "w2 w3")]


def config(out: Path, **more: Any) -> FixMatchConfig:
    return FixMatchConfig(str(out), **{"use_cpu": True, "report_to": [], "max_length": 16, **COLUMNS, **more})


# Encoding


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("max_length", [6, 9, 40])
def test_rows_are_what_the_tokenizer_makes_of_the_pair(side: str, padding: str, max_length: int) -> None:
    own = copy.deepcopy(tokenizer())
    own.padding_side = padding
    encode = TextEncoder(own, max_length, "start" if side == "left" else "end", pairs=True, token_types=True)
    got = encode(PAIRS, keys=[0, 1, None, 3])
    again = encode(PAIRS, keys=[0, 1, None, 3])
    own.truncation_side = side
    firsts, seconds = [a for a, _ in PAIRS], [b for _, b in PAIRS]
    expected = own(firsts, seconds, truncation="longest_first", max_length=max_length, padding=True)
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert got[name].tolist() == again[name].tolist() == expected[name], name
    assert got["lengths"] == [sum(row) for row in expected["attention_mask"]]


def test_a_pair_by_hand() -> None:
    rows = TextEncoder(tokenizer(), 8, pairs=True, token_types=True)([("w0 w1", "w2")])
    assert rows["input_ids"].tolist() == [[2, 5, 6, 3, 7, 3]]
    assert rows["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1]]


def test_replaced_words_of_both_texts_encode_as_the_texts_they_make() -> None:
    way = EachSide(TfIdfReplacement.fit([a for pair in PAIRS for a in pair if a], p=0.7), ("text", "other"))
    changed = [way({"text": a, "other": b}, np.random.default_rng(i)) for i, (a, b) in enumerate(PAIRS)]
    got = TextEncoder(tokenizer(), 9, pairs=True, token_types=True)([(row["text"], row["other"]) for row in changed])
    plain = TextEncoder(tokenizer(), 9, pairs=True, token_types=True)(
        [(str(row["text"]), str(row["other"])) for row in changed]
    )
    assert got["input_ids"].tolist() == plain["input_ids"].tolist()


def test_single_texts_get_no_types_where_they_would_be_zeros() -> None:
    assert "token_type_ids" not in TextEncoder(tokenizer(), 9, token_types=True)(["w1"])


def test_types_of_single_texts_that_are_not_zeros_are_kept() -> None:
    """As XLNet's, whose last token has a type of its own."""
    from tokenizers import processors

    own = copy.deepcopy(tokenizer())
    own.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]:1", pair="$A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    assert TextEncoder(own, 9, token_types=True)(["w1 w2"])["token_type_ids"].tolist() == [[0, 0, 0, 1]]


def test_head_tail_is_refused_for_pairs() -> None:
    with pytest.raises(UserError, match="truncation: got 'head_tail'; pairs of texts are cut at one side"):
        TextEncoder(tokenizer(), 9, "head_tail", pairs=True)


# Through the network


def test_embeddings_hold_the_types() -> None:
    """Logits from embeddings are those from ids and types, also of a mix with all of the other row."""
    network = tiny_texts.model().eval()
    backend = TextBackend(0, "right", token_types=True)
    backend.check_continuous(network)
    inputs = TextEncoder(tokenizer(), 20, pairs=True, token_types=True)(PAIRS[:2])
    embedded = backend.embed(network, inputs)
    straight = network(**backend.tensors(inputs)).logits
    through = network(**backend.tensors(backend.from_embedding(inputs, embedded))).logits
    torch.testing.assert_close(through, straight)
    swapped = backend.from_embedding(inputs, mix(embedded, torch.zeros(2), torch.tensor([1, 0])))
    mask = inputs["attention_mask"]
    got = network(inputs_embeds=swapped["inputs_embeds"], attention_mask=mask[[1, 0]]).logits
    torch.testing.assert_close(got, straight[[1, 0]])


def test_a_model_whose_types_are_elsewhere_is_refused_where_embeddings_are_needed() -> None:
    class Elsewhere(BertForSequenceClassification):
        def forward(self, token_type_ids: Any = None, **inputs: Any) -> Any:
            found = super().forward(**inputs)
            if token_type_ids is not None:
                found.logits = found.logits + token_type_ids.float().sum(1, keepdim=True)
            return found

    network = Elsewhere(BertConfig(vocab_size=65, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    with pytest.raises(UserError, match="the logits of Elsewhere from inputs_embeds are not those from input_ids"):
        TextBackend(0, token_types=True).check_continuous(network)
    TextBackend(0).check_continuous(network)


def test_exchanged_halves_keep_their_types() -> None:
    backend = TextBackend(0, token_types=True)
    inputs = TextEncoder(tokenizer(), 20, pairs=True, token_types=True)([("w0 w1", "w2")])
    changed = backend.changed(inputs, [1])
    assert changed["input_ids"].tolist() == [[2, 3, 7, 5, 6, 3]]
    assert changed["token_type_ids"].tolist() == [[0, 0, 1, 0, 0, 1]]


def test_joined_and_taken_rows_keep_their_types() -> None:
    backend, encode = TextBackend(0, token_types=True), TextEncoder(tokenizer(), 20, pairs=True, token_types=True)
    first, second = encode(PAIRS[:1]), encode(PAIRS[1:2])
    taken = backend.take(backend.join([first, second]), [0])
    assert taken["token_type_ids"].tolist() == first["token_type_ids"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_a_model_without_types_is_not_given_any(kind: str, tmp_path: Path) -> None:
    """Nor by a pipeline, though the tokenizer made them."""
    sizes: dict[str, Any] = {"vocab_size": 65, "num_labels": 3, "pad_token_id": 0}
    network: Any = DistilBertForSequenceClassification(
        DistilBertConfig(**sizes, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    )
    if kind == "roberta":
        sizes |= {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        network = RobertaForSequenceClassification(RobertaConfig(**sizes, type_vocab_size=1))
    assert not takes_token_types(network)
    assert takes_token_types(tiny_texts.model())
    trainer = build("fixmatch", tmp_path, "pair", given={"model": network}, max_steps=1, save_strategy="no")
    trainer.train()
    trainer.save_model()
    classify = pipeline("text-classification", model=str(tmp_path), device="cpu", truncation=True)
    row = trainer.eval_dataset[0]
    got = classify({"text": row["premise"], "text_pair": row["hypothesis"]})
    expected = torch.from_numpy(trainer.predict(trainer.eval_dataset).predictions[:1]).softmax(-1).amax()
    assert got["score"] == pytest.approx(float(expected), abs=1e-5)


# Views


def test_each_side_draws_for_the_first_then_for_the_second() -> None:
    way = EachSide(WordSwap(0.5, column="a"), ("a", "b"))
    got = way({"a": "one two three", "b": "four five six seven", "index": 3}, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    first = WordSwap(0.5, column="a")({"a": "one two three"}, rng)["a"]
    second = WordSwap(0.5, column="a")({"a": "four five six seven"}, rng)["a"]
    assert got == {"a": first, "b": second, "index": 3}
    assert (first, second) != ("one two three", "four five six seven")


@pytest.mark.parametrize(
    ("way", "columns", "told"),
    [
        (Column("t"), ("a", "b"), "augmentation: got Column"),
        (TextCTAugment.fit(["a b c"]), ("a", "b"), "augmentation: got TextCTAugment, which acts on whole examples"),
        (Identity(), ("a", "a"), "columns: got"),
        (Identity(), "ab", "columns: got 'ab'"),
    ],
)
def test_what_cannot_act_on_both_sides_is_refused(way: Any, columns: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        EachSide(way, columns)


def test_an_example_without_the_second_text_is_refused() -> None:
    with pytest.raises(UserError, match=r"columns: got 'b'; the example has \['a'\]"):
        EachSide(WordSwap(column="a"), ("a", "b"))({"a": "one two"}, np.random.default_rng(0))


def test_the_default_view_is_fitted_on_both_columns_and_changes_both(tmp_path: Path) -> None:
    given = {k: v for k, v in problem().items() if k != "augmentations"}
    unlabeled = datasets.Dataset.from_dict({"premise": ["aa bb cc dd"] * 30, "hypothesis": ["ee ff gg hh"] * 30})
    # One text that differs, so that words have unequal scores.
    unlabeled = datasets.concatenate_datasets([unlabeled, dataset(10, 5, labels=False)])
    trainer = FixMatchTrainer(**{**given, "unlabeled_dataset": unlabeled}, args=config(tmp_path))
    way = trainer.data_collator.augmentations["strong"]
    assert isinstance(way, EachSide)
    assert {"aa", "ee", "w1"} <= set(way.augmentation.statistics.words)  # type: ignore[attr-defined]
    row = unlabeled[35]
    changed = [way(row, np.random.default_rng(i)) for i in range(10)]
    for column in COLUMNS.values():
        assert any(example[column] != row[column] for example in changed)


def test_ctaugment_for_pairs_changes_both_sides(tmp_path: Path) -> None:
    fitted = TextCTAugment.fit([*dataset(20, 1)["premise"], *dataset(20, 1)["hypothesis"]], column="premise")
    way = for_pairs(fitted, tuple(COLUMNS.values()))
    assert isinstance(way, TextCTAugment)
    trainer = build("fixmatch", tmp_path, "pair", given={"augmentations": {"strong": way}}, save_strategy="no")
    trainer.train()
    assert not torch.equal(way.rates.rates, fitted.rates.rates)


# Settings and data


def test_two_columns_in_the_place_of_one_are_refused(tmp_path: Path) -> None:
    args = config(tmp_path, text_column=["premise", "hypothesis"], text_pair_column=None)
    with pytest.raises(UserError, match=r"text_column: got \['premise', 'hypothesis'\].*text_pair_column"):
        FixMatchTrainer(**problem(), args=args)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"text_pair_column": "premise"}, "text_pair_column: got 'premise', which is text_column too"),
        ({"text_pair_column": ["a"]}, r"text_pair_column: got \['a'\]; expected one column"),
        ({"text_pair_column": "no"}, "train_dataset: no column 'no' .text_pair_column."),
        ({"truncation": "head_tail"}, "truncation: got 'head_tail'; pairs of texts"),
        ({"max_length": 4}, "max_length: got 4; a pair has 3 special tokens; expected at least 5"),
    ],
)
def test_settings_that_cannot_work_are_refused(more: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        FixMatchTrainer(**problem(), args=config(tmp_path, **more))


@pytest.mark.parametrize("part", ["train_dataset", "unlabeled_dataset", "eval_dataset"])
def test_a_second_text_that_is_missing_is_named(part: str, tmp_path: Path) -> None:
    given = problem()
    rows = given[part].to_list()
    rows[2]["hypothesis"] = None
    given[part] = datasets.Dataset.from_list(rows)
    with pytest.raises(UserError, match=f"{part}: column 'hypothesis' has no text in 1 of .*; the first is row 2"):
        FixMatchTrainer(**given, args=config(tmp_path))


def test_a_tokenizer_that_does_not_part_the_texts_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FixMatchTrainer(**{**problem(), "processing_class": tiny_texts.tokenizer()}, args=config(tmp_path))
    assert "puts no token between the two texts" in caplog.text


def test_features_have_no_pairs(tmp_path: Path) -> None:
    args = config(tmp_path, text_column="text", max_length=128)
    with pytest.raises(UserError, match="text_pair_column: got 'hypothesis'; it is for text"):
        FeatureModality.check_foreign_settings(args, [type(build("uda", tmp_path, "pair").modality)])
    data: Any = SimpleNamespace(pair_column="hypothesis", modality="text")
    with pytest.raises(UserError, match="text_pair_column: got 'hypothesis'; a sentence encoder embeds single texts"):
        FeatureTaskSetup(RecipeOptions(backend="features"), args, data, {"weak"})


# Teachers, cards, files


def test_teachers_label_pairs_as_the_trainer_predicts(tmp_path: Path) -> None:
    trainer = build("supervised", tmp_path, "pair", max_length=10)
    trainer.train()
    trainer.save_model()
    rows = dataset(20, 9, labels=False)
    expected = torch.from_numpy(trainer.predict(rows).predictions).softmax(-1).numpy()
    teacher, own = load_teacher(str(tmp_path), "text")
    job = TeacherJob(teacher, own, config(tmp_path), [0, 1, 2])
    assert job.columns == ["premise", "hypothesis"]
    np.testing.assert_allclose(job(rows[:])["probs"], expected, atol=1e-5)
    probs = predict_probs(teacher, own, rows, text_column="premise", text_pair_column="hypothesis", progress=False)
    np.testing.assert_allclose(probs, expected, atol=1e-5)


@pytest.mark.slow
def test_rounds_record_both_texts(tmp_path: Path) -> None:
    given = {"unlabeled_dataset": dataset(40, 2, labels=False)}
    kind = type(build("distillation", tmp_path / "made", "pair"))
    args = kind.config_class(
        str(tmp_path / "run"), use_cpu=True, report_to=[], disable_tqdm=True, max_steps=1, max_length=16,
        save_strategy="no", teacher_steps=1, **COLUMNS,
    )  # fmt: skip
    trainer = kind(**{**problem(), **given}, args=args)
    trainer.train()
    (path,) = (tmp_path / "run").rglob("pseudo_labels.parquet")
    written = datasets.Dataset.from_parquet(str(path))
    unlabeled = given["unlabeled_dataset"]
    assert set(COLUMNS.values()) <= set(written.column_names)
    for row in written:
        assert row["hypothesis"] == unlabeled[row["row"]]["hypothesis"]
    # Other second texts are other data.
    other = unlabeled.map(lambda row: {"hypothesis": row["hypothesis"] + " w1"})
    first, again = (kind(**{**problem(), "unlabeled_dataset": data}, args=args) for data in (unlabeled, other))
    assert round_settings(first, None)["unlabeled"] != round_settings(again, None)["unlabeled"]


def test_the_snippet_of_the_card_classifies_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("supervised", tmp_path, "pair", max_length=10, save_strategy="no")
    trainer.save_model()
    trainer.create_model_card()
    card = (tmp_path / "README.md").read_text()
    assert "Of pairs of texts longer than 10 tokens the longer text's end is cut, as in training." in card
    found = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert found is not None
    first, second = " ".join(["w1"] * 5000), "w2 w3"
    code = found[1].replace("Some text.", first).replace("Another text.", second)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code.replace("\nclassifier(", "\nresult = classifier("), names)
    rows = datasets.Dataset.from_dict({"premise": [first], "hypothesis": [second]})
    expected = torch.from_numpy(trainer.predict(rows).predictions).softmax(-1).amax()
    assert names["result"]["score"] == pytest.approx(float(expected), abs=1e-5)


def own_files(folder: Path, **more: Any) -> tuple[RecipeOptions, SupervisedConfig]:
    paths = {}
    for name, part in (("train", dataset(9, 1)), ("unlabeled", dataset(20, 2, False)), ("test", dataset(9, 3))):
        paths[f"{name}_file"] = str(folder / f"{name}.csv")
        part.to_csv(paths[f"{name}_file"])
    return RecipeOptions(**paths), SupervisedConfig(str(folder / "out"), use_cpu=True, **{**COLUMNS, **more})


def test_own_files_have_a_second_column(tmp_path: Path) -> None:
    options, args = own_files(tmp_path)
    data = load_task(options, args)
    assert data.columns == ["premise", "hypothesis"]
    assert data.unlabeled.column_names == ["premise", "hypothesis"]
    assert data.labeled["hypothesis"][:] == dataset(9, 1)["hypothesis"][:]
    changed = copy.copy(data)
    object.__setattr__(changed, "pair_column", None)
    assert changed.checksum(args) != data.checksum(args)


def test_own_files_without_the_column_are_refused(tmp_path: Path) -> None:
    options, args = own_files(tmp_path, text_pair_column="answer")
    with pytest.raises(UserError, match=r"train_file: .*no column 'answer' \(text_pair_column\)"):
        load_task(options, args)


def test_a_named_source_has_no_pairs(tmp_path: Path) -> None:
    args = SupervisedConfig(str(tmp_path), use_cpu=True, text_pair_column="b")
    with pytest.raises(UserError, match="text_pair_column: got 'b'; imdb has no pairs of texts"):
        load_task(RecipeOptions(), args)


def test_second_texts_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    from textssl.data.tables import load_table

    (tmp_path / "a.csv").write_text("text,other,label\nx,1,a\ny,2,b\n")
    table = load_table(tmp_path / "a.csv", text_pair_column="other")
    assert table["other"][:] == ["1", "2"]


def test_recipes_change_and_translate_each_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from textssl.cli.task_setups import strong_view as module

    class Engine:
        identity, deterministic = "upper", True

        def translate(self, texts: Any, rng: Any) -> list[str]:
            return [text.upper() for text in texts]

    monkeypatch.setattr(module, "_engine", lambda name, options: Engine())
    data = dataset(8, 2, labels=False)
    unlabeled, way = strong_view(RecipeOptions(strong="apertium"), config(tmp_path), data, tmp_path / "t")
    assert isinstance(way, Chain)
    row = unlabeled[0]
    made = way(row, np.random.default_rng(0))
    assert made["hypothesis"] == row["back_translation_pair"]
    assert made["premise"] == row["back_translation"]
    for strong, kind in (("tfidf", EachSide), ("uniform", EachSide), ("ctaugment", TextCTAugment)):
        _, way = strong_view(RecipeOptions(strong=strong), config(tmp_path), data, tmp_path / "t")
        assert isinstance(way, kind)


def test_pretraining_reads_both_texts() -> None:
    parts = [dataset(3, 1), dataset(2, 2, labels=False)]
    found = [text for part in texts_of(parts, ["premise", "hypothesis"]) for text in part["premise"]]
    assert found == [text for column in COLUMNS.values() for part in parts for text in part[column]]


def test_a_view_of_one_text_of_a_pair_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = problem()
    one = TfIdfReplacement.fit(data["unlabeled_dataset"]["premise"], p=0.9, column="premise")
    for name, way in (("one", one), ("both", EachSide(one, tuple(COLUMNS.values())))):
        caplog.clear()
        FixMatchTrainer(**{**data, "augmentations": {"strong": way}}, args=config(tmp_path))
        told = "'strong' (TfIdfReplacement) leaves each 'hypothesis' of 40 unlabeled pairs as it is"
        assert (told in caplog.text) == (name == "one"), caplog.text
