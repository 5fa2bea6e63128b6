"""The stage: what its folder holds, that it is made once, and that a killed run ends as one that was not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
)

from tests.contract.cases import labeled, model, tokenizer, unlabeled
from tests.contract.tiny_texts import texts
from textssl.data.files import content_checksum
from textssl.errors import UserError
from textssl.pretraining import PretrainingConfig, PretrainingTrainer, pretrain_in_domain
from textssl.pretraining import stage as module
from textssl.training.checkpoints import sealed_checkpoints


SETTINGS: dict[str, Any] = {
    "max_steps": 4,
    "per_device_train_batch_size": 7,
    "gradient_accumulation_steps": 2,
    "learning_rate": 1e-3,
    "max_length": 10,
    "validation_share": 0.1,
    "use_cpu": True,
    "save_steps": 1,
    "logging_steps": 1,
    "report_to": [],
    "disable_tqdm": True,
}


def run(
    out: Path,
    start: Any = None,
    resume: str | bool | None = None,
    data: Any = None,
    tokens: Any = None,
    **settings: Any,
) -> Path:
    start = model(dropout=0.1) if start is None else start
    config = PretrainingConfig(output_dir=str(out), **{**SETTINGS, **settings})
    data = [unlabeled(), labeled()] if data is None else data
    return pretrain_in_domain(start, tokens or tokenizer(), data, config, resume)


def record(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "pretraining.json").read_text())
    return loaded


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model.safetensors"))


def same(a: Path, b: Path) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    return run(tmp_path_factory.mktemp("whole") / "out")


def test_the_folder_is_an_ordinary_checkpoint(whole: Path) -> None:
    network = AutoModelForMaskedLM.from_pretrained(whole)
    before = model().bert.state_dict()
    moved = [name for name, value in network.bert.state_dict().items() if not torch.equal(value, before[name])]
    assert {name for name in before if "pooler" not in name and not name.endswith("key.bias")} <= {*moved}
    classifier = AutoModelForSequenceClassification.from_pretrained(whole, num_labels=2)
    assert isinstance(classifier, BertForSequenceClassification)
    for name, value in network.bert.state_dict().items():
        assert torch.equal(classifier.bert.state_dict()[name], value)
    assert AutoTokenizer.from_pretrained(whole)("w1 w2")["input_ids"] == tokenizer()("w1 w2")["input_ids"]
    assert not (whole / "windows").exists()


def test_the_record_tells_what_it_was_made_of(whole: Path) -> None:
    told = record(whole)
    drawn = [*texts(40, 2)[0], *texts(9, 1)[0]]
    assert told["finished"] is True
    assert told["data_sha256"] == content_checksum(datasets.Dataset.from_dict({"text": drawn}), ["text"])
    assert (told["texts"], told["held_out_texts"], told["steps"]) == (44, 5, 4)
    assert told["settings"]["batch_size"] == 14
    assert told["settings"]["mask_share"] == 0.15
    # Texts of more than eight words give two windows.
    assert 44 < told["windows"] <= 2 * 44
    assert 2.0 < told["eval_loss"] < 6.0


def test_the_model_that_is_given_stays_as_it_is(tmp_path: Path) -> None:
    start = model(dropout=0.1)
    run(tmp_path, start, max_steps=1)
    for name, value in model().state_dict().items():
        assert torch.equal(start.state_dict()[name], value), name


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", [1, 3])
def test_a_killed_run_goes_on_to_the_same_weights(
    step: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout on; the kill comes in the step after a checkpoint, of which what it drew is lost."""
    compute = PretrainingTrainer.compute_loss

    def killed(self: PretrainingTrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == step:
            raise Killed
        return compute(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(PretrainingTrainer, "compute_loss", killed)
        with pytest.raises(Killed):
            run(tmp_path)
    assert len(sealed_checkpoints(tmp_path)) == step
    assert record(tmp_path)["finished"] is False
    torch.manual_seed(99)
    assert same(run(tmp_path, resume=True), whole)
    assert record(tmp_path)["fingerprint"] == record(whole)["fingerprint"]
    assert record(tmp_path)["eval_loss"] == record(whole)["eval_loss"]


def test_a_kill_after_the_last_checkpoint_costs_the_ending_alone(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_pretrained", killed)
        with pytest.raises(Killed):
            run(tmp_path)
    monkeypatch.setattr(PretrainingTrainer, "training_step", killed)
    assert same(run(tmp_path, resume=True), whole)
    assert record(tmp_path)["steps"] == 4


def test_no_text_need_be_held_out(tmp_path: Path) -> None:
    told = record(run(tmp_path, max_steps=1, validation_share=0.0))
    assert told["held_out_texts"] == 0
    assert "eval_loss" not in told


def test_a_finished_run_is_not_repeated(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(whole, tmp_path / "out")
    monkeypatch.setattr(PretrainingTrainer, "train", None)
    for resume in (None, True):
        # What is logged, and where, decides nothing.
        assert run(tmp_path / "out", resume=resume, logging_steps=3, save_steps=2) == tmp_path / "out"


@pytest.mark.parametrize(
    ("told", "change"),
    [
        ("settings", {"mask_share": 0.2}),
        ("settings", {"per_device_train_batch_size": 8}),
        ("base_sha256", {"start": model(seed=1)}),
        ("data_sha256", {"data": unlabeled(49)}),
    ],
)
def test_another_run_does_not_go_on_with_it_but_may_take_its_place(
    told: str, change: dict[str, Any], whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    with pytest.raises(UserError, match=rf"resume_from_checkpoint: .* holds a pretraining of other {told}"):
        run(out, resume=True, **change)
    assert same(out, whole)
    run(out, **{**change, "max_steps": 1})
    assert record(out)["steps"] == 1
    assert [path.name for path in sealed_checkpoints(out)] == ["checkpoint-1"]


def test_a_folder_or_a_name_is_a_model_too(whole: Path, tmp_path: Path) -> None:
    """And a pretraining can be gone on with by another: its head is kept."""
    again = run(tmp_path / "again", whole, max_steps=1, learning_rate=1e-9)
    network, start = AutoModelForMaskedLM.from_pretrained(again), AutoModelForMaskedLM.from_pretrained(whole)
    for name, value in start.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, atol=1e-6, rtol=0)
    assert "bert.pooler.dense.weight" in weights(again)


def test_what_cannot_work_is_told_before_anything_is_written(tmp_path: Path) -> None:
    class Slow:
        is_fast = False

    for told, change in (
        ("max_length: got 64; the model has 32 positions", {"max_length": 64}),
        ("processing_class: got Slow; expected a fast tokenizer", {"tokens": Slow()}),
        ("no such|cannot be loaded", {"start": tmp_path / "nothing"}),
        ("text_column", {"text_column": "review"}),
        ("whole_word: got True", {"whole_word": True}),
    ):
        with pytest.raises(UserError, match=told):
            run(tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "pretraining.json").write_text("{")
    with pytest.raises(UserError, match=r"pretraining\.json is damaged"):
        run(folder)
