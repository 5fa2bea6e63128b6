"""One made-up bank for all tests that only read it."""

from __future__ import annotations

import pytest

from tests.retrieval.made_up import made_up_bank, made_up_embeddings


@pytest.fixture(scope="session")
def bank(tmp_path_factory):
    return made_up_bank(tmp_path_factory.mktemp("made_up") / "bank")


@pytest.fixture(scope="session")
def embeddings(bank, tmp_path_factory):
    return made_up_embeddings(bank, tmp_path_factory.mktemp("made_up") / "embeddings")
