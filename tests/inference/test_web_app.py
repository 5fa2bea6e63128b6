"""A classifier behind HTTP, asked over a real connection."""

from __future__ import annotations

import base64
import io
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command_line import Ended
from tests.inference import saved_models as saved
from textssl.inference import load_classifier
from textssl.inference.web_app import MOST_CHARACTERS, MOST_INPUTS, create_app


httpx = pytest.importorskip("httpx")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")
PAGE = Path(__file__).parents[2] / "docs" / "guides" / "serving.md"
# Of asyncio in uvicorn's thread, and of starlette about httpx.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@contextmanager
def served(app: Any) -> Iterator[Any]:
    """A client of the app on a free port."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{sock.getsockname()[1]}", trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()


def test_texts(tmp_path: Path) -> None:
    classifier = load_classifier(saved.save_plain(tmp_path / "model"))
    texts = ["a good film", "the fair actor " * 40]
    probs = classifier.predict_proba(texts)
    with served(create_app(classifier)) as client:
        found = client.post("/predict", json={"inputs": texts, "probabilities": True}).json()
        assert [row["label"] for row in found] == classifier.predict(texts)
        np.testing.assert_allclose([row["confidence"] for row in found], probs.max(1))
        np.testing.assert_allclose([list(row["probabilities"].values()) for row in found], probs)
        assert set(client.post("/predict", json={"inputs": texts}).json()[0]) == {"label", "confidence"}
        assert client.post("/predict", json={"inputs": []}).json() == []
        assert client.get("/labels").json() == list(classifier.label_names)
        assert client.get("/health").json() == {"status": "ok", "modality": "text"}
        assert "<label" in client.get("/").text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"inputs": "a text"}, 422),
        ({"inputs": [3]}, 422),
        ({"inputs": [None]}, 422),
        ({"texts": ["a"]}, 422),
        ({"inputs": ["a"] * (MOST_INPUTS + 1)}, 413),
        ({"inputs": ["a" * (MOST_CHARACTERS + 1)]}, 413),
    ],
)
def test_what_is_no_text_is_refused(sent: Any, status: int, tmp_path: Path) -> None:
    with served(create_app(load_classifier(saved.save_plain(tmp_path / "model")))) as client:
        assert client.post("/predict", json=sent).status_code == status


def test_images_are_files_that_are_sent_and_no_paths(tmp_path: Path) -> None:
    from PIL import Image

    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8))
    image.save(tmp_path / "secret.png")
    content = io.BytesIO()
    image.save(content, "PNG")
    classifier = load_classifier(saved.save_images(tmp_path / "model"))
    with served(create_app(classifier)) as client:
        sent = {"inputs": [base64.b64encode(content.getvalue()).decode()]}
        assert client.post("/predict", json=sent).json()[0]["label"] == classifier.predict([image])[0]
        for wrong in (str(tmp_path / "secret.png"), "####", base64.b64encode(b"no image").decode(), 3):
            reply = client.post("/predict", json={"inputs": [wrong]})
            assert reply.status_code == 422
            assert "row 0 is no image" in reply.json()["detail"]


def test_the_example_of_the_documentation_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load_classifier(saved.save_plain(tmp_path / "exported"))
    monkeypatch.chdir(tmp_path)
    code = next(
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "FastAPI" in block
    )
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names: dict[str, Any] = {"__name__": "app"}
    exec(compile(code, "serving.md", "exec"), names)
    with served(names["app"]) as client:
        found = client.post("/predict", json=["a good film"]).json()
    assert [row["label"] for row in found] == classifier.predict(["a good film"])


def test_a_port_that_is_taken_is_one_line(command_line: Callable[..., Ended], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in command_line("serve", tmp_path, "--port", port).error


def test_a_folder_without_a_model_is_one_line(command_line: Callable[..., Ended], tmp_path: Path) -> None:
    assert "holds no model" in command_line("serve", tmp_path, "--port", 0).error
