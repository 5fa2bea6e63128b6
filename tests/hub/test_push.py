from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time

import pytest

from tests.hub_server import LocalHub, Repo, local_hub  # noqa: F401, the fixture hub
from textssl.errors import UserError
from textssl.hub import check_push_target


@pytest.fixture
def endpoint(monkeypatch):
    """Point this process at a server: huggingface_hub looks up its constants at each request."""
    from huggingface_hub import constants

    def use(url: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent/token")
    return use


def test_a_push_that_can_work_returns_the_whole_name(hub, endpoint):
    endpoint(hub.url)
    assert check_push_target("imdb-uda", "hf_test") == "me/imdb-uda"
    assert check_push_target("team/imdb-uda", "hf_test") == "team/imdb-uda"
    assert {request[:2] for request in hub.requests} == {("GET", "/api/whoami-v2")}
    assert hub.repos == {}


def refusal(name: str = "me/model", token: str | None = "hf_test") -> str:
    with pytest.raises(UserError) as caught:
        check_push_target(name, token)
    return str(caught.value)


def test_refusals_say_how_to_go_on(hub, endpoint, monkeypatch):
    from huggingface_hub import constants

    endpoint(hub.url)
    messages = [refusal(token=None)]
    assert "needs a token" in messages[0]
    hub.account["auth"]["accessToken"]["role"] = "read"
    messages.append(refusal())
    assert "that of 'me' may only read" in messages[-1]
    hub.account = None
    messages.append(refusal())
    assert "the token is not valid" in messages[-1]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    messages.append(refusal())
    assert "HF_HUB_OFFLINE is set" in messages[-1]
    for message in messages:
        assert "--push_to_hub" in message
        assert "Run without --push_to_hub, and push what is saved later" in message
        assert "\n" not in message
        assert "hf_test" not in message
    assert "--hub_model_id 'a/b/c' is no id" in refusal("a/b/c")


def test_an_unreachable_hub_is_told_soon(endpoint):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint(f"http://127.0.0.1:{port}")
    start = time.perf_counter()
    message = refusal()
    assert time.perf_counter() - start < 5
    assert f"http://127.0.0.1:{port} cannot be reached" in message
    assert "Run without --push_to_hub" in message


def test_a_hub_that_never_answers_is_given_up(endpoint):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.perf_counter()
        with pytest.raises(UserError, match="cannot be reached"):
            check_push_target("me/model", "hf_test", timeout=0.3)
        assert time.perf_counter() - start < 5


PUSH_AND_PULL = """
import json, sys
from pathlib import Path
import torch
from huggingface_hub import HfApi, ModelCard
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, BertConfig,
    BertForSequenceClassification, BertTokenizer, Trainer, TrainingArguments, pipeline)
from textssl.hub import DataFacts, RunFacts, check_push_target, write_model_card

work = Path(sys.argv[1])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
(work / "vocab.txt").write_text("\\n".join(words))
tokenizer = BertTokenizer(str(work / "vocab.txt"))
config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=1,
    num_attention_heads=2, intermediate_size=16, max_position_embeddings=16,
    id2label={0: "negative", 1: "positive"}, label2id={"negative": 0, "positive": 1})
torch.manual_seed(0)
model = BertForSequenceClassification(config).eval()

name = check_push_target("tiny")
folder = work / "tiny"
model.save_pretrained(folder)
tokenizer.save_pretrained(folder)
write_model_card(folder, RunFacts(method="uda", hub_model_id=name, data=DataFacts(name="IMDb"),
    metrics={"accuracy": 0.5}))
api = HfApi()
api.create_repo(name)
api.upload_folder(repo_id=name, folder_path=folder, commit_message="first")

pulled = AutoModelForSequenceClassification.from_pretrained(name)
same = {key: torch.equal(value, pulled.state_dict()[key])
        for key, value in model.state_dict().items()}
classifier = pipeline("text-classification", model=name, top_k=None)
answer = {row["label"]: row["score"] for row in classifier(["good film"])[0]}
with torch.no_grad():
    probs = model(**tokenizer("good film", return_tensors="pt")).logits.softmax(-1)[0]
card = ModelCard.load(name)

rows = [dict(tokenizer(text), labels=label) for text, label in [("good film", 1), ("bad", 0)] * 4]
args = TrainingArguments(output_dir=str(work / "run"), max_steps=2, save_steps=1, logging_steps=1,
    per_device_train_batch_size=2, push_to_hub=True, hub_model_id="trained", report_to=[],
    use_cpu=True, disable_tqdm=True)
trainer = Trainer(model, args, train_dataset=rows, processing_class=tokenizer)
trainer.train()
trainer.push_to_hub()
trained = AutoModelForSequenceClassification.from_pretrained("me/trained")
moved = not torch.equal(trained.classifier.weight, pulled.classifier.weight)
kept = torch.equal(trained.classifier.weight, trainer.model.classifier.weight)

(work / "report.json").write_text(json.dumps({
    "name": name, "same": same, "answer": answer, "probs": probs.tolist(),
    "tags": card.data.tags, "accuracy": card.data.eval_results[0].metric_value,
    "trained_equals_pushed": kept, "training_moved": moved,
}))
"""


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> tuple[dict, LocalHub]:
    """One process pushes, pulls and trains; importing transformers anew for each would be slow."""
    work = tmp_path_factory.mktemp("push")
    with LocalHub() as server:
        done = subprocess.run(
            [sys.executable, "-c", PUSH_AND_PULL, str(work)],
            env=server.environment(work / "home"),
            cwd=work,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((work / "report.json").read_text()), server


@pytest.mark.slow
def test_pulled_weights_equal_the_pushed_ones(pushed):
    report, hub = pushed
    assert report["name"] == "me/tiny"
    assert report["same"]
    assert all(report["same"].values())
    # stored by LFS, as the real Hub does
    assert hub.repos["me/tiny"].files["model.safetensors"] in hub.objects.values()


@pytest.mark.slow
def test_pipeline_gives_the_labels_names(pushed):
    answer, probs = pushed[0]["answer"], pushed[0]["probs"]
    assert answer == pytest.approx({"negative": probs[0], "positive": probs[1]}, abs=1e-5)


@pytest.mark.slow
def test_the_card_arrives(pushed):
    report, hub = pushed
    assert report["tags"] == ["textssl", "semi-supervised-learning", "uda"]
    assert report["accuracy"] == 0.5
    assert 'model="me/tiny"' in hub.repos["me/tiny"].files["README.md"].decode()
    assert hub.repos["me/tiny"].messages == ["initial commit", "first"]


@pytest.mark.slow
def test_trainer_pushes_while_it_trains_and_at_the_end(pushed):
    report, hub = pushed
    assert report["trained_equals_pushed"]
    assert report["training_moved"]
    repo = hub.repos["me/trained"]
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(repo.files)
    assert repo.messages[-1] == "End of training"
    assert len(repo.messages) > 2


@pytest.mark.slow
def test_nothing_unknown_was_asked_for(pushed):
    missing = [path for _, path, status in pushed[1].requests if status >= 400]
    assert all("/resolve/" in path or "/tree/" in path or "create" in path for path in missing)


def test_the_server_refuses_what_it_does_not_have(hub):
    hub.repos["me/x"] = repo = Repo("models", "me/x")
    sha = repo.commit({"a/b.txt": b"0123456789", "c.txt": b""}, "first")

    def ask(path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
        connection.request(method, path)
        response = connection.getresponse()
        content = response.status, response.read(), dict(response.headers)
        connection.close()
        return content

    assert ask("/me/x/resolve/main/a/b.txt")[:2] == (200, b"0123456789")
    status, body, headers = ask("/me/x/resolve/main/a/b.txt", "HEAD")
    assert (status, body, headers["Content-Length"], headers["X-Repo-Commit"]) == (
        200,
        b"",
        "10",
        sha,
    )
    assert ask("/me/x/resolve/main/none")[2]["X-Error-Code"] == "EntryNotFound"
    assert ask("/me/x/resolve/0000/c.txt")[2]["X-Error-Code"] == "RevisionNotFound"
    assert ask("/api/models/me/y")[2]["X-Error-Code"] == "RepoNotFound"
    assert ask("/api/nothing")[0] == 404
    listed = [entry["path"] for entry in json.loads(ask("/api/models/me/x/tree/main")[1])]
    assert listed == ["a", "c.txt"]
    assert hub.requests[-2] == ("GET", "/api/nothing", 404)
