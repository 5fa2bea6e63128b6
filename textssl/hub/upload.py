"""Uploading a saved model with its card, and on request its report, in one commit."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from textssl.errors import UserError
from textssl.hub.card_file import card_for_the_hub
from textssl.hub.published_files import CARD, MODEL, published_files
from textssl.hub.push import check_push_target
from textssl.secrets import environment_tokens, redacted


__all__ = ["push_folder"]

# Seconds before each further attempt.
PAUSES = (2.0, 8.0, 30.0)
FLAG, ADVICE = "push", "Push again once that is mended; the model stays where it is."


def push_folder(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    message: str = "Upload model",
    report: bytes | None = None,
    widget: tuple[str, ...] = (),
    pauses: tuple[float, ...] = PAUSES,
) -> str:
    """Upload what makes a model: weights, config, tokenizer or processor, card; no other file of the folder.

    After a broken connection it is tried again; files that the Hub has already are not sent again, also by a later
    call.

    Args:
        folder: where the model was saved.
        repo_id: ``"user/name"``, or ``"name"`` for one of the token's own; it is made if it does not exist.
        private: whether a repository that is made is private; ``None`` for the default of the account.
        token: with write permission; by default the one that is logged in.
        revision: branch to commit to.
        message: of the commit.
        report: the HTML page of a report, uploaded as ``report.html``.
        widget: example texts for the widget of the model's page. They are public if the repository is.
        pauses: seconds before each further attempt.

    Returns:
        The address of the model's page.

    Raises:
        UserError: a folder without a model; no token, one that may not write, a Hub that cannot be reached or
            refuses; metadata of the card that the Hub does not take.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"folder: {folder} does not exist; expected the folder of a saved model")
    names = published_files(folder)
    if "config.json" not in names or not any(MODEL.fullmatch(name) and name.endswith("tensors") for name in names):
        raise UserError(f"folder: {folder} holds no model; expected config.json and model.safetensors")
    repo_id = check_push_target(repo_id, token, flag=FLAG, advice=ADVICE)
    for attempt in range(len(pauses) + 1):
        try:
            return _upload(folder, names, repo_id, private, token, revision, message, report, widget)
        except UserError:
            raise
        except Exception as error:
            if attempt == len(pauses) or not _is_passing(error):
                secrets = environment_tokens() | ({token} if token else set())
                # Not chained: the client's message may quote the token.
                raise UserError(f"{FLAG}: {redacted(f'{type(error).__name__}: {error}', secrets)}. {ADVICE}") from None
        time.sleep(pauses[attempt])
    raise AssertionError("the last attempt returns or raises")


def _upload(
    folder: Path,
    names: list[str],
    repo_id: str,
    private: bool | None,
    token: str | None,
    revision: str | None,
    message: str,
    report: bytes | None,
    widget: tuple[str, ...],
) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=token)
    url = api.create_repo(repo_id, private=private, exist_ok=True)
    files: dict[str, Any] = {name: folder / name for name in names if name != CARD}
    files[CARD] = card_for_the_hub(folder, repo_id, widget).encode()
    if report is not None:
        files["report.html"] = report
    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
    api.create_commit(repo_id, operations, commit_message=message, revision=revision)
    return str(url)


def _is_passing(error: Exception) -> bool:
    """Whether trying again may help: the connection broke, or the server is busy."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status is None or status in (408, 429) or status >= 500
