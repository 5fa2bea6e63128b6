"""A head initialized by a logistic regression on the labeled embeddings (Kumar et al., 2022, arXiv:2202.10054)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel
from transformers.utils import cached_file

from ...config import SSLConfig
from ...fit.probe import LinearHead, fit_probe
from ...modalities.text.encoding import contents_of
from ...modalities.text.modality import TextModality
from ..data.task_data import TaskData
from .model_loading import hub_fault
from .pixel_features import PIXELS
from .text_models import load_pooled_classifier


__all__ = ["ProbeHeadModels", "head_line", "is_sentence_encoder", "probe_of", "resolved_feature_head", "resolved_head"]

# What a folder of sentence-transformers holds.
SENTENCE_MODULES = "modules.json"
# Texts in a pass.
BATCH = 32


def resolved_head(head: str, model: str) -> str:
    """``"probe"`` or ``"random"``: what ``--head`` means for this model.

    ``auto`` is a probe for sentence encoders, whose vectors were trained to be compared, and a random head, that of
    the architecture, for all others.
    """
    if head != "auto":
        return head
    return "probe" if is_sentence_encoder(model) else "random"


def resolved_feature_head(head: str, model: str, modality: str) -> str:
    """The same for a head on features: ``auto`` is a probe, on pixels a random head with a hidden layer."""
    if head != "auto":
        return head
    return "random" if modality == "image" and model in ("embedded", PIXELS) else "probe"


def is_sentence_encoder(model: str) -> bool:
    """Whether the files of sentence-transformers are beside the model: ``embedded``, a folder, a model of the Hub."""
    if model == "embedded":
        return True
    if Path(model).is_dir():
        return (Path(model) / SENTENCE_MODULES).is_file()
    try:
        found = cached_file(
            model,
            SENTENCE_MODULES,
            local_files_only=hub_fault(model) is not None,
            _raise_exceptions_for_missing_entries=False,
        )
    except (OSError, ValueError):
        # Whether there is such a model is for the loader to say.
        return False
    return found is not None


class ProbeHeadModels:
    """Makes classifiers whose head is a probe; the probe of each encoder is fitted once.

    Args:
        like: the model whose files say how states are pooled.
        tokenizer: of the model.
        config: the run's.
    """

    def __init__(self, like: str, tokenizer: Any, config: SSLConfig) -> None:
        self.like, self.tokenizer, self.config = like, tokenizer, config
        self._probes: dict[tuple[str, int], LinearHead] = {}

    def make(self, start: str, data: TaskData, seed: int, of: int = 0) -> PreTrainedModel:
        """A classifier.

        Args:
            start: where the encoder's weights are.
            data: of the task.
            seed: of the weights of the examples where ``of`` is above 0.
            of: number of the network. Those after the first weigh the examples at random, by a Bayesian bootstrap:
                two equal networks could not teach each other.
        """
        model: Any = load_pooled_classifier(start, data.label_names, seed, self.like)
        if (start, of) not in self._probes:
            self._probes[start, of] = probe_of(self._embedded(model, data), data, self.config, seed, of)
        probe = self._probes[start, of]
        model.set_linear_head(torch.from_numpy(probe.weight), torch.from_numpy(probe.bias))
        made: PreTrainedModel = model
        return made

    @torch.no_grad()
    def _embedded(self, model: Any, data: TaskData) -> np.ndarray:
        """The labeled examples, cut as they are in training."""
        encode = TextModality(model, self.tokenizer).encoder(self.config)
        contents = contents_of(data.labeled, data.columns)
        model.eval()
        vectors = []
        for start in range(0, len(contents), BATCH):
            batch = encode(contents[start : start + BATCH])
            batch.pop("lengths")
            vectors.append(model.embed(**batch).float().numpy())
        return np.concatenate(vectors)


def probe_of(vectors: np.ndarray, data: TaskData, config: SSLConfig, seed: int, of: int = 0) -> LinearHead:
    """The logistic regression that a network's head begins as.

    Args:
        vectors: embeddings [n, D] of the labeled examples.
        data: of the task.
        config: the run's.
        seed: of the weights of the examples where ``of`` is above 0.
        of: number of the network.
    """
    labels = np.asarray(data.labeled[config.label_column][:])
    weights = np.random.default_rng(seed).exponential(size=len(labels)) if of else None
    return fit_probe(vectors, labels, len(data.label_names), weights=weights)


def head_line(head: str, data: TaskData) -> str:
    """What the classifier starts from, for a person."""
    if head == "random":
        return "head: new, at random"
    return (
        f"head: a logistic regression on the embeddings of the {len(data.labeled):,} labeled examples, "
        "which the table calls probe; --head random starts from nothing"
    )
