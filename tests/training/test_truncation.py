"""Long texts: cut as asked, said before training, and read by the saved model as they were in training."""

from __future__ import annotations

import copy
import logging
import re
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, pipeline

from tests.contract.cases import labeled, model, swap_words, tokenizer, unlabeled
from tests.contract.tiny_texts import WORDS
from textssl.augment.text import split_words
from textssl.config import SSLConfig, derive_config
from textssl.errors import UserError
from textssl.methods.fixmatch import FixMatchConfig
from textssl.methods.self_training import SelfTrainingConfig, SelfTrainingTrainer
from textssl.methods.supervised import SupervisedConfig, SupervisedTrainer
from textssl.modalities.text.encoding import TextEncoder
from textssl.modalities.text.truncation import as_trained, head_and_tail, trained_with
from textssl.pipelines import HeadTailPipeline
from textssl.retrieval import ScoreJob
from textssl.retrieval.in_domain import predict_probs
from textssl.self_training.teachers import TeacherJob, load_teacher
from textssl.training.truncation_report import excess_of


def long_texts(count: int, words: int = 20, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) for _ in range(count)]


def config(out: Path, **more: Any) -> SupervisedConfig:
    settings: dict[str, Any] = {"max_steps": 4, "save_steps": 2, "learning_rate": 0.05, "logging_steps": 2}
    settings |= {"use_cpu": True, "report_to": [], "disable_tqdm": True, "max_length": 8, "optim": "sgd"}
    return SupervisedConfig(output_dir=str(out), **{**settings, **more})


def trainer(out: Path, given: Any = None, **more: Any) -> SupervisedTrainer:
    data = datasets.Dataset.from_dict({"text": long_texts(30), "label": [i % 3 for i in range(30)]})
    return SupervisedTrainer(model(), config(out, **more), data, processing_class=given or tokenizer())


def predicted(trained: Any, texts: list[str]) -> np.ndarray:
    return np.asarray(trained.predict(datasets.Dataset.from_dict({"text": texts})).predictions)


def piped(folder: Path, texts: list[str], **options: Any) -> np.ndarray:
    """Logits of a pipeline, in the order of the classes."""
    classify = pipeline(
        "text-classification", model=str(folder), device="cpu", top_k=None, function_to_apply="none", **options
    )
    rows = [sorted(row, key=lambda entry: entry["label"]) for row in classify(texts)]
    return np.array([[entry["score"] for entry in row] for row in rows])


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(-1).numpy()


# The rule


def test_head_and_tail_are_the_papers() -> None:
    """128 and 382 of 510: Sun et al. (2019), table 2."""
    kept = head_and_tail(list(range(900)), 510).tolist()
    assert kept == [*range(128), *range(900 - 382, 900)]


@pytest.mark.parametrize(
    ("room", "expected"), [(1, [9]), (2, [0, 9]), (4, [0, 7, 8, 9]), (6, [0, 1, 6, 7, 8, 9]), (10, list(range(10)))]
)
def test_of_a_short_room_a_quarter_is_the_heads(room: int, expected: list[int]) -> None:
    assert head_and_tail(list(range(10)), room).tolist() == expected


@pytest.mark.parametrize("split", [False, True])
def test_head_tail_cuts_the_middle_between_the_special_tokens(split: bool) -> None:
    texts = ["w0 w1 w2 w3 w4 w5 w6 w7 w8 w9", "w3 w4", ""]
    rows = TextEncoder(tokenizer(), 6, "head_tail")([split_words(text) for text in texts] if split else texts)
    # The word wN has the id N + 5; [CLS] is 2 and [SEP] 3. Of room for four, one is the head's.
    assert rows["input_ids"].tolist() == [[2, 5, 12, 13, 14, 3], [2, 8, 9, 3, 0, 0], [2, 3, 0, 0, 0, 0]]
    assert rows["lengths"] == [6, 4, 2]


def test_an_encoder_leaves_the_tokenizer_as_it_is() -> None:
    own = copy.deepcopy(tokenizer())
    before = (own.truncation_side, own.model_max_length, dict(own.init_kwargs))
    encoder = TextEncoder(own, 6, "start")
    assert encoder(["w0 w1 w2 w3 w4 w5"])["input_ids"].tolist() == [[2, 7, 8, 9, 10, 3]]
    assert (own.truncation_side, own.model_max_length, own.init_kwargs) == before
    assert own.backend_tokenizer.truncation is None


