"""Retrieval of in-domain sentences from a large bank: SentAugment (Du et al., 2021, arXiv:2010.02194).

:func:`build_bank` cuts texts into sentences; :func:`retrieve` goes the whole road from there to pseudo-labeled
examples. Its stages stand here one by one too. ``pip install 'textssl[retrieval]'`` brings encoders and FAISS.
"""

from .bank import Bank, open_bank, random_bank_sample
from .building import build_bank
from .cleaning import Cleaned, clean, evaluation_sentences
from .encoding import Embeddings, EmbedJob, embed_bank, embed_texts, open_embeddings
from .index import Index, open_index
from .indexing import build_index, merge_index
from .pipeline import retrieve
from .scoring import ScoreJob
from .searching import Queries, SearchJob, find_neighbours, label_queries, search
from .settings import RetrievalConfig


__all__ = [
    "Bank",
    "Cleaned",
    "EmbedJob",
    "Embeddings",
    "Index",
    "Queries",
    "RetrievalConfig",
    "ScoreJob",
    "SearchJob",
    "build_bank",
    "build_index",
    "clean",
    "embed_bank",
    "embed_texts",
    "evaluation_sentences",
    "find_neighbours",
    "label_queries",
    "merge_index",
    "open_bank",
    "open_embeddings",
    "open_index",
    "random_bank_sample",
    "retrieve",
    "search",
]
