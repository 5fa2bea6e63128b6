"""From the scores of all candidates to the classifier that is given back."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from scipy.special import softmax
from transformers import AutoImageProcessor, AutoTokenizer

from ..errors import UserError
from .assemble import assemble
from .candidates.named import NamesSelfTraining
from .choose import Choice, choose
from .data import FitData
from .estimates import FIGURES, expected_scores
from .findings import label_warnings, prediction_warnings
from .names_evidence import names_agree
from .result import FitResult
from .search import Result, Search
from .table import CandidateRow


__all__ = ["outcome"]

logger = logging.getLogger(__name__)


def outcome(search: Search, encoder: str, seconds: float) -> FitResult:
    """Choose, train what was chosen on all labels, and gather what is known of it.

    Args:
        search: all of whose candidates were tried.
        encoder: as a person named it.
        seconds: spent before.
    """
    data = search.data
    choice = _chosen(search)
    members = sorted(set(choice.members))
    temperatures = {name: search.temperature(name) for name in members}
    trained = {name: search.final(name) for name in members}
    weights = {name: choice.members.count(name) / len(choice.members) for name in members}
    model = assemble([(trained[name][0], temperatures[name], weights[name]) for name in members])
    logs = [weights[name] * trained[name][1].unlabeled.astype(np.float64) / temperatures[name] for name in members]
    probs = softmax(np.sum(logs, axis=0), axis=1) if len(data.unlabeled) else np.empty((0, data.num_labels))
    warnings = label_warnings(data) + prediction_warnings(data, probs)
    for warning in warnings:
        logger.warning("%s.", warning)
    scores = choice.out_of_fold
    expected = {} if scores is None else expected_scores(scores, data.seed)
    return FitResult(
        model=model,
        processor=_processor(data),
        label_names=data.label_names,
        modality=data.modality,
        max_length=data.max_length,
        candidates=tuple(_row(result, choice) for result in search.results.values()),
        chosen=tuple(members),
        expected_accuracy=expected.get("accuracy"),
        expected_macro_f1=expected.get("macro_f1"),
        log_loss=None if scores is None else float(np.nanmean(scores.losses)),
        temperature=temperatures,
        warnings=tuple(warnings),
        encoder=encoder,
        num_labeled=len(data.labels),
        num_unlabeled=len(data.unlabeled),
        seconds=seconds,
    )


def _chosen(search: Search) -> Choice:
    """The choice; without scores, the first that learns from labels alone, or from names that agree with them.

    Raises:
        UserError: no candidate could be trained.
    """
    scores = {name: result.out_of_fold for name, result in search.results.items() if result.out_of_fold is not None}
    supervised = [name for name, result in search.results.items() if result.candidate.supervised]
    baseline = next((name for name in supervised if name in scores), None)
    if baseline is not None:
        return choose(scores, baseline)
    if scores:
        return choose(scores, next(iter(scores)))
    possible = [name for name in supervised if not search.results[name].skipped]
    if not possible:
        reasons = "; ".join(f"{name}: {result.skipped}" for name, result in search.results.items() if result.skipped)
        raise UserError(f"candidates: none could be trained ({reasons[:500]})")
    named = search.results.get(NamesSelfTraining.name)
    if named is not None and not named.skipped and names_agree(search.data):
        return Choice((NamesSelfTraining.name,), possible[0], {}, None)
    return Choice((possible[0],), possible[0], {}, None)


def _row(result: Result, choice: Choice) -> CandidateRow:
    name, scores = result.candidate.name, result.out_of_fold
    if scores is None:
        status = (
            f"skipped: {result.skipped}" if result.skipped else "chosen" if name in choice.members else "not scored"
        )
        return CandidateRow(name, None, None, None, None, None, None, None, result.seconds or None, status)
    rows = np.flatnonzero(scores.scored.any(0))
    losses = np.nanmean(scores.losses[:, rows], axis=0)
    gap = choice.differences.get(name)
    return CandidateRow(
        name=name,
        log_loss=float(losses.mean()),
        error=float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else None,
        difference=None if gap is None else gap.mean,
        low=None if gap is None else gap.interval[0],
        high=None if gap is None else gap.interval[1],
        accuracy=FIGURES["accuracy"](scores, rows),
        macro_f1=FIGURES["macro_f1"](scores, rows),
        seconds=result.seconds,
        status=_status(result, choice),
    )


def _status(result: Result, choice: Choice) -> str:
    name = result.candidate.name
    if name in choice.members:
        return "chosen" if len(set(choice.members)) == 1 else "averaged"
    told = f" ({result.skipped})" if result.skipped else ""
    return f"lost{told}" if name != choice.baseline else "lost: the baseline"


def _processor(data: FitData) -> Any:
    if data.modality == "image":
        return AutoImageProcessor.from_pretrained(data.encoder)
    tokenizer = AutoTokenizer.from_pretrained(data.encoder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # A pipeline that cuts texts cuts them where training did.
    tokenizer.model_max_length = data.max_length
    return tokenizer
