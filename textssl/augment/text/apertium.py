"""Apertium, a rule-based translator that runs on any CPU.

Source: Forcada et al., 2011, doi:10.1007/s10590-011-9090-0.

It needs no model and no network: a distribution package holds the program and another one a
language pair. A round trip reads as a clumsy paraphrase.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...errors import UserError
from .untranslated import cut_lines, hide_names, join_lines, show_names


__all__ = ["ApertiumEngine", "installed_pairs"]

logger = logging.getLogger(__name__)

# The programs take half a second to start; beyond this size, a call gains no more speed.
CALL_LINES = 2048
CALL_CHARACTERS = 500_000
# The slowest pair and machine that time out wrongly at the default would run at this pace.
CHARACTERS_PER_SECOND = 1000
# Not whitespace to Python, yet no part of any text: they end strings and records in other programs.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
# Apertium marks words that it cannot translate or inflect with *, @ or #, and "~" wakes its
# post-generator, which then reaches over to the next text. Those of a text travel as characters of
# the private use area, which it passes on.
_MARKS = "*@#~"
_HIDE = {ord(mark): 0xF8A0 + number for number, mark in enumerate(_MARKS)}
_SHOW = {hidden: chr(mark) for mark, hidden in _HIDE.items()}
_DROP = dict.fromkeys(map(ord, _MARKS))


class _CallError(Exception):
    """One run of the program gave no usable answer."""


class ApertiumEngine:
    """Translate to a pivot language and back with the ``apertium`` program.

    Each line of a text is translated by itself, and what separates the lines comes back as it was:
    a heading does not melt into the sentence below it. Blank lines stand between them, which ends
    the sentence for every stage of the translator: no word moves from one line into another.
    Answers are checked for that. A call that crashes, hangs or gives another number of lines is
    repeated in halves, down to the one line at fault, which is returned untranslated and logged.

    Handles, hashtags, links, e-mail addresses and special tokens do not reach the translator: a
    character that it passes on stands for each. A line in which one got lost is returned
    untranslated.

    The tagger in Apertium remembers earlier texts of a call, so a text may be translated a word or
    two differently in other company. The same list of texts always gives the same result;
    ``BackTranslation`` asks for the same lists again when it resumes a job.

    Args:
        source: language of the texts, as in the names that ``apertium -l`` lists. Default English.
        pivot: language to go through. Default Spanish.
        processes: calls that run at the same time. It does not change the result.
        timeout: seconds after which a call has failed; longer calls get one more second per 1,000
            characters.

    Raises:
        UserError: if the program or one of the two directions is not installed, at once; and when
            it fails on the simplest text, so that nothing can be expected from it.
    """

    deterministic = True

    def __init__(
        self,
        source: str = "eng",
        pivot: str = "spa",
        *,
        processes: int = 1,
        timeout: float = 60.0,
    ) -> None:
        if processes < 1 or timeout <= 0:
            raise UserError(f"processes must be at least 1 and timeout positive, got {processes} and {timeout}")
        self.forward = f"{source}-{pivot}"
        self.backward = f"{pivot}-{source}"
        self.processes = processes
        self.timeout = timeout
        _check_installed(self.forward, self.backward)

    @property
    def identity(self) -> str:
        """What a cached translation depends on besides the text."""
        # "by lines" tells these from translations of earlier versions, which joined lines and translated names.
        return f"apertium {self.forward} {self.backward} by lines"

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Round trips of the texts, in their order; ``rng`` is not used.

        Runs of spaces within a line become one space, control characters are dropped.
        """
        cut = [cut_lines(text) for text in texts]
        back = iter(self._round_trips([line for lines, _ in cut for line in lines]))
        return [join_lines([next(back) for _ in lines], separators) for lines, separators in cut]

    def _round_trips(self, lines: Sequence[str]) -> list[str]:
        """Each line there and back, or as it is where that fails."""
        masked = [hide_names(line) for line in lines]
        sent_lines = [_one_line(line) for line, _ in masked]
        rows = [row for row, line in enumerate(sent_lines) if any(map(str.isalnum, line))]
        forward = self._one_way([sent_lines[row] for row in rows], self.forward)
        there = {row: line for row, line in zip(rows, forward, strict=True) if line is not None}
        backward = self._one_way(list(there.values()), self.backward)
        results, lost = list(lines), 0
        for row, line in zip(there, backward, strict=True):
            shown = None if line is None else show_names(line.translate(_SHOW), masked[row][1])
            lost += line is not None and shown is None
            results[row] = lines[row] if shown is None else shown
        if lost:
            logger.warning("apertium: a handle or link got lost in %d of %d lines; left as they are", lost, len(lines))
        return results

    def _one_way(self, lines: Sequence[str], mode: str) -> list[str | None]:
        with ThreadPoolExecutor(self.processes) as pool:
            answers = pool.map(lambda call: self._persist(call, mode), _calls(lines))
            return [line for answer in answers for line in answer]

    def _persist(self, lines: Sequence[str], mode: str) -> list[str | None]:
        """Translate lines; None for each one that brings the program down on its own."""
        try:
            return list(self._call(lines, mode))
        except _CallError as error:
            if len(lines) > 1:
                half = len(lines) // 2
                return self._persist(lines[:half], mode) + self._persist(lines[half:], mode)
            self._check_alive(mode)
            logger.warning("apertium %s: %s; left as it is: %.80r", mode, error, lines[0].translate(_SHOW))
            return [None]

    def _call(self, lines: Sequence[str], mode: str) -> list[str]:
        data = "".join(line + "\n\n" for line in lines)
        seconds = self.timeout + len(data) / CHARACTERS_PER_SECOND
        answer = _run(["apertium", "-u", mode], data, seconds).split("\n")
        # Two lines per text, the second of them blank, and the nothing after the last newline.
        if len(answer) != 2 * len(lines) + 1 or any(line.strip() for line in answer[1::2]):
            raise _CallError(f"{len(lines)} texts went in, {len(answer) // 2} came out")
        results = [" ".join(line.translate(_DROP).split()) for line in answer[0:-1:2]]
        if not all(results):
            raise _CallError("it returned nothing")
        return results

    def _check_alive(self, mode: str) -> None:
        try:
            self._call(["yes"], mode)
        except _CallError as error:
            raise UserError(
                f"apertium -u {mode} fails on the text 'yes': {error}; "
                f"repair its installation, or choose another engine"
            ) from None


