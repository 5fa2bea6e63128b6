"""Rounds of self-training: what is labeled by whom, what is on the disk, kills, other teachers, bad input."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForSequenceClassification

from tests.contract import tiny_features, tiny_images, tiny_texts
from tests.contract.cases import with_probs
from tests.ddp.pool import TwoProcesses
from tests.fork_server import run_python
from tests.self_training.rounds_run import make, train_without_dropout
from textssl import SelfTrainingConfig, SelfTrainingTrainer, UserError
from textssl.self_training.selection import select_pseudo_labels


ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "self_training" / "rounds_run.py"
DEFAULT_NAMES = ["LABEL_0", "LABEL_1", "LABEL_2"]
AT_MOMENT = ROOT / "tests" / "recipes" / "at_moment.py"


def run(*command: Any) -> subprocess.CompletedProcess[str]:
    return run_python([str(word) for word in command], cwd=ROOT)


def probs_of(folder: Path, texts: list[str]) -> np.ndarray:
    """What a saved classifier says of each text, run alone."""
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = tiny_texts.tokenizer()
    with torch.no_grad():
        rows = [model(**tokenizer(t, truncation=True, max_length=16, return_tensors="pt")).logits[0] for t in texts]
    return torch.stack(rows).softmax(-1).numpy()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed, in another process than those that are killed: its sets have another order."""
    out, printed = tmp_path_factory.mktemp("rounds") / "whole", io.StringIO()
    with contextlib.redirect_stdout(printed):
        trainer = make(out)
        trainer.train()
        trainer.save_model()
    assert "round 1 of 2: kept 40 of 40" in printed.getvalue()
    return out


def stored_probs(table: pa.Table, names: list[str]) -> np.ndarray:
    return np.stack([table[f"probability_{name}"].to_numpy() for name in names], axis=1)


def test_each_round_learns_what_the_model_before_said(whole: Path) -> None:
    texts = tiny_texts.unlabeled()["text"][:]
    for number, teacher in ((1, whole / "teacher"), (2, whole / "round-1" / "student")):
        table = pq.read_table(whole / f"round-{number}" / "pseudo_labels.parquet")
        rows = table["row"].to_numpy()
        assert table["text"].to_pylist() == [texts[i] for i in rows]
        expected = probs_of(teacher, table["text"].to_pylist())
        np.testing.assert_allclose(stored_probs(table, DEFAULT_NAMES), expected, atol=1e-5)
        assert table["label"].to_pylist() == [DEFAULT_NAMES[i] for i in expected.argmax(1)]
        np.testing.assert_allclose(table["confidence"].to_numpy(), expected.max(1), atol=1e-5)


def test_the_record_tells_where_each_data_set_came_from(whole: Path) -> None:
    record = json.loads((whole / "rounds.json").read_text())
    assert sorted(record["rounds"]) == ["1", "2"]
    facts = record["rounds"]["2"]
    assert facts["settings"] == {"threshold": 0.0, "per_class": None, "balance": "none"}
    assert sum(facts["counts"]) == sum(facts["available"]) == 40
    assert facts["teacher"].startswith("sha256:")
    assert facts["teacher"] != record["rounds"]["1"]["teacher"]
    assert 0 <= facts["teacher_metrics"]["eval_accuracy"] <= 1
    assert facts["label_names"] == ["LABEL_0", "LABEL_1", "LABEL_2"]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_weights(whole: Path, tmp_path: Path) -> None:
    """At a shard of the first labels, in a student's training, and in the last one's."""
    out = tmp_path / "out"
    moments = [
        r"round-1/probs/\.?shard-000001",
        r"round-1/student/checkpoint-4/\.?seal",
        r"out/checkpoint-4/\.?seal",
    ]
    for number, moment in enumerate(moments):
        resume = ["resume"] if number else []
        done = run(AT_MOMENT, "kill", "opens", moment, SCRIPT, out, 4, *resume)
        assert done.returncode == -signal.SIGKILL, f"never came to {moment}: {done.stdout}{done.stderr}"
        if number == 0:
            first = next((out / "round-1" / "probs").glob("shard-000000*"))
            written = first.stat().st_mtime_ns
    assert first.stat().st_mtime_ns == written
    done = run(SCRIPT, out, 4, "resume")
    assert done.returncode == 0, done.stderr
    for path in ("model.safetensors", "teacher/model.safetensors", "round-1/student/model.safetensors"):
        one, other = load_file(whole / path), load_file(out / path)
        assert all(torch.equal(one[name], other[name]) for name in one), path
    assert json.loads((whole / "rounds.json").read_text()) == json.loads((out / "rounds.json").read_text())


