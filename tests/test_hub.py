from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.hub_server import ROOT, LocalHub, Repo
from textssl.errors import UserError
from textssl.hub import (
    Citation,
    DataFacts,
    RunFacts,
    SplitFacts,
    changed_hyperparameters,
    check_push_target,
    model_card,
    write_model_card,
)


pytest_plugins = ["tests.hub_server"]

CITATION = Citation(
    "Unsupervised Data Augmentation for Consistency Training",
    ("Qizhe Xie", "Zihang Dai"),
    2020,
    "1904.12848",
    "@inproceedings{xie2020uda,\n  year = {2020}\n}\n",
)
FACTS = RunFacts(
    method="uda",
    citation=CITATION,
    hub_model_id="me/imdb-uda",
    base_model="sentence-transformers/all-MiniLM-L6-v2",
    language="en",
    label_names=("negative", "positive"),
    data=DataFacts("IMDb", "stanfordnlp/imdb", "a package", "for research", "sha256:12ab"),
    split=SplitFacts(20, 5000, 2000, 7, "c0ffee"),
    hyperparameters={"threshold": 0.8, "tsa": "linear"},
    metrics={"eval_accuracy": 0.8125, "eval_macro_f1": 0.8, "eval_loss": 1.5},
    baseline={"accuracy": 0.75},
    versions={"transformers": "5.23.0"},
)


