"""The templates of the page on new methods, run as they stand there: lint, types and the contract of a method."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.contract import test_contract as contract
from tests.contract import test_fields
from tests.contract.cases import build, first_batch
from tests.methods.naive import logits_of, softmax
from tests.test_surface import check_all
from textssl.methods import METHODS


ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/contributing/new_method.md").read_text(), re.DOTALL)
SOURCES = {"mymethod": BLOCKS[0], "mythresholds": BLOCKS[1]}
TRAINERS = {"mymethod": "MyMethodTrainer", "mythresholds": "MyThresholdsTrainer"}
# Its settings; the defaults of long runs would not show in four steps.
SETTINGS: dict[str, dict[str, Any]] = {"mymethod": {"threshold": 0.3}, "mythresholds": {"threshold_decay": 0.9}}
CHECKS = [
    contract.test_trains_and_every_parameter_moves,
    contract.test_unlabeled_term_alone_moves_the_encoder,
    contract.test_resume_is_exact,
    contract.test_evaluation_changes_no_state,
    contract.test_accumulation_equals_the_large_batch,
    contract.test_bf16_runs,
    contract.test_padding_changes_nothing,
    contract.test_order_of_the_unlabeled_batch_changes_nothing,
    contract.test_no_gradient_reaches_the_targets,
    contract.test_twice_the_classes_do_not_double_the_term,
]
each_template = pytest.mark.parametrize("method", SOURCES)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both are modules beside the methods, as they would be if they were files there."""
    for method, source in SOURCES.items():
        path = tmp_path / f"{method}.py"
        path.write_text(source, encoding="utf-8")
        name = f"textssl.methods.{method}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setitem(sys.modules, f"tests.methods.test_{method}", ModuleType(f"test_{method}"))
        spec.loader.exec_module(module)
        monkeypatch.setitem(METHODS, method, getattr(module, TRAINERS[method]))


@each_template
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("test_"))
def test_a_template_keeps_the_contract(method: str, check: Callable[..., None], tmp_path: Path) -> None:
    check(method, "text", SETTINGS[method], tmp_path)


@pytest.mark.parametrize("modality", ["image", "features"])
@each_template
def test_a_template_is_for_every_modality(method: str, modality: str, tmp_path: Path) -> None:
    contract.test_trains_and_every_parameter_moves(method, modality, SETTINGS[method], tmp_path)


@pytest.mark.parametrize("field", ["threshold", "unlabeled_weight"])
def test_each_setting_of_the_template_counts(field: str) -> None:
    test_fields.test_every_field_of_a_method_acts("mymethod", field)


@each_template
def test_a_template_passes_the_lint(method: str) -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", f"textssl/methods/{method}.py", "-"],
            input=SOURCES[method],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@each_template
def test_a_template_exports_its_classes_and_describes_itself(method: str) -> None:
    if method == "mymethod":
        check_all(f"textssl.methods.{method}")
    text = str(sys.modules[f"textssl.methods.{method}"].__doc__)
    for word in ("*Views.*", "*State.*", "*Cost.*", "*Differs from the paper in.*", "*When it fails.*"):
        assert word in text


@pytest.mark.slow
def test_the_templates_pass_mypy(tmp_path: Path) -> None:
    """Outside the package, with its imports written out."""
    paths = []
    for method, source in SOURCES.items():
        path = tmp_path / f"checked_{method}.py"
        whole = re.sub(r"^( *from) \.\.", r"\1 textssl.", source, flags=re.MULTILINE)
        whole = whole.replace("from textssl. import", "from textssl import")
        path.write_text(re.sub(r"^from \.(?=\w)", "from textssl.methods.", whole, flags=re.MULTILINE))
        paths.append(str(path))
    done = subprocess.run([sys.executable, "-m", "mypy", *paths], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_label_smoothing_acts_on_both_terms(tmp_path: Path) -> None:
    trainer = build("mymethod", tmp_path, "features", threshold=0.0, label_smoothing_factor=0.3)
    batch = first_batch(trainer)
    trainer.model.train()
    terms = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)

    def smoothed(z: list[float], label: int) -> float:
        logs = torch.tensor(softmax(z)).log().tolist()
        return -0.7 * logs[label] - 0.3 * sum(logs) / len(logs)

    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    rows = zip(logits_of(trainer, labeled["weak"]), labeled["labels"].tolist(), strict=True)
    given = [smoothed(z, y) for z, y in rows]
    pairs = zip(logits_of(trainer, unlabeled["weak"]), logits_of(trainer, unlabeled["strong"]), strict=True)
    made = [smoothed(s, z.index(max(z))) for z, s in pairs]
    assert terms["supervised"].item() == pytest.approx(sum(given) / len(given), rel=1e-4)
    assert terms["unsupervised"].item() == pytest.approx(sum(made) / len(made), rel=1e-4)
