"""Access tokens stay out of what is written: which settings are secret, and text without them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from .errors import UserError


__all__ = ["check_token", "environment_tokens", "is_secret_name", "redacted", "secrets_of"]

SECRET_NAME = re.compile(r"(^|_)(token|password|secret|api_?key)$", re.IGNORECASE)
# What tokens of the Hub look like, and a password inside an address.
SECRET_TEXT = re.compile(r"\bhf_[A-Za-z0-9_]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
# As huggingface_hub reads them.
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# A shorter one is compared as a whole: as a part it would be found by chance.
SHORTEST_PART = 6


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret: ``hub_token``, ``api_key``, ``password``."""
    return SECRET_NAME.search(name) is not None


def environment_tokens() -> set[str]:
    """The tokens that environment variables hold."""
    return {token for name in TOKEN_VARIABLES if (token := os.environ.get(name, "").strip())}


def secrets_of(config: Any) -> set[str]:
    """The secrets that a dataclass holds in fields of such names, and those of the environment."""
    own = {getattr(config, entry.name, None) for entry in fields(config) if is_secret_name(entry.name)}
    return environment_tokens() | {value for value in own if isinstance(value, str) and value}


def redacted(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy of ``value`` in which no secret is left; what has none comes back as it is.

    A secret is the value of a key that :func:`is_secret_name` knows, any of ``secrets``, a word that looks like a
    token of the Hub, or the user and password of an address.

    Args:
        value: text, or nested mappings and lists of it.
        secrets: tokens that are known.
    """
    known = set(secrets)
    if isinstance(value, str):
        return _redacted_text(value, known)
    if isinstance(value, Mapping):
        return {
            key: f"<{str(key).upper()}>"
            if content and isinstance(content, str) and is_secret_name(str(key))
            else redacted(content, known)
            for key, content in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(redacted(part, known) for part in value)
    return value


def check_token(name: str, token: str | bool | None) -> None:
    """Refuse what cannot be a token before an HTTP client quotes it in its error.

    Raises:
        UserError: it has spaces, line breaks or letters outside ASCII. The message does not show it.
    """
    # True stands for the token that is logged in.
    if isinstance(token, str) and token and not (token.isascii() and token.isprintable() and " " not in token):
        raise UserError(
            f"{name}: got text that is no token; expected ASCII letters and digits, no spaces or line breaks"
        )


def _redacted_text(text: str, secrets: set[str]) -> str:
    if text in secrets:
        return "<TOKEN>"
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_PART:
            text = text.replace(secret, "<TOKEN>")
    return SECRET_TEXT.sub("<TOKEN>", text)