def test_two_processes_agree_with_one(two_processes: TwoProcesses, tmp_path: Path) -> None:
    two_processes.run(train_without_dropout, out=tmp_path / "two")
    one = make(tmp_path / "one", 8, dropout=0.0)
    one.train()
    two = load_file(tmp_path / "two" / "model.safetensors")
    for name, value in one.model.state_dict().items():
        torch.testing.assert_close(two[name], value, atol=2e-5, rtol=1e-3)


def test_data_with_probabilities_need_no_teacher(tmp_path: Path) -> None:
    trainer = make(tmp_path, unlabeled=with_probs(tiny_texts.unlabeled()))
    trainer.train()
    assert trainer.state.global_step == 4
    assert not (tmp_path / "teacher").exists()
    assert not (tmp_path / "rounds.json").exists()


@pytest.mark.parametrize(
    ("row", "message"), [([0.9, 0.4, 0.1], "expected probabilities"), ([2.0, -1.0, 0.0], "expected probabilities")]
)
def test_a_column_of_something_else_is_refused(row: list[float], message: str, tmp_path: Path) -> None:
    data = tiny_texts.unlabeled().add_column("probabilities", [[0.2, 0.3, 0.5]] * 3 + [row] * 37)
    with pytest.raises(UserError, match=f"'probabilities' of row 3 .*{message}"):
        make(tmp_path, unlabeled=data)


def test_rounds_of_another_run_are_not_gone_on_with(tmp_path: Path) -> None:
    make(tmp_path, rounds=1, eval_dataset=None).train()
    with pytest.raises(UserError, match="holds rounds of another run"):
        make(tmp_path, rounds=1, eval_dataset=None).train()
    with pytest.raises(UserError, match=r"rounds of other settings: threshold was 0\.0, is 0\.1"):
        make(tmp_path, rounds=1, eval_dataset=None, threshold=0.1).train(resume_from_checkpoint=True)
    with pytest.raises(UserError, match=r"rounds of other settings: weight_decay was 0\.0, is 0\.5"):
        make(tmp_path, rounds=1, eval_dataset=None, weight_decay=0.5).train(resume_from_checkpoint=True)
    # Nothing that a round gives depends on when checkpoints are written.
    make(tmp_path, rounds=1, eval_dataset=None, save_steps=3).train(resume_from_checkpoint=True)


def test_a_threshold_that_keeps_nothing_says_the_highest_confidence(tmp_path: Path) -> None:
    trainer = make(tmp_path, threshold=1.0)
    with pytest.raises(
        UserError, match=r"threshold: got 1.0, which keeps nothing; the highest confidence is 0\.\d{4}"
    ):
        trainer.train()


# --- teachers


def other_model(names: tuple[str, ...], seed: int = 5) -> BertForSequenceClassification:
    """A smaller network than the student."""
    torch.manual_seed(seed)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=65,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=16,
            initializer_range=0.5,
            id2label=dict(enumerate(names)),
            label2id={name: i for i, name in enumerate(names)},
        )
    )


def test_a_teacher_of_another_size_is_taken_from_its_folder(tmp_path: Path) -> None:
    teacher = other_model(("a", "b", "c"))
    teacher.save_pretrained(tmp_path / "teacher")
    tiny_texts.tokenizer().save_pretrained(tmp_path / "teacher")
    make(tmp_path / "out", rounds=1, teacher=str(tmp_path / "teacher")).train()
    table = pq.read_table(tmp_path / "out" / "round-1" / "pseudo_labels.parquet")
    expected = probs_of(tmp_path / "teacher", table["text"].to_pylist())
    np.testing.assert_allclose(stored_probs(table, DEFAULT_NAMES), expected, atol=1e-5)
    assert not (tmp_path / "out" / "teacher").exists()


def test_classes_in_another_order_are_put_in_the_students(tmp_path: Path) -> None:
    teacher = other_model(("c", "a", "b"))
    trainer = make(tmp_path, rounds=1, teacher_model=teacher)
    trainer.model.config.id2label = {0: "a", 1: "b", 2: "c"}
    trainer.train()
    teacher.save_pretrained(tmp_path / "saved")
    table = pq.read_table(tmp_path / "round-1" / "pseudo_labels.parquet")
    theirs = probs_of(tmp_path / "saved", table["text"].to_pylist())
    np.testing.assert_allclose(stored_probs(table, ["c", "a", "b"]), theirs, atol=1e-5)


def test_a_teacher_of_other_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"teacher: its labels are 2 \(x, y\); those of the student are 3 \(LABEL_0,"):
        make(tmp_path, teacher_model=other_model(("x", "y")))


def test_a_teacher_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"teacher: '.*nothing' cannot be loaded"):
        make(tmp_path, teacher=str(tmp_path / "nothing"))
    tiny_texts.model().bert.save_pretrained(tmp_path / "headless")
    tiny_texts.tokenizer().save_pretrained(tmp_path / "headless")
    with pytest.raises(UserError, match=r"holds no trained classifier; it lacks classifier\.bias"):
        make(tmp_path, teacher=str(tmp_path / "headless"))


