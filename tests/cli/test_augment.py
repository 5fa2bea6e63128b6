"""``textssl augment``: the views are those of training, and changes are marked."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.command_line import Ended
from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions
from textssl.cli.presets import fitting_preset, presets_for
from textssl.cli.recipe import trainer_factory
from textssl.cli.run.folder import RunFolder
from textssl.cli.run.resolved import resolve_run
from textssl.data.sampler import UNLABELED, Key
from textssl.data.views import view_rng
from textssl.methods import METHODS


CommandLine = Callable[..., Ended]
WORDS = [
    "a",
    "fine",
    "old",
    "film",
    "with",
    "many",
    "quiet",
    "scenes",
    "and",
    "few",
    "loud",
    "ones",
    "nobody",
    "forgets",
]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "many.csv"
    path.write_text("text\n" + "".join(f"{' '.join(rng.permutation(WORDS))}\n" for _ in range(30)))
    return path


def test_views_are_those_that_training_draws(command_line: CommandLine, many: Path, tmp_path: Path) -> None:
    """The trainer of a run of the same files is asked for its own views."""
    few = tmp_path / "few.csv"
    few.write_text("text,label\n" + "".join(f"a film of class {name} {i},{name}\n" for i in range(4) for name in "xy"))
    out = command_line("augment", many, "--rows", 4, "--epoch", 2, "--json")
    shown = out.json["rows"]
    words = ["--train_file", str(few), "--unlabeled_file", str(many), "--output_dir", str(tmp_path / "out")]
    words += ["--report_to", "none", "--no_baseline"]
    kind = METHODS["uda"]
    options, config = parse_arguments(
        [RecipeOptions, kind.config_class], presets_for("uda"), fitting_preset()[0], words
    )
    run = RunFolder(config.output_dir, [options, config], None, False)
    resolved = resolve_run("uda", kind, options, config, "imdb", run)
    task = resolved.setup_class(resolved.options, resolved.config, resolved.data, set(resolved.views))
    task.prepare(run.path)
    trainer = trainer_factory(kind, resolved.config, task)(run.path)
    collator = trainer.data_collator
    for number, entry in enumerate(shown):
        key = Key(UNLABELED, number, 2)
        example = trainer.train_dataset[key].example
        made = collator.augmentations["strong"](example, view_rng(collator.seed, key, "strong"))
        assert entry["original"] == entry["views"]["weak"]["text"] == example["text"]
        assert entry["views"]["strong"]["text"] == made["text"]
    assert any(entry["views"]["strong"]["text"] != entry["original"] for entry in shown)


def test_changes_are_marked(command_line: CommandLine, many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "views.csv"
    ended = command_line("augment", many, "--rows", 2, "--view", "strong", "--replace", 0.5, "-o", out)
    assert ended.code == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["line"] for row in rows] == ["2", "3"]
    lines = ended.out.splitlines()
    assert lines[0] == f"line 2 (row 0): {rows[0]['original']}"
    marked = lines[1].strip().removeprefix("strong: ")
    assert "[-" in marked
    assert "{+" in marked
    # What is taken out and what is put in give the two texts.
    before = marked.replace("[-", "").replace("-]", "")
    after = before
    while "{+" in before:
        start, end = before.index("{+"), before.index("+}")
        before = before[:start] + before[end + 2 :]
    assert before.split() == rows[0]["original"].split()
    for piece in marked.split("[-")[1:]:
        after = after.replace(piece.partition("-]")[0], "", 1)
    assert "the words of 30 texts" in ended.err
    assert "Apertium, for back-translation, is " in ended.err


def test_the_same_seed_gives_the_same_views_and_a_visit_others(command_line: CommandLine, many: Path) -> None:
    first, again, visit, seed = (
        command_line("augment", many, "--rows", 3, "--json", *words).json["rows"]
        for words in ([], [], ["--epoch", 1], ["--seed", 7])
    )
    assert first == again
    assert first != visit
    assert first != seed


def test_ctaugment_at_first_and_as_a_run_has_learned_it(command_line: CommandLine, many: Path, tmp_path: Path) -> None:
    """Rates of 0 but for one bin leave that bin alone."""
    words = ["augment", many, "--rows", 3, "--strong", "ctaugment", "--method", "fixmatch"]
    shown = command_line(*words, "--json").json
    assert shown["strengths"]["identity"] == [1.0]
    assert shown["strengths"]["tfidf"] == [1.0] * 5
    rates = torch.zeros(6, 5)
    rates[:, 0] = 1.0
    rates[1, 0], rates[1, 4] = 0.0, 0.5
    checkpoint = tmp_path / "run" / "fixmatch" / "checkpoint-12"
    checkpoint.mkdir(parents=True)
    save_file({"bin_rates.0.rates": rates}, checkpoint / "objective.safetensors")
    ended = command_line(*words, "--run", tmp_path / "run")
    assert f"CTAugment at the strengths of {checkpoint}" in ended.err
    assert "tfidf            0.00 0.00 0.00 0.00 0.50\n" in ended.out


def test_a_column_that_is_ready(command_line: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("text,german\nthe cat sleeps,the cat is asleep\na dog barks,a dog is barking\n")
    ended = command_line("augment", path, "--strong", "german", "--view", "strong")
    assert ended.out.splitlines()[1] == "    strong: the cat [-sleeps-]{+is asleep+}"
    assert "strong: column german\n" in ended.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strong", "randaugment"], "strong: got 'randaugment'; here allowed: auto, tfidf"),
        (
            ["--strong", "tfdif"],
            "strong: got 'tfdif'; the unlabeled data have no further column 'tfdif'; did you mean",
        ),
        (["--view", "stron"], "view: got 'stron'; expected weak, strong"),
        (["--method", "udaa"], "method: got 'udaa'; did you mean uda?"),
        (["--rows", "0"], "rows: got 0; expected at least 1"),
        (["-o", "views.txt"], "output: got 'views.txt'; expected a file .csv for texts, .png for images"),
        (["--run", "nowhere"], "run: got 'nowhere'; only --strong ctaugment learns its strengths"),
        (["--run", "nowhere", "--strong", "ctaugment"], "run: 'nowhere' holds no checkpoint"),
    ],
)
def test_mistakes(command_line: CommandLine, many: Path, words: list[str], message: str) -> None:
    assert command_line("augment", many, *words).error.startswith(message)


@pytest.mark.parametrize("strong", ["randaugment", "ctaugment"])
def test_images_go_to_a_sheet(command_line: CommandLine, tmp_path: Path, strong: str) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    out = tmp_path / "views.png"
    words = ["augment", tmp_path / "images", "--rows", 2, "--method", "fixmatch", "--strong", strong]
    assert command_line(*words).error == "output: got none; images are written to a file: -o views.png"
    assert command_line(*words, "-o", out).code == 0
    sheet = np.asarray(Image.open(out))
    # Three cells of 160 pixels and their margins, two rows below the names.
    assert sheet.shape == (18 + 8 + 2 * 168, 8 + 3 * 168, 3)
    first = np.asarray(Image.open(tmp_path / "images" / "0.png"))
    cell = sheet[26:186, 8:168]
    assert (cell[::10, ::10] == first).all()
    assert not (sheet[26:186, 344:504][::10, ::10] == first).all()
