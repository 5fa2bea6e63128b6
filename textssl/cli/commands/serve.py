"""``textssl serve``: a classifier behind HTTP."""

from __future__ import annotations

import socket
from typing import Annotated

import typer


__all__ = ["command"]


def command(
    model: Annotated[
        str, typer.Argument(help="Folder of a model or of an export, output of fit or train, or a name on the Hub.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
) -> None:
    """Answer `POST /predict` with labels and confidences. Needs `textssl[serving]`."""
    from ...errors import UserError
    from ...inference import load_classifier
    from ...inference.web_app import create_app
    from ..console import say

    try:
        import uvicorn
    except ImportError:
        raise UserError("serve: uvicorn is not installed; pip install 'textssl[serving]'") from None
    # Before the model is loaded, which may take long.
    with _listening(host, port) as sock:
        classifier = load_classifier(model)
        app = create_app(classifier)
        url = f"http://{host}:{sock.getsockname()[1]}"
        example = {"text": '["Some text."]', "image": '["<base64 of a PNG>"]'}.get(classifier.modality, "[[0.1, ...]]")
        say(f"{classifier.place.name}: {', '.join(classifier.label_names[:8])}")
        say(f"serving on {url} (Ctrl-C ends it); for example:")
        say(f"    curl {url}/predict -H 'Content-Type: application/json' -d '{{\"inputs\": {example}}}'")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[sock])


def _listening(host: str, port: int) -> socket.socket:
    from ...errors import UserError

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(f"port: cannot listen on {host}:{port} ({error.strerror or error}); choose another") from None
