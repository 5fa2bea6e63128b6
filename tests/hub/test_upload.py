"""A saved model on a Hub: what arrives there, and what happens when the way is bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, constants

from tests.command_line import Ended
from tests.hub_server import LocalHub, local_hub  # noqa: F401, the fixture hub
from textssl.errors import UserError
from textssl.hub import RunFacts, push_folder, write_model_card
from textssl.report.contents import RunReport
from textssl.report.parts import Item, Mistake


# The client of the Hub sends bytes in a way that its HTTP library has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _online(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local Hub for this process, and nobody logged in."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    values = {"ENDPOINT": hub.url, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "HF_TOKEN_PATH": "/nowhere"}
    for name, value in values.items():
        monkeypatch.setattr(constants, name, value)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights" * 100)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "notes.txt").write_text("private")
    write_model_card(folder, RunFacts(method="uda", label_names=("neg", "pos")))
    return folder


def push(folder: Path, hub: LocalHub, **options: object) -> str:
    return push_folder(folder, "me/model", token="hf_test", **options)  # type: ignore[arg-type]


def test_what_makes_the_model_arrives_and_nothing_else(model_folder: Path, hub: LocalHub) -> None:
    assert push(model_folder, hub) == f"{hub.url}/me/model"
    files = hub.repos["me/model"].files
    assert set(files) == {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    assert files["model.safetensors"] == b"weights" * 100
    assert not hub.private["me/model"]


def test_the_card_names_the_repository_and_has_the_widget(model_folder: Path, hub: LocalHub) -> None:
    push(model_folder, hub, widget=("A fine\nfilm.", "x" * 1000), report=b"<html>")
    card = ModelCard(hub.repos["me/model"].files["README.md"].decode())
    assert 'model="me/model"' in card.text
    assert "the folder of this file" not in card.text
    assert card.data.widget == [
        {"example_title": "Example 1", "text": "A fine film."},
        {"example_title": "Example 2", "text": "x" * 300},
    ]
    assert card.data.tags == ["textssl", "semi-supervised-learning", "uda"]
    assert hub.repos["me/model"].files["report.html"] == b"<html>"
    # The folder itself stays as it was.
    assert 'model="."' in (model_folder / "README.md").read_text()


def test_a_repository_is_private_if_asked(model_folder: Path, hub: LocalHub) -> None:
    push(model_folder, hub, private=True)
    assert hub.private["me/model"]


def test_a_broken_connection_is_tried_again_and_nothing_is_sent_twice(model_folder: Path, hub: LocalHub) -> None:
    hub.failures["commit"] = 1
    push(model_folder, hub, pauses=(0.0,))
    assert len([path for method, path, _ in hub.requests if method == "PUT"]) == 1
    assert [status for _, path, status in hub.requests if "/commit/" in path] == [503, 200]


def test_a_later_call_sends_only_what_is_missing(model_folder: Path, hub: LocalHub) -> None:
    (model_folder / "adapter_model.safetensors").write_bytes(b"other")
    hub.failures["commit"] = 9
    with pytest.raises(UserError, match="503"):
        push(model_folder, hub, pauses=())
    sent = sum(method == "PUT" for method, _, _ in hub.requests)
    assert sent == 2
    hub.failures.clear()
    (model_folder / "adapter_model.safetensors").write_bytes(b"changed")
    push(model_folder, hub, pauses=())
    assert sum(method == "PUT" for method, _, _ in hub.requests) - sent == 1


def test_a_refusal_is_not_tried_again_and_quotes_no_token(model_folder: Path, hub: LocalHub) -> None:
    hub.failures["commit"], hub.failure_status = 9, 403
    with pytest.raises(UserError) as caught:
        push(model_folder, hub, pauses=(0.0, 0.0))
    assert str(caught.value).startswith("push: ")
    assert "hf_test" not in str(caught.value)
    assert sum("/commit/" in path for _, path, _ in hub.requests) == 1


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no model"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no model"),
        (lambda folder: (folder / "README.md").write_text("---\n- a\n---\n"), "does not take this card"),
        (lambda folder: (folder / "README.md").write_text("---\nlicense: 7\n---\n"), "does not take this card"),
        (lambda folder: (folder / "README.md").write_bytes(b"\xff\xfe\x00"), "does not take this card"),
    ],
)
def test_what_cannot_be_pushed_is_one_line(model_folder: Path, hub: LocalHub, break_it, message) -> None:
    break_it(model_folder)
    with pytest.raises(UserError, match=message) as caught:
        push(model_folder, hub, pauses=())
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_card_gets_one(model_folder: Path, hub: LocalHub) -> None:
    (model_folder / "README.md").unlink()
    push(model_folder, hub)
    assert ModelCard(hub.repos["me/model"].files["README.md"].decode()).data.tags == ["textssl"]


def test_a_missing_folder(tmp_path: Path, hub: LocalHub) -> None:
    with pytest.raises(UserError, match="does not exist"):
        push(tmp_path / "none", hub)
    assert json.dumps(hub.requests) == "[]"


REPORT = RunReport(
    kind="fit",
    title="fit on few.csv",
    classes=("neg", "pos"),
    mistakes=(Mistake(item=Item(text="a text of the data"), label="neg", predicted="pos", confidence=0.9, row=3),),
    findings=("expected accuracy: 90.0 %",),
)


def test_the_command_pushes_the_report_without_texts_of_the_data(
    command_line: Callable[..., Ended], model_folder: Path, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    REPORT.write(model_folder.parent)
    ended = command_line("push", model_folder.parent, "me/model", "--private", "--widget", "A fine film.")
    assert (ended.code, ended.out) == (0, f"{hub.url}/me/model\n")
    assert ended.err == "next: textssl predict me/model FILE -o OUT.csv\n"
    assert hub.private["me/model"]
    page = hub.repos["me/model"].files["report.html"].decode()
    assert "expected accuracy: 90.0 %" in page
    assert "a text of the data" not in page
    command_line("push", model_folder, "me/model", "--with-examples")
    assert "a text of the data" in hub.repos["me/model"].files["report.html"].decode()
    command_line("push", model_folder, "me/other", "--no-report")
    assert "report.html" not in hub.repos["me/other"].files
    assert all("hf_test" not in path for _, path, _ in hub.requests)


def test_a_command_without_a_token_says_how_to_log_in(command_line: Callable[..., Ended], model_folder: Path) -> None:
    assert command_line("push", model_folder, "me/model").error.endswith("run `hf auth login` or set HF_TOKEN")
    assert "expected a folder on this machine" in command_line("push", "me/other", "me/model").error
