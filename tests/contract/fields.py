"""Two values for each field of each config, and whether the second one makes another run than the first.

Where a method brings values of its own, ``CONTRACT_FIELDS`` in its test module, those stand above the tables here.
"""

from __future__ import annotations

import ast
import re
import tempfile
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from tests.contract.cases import build, has
from tests.contract.knobs import knob, module_of
from textssl.config import SSLConfig
from textssl.errors import UserError
from textssl.methods import METHODS


__all__ = ["DEFAULT", "acts", "missing", "own_fields", "stale", "unused", "values_of", "wrong_references"]

ROOT = Path(__file__).parents[2]
# Stands for what the config has where a field is not given.
DEFAULT: Any = "<default>"

# A value, another one, and settings under which the difference shows. Besides fields these may be ``modality``,
# ``dropout`` and what else ``build`` takes.
Values = tuple[Any, Any] | tuple[Any, Any, dict[str, Any]]

DROPOUT = {"dropout": 0.3}
OWN_TEACHER = {"own_teacher": True, "max_steps": 3}
# One step of the warm start, one of the method, and two at the end, of which the second is at half the rate.
BEGINNING_AND_END = {"max_steps": 4, "warm_start_steps": 1, "finetune_steps": 2, "max_length": 6}

# Fields that several methods have, with one meaning.
METHOD_FIELDS: dict[str, Values] = {
    "alpha": (DEFAULT, 0.2),
    "class_prior": (DEFAULT, [0.1, 0.2, 0.7]),
    "distribution_alignment": ("labeled", [0.1, 0.2, 0.7]),
    "distribution_alignment_decay": (DEFAULT, 0.5, {"distribution_alignment": "labeled"}),
    "ema_decay": (0.5, 0.9),
    "ensemble": (True, False),
    "entropy_weight": (0.0, 0.5),
    "epsilon": (0.5, 2.0),
    "mix_at": ("input", "hidden"),
    "mix_layers": ([1], [2], {"mix_at": "hidden"}),
    "num_weak": (2, 1),
    "per_example": (False, True),
    "prior_weight": (0.0, 0.8),
    "probabilities_column": (DEFAULT, "other", {"max_steps": 3}),
    "rampup": (0.1, 1.0),
    "relative_epsilon": (0.1, 0.5),
    "rounds": (1, 2, OWN_TEACHER),
    "student_init": ("fresh", "continued", OWN_TEACHER),
    "target_dropout": (True, False, DROPOUT),
    "teacher_decay": (0.5, 0.9),
    "teacher_dropout": (True, False, DROPOUT),
    "teacher_learning_rate": (DEFAULT, 0.01, OWN_TEACHER),
    "teacher_steps": (1, 3, OWN_TEACHER),
    "temperature": (0.4, 1.0),
    "threshold": (0.0, 0.95),
    "unlabeled_weight": (0.3, 1.0),
}
# Fields of SSLConfig that must act in each method.
EVERY_METHOD: dict[str, Values] = {
    "class_weights": (DEFAULT, [1.0, 2.0, 3.0], BEGINNING_AND_END),
    "finetune_learning_rate": (DEFAULT, 0.2, BEGINNING_AND_END),
    "finetune_steps": (2, 0, BEGINNING_AND_END),
    "head_learning_rate": (DEFAULT, 0.2, BEGINNING_AND_END),
    "max_length": (6, 16, BEGINNING_AND_END),
    "mu": (2, 1, BEGINNING_AND_END),
    "warm_start_learning_rate": (DEFAULT, 0.2, BEGINNING_AND_END),
    "warm_start_steps": (1, 0, BEGINNING_AND_END),
}
# Fields of SSLConfig that the trainer acts on before any method sees a batch: UDA stands for all.
ANY_METHOD: dict[str, Values] = {
    "feature_column": (DEFAULT, "other", {"modality": "features", "max_steps": 2}),
    "horizontal_flip": (False, True, {"modality": "image", "max_steps": 2}),
    "image_column": (DEFAULT, "other", {"modality": "image", "max_steps": 2}),
    "keep_end": (DEFAULT, True, {"max_length": 6, "max_steps": 2}),
    "label_column": (DEFAULT, "other", {"max_steps": 2}),
    "text_column": (DEFAULT, "other", {"max_steps": 2}),
    "text_pair_column": (DEFAULT, "other", {"max_steps": 2}),
    "truncation": ("end", "start", {"max_length": 6, "max_steps": 2}),
}
# Fields whose effect is no other weights, or needs other data: the tests that would miss them.
ELSEWHERE: dict[str, str] = {
    "batch_norm": "tests/forward/test_forward_modes.py::test_only_labeled_rows_move_the_statistics_where_asked",
    "data_check": "tests/test_class_identity.py::test_leaks_are_told_at_construction_and_of_data_given_later",
    "length_passes": "tests/contract/test_fields.py::test_length_passes_run_rows_of_like_length_together",
    "nan_policy": "tests/training/test_divergence.py::test_a_rate_too_high_stops_at_the_first_loss_that_is_not_finite",
    "skip_corrupt_images": "tests/recipes/test_bad_images.py::test_corrupt_pictures_left_out",
    "teacher": "tests/self_training/test_trainer.py::test_a_teacher_of_another_size_is_taken_from_its_folder",
}

