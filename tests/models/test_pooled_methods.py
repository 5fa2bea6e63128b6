"""Methods of every kind on a classifier that pools its encoder: what the contract suite asks of each method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract import cases
from tests.contract import test_contract as contract
from tests.models.tiny_pooled import pooled


pytestmark = pytest.mark.slow

# Mixing at each place inside, inputs that are perturbed, second networks, and labels of a teacher.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("fixmatch", {}),
    ("uda", {}),
    ("mixtext", {"mix_layers": [1, 2]}),
    ("mixmatch", {"mix_at": "hidden"}),
    ("mixmatch", {"mix_at": "pooled"}),
    ("vat", {}),
    ("noisy_student", {}),
    ("meta_pseudo_labels", {"feedback": "jvp", "warm_start_steps": 1}),
    ("co_training", {}),
]
CHECKS: list[Callable[..., None]] = [
    contract.test_trains_and_every_parameter_moves,
    contract.test_unlabeled_term_alone_moves_the_encoder,
    contract.test_resume_is_exact,
    contract.test_padding_changes_nothing,
]


@pytest.fixture(autouse=True)
def _pooled_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "model", pooled)


@pytest.mark.parametrize(("method", "settings"), CASES, ids=[f"{m}{'-'.join(map(str, s.values()))}" for m, s in CASES])
@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__.removeprefix("test_") for check in CHECKS])
def test_a_method_keeps_its_contract(
    check: Callable[..., None], method: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    check(method, "text", settings, tmp_path)
