"""A saved classifier behind HTTP."""

from __future__ import annotations

import base64
import binascii
import html
import io
from typing import Any

from ..errors import UserError
from .classifier import Classifier


__all__ = ["MOST_CHARACTERS", "MOST_INPUTS", "create_app"]

# Of one request; more would keep others waiting.
MOST_INPUTS = 1024
MOST_CHARACTERS = 4_000_000

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }}
  textarea, button {{ font: inherit; width: 100%; box-sizing: border-box }}
  button {{ margin-top: .5rem; padding: .5rem }}
</style>
<h1>{name}</h1><p>Classes: {names}.</p>
<form id="form"><label for="text">Text</label><textarea id="text" rows="5" required></textarea>
<button>Classify</button></form><p id="answer" role="status"></p>
<p>Programs send <code>POST /predict</code> with <code>{{"inputs": ["a text", "another"]}}</code>.</p>
<script>
document.getElementById("form").onsubmit = async (event) => {{
  event.preventDefault();
  const body = JSON.stringify({{inputs: [document.getElementById("text").value], probabilities: true}});
  const headers = {{"Content-Type": "application/json"}};
  const reply = await fetch("predict", {{method: "POST", headers, body}});
  const found = await reply.json();
  document.getElementById("answer").textContent = reply.ok
    ? Object.entries(found[0].probabilities).sort((a, b) => b[1] - a[1]).slice(0, 5)
        .map(([name, p]) => name + " " + (100 * p).toFixed(1) + " %").join(", ")
    : "Error: " + JSON.stringify(found.detail);
}};
</script></html>
"""


def create_app(classifier: Classifier) -> Any:
    """A FastAPI app: ``POST /predict``, ``GET /labels``, ``GET /health``, and for texts a page to try.

    ``/predict`` takes ``{"inputs": [...], "probabilities": false}``. Inputs are texts; pairs of texts as lists of two;
    images as base64 of a PNG or JPEG file; or vectors. It answers with ``label`` and ``confidence`` of each, and on
    request ``probabilities`` by class. Requests are answered one after the other.

    Args:
        classifier: of :func:`textssl.inference.load_classifier`.

    Returns:
        The app, for uvicorn or any server of ASGI.

    Raises:
        UserError: FastAPI is not installed.
    """
    try:
        from fastapi import Body, FastAPI, HTTPException
        from fastapi.responses import HTMLResponse
    except ImportError:
        raise UserError("serve: FastAPI is not installed; pip install 'textssl[serving]'") from None
    from threading import Lock

    app, lock = FastAPI(title="textssl", docs_url=None, redoc_url=None), Lock()

    @app.post("/predict")
    def predict(inputs: list[Any] = Body(), probabilities: bool = Body(False)) -> list[dict[str, Any]]:  # noqa: B008
        if len(inputs) > MOST_INPUTS:
            raise HTTPException(413, f"inputs: got {len(inputs):,}; expected at most {MOST_INPUTS:,}")
        characters = sum(len(one) for one in inputs if isinstance(one, str))
        if classifier.modality == "text" and characters > MOST_CHARACTERS:
            raise HTTPException(413, f"inputs: got {characters:,} characters; expected at most {MOST_CHARACTERS:,}")
        try:
            with lock:
                return _answers(classifier, inputs, probabilities)
        except UserError as error:
            raise HTTPException(422, str(error)) from error

    @app.get("/labels")
    def labels() -> list[str]:
        return list(classifier.label_names)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "modality": classifier.modality}

    if classifier.modality == "text" and not classifier.pairs:

        @app.get("/", response_class=HTMLResponse)
        def page() -> str:
            names = html.escape(", ".join(classifier.label_names))
            return PAGE.format(name="Text classifier", names=names)

    return app


def _answers(classifier: Classifier, inputs: list[Any], probabilities: bool) -> list[dict[str, Any]]:
    if not inputs:
        return []
    if classifier.modality == "image":
        inputs = [_image(row, one) for row, one in enumerate(inputs)]
    names, answers = classifier.label_names, []
    for row in classifier.predict_proba(inputs):
        answer: dict[str, Any] = {"label": names[row.argmax()], "confidence": float(row.max())}
        if probabilities:
            answer["probabilities"] = dict(zip(names, map(float, row), strict=True))
        answers.append(answer)
    return answers


def _image(row: int, content: Any) -> Any:
    """An image of a file that is sent; a string is never taken for a path of this machine."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
        image.load()
        return image
    except (binascii.Error, OSError, TypeError, ValueError, Image.DecompressionBombError):
        raise UserError(f"inputs: row {row} is no image; expected the base64 of a PNG or JPEG file") from None
