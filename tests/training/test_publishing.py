"""What a trainer leaves on the disk and on the Hub: no secret, no pickle of the arguments, no file but listed ones."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import transformers.utils.hub as transformers_hub
from huggingface_hub import constants
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

from tests.contract.cases import build, labeled, model, state_of, tokenizer, unlabeled
from tests.hub_server import LocalHub, local_hub  # noqa: F401, the fixture hub
from textssl import UDAConfig, UserError
from textssl.hub.published_files import published_files
from textssl.pretraining import PretrainingConfig, pretrain_in_domain
from textssl.training.checkpoints import verify


TOKEN = "hf_secretOfAPerson0123456789"
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
LISTED = {"README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture
def online(hub: LocalHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalHub:
    """The local Hub for this process, and nobody logged in."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": str(tmp_path / "login" / "token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    # Both remember the address and whether there is a network.
    monkeypatch.setattr(transformers_hub, "_hf_api", None, raising=False)
    return hub


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everything(hub: LocalHub) -> dict[str, bytes]:
    """All that the Hub holds or held, messages of commits included."""
    held = dict(hub.objects)
    for name, repo in hub.repos.items():
        held[f"{name} messages"] = json.dumps(repo.messages).encode()
        for commit, files in repo.commits:
            held |= {f"{name}@{commit}/{path}": content for path, content in files.items()}
    held["requests"] = json.dumps(hub.requests).encode()
    return held


def known_by(how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Settings of a run whose token comes from there."""
    if how == "environment":
        monkeypatch.setenv("HF_TOKEN", TOKEN)
    if how == "login":
        (tmp_path / "login").mkdir()
        (tmp_path / "login" / "token").write_text(TOKEN)
    return {"hub_token": TOKEN} if how == "flag" else {}


# The client of the Hub sends bytes in a way that its HTTP library has deprecated.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", ["flag", "environment", "login"])
def test_a_run_that_pushes_leaves_no_token_and_no_pickle(
    how: str, online: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = known_by(how, monkeypatch, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "diary.txt").write_text("nobody's business")
    (out / "notes.pt").write_bytes(b"nor this")
    trainer = build(
        "uda", out, push_to_hub=True, hub_model_id="me/tiny", save_steps=2, report_to=["tensorboard"],
        hub_always_push=True, teacher_decay=0.9, **settings,
    )  # fmt: skip
    trainer.train()
    trainer.push_to_hub()

    written, held = contents(out), everything(online)
    secret = TOKEN.encode()
    assert [name for name, content in {**written, **held}.items() if secret in content] == []
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(trainer.args)
    assert any("tfevents" in name for name in written)
    for folder in ("", "checkpoint-2/", "checkpoint-4/"):
        assert f"{folder}training_args.json" in written
    assert not [name for name in written if name.endswith("training_args.bin")]

    repo = online.repos["me/tiny"]
    assert repo.messages[-1] == "End of training"
    assert any("step 2" in message for message in repo.messages)
    for _, files in repo.commits:
        assert files.keys() <= LISTED
        assert not [name for name, content in files.items() if content.startswith(PICKLES)]
    assert repo.files.keys() == LISTED
    # What is pushed is what evaluates best: here the teacher.
    (tmp_path / "pulled").mkdir()
    for name, content in repo.files.items():
        (tmp_path / "pulled" / name).write_bytes(content)
    pulled = AutoModelForSequenceClassification.from_pretrained(tmp_path / "pulled").state_dict()
    assert all(torch.equal(pulled[k], v) for k, v in trainer.evaluated_model.state_dict().items())


def test_a_push_that_waits_for_nothing_skips_while_one_runs(online: LocalHub, tmp_path: Path) -> None:
    trainer = build("uda", tmp_path / "out", push_to_hub=True, hub_model_id="me/tiny", hub_strategy="end")
    trainer.train()
    assert online.repos["me/tiny"].messages == ["initial commit"]


@pytest.mark.slow
def test_settings_beside_a_checkpoint_are_those_of_the_run(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, hub_token=TOKEN, threshold=0.4, temperature=0.7)
    trainer.train()
    verify(tmp_path / "checkpoint-2")
    read = UDAConfig.from_json(tmp_path / "checkpoint-2")
    trainer.args.hub_token = None
    assert read == trainer.args
    assert read.threshold == 0.4
    again = build("uda", tmp_path, threshold=0.4, temperature=0.7)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert all(torch.equal(v, state_of(again)[k]) for k, v in state_of(trainer).items())


def test_what_is_saved_is_what_trainer_saves_but_for_the_pickle(tmp_path: Path) -> None:
    """The stock Trainer, of the release that is installed, says what belongs beside a model."""
    ours = build("supervised", tmp_path / "ours")
    arguments = TrainingArguments(str(tmp_path / "stock"), use_cpu=True, report_to=[])
    stock = Trainer(model(), arguments, train_dataset=labeled(), processing_class=tokenizer())
    ours.save_model()
    stock.save_model()
    saved, expected = contents(tmp_path / "ours"), contents(tmp_path / "stock")
    assert saved.keys() == {*expected.keys() - {"training_args.bin"}, "training_args.json"}
    # The tokenizer is told how texts are cut.
    for name in (expected.keys() & saved.keys()) - {"tokenizer_config.json"}:
        assert saved[name] == expected[name], name


def test_the_stage_before_fine_tuning_writes_no_token(tmp_path: Path) -> None:
    config = PretrainingConfig(
        str(tmp_path), use_cpu=True, report_to=[], hub_token=TOKEN, max_steps=2, save_steps=1, max_length=16,
        per_device_train_batch_size=4, gradient_accumulation_steps=1, disable_tqdm=True,
    )  # fmt: skip
    pretrain_in_domain(model(), tokenizer(), unlabeled(), config)
    written = contents(tmp_path)
    assert "checkpoint-1/training_args.json" in written
    assert not [name for name, content in written.items() if TOKEN.encode() in content]
    assert not [name for name in written if name.endswith("training_args.bin")]


# peft asks a model for a name that transformers has deprecated.
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_adapter_is_saved_without_the_token(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    trainer = build("supervised", tmp_path, hub_token=TOKEN)
    wanted = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"])
    trainer.model = peft.get_peft_model(trainer.model, wanted)
    trainer._save()
    written = contents(tmp_path)
    assert {"adapter_config.json", "adapter_model.safetensors", "training_args.json"} <= written.keys()
    assert "training_args.bin" not in written
    assert not [name for name, content in written.items() if TOKEN.encode() in content]
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(published_files(tmp_path))


def test_published_files_are_a_list(tmp_path: Path) -> None:
    wanted = {
        "README.md", "config.json", "generation_config.json", "model.safetensors", "model-00001-of-00002.safetensors",
        "model.safetensors.index.json", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model",
        "sentencepiece.bpe.model", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
        "preprocessor_config.json", "processor_config.json", "words.dict",
    }  # fmt: skip
    others = {
        "training_args.bin", "training_args.json", "pytorch_model.bin", "optimizer.pt", "scheduler.pt",
        "rng_state.pth", "objective.safetensors", "objective.json", "student.safetensors", "seal.json",
        "trainer_state.json", "result.json", "run.json", "modeling.py", "vocab.pkl", ".env", "token", "words.bin",
        "model.safetensors.bak", "xconfig.json", "label_quality.parquet",
    }  # fmt: skip
    for name in wanted | others:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "config.json").write_bytes(b"")

    class OwnTokenizer:
        vocab_files_names: ClassVar = {"vocab_file": "words.dict", "cache_file": "words.bin"}

    assert set(published_files(tmp_path, OwnTokenizer())) == wanted
    assert set(published_files(tmp_path)) == wanted - {"words.dict"}


def test_a_token_that_no_header_can_carry_is_not_quoted(
    online: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An HTTP client would: ``Illegal header value b'Bearer hf_...'``."""
    monkeypatch.setenv("HF_TOKEN", "hf_broken\x01token")
    with pytest.raises(UserError, match="hub_token: got text that is no token") as caught:
        build("uda", tmp_path / "out", push_to_hub=True, hub_model_id="me/tiny")
    assert "broken" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_push_that_the_hub_refuses_quotes_no_token(online: LocalHub, tmp_path: Path) -> None:
    """Neither in the error nor in what led to it."""
    online.account = None
    with pytest.raises(Exception, match="401") as caught:
        build("uda", tmp_path / "out", push_to_hub=True, hub_model_id="me/tiny", hub_token=TOKEN)
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