# The setting


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "end"),
        ({"keep_end": True}, "start"),
        ({"keep_end": False}, "end"),
        ({"keep_end": True, "truncation": "start"}, "start"),
        ({"truncation": "head_tail"}, "head_tail"),
    ],
)
def test_keep_end_is_short_for_a_truncation(given: dict, expected: str, tmp_path: Path) -> None:
    made = config(tmp_path, **given)
    assert made.truncation == expected
    # A config that is made again from its own fields says the same.
    assert config(tmp_path, keep_end=made.keep_end, truncation=made.truncation).truncation == expected


@pytest.mark.parametrize("given", [(True, "head_tail"), (False, "start"), (False, "head_tail")])
def test_two_settings_that_disagree_are_refused(given: tuple[bool, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"keep_end: got {given[0]}; truncation is '{given[1]}'"):
        config(tmp_path, keep_end=given[0], truncation=given[1])


def test_an_unknown_truncation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="truncation: got 'left'; allowed: end, start, head_tail"):
        config(tmp_path, truncation="left")


# What is saved


@pytest.mark.slow
@pytest.mark.parametrize("truncation", ["end", "start"])
def test_a_pipeline_reads_what_training_read(truncation: str, tmp_path: Path) -> None:
    own = copy.deepcopy(tokenizer())
    own.model_max_length = 30
    trained = trainer(tmp_path / "run", own, truncation=truncation)
    trained.train()
    trained.save_model(str(tmp_path / "final"))
    texts = [*long_texts(8, seed=3), "w1 w2"]
    expected = predicted(trained, texts)
    for folder in (tmp_path / "final", tmp_path / "run" / "checkpoint-4"):
        saved = AutoTokenizer.from_pretrained(folder)
        assert (saved.model_max_length, trained_with(saved)) == (8, (8, truncation))
        np.testing.assert_allclose(piped(folder, texts, truncation=True), expected, atol=1e-5)
    # Both ends differ in all long texts, so that the side counts.
    other = piped(tmp_path / "final", texts, truncation=True, tokenizer=as_trained(own, 8, "end"))
    assert np.allclose(other, expected, atol=1e-5) == (truncation == "end")
    assert (own.model_max_length, own.truncation_side) == (30, "right")


def test_what_is_saved_does_not_depend_on_what_was_read_last(tmp_path: Path) -> None:
    trained = trainer(tmp_path, truncation="start")
    trained.save_model(str(tmp_path / "untouched"))
    assert AutoTokenizer.from_pretrained(tmp_path / "untouched").truncation_side == "left"


@pytest.mark.slow
def test_resume_with_a_tokenizer_that_allows_more_or_less(tmp_path: Path) -> None:
    whole = trainer(tmp_path)
    whole.train()
    for limit in (512, 8, 4):
        own = copy.deepcopy(tokenizer())
        own.model_max_length = limit
        resumed = trainer(tmp_path / str(limit), own)
        resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
            assert torch.equal(a, b)
    # And from the tokenizer that was saved.
    again = trainer(tmp_path / "longer", AutoTokenizer.from_pretrained(tmp_path / "checkpoint-2"), max_length=16)
    assert trained_with(again.processing_class) == (16, "end")


@pytest.mark.slow
@pytest.mark.parametrize("truncation", ["end", "start", "head_tail"])
def test_a_teacher_reads_texts_as_it_was_trained(truncation: str, tmp_path: Path) -> None:
    trained = trainer(tmp_path, truncation=truncation, save_strategy="no")
    trained.train()
    trained.save_model(str(tmp_path / "teacher"))
    texts = [*long_texts(8, seed=3), "w1 w2"]
    expected = softmax(predicted(trained, texts))
    teacher, own = load_teacher(str(tmp_path / "teacher"), "text")
    students = FixMatchConfig(str(tmp_path / "s"), max_length=20, keep_end=truncation != "start", use_cpu=True)
    job = TeacherJob(teacher, own, students, [0, 1, 2])
    assert f"max_length=8 truncation={truncation}" in job.name
    np.testing.assert_allclose(job({"text": texts})["probs"], expected, atol=1e-5)
    given = datasets.Dataset.from_dict({"text": texts})
    np.testing.assert_allclose(predict_probs(teacher, own, given, progress=False), expected, atol=1e-5)
    scored = ScoreJob(tmp_path / "teacher")({"text": texts})["probs"]
    np.testing.assert_allclose(scored, expected, atol=1e-5)
    np.testing.assert_allclose(
        softmax(piped(tmp_path / "teacher", texts, pipeline_class=HeadTailPipeline)), expected, atol=1e-5
    )


def test_a_teacher_that_nobody_trained_here_reads_as_the_student(tmp_path: Path) -> None:
    job = TeacherJob(model(), tokenizer(), config(tmp_path, truncation="start"), [0, 1, 2])
    assert "max_length=8 truncation=start" in job.name


