from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textssl.augment.text.alias_table import AliasTable


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=40).filter(lambda w: sum(w) > 1e-3))
def test_the_cells_add_up_to_the_distribution(weights: list[float]) -> None:
    """A number has its own share of its cell, and the rest of each cell that names it, each cell 1 / V."""
    probs = np.array(weights) / sum(weights)
    table = AliasTable(probs)
    total = [0.0] * len(probs)
    for i, (keep, other) in enumerate(zip(table._keep.tolist(), table._alias.tolist(), strict=True)):
        share = min(keep, 1.0) if other != i else 1.0
        total[i] += share / len(probs)
        total[other] += (1 - share) / len(probs)
    np.testing.assert_allclose(total, probs, atol=1e-12)


@pytest.mark.parametrize("probs", [[1.0], [0.0, 1.0], [0.5, 0.0, 0.2, 0.3], [1e-9, 1 - 1e-9, 0.0]])
def test_draws_have_the_frequencies_asked_for(probs: list[float]) -> None:
    draws = 40_000
    found = np.bincount(AliasTable(np.array(probs)).draw(draws, np.random.default_rng(0)), minlength=len(probs))
    for count, prob in zip(found.tolist(), probs, strict=True):
        assert abs(count - draws * prob) <= 4 * np.sqrt(draws * prob * (1 - prob))
        assert prob or not count
