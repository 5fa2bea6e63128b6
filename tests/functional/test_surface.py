from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

import pytest
import torch

import textssl.functional as functional
import textssl.state as state


MODULES = ["targets", "masks", "losses", "schedules", "mixing", "policies", "priors"]


def test_all_is_sorted_and_complete() -> None:
    for package in (functional, state):
        assert package.__all__ == sorted(package.__all__)
        public = {
            name
            for name, value in vars(package).items()
            if not name.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value))
        }
        assert public == set(package.__all__)


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        (functional, ("textssl.functional",)),
        (state, ("textssl.functional", "textssl.state.module_modes", "textssl.state")),
    ],
)
def test_imports_point_one_way(package: object, allowed: tuple[str, ...]) -> None:
    for path in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module]
            else:
                continue
            for name in names:
                outside = name.split(".")[0] in sys.stdlib_module_names | {"torch"}
                assert outside or name.startswith(allowed), f"{path.name} imports {name}"


def test_nothing_reads_values_from_the_device() -> None:
    # A tensor on "meta" has no values: .item(), bool() and boolean indexing raise on it.
    logits = torch.empty(4, 3, device="meta")
    probs, threshold = torch.empty(4, 3, device="meta"), torch.empty(4, device="meta")
    labels = torch.empty(4, dtype=torch.long, device="meta")
    results = [
        functional.sharpen(probs, 0.5),
        functional.align_distribution(probs, probs[0], probs[1]),
        functional.one_hot(labels, 3),
        functional.guess_labels([probs, probs], [1, 2]),
        functional.confidence_mask(probs, 0.95),
        functional.confidence_mask(probs, threshold),
        functional.tsa_mask(logits, labels, 0.5),
        functional.soft_cross_entropy(logits, probs),
        functional.kl_divergence(logits, probs),
        functional.squared_error(logits, probs),
        functional.entropy(logits),
        functional.mix(probs, threshold, labels),
        functional.agreement(probs, labels),
        functional.bin_probs(probs, probs > 0),
        functional.updated_bins(probs, probs, probs.long()),
        functional.estimate_prior_em(probs, probs[0], shrinkage=0.1),
        functional.estimate_prior_bbse(probs, probs, labels, steps=3),
        functional.geometric_mean_prior(probs[0], probs[1]),
        functional.reweighed_mean(probs, probs[0], probs[1]),
    ]
    shapes = [(4, 3)] * 4 + [(4,)] * 7 + [(4, 3), (4,), (4, 3), (4, 3), (3,), (3,), (3,), (3,)]
    assert [tuple(x.shape) for x in results] == shapes
    with pytest.raises((RuntimeError, NotImplementedError)):
        probs.sum().item()
    with pytest.raises((RuntimeError, NotImplementedError)):
        probs[probs > 0]