_STOCK = {f.name for f in fields(TrainingArguments)}
_SHARED = {f.name for f in fields(SSLConfig)} - _STOCK
_outcomes: dict[str, dict[str, torch.Tensor]] = {}


def own_fields(method: str) -> list[str]:
    """Fields of a method's config that are not in every method's."""
    return sorted({f.name for f in fields(METHODS[method].config_class)} - _STOCK - _SHARED)


def values_of(method: str, field: str) -> Values | str | None:
    """The values of a field, the test that checks it elsewhere, or ``None``: no test would miss it."""
    for table in (knob(method, "CONTRACT_FIELDS"), knob(method, "CONTRACT_ELSEWHERE")):
        if field in table:
            return table[field]  # type: ignore[no-any-return]
    shared: tuple[dict[str, Any], ...] = (EVERY_METHOD, ANY_METHOD) if field in _SHARED else (METHOD_FIELDS,)
    return next((table[field] for table in (*shared, ELSEWHERE) if field in table), None)


def missing(method: str) -> list[str]:
    """A line for each field of a method that no test would miss."""
    return [
        f'{method}: {field}: no test would miss this field; add "{field}": (VALUE, OTHER) to CONTRACT_FIELDS in '
        f"{_path(method)}, or the test that checks it to CONTRACT_ELSEWHERE there (docs/contributing/contract.md)"
        for field in [*own_fields(method), *sorted(_SHARED)]
        if values_of(method, field) is None
    ]


def stale(method: str) -> list[str]:
    """A line for each name in a method's tables that is no field of its config, or stands in both."""
    known, values = {*own_fields(method), *_SHARED}, knob(method, "CONTRACT_FIELDS")
    elsewhere = knob(method, "CONTRACT_ELSEWHERE")
    wrong = sorted(({*values, *elsewhere} - known) | ({*values} & {*elsewhere}))
    return [f"{_path(method)}: {name} is no field of {method}, or is listed twice" for name in wrong]


def unused() -> list[str]:
    """Names in the tables here of which no method has need."""
    listed = [name for table in (METHOD_FIELDS, EVERY_METHOD, ANY_METHOD, ELSEWHERE) for name in table]
    needed = {
        field
        for method in METHODS
        for field in [*own_fields(method), *_SHARED]
        if field not in {*knob(method, "CONTRACT_FIELDS"), *knob(method, "CONTRACT_ELSEWHERE")}
    }
    return sorted({name for name in listed if name not in needed or listed.count(name) > 1})


def wrong_references(tests: dict[str, str]) -> list[str]:
    """A line for each field whose test elsewhere does not exist or does not mention it."""
    return [f"{field}: {test} {why}" for field, test in tests.items() if (why := _wrong_reference(field, test))]


def acts(method: str, field: str, values: Values | None = None) -> bool:
    """Whether the two values of a field give different weights, trained or evaluated, or the other one is refused.

    Raises:
        UserError: a value that is refused for another reason than the field's own.
    """
    first, other, *rest = values or values_of(method, field)  # type: ignore[misc]
    common = {"max_steps": 6, "save_strategy": "no", **knob(method, "CONTRACT_DEFAULT")}
    if has(method, "threshold"):
        common["threshold"] = 0.0
    common |= {**knob(method, "CONTRACT_FIELDS_WITH"), **(rest[0] if rest else {})}
    a = _outcome(method, {**common, field: first})
    try:
        b = _outcome(method, {**common, field: other})
    except UserError as error:
        if re.search(rf"\b{field}\b", str(error)):
            return True
        raise
    return a.keys() != b.keys() or any(not torch.equal(a[name], b[name]) for name in a)


def _outcome(method: str, settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Weights of the model and of the one that is evaluated, after a run; equal runs are run once."""
    defaults = {f.name: f.default for f in fields(METHODS[method].config_class) if f.default is not MISSING}
    # Of what ``build`` sets itself a default is another value.
    given = {k: v for k, v in settings.items() if v is not DEFAULT}
    kept = {k: v for k, v in given.items() if k == "mu" or k in _STOCK or k not in defaults or v != defaults[k]}
    key = f"{method} {sorted(kept.items())!r}"
    if key not in _outcomes:
        with tempfile.TemporaryDirectory() as out:
            trainer = build(method, out, **kept)
            trainer.train()
            network = trainer.accelerator.unwrap_model(trainer.model)
            state = {f"model.{name}": value for name, value in network.state_dict().items()}
            state |= {f"evaluated.{name}": value for name, value in trainer.evaluated_model.state_dict().items()}
            _outcomes[key] = {name: value.detach().clone() for name, value in state.items()}
    return _outcomes[key]


def _wrong_reference(field: str, test: str) -> str | None:
    path, _, name = test.partition("::")
    if not (ROOT / path).is_file():
        return "is in no file of that name"
    source = (ROOT / path).read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min(part.lineno for part in [node, *node.decorator_list])
            text = "\n".join(source.splitlines()[first - 1 : node.end_lineno])
            return None if re.search(rf"\b{field}\b", text) else f"does not mention {field}"
    return "is no test of that file"


def _path(method: str) -> str:
    return Path(str(module_of(method).__file__)).relative_to(ROOT).as_posix()
