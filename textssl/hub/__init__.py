"""Sharing a model: its card, the citation of its method, the check before a push."""

from __future__ import annotations

from textssl.hub.card import model_card, write_model_card
from textssl.hub.facts import (
    Citation,
    DataFacts,
    RunFacts,
    SplitFacts,
    TextFacts,
    changed_hyperparameters,
    known_facts,
)
from textssl.hub.push import check_push_target
from textssl.hub.upload import push_folder


__all__ = [
    "Citation",
    "DataFacts",
    "RunFacts",
    "SplitFacts",
    "TextFacts",
    "changed_hyperparameters",
    "check_push_target",
    "known_facts",
    "model_card",
    "push_folder",
    "write_model_card",
]
