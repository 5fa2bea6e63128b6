"""From the scores of all candidates to the classifier that is given back."""

from __future__ import annotations

import logging

import numpy as np
from scipy.special import softmax

from ..errors import UserError
from ..files import is_disk_full
from .assemble import assemble
from .candidate_result import Result, failure_message
from .candidates.base import Trained
from .candidates.named import NamesSelfTraining
from .candidates.networks import saved_processing_class_of
from .choose import Choice
from .estimates import Estimate, expected_scores, optimism, scores_of
from .findings import label_warnings, prediction_warnings
from .names_evidence import names_agree
from .report_data import fit_report
from .result import FitResult
from .search import Search
from .store import Outputs
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
    choice, trained = _trained(search)
    weights = choice.weights
    members = list(weights)
    temperatures = {name: search.temperature(name) for name in members}
    if len(members) > 1 and choice.out_of_fold is not None:
        # The mean of calibrated logits is not calibrated itself.
        common = choice.out_of_fold.temperature()
        temperatures = {name: temperature * common for name, temperature in temperatures.items()}
    model = assemble([(trained[name][0], temperatures[name], weights[name]) for name in members])
    logs = [weights[name] * trained[name][1].unlabeled.astype(np.float64) / temperatures[name] for name in members]
    probs = softmax(np.sum(logs, axis=0), axis=1) if len(data.unlabeled) else np.empty((0, data.num_labels))
    warnings = label_warnings(data) + prediction_warnings(data, probs)
    scores = choice.out_of_fold
    accuracy, macro_f1 = _expected(search, choice, probs)
    return FitResult(
        model=model,
        processor=saved_processing_class_of(data),
        label_names=data.label_names,
        modality=data.modality,
        max_length=data.max_length,
        candidates=tuple(_row(result, choice) for result in search.results.values()),
        chosen=tuple(members),
        expected_accuracy=accuracy,
        expected_macro_f1=macro_f1,
        log_loss=None if scores is None else float(np.nanmean(scores.losses)),
        temperature=temperatures,
        warnings=tuple(warnings),
        encoder=encoder,
        num_labeled=len(data.labels),
        num_unlabeled=len(data.unlabeled),
        seconds=seconds,
        report_data=fit_report(
            search, choice, probs, accuracy, encoder=encoder, seconds=f"{seconds:,.0f}", warnings=tuple(warnings)
        ),
    )


def _trained(search: Search) -> tuple[Choice, dict[str, tuple[Trained, Outputs]]]:
    """The choice and its members trained on all labels; one that then fails is left out, and the next is chosen.

    Raises:
        UserError: none is left.
        OSError: the disk is full.
    """
    while True:
        choice, trained = _chosen(search), {}
        for name in choice.weights:
            try:
                trained[name] = search.final(name)
            except Exception as error:  # a candidate may be anybody's code
                if is_disk_full(error):
                    raise
                result = search.results[name]
                result.skipped = f"failed on all labels: {failure_message(error)}"[:300]
                result.out_of_fold = None
                logger.warning("%s: %s; what comes next is chosen.", name, result.skipped)
                break
        else:
            return choice, trained


def _chosen(search: Search) -> Choice:
    """The choice; without scores, the first that learns from labels alone, or from names that agree with them.

    Raises:
        UserError: no candidate could be trained.
    """
    choice = search.choice()
    if choice is not None:
        return choice
    supervised = [name for name, result in search.results.items() if result.candidate.supervised]
    possible = [name for name in supervised if not search.results[name].skipped]
    if not possible:
        reasons = "; ".join(f"{name}: {result.skipped}" for name, result in search.results.items() if result.skipped)
        raise UserError(f"candidates: none could be trained ({reasons[:500]})")
    named = search.results.get(NamesSelfTraining.name)
    if named is not None and not named.skipped and names_agree(search.data):
        return Choice({NamesSelfTraining.name: 1.0}, possible[0], {}, None)
    return Choice({possible[0]: 1.0}, possible[0], {}, None)


def _expected(search: Search, choice: Choice, probs: np.ndarray) -> tuple[Estimate | None, Estimate | None]:
    """Accuracy and macro-F1 of the choice, the classes of new examples being those of the unlabeled ones."""
    if choice.out_of_fold is None:
        return None, None
    shares = probs.mean(0) if len(probs) else None
    bias = optimism(search.scores, search.data.seed)
    return expected_scores(choice.out_of_fold, shares, bias, search.data.seed)


def _row(result: Result, choice: Choice) -> CandidateRow:
    name, scores = result.candidate.name, result.out_of_fold
    if scores is None:
        status = (
            f"skipped: {result.skipped}" if result.skipped else "chosen" if name in choice.weights else "not scored"
        )
        return CandidateRow(name, None, None, None, None, None, None, None, result.seconds or None, status)
    rows = np.flatnonzero(scores.scored.any(0))
    losses = np.nanmean(scores.losses[:, rows], axis=0)
    gap = choice.differences.get(name)
    accuracy, macro_f1 = scores_of(scores)
    return CandidateRow(
        name=name,
        log_loss=float(losses.mean()),
        error=float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else None,
        difference=None if gap is None else gap.mean,
        low=None if gap is None else gap.interval[0],
        high=None if gap is None else gap.interval[1],
        accuracy=accuracy,
        macro_f1=macro_f1,
        seconds=result.seconds,
        status=_status(result, choice),
    )


def _status(result: Result, choice: Choice) -> str:
    name = result.candidate.name
    if name in choice.weights:
        return "chosen" if len(choice.weights) == 1 else "averaged"
    reason = f" ({result.skipped})" if result.skipped else ""
    return f"not chosen{reason}" if name != choice.baseline else "not chosen: the baseline"