def test_a_student_that_goes_on_has_its_teachers_shape(tmp_path: Path) -> None:
    trainer = make(tmp_path / "a", rounds=1, teacher_model=other_model(("a", "b", "c")), student_init="continued")
    with pytest.raises(UserError, match="student_init: got 'continued', and the teacher is of another architecture"):
        trainer.train()
    goes_on = make(tmp_path / "b", rounds=1, teacher_model=tiny_texts.model(seed=3), student_init="continued",
                   max_steps=1, learning_rate=1e-12)  # fmt: skip
    goes_on.train()
    for name, value in tiny_texts.model(seed=3).state_dict().items():
        torch.testing.assert_close(goes_on.model.state_dict()[name], value, atol=1e-6, rtol=0)


def test_students_may_grow(tmp_path: Path) -> None:
    made = []

    def small(number: int) -> BertForSequenceClassification:
        made.append(number)
        return other_model(("LABEL_0", "LABEL_1", "LABEL_2"))

    make(tmp_path, make_student=small, rounds=2).train()
    assert made == [1]
    assert json.loads((tmp_path / "round-1" / "student" / "config.json").read_text())["hidden_size"] == 16


def of_features(out: Path, **settings: Any) -> SelfTrainingTrainer:
    config = SelfTrainingConfig(
        output_dir=str(out), rounds=2, per_round=2, max_steps=2, per_device_train_batch_size=4, mu=1, use_cpu=True,
        report_to=[], disable_tqdm=True, **settings,
    )  # fmt: skip
    unlabeled = tiny_features.dataset(30, 2, labels=False)
    return SelfTrainingTrainer(tiny_features.model(), config, tiny_features.dataset(9, 1), unlabeled)


def test_shares_that_are_estimated_are_those_of_the_first_teacher(tmp_path: Path) -> None:
    trainer = of_features(tmp_path, balance="estimated")
    trainer.train()
    first, second = (facts["shares"] for facts in trainer.rounds)
    assert first == second
    assert sum(first) == pytest.approx(1)
    table = pq.read_table(tmp_path / "round-1" / "pseudo_labels.parquet")
    labels = table["label"].to_pylist()
    assert [labels.count(name) for name in DEFAULT_NAMES] == trainer.rounds[0]["counts"]


def test_own_shares_decide_by_class_name(tmp_path: Path) -> None:
    trainer = of_features(tmp_path, balance={"LABEL_2": 0.0, "LABEL_0": 3, "LABEL_1": 1}, threshold=0.0)
    probs = np.array([[0.8, 0.1, 0.1]] * 5 + [[0.1, 0.7, 0.2]] * 2 + [[0.1, 0.2, 0.7]] * 3)
    settings = trainer.args.selection(2, 3, 10)
    chosen = select_pseudo_labels(probs, **settings, prior=trainer.objective.wanted_prior)
    # 3 : 1 of the five and two: 5 and 1, of 12 that the second round may take.
    assert chosen.counts.tolist() == [5, 1, 0]
    with pytest.raises(UserError, match="balance: got shares of a, b; the classes are LABEL_0, LABEL_1, LABEL_2"):
        of_features(tmp_path, balance={"a": 0.5, "b": 0.5})
    with pytest.raises(UserError, match="balance: got 2 shares; expected 3"):
        of_features(tmp_path, balance="0.5,0.5")


@pytest.mark.parametrize("modality", ["image", "features"])
def test_images_and_features_are_labeled_too(modality: str, tmp_path: Path) -> None:
    tiny: Any = {"image": tiny_images, "features": tiny_features}[modality]
    config = SelfTrainingConfig(
        output_dir=str(tmp_path), rounds=2, per_round=2, balance="none", max_steps=2, per_device_train_batch_size=4,
        mu=1, use_cpu=True, report_to=[], disable_tqdm=True,
    )  # fmt: skip
    processor = tiny_images.processor() if modality == "image" else None
    unlabeled = tiny.dataset(30, 2, labels=False)
    trainer = SelfTrainingTrainer(tiny.model(), config, tiny.dataset(9, 1), unlabeled, processing_class=processor)
    trainer.train()
    # Two of an average class more in each round, which is 6 and 12 in all.
    assert [sum(facts["counts"]) for facts in trainer.rounds] == [6, 12]
    table = pq.read_table(tmp_path / "round-1" / "pseudo_labels.parquet")
    assert modality not in table.column_names
    teacher = type(trainer.model).from_pretrained(tmp_path / "teacher").eval()
    batch = trainer.data_collator([unlabeled[i] for i in table["row"].to_pylist()])
    with torch.no_grad():
        expected = teacher(**batch).logits.softmax(-1).numpy()
    np.testing.assert_allclose(stored_probs(table, DEFAULT_NAMES), expected, atol=1e-5)
