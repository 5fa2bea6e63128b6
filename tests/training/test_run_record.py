"""A run goes on under the circumstances it began with, or is told what is another."""

from __future__ import annotations

import copy
import importlib
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from transformers import TrainingArguments

from tests.contract import tiny_features, tiny_images
from tests.contract.cases import WORDS, build, labeled, model, state_of, swap_words, texts, tokenizer, unlabeled
from textssl import FixMatchConfig, FixMatchTrainer, UserError
from textssl.augment import Chain
from textssl.augment.text import TfIdfReplacement
from textssl.methods import METHODS
from textssl.pretraining import PretrainingConfig, pretrain_in_domain
from textssl.training import resume_rules
from textssl.training.checkpoints import seal, sealed_checkpoints
from textssl.training.run_record import dataset_checksum, processor_checksum


Change = Callable[[dict[str, Any]], None]


def trainer(out: Path, change: Change = lambda parts: None, **settings: Any) -> FixMatchTrainer:
    """A trainer of four steps whose parts may be changed before it is made."""
    config: dict[str, Any] = {
        "output_dir": str(out), "max_steps": 4, "save_steps": 2, "per_device_train_batch_size": 4, "mu": 2,
        "max_length": 16, "use_cpu": True, "report_to": [], "disable_tqdm": True, "logging_steps": 2,
    }  # fmt: skip
    parts: dict[str, Any] = {
        "model": model(),
        "train_dataset": labeled(),
        "unlabeled_dataset": unlabeled(),
        "eval_dataset": labeled(12, seed=3),
        "processing_class": tokenizer(),
        "augmentations": {"strong": swap_words},
    }
    change(parts)
    return FixMatchTrainer(args=FixMatchConfig(**{**config, **settings}), **parts)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint at the second step."""
    out = tmp_path_factory.mktemp("begun")
    trainer(out).train()
    return out / "checkpoint-2"


def resumed(checkpoint: Path, out: Path, change: Change = lambda parts: None, **settings: Any) -> FixMatchTrainer:
    run = trainer(out, change, **settings)
    run.train(resume_from_checkpoint=str(checkpoint))
    return run


def test_the_record_is_in_every_checkpoint_and_sealed(begun: Path) -> None:
    for checkpoint in sealed_checkpoints(begun.parent):
        record = json.loads((checkpoint / "run_record.json").read_text())
        assert record["trainer"] == "FixMatchTrainer"
        assert record["settings"]["mu"] == 2
        assert record["processes"] == 1
        assert record["views"]["strong"] == "swap_words"
        assert "run_record.json" in json.loads((checkpoint / "seal.json").read_text())["files"]
        assert not {"output_dir", "hub_token", "logging_steps"} & record["settings"].keys()


@pytest.mark.slow
def test_the_same_run_goes_on_without_a_word(begun: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Elsewhere, with other logs and data that hold the same in another form: it ends where the whole run did."""
    caplog.set_level(logging.WARNING, "textssl")

    def reform(parts: dict[str, Any]) -> None:
        data = parts["train_dataset"]
        parts["train_dataset"] = datasets.concatenate_datasets([data.select(range(4)), data.select(range(4, 9))])
        parts["unlabeled_dataset"] = unlabeled(60).select(range(40))

    own = {"logging_steps": 1, "save_total_limit": 1, "dataloader_num_workers": 0, "run_name": "again"}
    again = resumed(begun, tmp_path, reform, **own)
    assert "resume_from_checkpoint" not in caplog.text
    whole = trainer(tmp_path / "whole")
    whole.train()
    expected = state_of(whole)
    assert all(torch.equal(value, expected[name]) for name, value in state_of(again).items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mu": 3}, "mu was 2, is 3"),
        ({"per_device_train_batch_size": 2}, "per_device_train_batch_size was 4, is 2"),
        ({"gradient_accumulation_steps": 2}, "gradient_accumulation_steps was 1, is 2"),
        ({"seed": 1}, "seed was 42, is 1"),
        ({"data_seed": 1}, "data_seed was None, is 1"),
        ({"learning_rate": 1e-3}, "learning_rate was 5e-05, is 0.001"),
        ({"threshold": 0.5}, "threshold was 0.95, is 0.5"),
        ({"max_length": 8}, "max_length was 16, is 8"),
        ({"bf16": True}, "bf16 was False, is True"),
        ({"mu": 1, "seed": 7}, "mu was 2, is 1, seed was 42, is 7"),
    ],
)
def test_other_settings_are_named_and_refused(
    settings: dict[str, Any], told: str, begun: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        resumed(begun, tmp_path, **settings)
    assert f"{begun} is of a run under other circumstances: {told}" in str(caught.value)


def one_label(parts: dict[str, Any]) -> None:
    column = parts["train_dataset"]["label"][:]
    parts["train_dataset"] = parts["train_dataset"].remove_columns("label").add_column("label", [1, *column[1:]])


def one_text(parts: dict[str, Any]) -> None:
    drawn = [*texts(40, 2)[0][:-1], "w1 w2"]
    parts["unlabeled_dataset"] = datasets.Dataset.from_dict({"text": drawn})


def order(parts: dict[str, Any]) -> None:
    parts["unlabeled_dataset"] = parts["unlabeled_dataset"].select(range(39, -1, -1))


def view(parts: dict[str, Any]) -> None:
    parts["augmentations"] = {}


def dropout(parts: dict[str, Any]) -> None:
    parts["model"] = model(dropout=0.2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (one_label, "labeled_data is another"),
        (one_text, "unlabeled_data is another"),
        (order, "unlabeled_data is another"),
        (view, "views.strong was 'swap_words', is \"TfIdfReplacement("),
        (dropout, "model.hidden_dropout_prob was 0.0, is 0.2"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_other_data_views_and_models_are_refused(change: Change, told: str, begun: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        resumed(begun, tmp_path, change)
    assert told in str(caught.value)


def test_a_tokenizer_of_the_same_size_that_reads_otherwise_is_refused(begun: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    tokenizer().save_pretrained(folder)
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text())
    words = told["model"]["vocab"]
    words[WORDS[0]], words[WORDS[1]] = words[WORDS[1]], words[WORDS[0]]
    path.write_text(json.dumps(told))

    def change(parts: dict[str, Any]) -> None:
        parts["processing_class"] = type(tokenizer()).from_pretrained(folder)

    with pytest.raises(UserError, match="processing_class is another"):
        resumed(begun, tmp_path, change)


def test_another_number_of_processes_is_refused(begun: Path, tmp_path: Path) -> None:
    """As if the run had been of two: they draw other batches than one."""
    folder = shutil.copytree(begun, tmp_path / "checkpoint-2")
    record = json.loads((folder / "run_record.json").read_text())
    (folder / "run_record.json").write_text(json.dumps({**record, "processes": 2}))
    seal(folder)
    with pytest.raises(UserError, match="processes was 2, is 1"):
        resumed(folder, tmp_path / "out")


@pytest.mark.slow
def test_other_evaluation_data_are_said_and_refused_where_they_choose_the_model(
    begun: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def change(parts: dict[str, Any]) -> None:
        parts["eval_dataset"] = labeled(12, seed=4)

    resumed(begun, tmp_path / "said", change)
    assert "evaluation_data is another: figures before and after are of other data" in caplog.text
    best: dict[str, Any] = {"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2}
    trainer(tmp_path / "best", **best).train()
    with pytest.raises(UserError, match="evaluation_data is another"):
        resumed(tmp_path / "best" / "checkpoint-2", tmp_path / "out", change, **best)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_steps": 6}, "max_steps was 4, is 6: schedules that count all steps go on by the new number"),
        ({"save_steps": 1}, "save_steps was 2, is 1: checkpoints are written at other steps"),
        ({"length_passes": False}, "length_passes was True, is False: changes no more than rounding"),
        ({"per_device_eval_batch_size": 3}, "per_device_eval_batch_size was 8, is 3: changes evaluation alone"),
    ],
)
def test_what_is_harmless_is_said(
    settings: dict[str, Any], told: str, begun: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = resumed(begun, tmp_path, **settings)
    assert told in caplog.text
    assert run.state.global_step == settings.get("max_steps", 4)


def test_a_finished_run_is_compared_too(begun: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mu was 2, is 3"):
        resumed(begun.parent / "checkpoint-4", tmp_path, mu=3)


def test_a_checkpoint_without_a_record_is_gone_on_with_and_that_is_said(
    begun: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of an earlier release."""
    folder = shutil.copytree(begun, tmp_path / "checkpoint-2")
    (folder / "run_record.json").unlink()
    seal(folder)
    assert resumed(folder, tmp_path / "out").state.global_step == 4
    assert "has no run_record.json" in caplog.text


def test_two_sets_of_rules_do_not_overlap_and_name_settings_that_exist() -> None:
    kinds = [TrainingArguments, PretrainingConfig, *(METHODS[name].config_class for name in METHODS)]
    known = {entry.name for kind in kinds for entry in fields(kind)} | {"config", "embedding_cache", "overwrite"}
    # What releases of transformers that are allowed may lack.
    newer = {"activation_checkpointing", "activation_checkpointing_kwargs", "trackio_", "project"}
    for rules in (resume_rules.FREE, resume_rules.SAID):
        for name, reason in rules.items():
            assert reason
            assert name in known | newer or any(field.startswith(name) for field in known), name
    assert not [name for name in resume_rules.SAID if resume_rules.is_free(name)]
    for name in (
        "mu",
        "seed",
        "data_seed",
        "dataloader_drop_last",
        "dataloader_in_order",
        "gradient_accumulation_steps",
    ):
        assert not resume_rules.is_free(name)
        assert name not in resume_rules.SAID


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_writes_a_record_that_fits_itself(
    method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a run changes in its model, tokenizer or data while it trains must not look like another run."""
    own = getattr(importlib.import_module(f"tests.methods.test_{method}"), "CONTRACT_DEFAULT", {})
    build(method, tmp_path, **own).train()
    newest = sealed_checkpoints(tmp_path)[-1]
    caplog.clear()
    build(method, tmp_path, **own).train(resume_from_checkpoint=str(newest))
    assert "resume_from_checkpoint" not in caplog.text


def test_checksums_of_processors() -> None:
    own = processor_checksum(tokenizer())
    tokenizer()(["w1 w2"], padding="max_length", truncation=True, max_length=7)
    assert processor_checksum(tokenizer()) == own
    assert processor_checksum(None) is None
    first, second = tiny_images.processor(), copy.deepcopy(tiny_images.processor())
    assert processor_checksum(first) == processor_checksum(second)
    second.image_mean = [0.1] * len(second.image_mean)
    assert processor_checksum(first) != processor_checksum(second)


def test_checksums_of_data() -> None:
    rows = {"text": ["a", "b"], "label": [0, 1]}
    data = datasets.Dataset.from_dict(rows)
    assert dataset_checksum(data) == dataset_checksum(
        datasets.Dataset.from_dict({"label": [0, 1], "text": ["a", "b"]})
    )
    changed = ({"text": ["a", "c"]}, {"label": [1, 1]}, {"more": [0, 0]})
    sums = {dataset_checksum(datasets.Dataset.from_dict({**rows, **change})) for change in changed}
    assert len(sums | {dataset_checksum(data)}) == 4
    assert dataset_checksum(data, {"label"}) == dataset_checksum(datasets.Dataset.from_dict({"text": ["a", "b"]}))
    assert dataset_checksum(tiny_features.dataset(9, 1)) != dataset_checksum(tiny_features.dataset(9, 2))


def test_pretraining_knows_its_tokenizer(tmp_path: Path) -> None:
    settings = {"use_cpu": True, "report_to": [], "max_steps": 2, "save_steps": 1, "max_length": 16,
        "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "disable_tqdm": True}  # fmt: skip
    config = PretrainingConfig(str(tmp_path), **settings)
    pretrain_in_domain(model(), tokenizer(), unlabeled(), config)
    assert (tmp_path / "checkpoint-1" / "run_record.json").is_file()
    other = type(tokenizer())(
        tokenizer_object=copy.deepcopy(tokenizer().backend_tokenizer), pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="w3",
    )  # fmt: skip
    with pytest.raises(UserError, match="holds a pretraining of other tokenizer_sha256"):
        pretrain_in_domain(model(), other, unlabeled(), config, resume_from_checkpoint=True)


@pytest.mark.slow
def test_views_of_other_settings_and_another_loss_or_optimizer_are_refused(tmp_path: Path) -> None:
    def fitted(p: float) -> Change:
        view = TfIdfReplacement.fit(unlabeled()["text"], p=p)
        return lambda parts: parts.update(augmentations={"strong": Chain([view])})

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        return torch.nn.functional.cross_entropy(outputs["logits"], labels)

    trainer(tmp_path, fitted(0.2)).train()
    checkpoint = tmp_path / "checkpoint-2"
    assert resumed(checkpoint, tmp_path, fitted(0.2)).state.global_step == 4
    changes: dict[str, Change] = {
        "views.strong was": fitted(0.9),
        "compute_loss_func was None": lambda parts: parts.update(compute_loss_func=loss),
        "optimizer_cls_and_kwargs was None": lambda parts: parts.update(
            optimizer_cls_and_kwargs=(torch.optim.SGD, {"lr": 0.9})
        ),
    }
    for told, change in changes.items():

        def both(parts: dict[str, Any], change: Change = change) -> None:
            fitted(0.2)(parts)
            change(parts)

        with pytest.raises(UserError, match=told):
            resumed(checkpoint, tmp_path, both)