def installed_pairs() -> list[str]:
    """Pairs of languages that can be translated there and back, such as ``eng-spa``.

    Raises:
        UserError: the program is not installed, or does not work.
    """
    modes = {mode for mode in _installed_modes("apt-get install apertium apertium-eng-spa") if mode.count("-") == 1}
    pairs = {tuple(sorted(mode.split("-"))) for mode in modes if "-".join(reversed(mode.split("-"))) in modes}
    return sorted("-".join(pair) for pair in pairs)


def _installed_modes(packages: str) -> list[str]:
    if shutil.which("apertium") is None:
        raise UserError(f"engine: the program apertium is not installed; on Debian or Ubuntu: {packages}")
    try:
        return _run(["apertium", "-l"], "", 60.0).split()
    except _CallError as error:
        raise UserError(f"engine: `apertium -l` does not work: {error}") from None


def _check_installed(*modes: str) -> None:
    packages = f"apt-get install apertium apertium-{modes[0]}"
    installed = _installed_modes(packages)
    missing = [mode for mode in modes if mode not in installed]
    if missing:
        raise UserError(
            f"source, pivot: apertium does not translate {' or '.join(missing)}; installed are "
            f"{', '.join(installed) or 'no pairs'}; on Debian or Ubuntu: {packages}"
        )


def _one_line(text: str) -> str:
    text = _CONTROL.sub("", text).translate(_HIDE)
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def _calls(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    start = characters = 0
    for row, line in enumerate(lines):
        characters += len(line)
        if row > start and (row - start == CALL_LINES or characters > CALL_CHARACTERS):
            yield lines[start:row]
            start, characters = row, len(line)
    if lines:
        yield lines[start:]


def _run(command: list[str], data: str, timeout: float) -> str:
    """Standard output of a program; it and all its children are gone when this returns."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            output, errors = process.communicate(data.encode(), timeout)
        except subprocess.TimeoutExpired:
            raise _CallError(f"no answer in {timeout:.0f} s") from None
        finally:
            # Not yet waited for, so the number of its group cannot belong to anything else.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        reason = " ".join(errors.decode(errors="replace").split())[-200:]
        raise _CallError(f"exit status {process.returncode}: {reason or 'no message'}")
    return output.decode(errors="replace")
