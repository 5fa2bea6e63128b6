"""Checks before training that a push to the Hub can work."""

from __future__ import annotations

from typing import Any

from textssl.errors import UserError
from textssl.secrets import check_token, redacted


__all__ = ["check_push_target"]

ADVICE = "Run without --push_to_hub, and push what is saved later (model.push_to_hub, tokenizer.push_to_hub)."


def check_push_target(
    hub_model_id: str,
    token: str | None = None,
    *,
    timeout: float = 5.0,
    flag: str = "--push_to_hub",
    advice: str = ADVICE,
) -> str:
    """Ask the Hub who the token belongs to, so that a push that cannot work fails before training.

    Nothing is created. A right that only shows when a repository is made or written (a namespace
    of others) is not seen here.

    Args:
        hub_model_id: `"user/name"`, or `"name"` for one of the token's own.
        token: access token; by default the one that `hf auth login` stored or `HF_TOKEN` holds.
        timeout: seconds to wait for a connection, and again for the answer.
        flag: what asked for the push, for messages.
        advice: the end of messages; that for a push after training is also what to do without a token.

    Returns:
        The whole id, `"user/name"`.

    Raises:
        UserError: the id cannot be one, offline mode is on, there is no token, the Hub cannot be
            reached or refuses the token, or the token may only read.
    """
    from huggingface_hub import constants, get_token
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(hub_model_id)
    except ValueError as error:
        raise UserError(f"--hub_model_id {hub_model_id!r} is no id of a model: {error}") from error
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"{flag} needs the Hub, but HF_HUB_OFFLINE is set. {advice}")
    token = token or get_token()
    if not token:
        alternative = f". Or: {advice}" if advice == ADVICE else ""
        raise UserError(f"{flag} needs a token: run `hf auth login` or set HF_TOKEN{alternative}")
    check_token("hub_token", token)
    account = _account(constants.ENDPOINT, token, timeout, flag, advice)
    name = account.get("name")
    if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
        message = f"that of {name!r} may only read"
        raise UserError(f"{flag} needs a token that may write; {message}. {advice}")
    return hub_model_id if "/" in hub_model_id else f"{name}/{hub_model_id}"


def _account(endpoint: str, token: str, timeout: float, flag: str, advice: str) -> dict[str, Any]:
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    # HfApi.whoami asks the same, but waits for ever
    try:
        response = get_session().get(
            f"{endpoint}/api/whoami-v2", headers=build_hf_headers(token=token), timeout=timeout
        )
        hf_raise_for_status(response)
        return dict(response.json())
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = "the token is not valid" if status in (401, 403) else f"it answers {status}"
        raise UserError(f"{flag}: {redacted(endpoint)} refuses, {reason}. {advice}") from None
    except Exception as error:  # the HTTP client's errors share no class across its versions
        cause = redacted(f"{type(error).__name__}: {error}", [token])
        address = redacted(endpoint)
        # Not chained: the client's message may quote the header, and the token in it.
        raise UserError(f"{flag}: {address} cannot be reached ({cause}). {advice}") from None
