"""Settings of a retrieval."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UserError
from ..self_training.selection import check_selection
from .cleaning import check_cosines
from .indexing import INDEX_KINDS
from .searching import QUERIES


__all__ = ["RANDOM", "RetrievalConfig"]

RANDOM = "random"


@dataclass(frozen=True)
class RetrievalConfig:
    """All settings that the retrieved examples depend on, beside bank, labeled data, encoder and teacher.

    Args:
        queries: one of :data:`QUERIES`, or ``"random"`` for a control: as many sentences as ``"label_average"`` gives,
            drawn without regard to the task.
        num_neighbors: neighbours of a query.
        max_length: most tokens that a named encoder reads of a text; its own limit by default.
        index: kind of the index, see :func:`textssl.retrieval.build_index`.
        nlist: of the index.
        nprobe: of the index.
        rerank: of the index.
        exact: scan all embeddings, and build no index.
        near_duplicate: see :func:`textssl.retrieval.clean`.
        near_evaluation: see :func:`textssl.retrieval.clean`.
        teacher_max_length: most tokens that the teacher reads.
        truncation: what a longer text loses: ``end``, ``start`` or ``head_tail``, its middle; by default as trained.
        threshold: see :func:`textssl.self_training.selection.select_pseudo_labels`, as for the following.
        per_class: most examples of a class.
        total: most examples.
        balance: of the classes; ``"labeled"`` keeps their shares among the labeled examples, as the paper does.
        seed: of all draws for the task; an index, which tasks may share, has its own.

    Raises:
        UserError: a value out of range.
    """

    queries: str = "label_average"
    num_neighbors: int = 1000
    max_length: int | None = None
    index: str = "auto"
    nlist: int | None = None
    nprobe: int | None = None
    rerank: int | None = None
    exact: bool = False
    near_duplicate: float | None = 0.95
    near_evaluation: float | None = 0.95
    teacher_max_length: int | None = None
    truncation: str | None = None
    threshold: float = 0.0
    per_class: int | None = None
    total: int | None = None
    balance: str = "labeled"
    seed: int = 0

    def check_without_teacher(self) -> None:
        """Raise UserError for a selection by confidence, which nobody would have."""
        for name in ("threshold", "per_class", "total"):
            if getattr(self, name):
                raise UserError(
                    f"{name}: got {getattr(self, name)}, which is about a teacher's labels; give a teacher"
                )

    def __post_init__(self) -> None:
        if self.queries not in (*QUERIES, RANDOM):
            raise UserError(f"queries: got {self.queries!r}; allowed: {', '.join((*QUERIES, RANDOM))}")
        if self.index not in INDEX_KINDS:
            raise UserError(f"index: got {self.index!r}; allowed: {', '.join(INDEX_KINDS)}")
        check_cosines(near_duplicate=self.near_duplicate, near_evaluation=self.near_evaluation)
        check_selection(threshold=self.threshold, per_class=self.per_class, total=self.total, balance=self.balance)
