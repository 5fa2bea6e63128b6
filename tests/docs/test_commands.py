"""The commands of the README and of the pages: every script exists and knows every flag."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from textssl.cli.arguments import parse_arguments, parse_flags
from textssl.cli.fit.options import FitOptions
from textssl.cli.main import command_line_app
from textssl.cli.main import main as command_line
from textssl.cli.options import RecipeOptions
from textssl.methods import METHODS


ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)]
# Scripts that call a command.
THIN_CALLERS = {
    "back_translate": ("back-translate",),
    "build_bank": ("bank", "build"),
    "pseudo_label": ("pseudo-label",),
    "retrieve": ("bank", "search"),
}
SCRIPT = re.compile(r"(?:^|/)((?:recipes|data_scripts|tests/benchmarks)/\w+\.py)$")


def commands() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Page, script and words after it, of each line of each block of shell."""
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["textssl"] and words[1:]:
                    yield page.relative_to(ROOT).as_posix(), "textssl", tuple(words[1:])
                for place, word in enumerate(words):
                    if found := SCRIPT.search(word):
                        yield page.relative_to(ROOT).as_posix(), found.group(1), tuple(words[place + 1 :])


CASES = sorted(set(commands()))


@pytest.mark.slow
@pytest.mark.parametrize(("page", "script", "words"), CASES, ids=[f"{p}-{s}-{i}" for i, (p, s, _) in enumerate(CASES)])
def test_a_command_is_understood(
    page: str, script: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as its flags are read: nothing is trained."""
    if script == "textssl":
        _command(words)
        return
    path = ROOT / script
    assert path.exists()
    if script.startswith("tests/"):
        return
    if "--config" in words:
        (tmp_path / "my.yaml").write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script, *words])
    read: list[Any] = []
    known = {"recipes": _recipe, "data_scripts": _script}[script.partition("/")[0]]
    known(path, words, read, monkeypatch)
    assert read


def _command(words: tuple[str, ...]) -> None:
    """A command of ``textssl``: click makes its context, which reads the flags and runs nothing."""
    command: Any = get_command(command_line_app())
    rest = list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("textssl", rest)


def _recipe(path: Path, words: tuple[str, ...], read: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def train(method: str, presets: Any, source: str = "imdb", argv: Any = None) -> None:
        read.append(parse_arguments([RecipeOptions, METHODS[method].config_class], presets, "cpu", argv))

    def fit(argv: Any = None) -> None:
        read.append(parse_flags(FitOptions, argv))

    def parsed(types: Any, presets: Any, preset: str, argv: Any = None) -> Any:
        read.append(parse_arguments(types, presets, preset, argv))
        raise _EnoughRead

    monkeypatch.setattr("textssl.cli.recipe.train_recipe", train)
    monkeypatch.setattr("textssl.cli.fit.program.fit_program", fit)
    monkeypatch.setattr("textssl.cli.sentaugment.parse_arguments", parsed)
    main = runpy.run_path(str(path), run_name="recipe")["main"]
    if path.name == "sentaugment_imdb.py":
        with pytest.raises(_EnoughRead):
            main()
    else:
        main()


def _script(path: Path, words: tuple[str, ...], read: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(parser: Any, args: Any = None, namespace: Any = None) -> Any:
        read.append(original(parser, args, namespace))
        raise _EnoughRead

    original = argparse.ArgumentParser.parse_known_args
    main = runpy.run_path(str(path), run_name="script")["main"]
    if main is command_line:
        # A thin caller of a command.
        _command((*THIN_CALLERS[path.stem], *words))
        read.append(words)
        return
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse)
    with pytest.raises(_EnoughRead):
        main(list(words))
    (_, unknown) = read[0]
    assert not unknown


class _EnoughRead(Exception):
    """The flags are read; what follows would work on data."""