def metadata(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def section(card: str, title: str) -> str:
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


def test_metadata_is_what_the_hub_reads():
    assert metadata(str(model_card(FACTS))) == {
        "base_model": "sentence-transformers/all-MiniLM-L6-v2",
        "datasets": ["stanfordnlp/imdb"],
        "language": "en",
        "library_name": "transformers",
        "metrics": ["accuracy", "f1"],
        "pipeline_tag": "text-classification",
        "tags": ["textssl", "semi-supervised-learning", "uda"],
        "model-index": [
            {
                "name": "imdb-uda",
                "results": [
                    {
                        "task": {"type": "text-classification", "name": "Text Classification"},
                        "dataset": {"name": "IMDb", "type": "stanfordnlp/imdb"},
                        "metrics": [
                            {"type": "accuracy", "value": 0.8125, "name": "Accuracy"},
                            {
                                "type": "f1",
                                "value": 0.8,
                                "name": "Macro F1",
                                "args": {"average": "macro"},
                            },
                        ],
                    }
                ],
            }
        ],
    }


def test_text_tells_every_fact():
    card = str(model_card(FACTS))
    assert 'pipeline("text-classification", model="me/imdb-uda")' in section(card, "Use")
    assert "`negative`, `positive`" in section(card, "Use")
    # 100 * (0.8125 - 0.75) by hand; the baseline has no macro-F1, so no gain of it either
    assert "| Accuracy | 0.8125 | 0.7500 | +6.25 |" in section(card, "Results")
    assert "| Macro F1 | 0.8000 |  |  |" in section(card, "Results")
    for told in ("IMDb", "`stanfordnlp/imdb`", "a package", "for research", "`sha256:12ab`"):
        assert told in section(card, "Data")
    for told in ("Labeled examples: 20", "examples: 5000", "examples: 2000", ": 7", "`c0ffee`"):
        assert told in section(card, "Split")
    for told in ("`uda`", CITATION.title, "Qizhe Xie, Zihang Dai", "arxiv.org/abs/1904.12848"):
        assert told in section(card, "Method")
    assert "```bibtex\n@inproceedings{xie2020uda,\n  year = {2020}\n}\n```" in card
    assert "| `threshold` | `0.8` |" in section(card, "Hyper-parameters")
    assert "transformers 5.23.0" in section(card, "Versions")


def test_without_facts_nothing_is_claimed():
    card = str(model_card(RunFacts()))
    assert metadata(card) == {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["textssl", "semi-supervised-learning"],
    }
    assert re.findall("^## (.*)", card, re.M) == ["Use"]
    assert "None" not in card


def test_each_missing_fact_leaves_out_its_line_only():
    card = str(model_card(RunFacts(data=DataFacts(name="IMDb"), split=SplitFacts(seed=0))))
    assert section(card, "Data").strip() == "- Data set: IMDb"
    assert section(card, "Split").strip() == "- Seed of the split: 0"
    alone = str(model_card(RunFacts(metrics={"accuracy": 0.5, "macro_f1": float("nan")})))
    assert "| Accuracy | 0.5000 |" in alone
    assert "Macro" not in alone
    assert "baseline" not in alone
    # a model index must name its data: without a name there is none
    assert "model-index" not in metadata(alone)


@pytest.mark.parametrize("base_model", ["/home/someone/model", "../model", "here", "a/b/c"])
def test_a_folder_is_not_told_as_base_model(base_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    card = str(model_card(RunFacts(base_model=base_model)))
    assert "base_model" not in metadata(card)
    assert base_model not in card.split("---\n")[2].replace("the folder of this file", "")


def test_facts_cannot_break_the_markdown():
    facts = RunFacts(
        model_name="a\n---\n# b",
        data=DataFacts(name="IMDb\n\n## Results", origin="x\ny"),
        hyperparameters={"pattern": "a|b\nc"},
    )
    card = str(model_card(facts))
    assert "# a --- # b" in card
    assert re.findall("^## (.*)", card, re.M) == ["Use", "Data", "Hyper-parameters"]
    assert "| `pattern` | `a\\|b c` |" in card


def test_a_metric_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"metric accuracy must be in \[0, 1\], got 81"):
        model_card(RunFacts(metrics={"eval_accuracy": 81.0}))


def test_write_model_card_is_atomic_and_named_after_the_folder(tmp_path):
    folder = tmp_path / "imdb-uda"
    path = write_model_card(folder, RunFacts(method="uda"))
    assert path == folder / "README.md"
    assert "\n# imdb-uda\n" in path.read_text(encoding="utf-8")
    assert list(folder.iterdir()) == [path]
    write_model_card(folder, FACTS)
    assert path.read_text(encoding="utf-8") == str(model_card(FACTS))


def test_changed_hyperparameters_are_told_and_secrets_are_not():
    from transformers import TrainingArguments

    @dataclass
    class MethodArguments(TrainingArguments):
        threshold: float = 0.95
        schedule: str = "linear"
        index_file: str | None = None

    config = MethodArguments(
        output_dir="/tmp/run",
        learning_rate=3e-5,
        lr_scheduler_type="cosine",
        threshold=0.8,
        index_file="/home/someone/index",
        hub_token="hf_secret",
        logging_steps=3,
        use_cpu=True,
    )
    assert changed_hyperparameters(config) == {
        "learning_rate": 3e-5,
        "lr_scheduler_type": "cosine",
        "threshold": 0.8,
    }
    assert changed_hyperparameters(MethodArguments(output_dir="/tmp/run", use_cpu=True)) == {}
    with pytest.raises(TypeError, match="config must be a dataclass instance"):
        changed_hyperparameters({"threshold": 0.8})


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
        assert "Run without --push_to_hub (the offline preset does)" in message
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
answer = {row["label"]: row["score"] for row in classifier("good film")}
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


def test_pulled_weights_equal_the_pushed_ones(pushed):
    report, hub = pushed
    assert report["name"] == "me/tiny"
    assert report["same"]
    assert all(report["same"].values())
    # stored by LFS, as the real Hub does
    assert hub.repos["me/tiny"].files["model.safetensors"] in hub.objects.values()


def test_pipeline_gives_the_labels_names(pushed):
    answer, probs = pushed[0]["answer"], pushed[0]["probs"]
    assert answer == pytest.approx({"negative": probs[0], "positive": probs[1]}, abs=1e-5)


def test_the_card_arrives(pushed):
    report, hub = pushed
    assert report["tags"] == ["textssl", "semi-supervised-learning", "uda"]
    assert report["accuracy"] == 0.5
    assert 'model="me/tiny"' in hub.repos["me/tiny"].files["README.md"].decode()
    assert hub.repos["me/tiny"].messages == ["initial commit", "first"]


def test_trainer_pushes_while_it_trains_and_at_the_end(pushed):
    report, hub = pushed
    assert report["trained_equals_pushed"]
    assert report["training_moved"]
    repo = hub.repos["me/trained"]
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(repo.files)
    assert repo.messages[-1] == "End of training"
    assert len(repo.messages) > 2


def test_nothing_unknown_was_asked_for(pushed):
    missing = [path for _, path, status in pushed[1].requests if status >= 400]
    assert all("/resolve/" in path or "/tree/" in path or "create" in path for path in missing)


def test_import_is_cheap():
    code = (
        "import sys, textssl.hub\n"
        "heavy = {'huggingface_hub', 'transformers', 'torch', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


def test_the_server_serves_parts_and_refuses_what_it_does_not_know(hub):
    import http.client

    hub.repos["me/x"] = repo = Repo("models", "me/x")
    sha = repo.commit({"a/b.txt": b"0123456789", "c.txt": b""}, "first")

    def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        content = response.status, response.read(), dict(response.headers)
        connection.close()
        return content

    assert ask("/me/x/resolve/main/a/b.txt")[:2] == (200, b"0123456789")
    status, body, headers = ask("/me/x/resolve/main/a/b.txt", Range="bytes=2-4")
    assert (status, body, headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
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
