"""Candidates are trained on folds, from cheap to expensive, as far as the time reaches; nothing is done twice."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import is_disk_full
from .budget import Budget
from .candidate_result import Result, failure_message
from .candidates.base import LEVELS, Candidate, Trained
from .choose import Choice, choose
from .data import FitData
from .folder import disk_full
from .folds import Fold
from .out_of_fold import OutOfFold, compare
from .store import Outputs, ResultStore, candidate_key, data_checksum


__all__ = ["Search"]

# A candidate is told from another on two parts of the labels at least.
FEWEST_FOLDS = 2
# Standard errors that a dear candidate may be behind before the rest of its folds is not run.
HOPELESS = 3.0
# Time of a training on all labels, with predictions of the unlabeled examples, in trainings on a fold.
FINAL = 1.3

logger = logging.getLogger(__name__)


class Search:
    """Scores candidates on folds of the labeled data.

    Args:
        data: all labeled and unlabeled examples.
        folds: to score on; none where every class has one label.
        candidates: in any order; they are tried from level to level, and within a level in the order given.
        store: of results.
        budget: of time.
        say: is given a line of progress.

    Attributes:
        results: of each candidate by name, in the order in which they were tried.
    """

    def __init__(
        self,
        data: FitData,
        folds: Sequence[Fold],
        candidates: Sequence[Candidate],
        store: ResultStore,
        budget: Budget,
        say: Callable[[str], object] = logger.info,
    ) -> None:
        self.data, self.folds, self.store, self.budget = data, tuple(folds), store, budget
        self.candidates = sorted(candidates, key=lambda candidate: LEVELS.index(candidate.level))
        self.results: dict[str, Result] = {}
        self._say = say
        self._checksum = data_checksum(data)
        self._choice: tuple[list[str], Choice] | None = None

    def run(self) -> dict[str, Result]:
        """Try all candidates that the time allows.

        Raises:
            UserError: the disk is full; what was finished is kept.
        """
        for candidate in self.candidates:
            self.results[candidate.name] = result = Result(candidate)
            if candidate.needs_unlabeled and not len(self.data.unlabeled):
                result.skipped = "it needs unlabeled data"
                continue
            self._guarded(result)
        return self.results

    def final(self, name: str) -> tuple[Trained, Outputs]:
        """Train a candidate on all labels and predict the unlabeled examples.

        Raises:
            UserError: the disk is full.
        """
        result = self.results[name]
        teacher = None
        if result.teacher is not None:
            temperature = self.temperature(result.teacher)
            teacher = self.final(result.teacher)[1].unlabeled_probs(temperature)
        key = self._fold_key(result, None)
        stored = self.store.read(name, key)
        if stored is not None and self.store.has_model(name, key):
            return self.store.load(result.candidate, key, self.data), stored
        self._say(f"{name}: training on all {len(self.data.labels):,} labels{self.budget.describe_left()}")
        start = time.perf_counter()
        with self.store.scratch() as folder:
            trained = result.candidate.train(self.data, folder, teacher)
            outputs = self._outputs(trained, None, start)
        self.store.save(result.candidate, key, trained)
        self.store.write(name, key, outputs)
        return trained, outputs

    @property
    def scores(self) -> dict[str, OutOfFold]:
        """Of the candidates that were scored, by name."""
        found = {name: result.out_of_fold for name, result in self.results.items()}
        return {name: scores for name, scores in found.items() if scores is not None}

    def temperature(self, name: str) -> float:
        """That fits the out-of-fold logits of a candidate; 1 where there are none."""
        scores = self.results[name].out_of_fold
        return 1.0 if scores is None else scores.temperature()

    def choice(self) -> Choice | None:
        """The choice among those scored so far, against the first that learns from labels alone; ``None`` of none."""
        scores = self.scores
        if scores and (self._choice is None or self._choice[0] != [*scores]):
            supervised = [name for name in scores if self.results[name].candidate.supervised]
            heads = [name for name in scores if self.results[name].candidate.level == LEVELS[0]]
            self._choice = [*scores], choose(scores, (supervised or [*scores])[0], heads)
        return self._choice[1] if scores and self._choice is not None else None

    def best(self, among: Callable[[Candidate], bool] = lambda candidate: True) -> str | None:
        """The candidate of the lowest log-loss so far, of those ``among`` accepts; ``None`` where none has a score."""
        best = None
        for name, result in self.results.items():
            if result.out_of_fold is None or not among(result.candidate):
                continue
            if best is None or compare(result.out_of_fold, self._scores(best)).mean < 0:
                best = name
        return best

    def _best_teacher(self) -> str | None:
        """The best so far; where time is short, the best of those whose predictions of the folds cost nothing."""
        return self.best() if self.budget.endless else self.best(lambda candidate: candidate.level == LEVELS[0])

    def _scores(self, name: str) -> OutOfFold:
        scores = self.results[name].out_of_fold
        assert scores is not None
        return scores

    def _score(self, result: Result) -> None:
        """Run the folds of a candidate that there is time for."""
        candidate = result.candidate
        if candidate.takes_teacher:
            result.teacher = self._best_teacher()
            if result.teacher is None:
                result.skipped = "no candidate before it was scored, so it has no teacher"
                return
        folds = self._affordable(result, self._wanted_folds(candidate))
        for number, fold in enumerate(folds):
            if number and not self._goes_on(result, folds[number:]):
                break
            self._say(f"{candidate.name}: fold {number + 1} of {len(folds)}{self.budget.describe_left()}")
            result.outputs.append(self._fold(result, fold))
            result.folds.append(fold)
        if len(result.folds) >= FEWEST_FOLDS:
            result.out_of_fold = self._gathered(result)

    def _wanted_folds(self, candidate: Candidate) -> list[Fold]:
        """All folds for candidates that train in seconds, those of the first division for the others."""
        return [fold for fold in self.folds if candidate.level == LEVELS[0] or fold.repetition == 0]

    def _affordable(self, result: Result, folds: list[Fold]) -> list[Fold]:
        """As many folds as there is time for, with the training on all labels after them."""
        if not folds:
            return []
        seconds = result.candidate.seconds(self.data)
        possible = self.budget.trainings(seconds, self._reserve() + FINAL * seconds)
        missing = sum(self._stored(result, fold) is None for fold in folds)
        if possible >= missing or self.best() is None:
            # The first one is tried in any case: without it there is nothing to give back.
            return folds
        if possible < FEWEST_FOLDS or len(folds) <= FEWEST_FOLDS:
            needed = seconds * (min(len(folds), FEWEST_FOLDS) + 1)
            result.skipped = (
                f"it would take about {needed:,.0f} s, and {max(0, round(self.budget.left)):,} s were left"
            )
            return []
        return folds[: max(possible, FEWEST_FOLDS)]

    def _goes_on(self, result: Result, rest: Sequence[Fold]) -> bool:
        """Whether the next fold is run: there is time for it, and the candidate may still win."""
        best = self.best()
        if best is None:
            return True
        done, measured = len(result.folds), result.seconds_each
        in_time = self.budget.trainings(measured, self._reserve() + FINAL * measured) > 0
        if not in_time and self._stored(result, rest[0]) is None:
            result.skipped = f"stopped after {done} folds: the time is up"
            return False
        if result.candidate.level == LEVELS[0] or done < FEWEST_FOLDS:
            return True
        gap = compare(self._gathered(result), self._scores(best))
        if gap.mean > HOPELESS * gap.error:
            result.skipped = f"stopped after {done} folds: behind {best} by {gap.mean:.3f} +- {gap.error:.3f}"
            return False
        return True

    def _reserve(self) -> float:
        """Seconds that training on all labels takes of what would be chosen now, teachers included."""
        # Any head may be a part of it.
        heads = [name for name in self.scores if self.results[name].candidate.level == LEVELS[0]]
        choice = self.choice() if len(heads) < len(self.scores) else None
        seconds = sum(self.results[name].seconds_each for name in heads)
        for member in set(choice.weights) - set(heads) if choice is not None else ():
            name: str | None = member
            while name is not None:
                seconds += FINAL * self.results[name].seconds_each
                name = self.results[name].teacher
        return seconds

    def _gathered(self, result: Result) -> OutOfFold:
        divisions = 1 + max(fold.repetition for fold in self.folds)
        parts = [output.held_out for output in result.outputs]
        return OutOfFold.of(result.folds, parts, self.data.labels, (divisions, self.data.num_labels))

    def _fold(self, result: Result, fold: Fold, as_teacher: bool = False) -> Outputs:
        """A training on a fold. Of unlabeled examples only a head says something there, or a teacher."""
        stored = self._stored(result, fold)
        with_unlabeled = as_teacher or result.candidate.level == LEVELS[0]
        if stored is not None and (len(stored.unlabeled) == len(self.data.unlabeled) or not with_unlabeled):
            return stored
        start = time.perf_counter()
        with self.store.scratch() as folder:
            data = self.data.take(fold.train)
            trained = result.candidate.train(data, folder, self._teacher_probs(result, fold))
            outputs = self._outputs(trained, fold, start, with_unlabeled)
        self.store.write(result.candidate.name, self._fold_key(result, fold), outputs)
        return outputs

    def _outputs(self, trained: Trained, fold: Fold | None, start: float, with_unlabeled: bool = True) -> Outputs:
        classes = self.data.num_labels
        none = np.empty((0, classes))
        held_out = none if fold is None else trained.logits(self.data.labeled.take(fold.held_out))
        unlabeled = trained.logits(self.data.unlabeled) if with_unlabeled and len(self.data.unlabeled) else none
        if not (np.isfinite(held_out).all() and np.isfinite(unlabeled).all()):
            raise UserError("its logits hold nan or infinity")
        return Outputs.of(held_out, unlabeled, time.perf_counter() - start)

    def _teacher_probs(self, result: Result, fold: Fold) -> np.ndarray | None:
        """Calibrated probabilities of the teacher that was trained on the same fold."""
        if result.teacher is None:
            return None
        teacher = self._fold(self.results[result.teacher], fold, as_teacher=True)
        return teacher.unlabeled_probs(self.temperature(result.teacher))

    def _stored(self, result: Result, fold: Fold) -> Outputs | None:
        return self.store.read(result.candidate.name, self._fold_key(result, fold))

    def _fold_key(self, result: Result, fold: Fold | None) -> str:
        """The key of a training on a fold, or on all labels."""
        rows = b"" if fold is None else fold.train.tobytes() + b"/" + fold.held_out.tobytes()
        facts: dict[str, Any] = {
            "data": self._checksum,
            "encoder": self.data.encoder,
            "rows": hashlib.sha256(rows).hexdigest(),
        }
        if result.teacher is not None:
            key = self._fold_key(self.results[result.teacher], fold)
            facts["teacher"] = [result.teacher, f"{self.temperature(result.teacher):.6f}", key]
        return candidate_key(result.candidate, facts)

    def _guarded(self, result: Result) -> None:
        """Score a candidate; failures are logged and skipped; a full disk stops the search."""
        name = result.candidate.name
        try:
            self._score(result)
        except UserError as error:
            result.skipped = failure_message(error)
        except Exception as error:  # a candidate may be anybody's code
            if is_disk_full(error):
                raise disk_full(error, self.store.folder) from error
            result.skipped = failure_message(error)[:300]
        if result.skipped:
            logger.warning("%s: %s", name, result.skipped)
