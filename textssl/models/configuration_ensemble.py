"""The config of several classifiers that are one model of transformers."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from .inner_config import GENERATION, inner_setting, kept_settings


__all__ = ["EnsembleConfig"]


class EnsembleConfig(PretrainedConfig):
    """Configs of the members of an :class:`textssl.models.Ensemble`; labels as in every config of transformers.

    Labels, problem type and special tokens that are not given are those of the first member. So is any other
    setting that this config lacks, such as ``hidden_size`` or ``num_channels``: it is read from the first entry of
    ``members``, by all names that the config of that member knows it by. Not passed on are settings of
    text generation, and configs within the member's config. ``max_position_embeddings`` is the least of all members.

    Args:
        members: for each member ``to_dict()`` of its config.
        bos_token_id: of the first member, if not given.
        eos_token_id: of the first member, if not given.
        pad_token_id: of the first member, if not given.
        **kwargs: as for ``PretrainedConfig``, such as ``id2label`` and ``label2id``.
    """

    model_type = "textssl-ensemble"

    members: list[dict[str, Any]] = field(default_factory=list)
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        members = [kept_settings(member) for member in self.members]
        if members:
            first = members[0]
            if self.id2label is None and kwargs.get("num_labels") in (None, len(first["id2label"])):
                self.id2label, self.label2id = dict(first["id2label"]), dict(first.get("label2id") or {})
            for name in ("problem_type", "bos_token_id", "eos_token_id", "pad_token_id"):
                if getattr(self, name) is None:
                    setattr(self, name, first.get(name))
        # Transformers completes some settings where it finds them, such as those of rotary positions: it is to find
        # none of a member's.
        self.members = []
        super().__post_init__(**kwargs)
        self.members = members

    def __getattr__(self, name: str) -> Any:
        members = self.__dict__.get("members")
        if members and not name.startswith("_") and name not in GENERATION:
            if name == "max_position_embeddings" and (limits := _positions(members)):
                return min(limits)
            value = inner_setting(members[0], name)
            if value is not MISSING:
                return value
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _positions(members: list[dict[str, Any]]) -> list[int]:
    """Most positions of those members that have such a limit."""
    limits = [inner_setting(member, "max_position_embeddings") for member in members]
    return [limit for limit in limits if isinstance(limit, int) and limit > 0]


AutoConfig.register(EnsembleConfig.model_type, EnsembleConfig, exist_ok=True)
