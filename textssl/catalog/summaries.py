"""All methods in short: what each is for, what it needs, what a step costs; read without importing any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import methods
from ..citation import Citation
from ..step_cost import StepCost
from .docstrings import idea_of, sections, title_of
from .names import method_names
from .source import SourceClass, SourceModule


__all__ = ["MethodSummary", "first_lines", "summary_of"]


@dataclass(frozen=True)
class MethodSummary:
    """A method in short.

    Attributes:
        name: of its module, which is what ``--method`` takes.
        trainer: name of its trainer in ``textssl``.
        config: name of its config in ``textssl``.
        docstring: of its module.
        views: for each stream, the views of a batch.
        modalities: what it works on.
        other_needs: what it needs beside views of its data.
        cost: of a step.
        mu: unlabeled examples per labeled one, by default.
        citation: the paper.
    """

    name: str
    trainer: str
    config: str
    docstring: str
    views: dict[str, tuple[str, ...]]
    modalities: tuple[str, ...]
    other_needs: tuple[str, ...]
    cost: StepCost | None
    mu: int
    citation: Citation | None

    @property
    def title(self) -> str:
        """What papers call it."""
        return title_of(self.docstring)

    @property
    def idea(self) -> str:
        """One sentence."""
        return idea_of(self.docstring, cited=False)

    @property
    def parts(self) -> dict[str, str]:
        """The parts of the docstring: the formula under ``""``, then Views, Cost, When it fails and others."""
        return sections(self.docstring)

    @property
    def needs(self) -> tuple[str, ...]:
        """What it needs beside labeled examples."""
        strong = any(view.partition("_")[0] == "strong" for views in self.views.values() for view in views)
        needs = ["unlabeled"] if "unlabeled" in self.views else []
        return (*needs, *(["strong view"] if strong else []), *self.other_needs)

    @property
    def relative_cost(self) -> float | None:
        """The cost of a step in steps of supervised training on as many labeled examples; ``None`` if not stated."""
        return None if self.cost is None else self.cost.relative(self.mu)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a script."""
        cost, paper = self.cost, self.citation
        return {
            "name": self.name,
            "title": self.title,
            "idea": self.idea,
            "needs": list(self.needs),
            "modalities": list(self.modalities),
            "relative_cost": None if self.relative_cost is None else round(self.relative_cost, 2),
            "mu": self.mu,
            "besides": "" if cost is None else cost.besides,
            "forward": None if cost is None else list(cost.forward),
            "backward": None if cost is None else list(cost.backward),
            "trainer": self.trainer,
            "config": self.config,
            "paper": None if paper is None else {"title": paper.title, "year": paper.year, "arxiv": paper.arxiv},
        }


def first_lines() -> dict[str, str]:
    """What each method is called and does, by its name."""
    summaries = [summary_of(name) for name in method_names()]
    return {summary.name: f"{summary.title}: {summary.idea}" for summary in summaries}


def summary_of(name: str) -> MethodSummary:
    """The method ``name``, one of :func:`.method_names`, in short."""
    module = SourceModule.of(f"{methods.__name__}.{name}")
    assert module is not None
    trainer, objective, config = _classes_of(module)
    return MethodSummary(
        name=name,
        trainer=trainer.name,
        config=config.name,
        docstring=module.docstring,
        views=objective.value("views"),
        modalities=objective.value("modalities"),
        other_needs=objective.value("other_needs"),
        cost=objective.value("cost"),
        mu=config.value("mu"),
        citation=objective.value("citation"),
    )


def _classes_of(module: SourceModule) -> tuple[SourceClass, SourceClass, SourceClass]:
    """The trainer, and what it names as its objective and its config."""
    for trainer in module.classes():
        named = {field: trainer.assigned(field) for field in ("objective_class", "config_class")}
        objective, config = (module.find(str(name)) for name in named.values())
        if objective is not None and config is not None:
            return trainer, objective, config
    raise ImportError(f"{module.name} defines no trainer with objective_class and config_class")