def test_a_pipeline_for_head_tail_refuses_what_it_would_not_cut(tmp_path: Path) -> None:
    model().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    classify = pipeline("text-classification", model=str(tmp_path), device="cpu", pipeline_class=HeadTailPipeline)
    with pytest.raises(UserError, match=r"tokenizer: .* does not say how texts were cut"):
        classify("w1")
    with pytest.raises(UserError, match=r"max_length: expected one text"):
        classify("w1", max_length=3)


@pytest.mark.parametrize("truncation", ["end", "start", "head_tail"])
def test_the_snippet_of_the_card_takes_a_text_of_5000_tokens(
    truncation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trainer(tmp_path, truncation=truncation, save_strategy="no")
    trained.save_model()
    trained.create_model_card()
    card = (tmp_path / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert found is not None
    text = " ".join([*["w1"] * 4990, *[f"w{i}" for i in range(10)]])
    code = found[1].replace("Some text.", text).replace("\nclassifier(", "\nresult = classifier(")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    (expected,) = softmax(predicted(trained, [text]))
    assert names["result"][0]["score"] == pytest.approx(expected.max(), abs=1e-5)
    lost = {"end": "end", "start": "start", "head_tail": "middle"}[truncation]
    assert f"Of texts longer than 8 tokens the {lost} is cut, as in training" in card


# What is said


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "textssl.training.truncation_report" and record.levelno == level
    ]


def test_shares_and_excess_are_said_before_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # With two special tokens: 6 + 2 and 7 + 2 fit into 9; 10 + 2 are 3 too many, 20 + 2 are 13.
    many = [" ".join(["w1"] * words) for words in (6, 7, 10, 20, 20)]
    few = [" ".join(["w1"] * words) for words in (*[3] * 19, 10)]
    caplog.set_level(logging.INFO)
    trained = SupervisedTrainer(
        model(),
        config(tmp_path, max_length=9, save_strategy="no", truncation="start"),
        datasets.Dataset.from_dict({"text": many, "label": [0, 1, 2, 0, 1]}),
        eval_dataset={
            "few": datasets.Dataset.from_dict({"text": few, "label": [0] * 20}),
            "none": datasets.Dataset.from_dict({"text": few[:3], "label": [0] * 3}),
        },
        processing_class=tokenizer(),
    )
    assert said(caplog, logging.WARNING) == said(caplog, logging.INFO) == []
    trained.train()
    assert said(caplog, logging.WARNING) == [
        "train_dataset: 60 % of its 5 texts are longer than max_length 9 and lose their start (truncation='start'): "
        "in the median 13 tokens"
    ]
    assert said(caplog, logging.INFO) == [
        "eval_dataset['few']: 5 % of its 20 texts are longer than max_length 9 and lose their start "
        "(truncation='start'): in the median 3 tokens",
        "eval_dataset['none']: none of its 3 texts is longer than max_length 9",
    ]


def test_of_many_rows_a_sample_is_measured_and_said_to_be_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ["w1 w2", " ".join(["w1"] * 20)] * 1500
    data = datasets.Dataset.from_dict({"text": rows})
    excess = excess_of(data, TextEncoder(tokenizer(), 8), ["text"])
    assert (excess.rows, excess.sampled, excess.median) == (3000, 1000, 14)
    assert excess.share == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_rounds_say_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings: dict[str, Any] = {"teacher_steps": 1, "max_steps": 1, "rounds": 2, "max_length": 5, "balance": "none"}
    args = SelfTrainingConfig(
        str(tmp_path), use_cpu=True, save_strategy="no", report_to=[], disable_tqdm=True, threshold=0.0, **settings
    )
    ways = {"strong": swap_words}
    trained = SelfTrainingTrainer(model(), args, labeled(), unlabeled(), labeled(), tokenizer(), ways)
    caplog.set_level(logging.INFO)
    trained.train()
    told = said(caplog, logging.WARNING) + said(caplog, logging.INFO)
    assert sorted(line.split(":")[0] for line in told) == ["eval_dataset", "train_dataset", "unlabeled_dataset"]


def test_head_tail_is_warned_of_where_texts_are_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer(tmp_path, truncation="head_tail", save_strategy="no", max_steps=1).train()
    assert "pipeline_class=HeadTailPipeline" in said(caplog, logging.WARNING)[-1]
    caplog.clear()
    trainer(tmp_path, truncation="head_tail", save_strategy="no", max_steps=1, max_length=32).train()
    assert said(caplog, logging.WARNING) == []


def test_derived_configs_keep_the_truncation(tmp_path: Path) -> None:
    assert derive_config(config(tmp_path, keep_end=True), SSLConfig).truncation == "start"
