"""Settings of a run as JSON: written beside each model without secrets, and read back into a config."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from transformers import TrainingArguments
from transformers.trainer_utils import HubStrategy

from ..errors import UserError
from ..files import write_atomically
from ..secrets import check_token, is_secret_name, redacted, secrets_of


__all__ = ["SavedSettings", "settings_of", "write_settings"]

logger = logging.getLogger(__name__)

SETTINGS_FILE = "training_args.json"
C = TypeVar("C", bound="SavedSettings")


class SavedSettings(TrainingArguments):
    """Training arguments that show no secret, however they are printed, logged or saved.

    A base class of configs, which are dataclasses.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The decorator ``dataclass`` would give each config one of its own, which shows every field.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = SavedSettings.__repr__  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        check_token("hub_token", self.hub_token)
        _check_strategy(self.hub_strategy)
        super().__post_init__()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items())
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as logging integrations record them; each secret is replaced by a placeholder."""
        plain: dict[str, Any] = redacted(super().to_dict(), secrets_of(self))
        return plain

    @classmethod
    def from_json(cls: type[C], path: str | Path) -> C:
        """Read ``training_args.json``, which every saved model and checkpoint has beside it.

        Secrets are not in it: set ``hub_token`` afterwards, or log in with ``hf auth login``.

        Args:
            path: the file, or the folder that holds it.

        Raises:
            UserError: no such file, one that is damaged, or settings of another config.
        """
        path = Path(path, SETTINGS_FILE) if Path(path).is_dir() else Path(path)
        try:
            values = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"path: {path} cannot be read as settings ({reason}); expected {SETTINGS_FILE}") from error
        if not isinstance(values, dict):
            raise UserError(f"path: {path} holds no settings; expected what was saved as {SETTINGS_FILE}")
        if unknown := sorted(values.keys() - {entry.name for entry in fields(cls) if entry.init}):
            raise UserError(f"path: {path} has {', '.join(unknown)}, which {cls.__name__} has not")
        return cls(**values)


def settings_of(config: TrainingArguments) -> dict[str, Any]:
    """Fields of a config as JSON can hold them, without secrets.

    A field is left out where its name is that of a secret, where its value contains one, and where JSON cannot hold
    it, such as an object of another library.
    """
    plain, secrets = TrainingArguments.to_dict(config), secrets_of(config)
    kept = {}
    for name, value in plain.items():
        # Told before the search for secrets, which copies: JSON makes lists of tuples.
        if is_secret_name(name) or redacted(value, secrets) != value:
            continue
        try:
            kept[name] = json.loads(json.dumps(value))
        except TypeError:
            logger.warning("%s: its value is not saved in %s, for JSON cannot hold it", name, SETTINGS_FILE)
    return kept


def write_settings(config: TrainingArguments, folder: str | Path) -> None:
    """Write ``training_args.json`` into a folder."""
    write_atomically(Path(folder, SETTINGS_FILE), json.dumps(settings_of(config), indent=2).encode())


def _check_strategy(strategy: HubStrategy | str) -> None:
    if strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
        raise UserError(
            f"hub_strategy: got {HubStrategy(strategy).value!r}; it pushes the optimizer's state, which is a pickle; "
            "allowed: end, every_save"
        )
