"""What is read from the source of methods is what their classes have."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import textssl
from textssl.catalog.docstrings import idea_of, plain_text, sections
from textssl.catalog.names import method_names
from textssl.catalog.summaries import summary_of
from textssl.methods import METHODS


def test_all_methods_are_found() -> None:
    assert list(method_names()) == sorted(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_summary_has_what_the_classes_have(name: str) -> None:
    summary, trainer = summary_of(name), METHODS[name]
    objective, config = trainer.objective_class, trainer.config_class
    assert (summary.trainer, summary.config) == (trainer.__name__, config.__name__)
    assert summary.views == objective.views
    assert summary.modalities == objective.modalities
    assert summary.other_needs == objective.other_needs
    assert (summary.cost, summary.citation) == (objective.cost, objective.citation)
    assert summary.mu == config.__dataclass_fields__["mu"].default
    assert summary.docstring == inspect.cleandoc(str(import_module(objective.__module__).__doc__))
    assert {"Views", "State", "Cost", "When it fails"} <= summary.parts.keys()
    assert summary.idea.endswith(".")
    assert "et al" not in summary.idea


def test_needs_of_some_methods() -> None:
    """From their papers: labels alone; unlabeled examples; a strong view; a teacher; two networks."""
    needs = {name: summary_of(name).needs for name in method_names()}
    assert needs["supervised"] == needs["mixup"] == needs["adversarial"] == ()
    assert needs["mean_teacher"] == needs["vat"] == ("unlabeled",)
    assert needs["in_domain_pretraining"] == ("unlabeled",)
    assert needs["fixmatch"] == needs["uda"] == ("unlabeled", "strong view")
    assert needs["noisy_student"] == ("unlabeled", "strong view", "teacher")
    assert needs["dividemix"] == ("second network",)


@pytest.mark.slow
def test_summaries_load_nothing_heavy() -> None:
    program = (
        "import sys; from textssl.catalog.summaries import *; from textssl.catalog.names import *; "
        "[summary_of(name) for name in method_names()]; "
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    folder = Path(textssl.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=folder)
    assert not {*done.stdout.split()} & {"torch", "transformers", "datasets", "numpy", "accelerate"}


def test_parts_and_words_of_a_docstring() -> None:
    text = "A: b is c (Ann et al., 2020, arXiv:1).\n\nThe loss\nis\n\n    x + y\n\n"
    text += "*Views.* ``weak``; see :func:`~m.f`.\n"
    assert idea_of(text) == "b is c (Ann et al., 2020, arXiv:1)."
    assert idea_of(text, cited=False) == "b is c."
    parts = sections(text)
    assert [*parts] == ["", "Views"]
    assert plain_text(parts[""]) == "A: b is c (Ann et al., 2020, arXiv:1).\n\nThe loss is\n\n    x + y"
    assert plain_text(parts["Views"]) == "`weak`; see `m.f`."
