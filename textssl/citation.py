"""The paper that a method comes from."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = ["Citation"]


@dataclass(frozen=True)
class Citation:
    """The publication of a method, as its model card will cite it.

    Attributes:
        title: its title.
        authors: the authors' names, in order.
        year: year of publication.
        arxiv: arXiv id such as `"1904.12848"`; None if there is none.
        bibtex: a whole BibTeX entry; None if there is none.
    """

    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str | None = None
    bibtex: str | None = None
