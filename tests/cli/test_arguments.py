"""Flags over YAML over preset over defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import logging as transformers_logging

from textssl import UDAConfig, UserError
from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions


@dataclass
class Small:
    """A few of each kind."""

    preset: str = field(default="auto")
    config: str | None = field(default=None)
    rate: float = field(default=0.1)
    steps: int = field(default=10)
    most: int | None = field(default=None)
    share: float | None = field(default=None)
    name: str | None = field(default=None)
    fast: bool = field(default=False)
    baseline: bool = field(default=True)
    tags: list[str] = field(default_factory=list)


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"rate": 1e-4, "steps": 20, "most": 5, "share": 0.5, "fast": True},
    "full": {"rate": 3e-5, "steps": 1000},
}


def parse(*argv: str, default: str = "quick") -> Small:
    (small,) = parse_arguments([Small], PRESETS, default, argv)
    assert isinstance(small, Small)
    return small


def yaml(folder: Path, text: str) -> str:
    path = folder / "settings.yaml"
    path.write_text(text)
    return f"--config={path}"


def test_a_flag_beats_the_file_beats_the_preset_beats_the_default(tmp_path: Path) -> None:
    file = yaml(tmp_path, "rate: 0.3\nsteps: 30\n")
    assert Small().rate == 0.1
    assert (parse().rate, parse().steps, parse().name) == (1e-4, 20, None)
    assert (parse(file).rate, parse(file).steps, parse(file).fast) == (0.3, 30, True)
    assert (parse(file, "--rate", "0.4").rate, parse("--rate=0.4", file).steps) == (0.4, 30)


@pytest.mark.parametrize(
    ("argv", "file", "steps", "named"),
    [
        ([], "", 20, "quick"),
        (["--preset", "auto"], "", 20, "quick"),
        (["--preset=full"], "", 1000, "full"),
        ([], "preset: full", 1000, "full"),
        (["--preset", "quick"], "preset: full", 20, "quick"),
        (["--preset", "full", "--steps", "7"], "", 7, "full"),
    ],
)
def test_which_preset_is_taken_and_told(argv: list[str], file: str, steps: int, named: str, tmp_path: Path) -> None:
    given = [*argv, yaml(tmp_path, file)] if file else argv
    small = parse(*given)
    assert (small.steps, small.preset) == (steps, named)


@pytest.mark.parametrize("written", ["3e-5", "3.0e-5", "0.00003", "'3e-5'", "3E-5"])
def test_a_number_in_yaml_is_a_number(written: str, tmp_path: Path) -> None:
    """YAML 1.1 has 3e-5 a string."""
    rate = parse(yaml(tmp_path, f"rate: {written}")).rate
    assert type(rate) is float
    assert rate == 0.00003


def test_presets_may_depend_on_the_flags() -> None:
    def presets(flags: Any) -> dict[str, dict[str, Any]]:
        return {"quick": {"steps": len(flags)}}

    for argv, steps in ([], 0), (["--rate", "1"], 1), (["--rate=1", "--fast"], 2):
        (small,) = parse_arguments([Small], presets, "quick", argv)
        assert small.steps == steps


def test_null_takes_back_a_preset(tmp_path: Path) -> None:
    small = parse(yaml(tmp_path, "most: null\nshare:\n"))
    assert (small.most, small.share) == (None, None)
    assert parse("--most", "none").most is None
    assert parse().most == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [("fast: false", False), ("fast: no", False), ("fast: 'true'", True), ("fast: yes", True)],
)
def test_truth_in_yaml(text: str, expected: bool, tmp_path: Path) -> None:
    assert parse(yaml(tmp_path, text)).fast is expected


def test_truth_as_a_flag() -> None:
    assert parse("--fast", "False").fast is False
    assert parse("--fast", default="full").fast is True
    assert parse("--no_baseline").baseline is False
    assert parse("--baseline", "false").baseline is False


def test_lists_in_yaml_and_as_flags(tmp_path: Path) -> None:
    assert parse(yaml(tmp_path, "tags: [a, b]")).tags == ["a", "b"]
    assert parse("--tags", "a", "b").tags == ["a", "b"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--stepz", "3"], "--stepz: no such flag; did you mean steps?"),
        (["--stepz=3"], "--stepz: no such flag; did you mean steps?"),
        (["--quux", "3"], "--quux: no such flag$"),
        (["--step", "3"], "--step: no such flag; did you mean steps?"),
        (["stray"], "stray: no such flag"),
        (["--steps", "ten"], "argument --steps: invalid int value: 'ten'"),
        (["--rate", "fast"], "argument --rate: invalid float value: 'fast'"),
        (["--most", "many"], "argument --most: invalid int value: 'many'"),
        (["--fast", "maybe"], "argument --fast"),
        (["--steps"], "argument --steps: expected one argument"),
        (["--preset", "fullest"], "preset: got 'fullest'; allowed: auto, quick, full"),
        (["--preset"], "argument --preset: expected one argument"),
        (["--config", "/no/such.yaml"], "config: /no/such.yaml does not exist"),
    ],
)
def test_a_wrong_flag_is_one_clear_error(argv: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse(*argv)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stepz: 3", "settings.yaml: unknown key 'stepz'; did you mean steps?"),
        ("3: 4", "settings.yaml: unknown key 3"),
        ("steps: ten", "settings.yaml: steps: got 'ten'; expected a whole number"),
        ("steps: 1.5", "settings.yaml: steps: got 1.5; expected a whole number"),
        ("steps: yes", "settings.yaml: steps: got True; expected a whole number"),
        ("rate: [0.1]", r"settings.yaml: rate: got \[0.1\]; expected a number"),
        ("fast: 2", "settings.yaml: fast: got 2; expected true or false"),
        ("preset: best", "preset: got 'best'; allowed: auto, quick, full"),
        ("", "holds no keys; expected lines such as"),
        ("- steps", "holds no keys"),
        ("a: b: c", "is no YAML file"),
        ("steps: 1\nsteps: !!python/object/apply:os.getcwd []", "is no YAML file"),
    ],
)
def test_a_wrong_file_is_one_clear_error(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told) as error:
        parse(yaml(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is no YAML file"):
        parse("--config", str(tmp_path / "settings.yaml"))
    with pytest.raises(UserError, match="is no YAML file"):
        parse("--config", str(tmp_path))


def test_a_preset_of_ours_with_an_unknown_key_is_found() -> None:
    with pytest.raises(UserError, match="preset bad: unknown key 'stepz'"):
        parse_arguments([Small], {"bad": {"stepz": 1}}, "bad", [])


def test_the_arguments_of_the_process_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["recipe.py", "--steps", "99"])
    assert parse_arguments([Small], PRESETS, "quick")[0].steps == 99


def test_help_lists_each_field_and_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments([RecipeOptions], {"cpu": {}}, "cpu", ["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "--num_labeled" in out
    assert "Number of labeled examples over all classes." in out


# A recipe's own arguments: the method's config beside the options


RECIPE: dict[str, dict[str, Any]] = {"cpu": {"output_dir": "out", "use_cpu": True, "tsa": "none", "max_steps": 10}}
OTHER: dict[str, Any] = {"output_dir": "out", "use_cpu": True, "max_steps": 70, "num_test": 9}


def recipe(*argv: str) -> tuple[RecipeOptions, UDAConfig]:
    options, config = parse_arguments([RecipeOptions, UDAConfig], {**RECIPE, "other": OTHER}, "cpu", argv)
    return options, config


def test_every_field_of_a_config_is_a_flag(tmp_path: Path) -> None:
    file = yaml(tmp_path, "learning_rate: 3e-5\nnum_labeled: 50\ntsa: exp\nlr_scheduler_kwargs: {num_cycles: 2}\n")
    options, config = recipe(file, "--temperature", "0.4", "--keep_end", "--save_total_limit", "none")
    assert (options.num_labeled, config.learning_rate, config.tsa, config.temperature) == (50, 3e-5, "exp", 0.4)
    assert config.lr_scheduler_kwargs == {"num_cycles": 2}
    assert (config.keep_end, config.save_total_limit, config.max_steps) == (True, None, 10)
    assert recipe()[1].tsa == "none"


@pytest.mark.parametrize(
    ("argv", "file", "shown"),
    [
        ([], "", {"max_steps": "10", "tsa": "none", "preset": "cpu", "use_cpu": "True", "num_test": "None"}),
        (["--preset", "other"], "", {"max_steps": "70", "tsa": "auto", "preset": "other", "num_test": "9"}),
        ([], "max_steps: 30\nlabels: 7", {"max_steps": "30", "num_labeled": "7", "tsa": "none"}),
    ],
)
def test_help_shows_the_values_that_a_run_would_take(
    argv: list[str], file: str, shown: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not those of the dataclasses, which a preset replaces."""
    with pytest.raises(SystemExit):
        recipe(*argv, *([yaml(tmp_path, file)] if file else []), "--help")
    told = capsys.readouterr().out.split("\n  --")
    for name, value in shown.items():
        (part,) = [text for text in told if text.startswith((f"{name} ", f"{name},"))]
        assert f"(default: {value})" in " ".join(part.split())


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], None),
        (["--resume_from_checkpoint"], True),
        (["--resume_from_checkpoint", "--seed", "3"], True),
        (["--resume_from_checkpoint", "true"], True),
        (["--resume_from_checkpoint", "True"], True),
        (["--resume_from_checkpoint=false"], None),
        (["--resume_from_checkpoint", "none"], None),
        (["--resume_from_checkpoint", "out/uda/checkpoint-3"], "out/uda/checkpoint-3"),
    ],
)
def test_resuming_needs_no_value(argv: list[str], expected: Any) -> None:
    assert recipe(*argv)[1].resume_from_checkpoint == expected


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", None), ("null", None), ("a/b", "a/b")])
def test_resuming_can_be_told_in_yaml(text: str, expected: Any, tmp_path: Path) -> None:
    assert recipe(yaml(tmp_path, f"resume_from_checkpoint: {text}"))[1].resume_from_checkpoint == expected


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--temperature", "0"], "temperature: got 0.0"),
        (["--num_labeled", "0"], "num_labeled: got 0; expected at least 1"),
        (["--strong", "magic"], "strong: got 'magic'; allowed: auto, tfidf"),
        (["--test_file", "a.csv"], "train_file: got none; own labeled data go with test_file"),
        (["--load_best_model_at_end", "--eval_strategy", "no"], "load_best_model_at_end requires"),
        (["--eval_strategy", "sometimes"], "argument --eval_strategy"),
        (["--learing_rate", "3e-5"], "--learing_rate: no such flag; did you mean learning_rate?"),
    ],
)
def test_a_setting_out_of_range_is_one_clear_error(argv: list[str], told: str) -> None:
    """Also where it is transformers' own arguments that refuse it."""
    with pytest.raises(UserError, match=told):
        recipe(*argv)


@pytest.mark.parametrize(("words", "hidden"), [([], False), (["--disable_tqdm"], True)])
def test_progress_does_not_follow_the_verbosity_of_transformers(words: list[str], hidden: bool) -> None:
    transformers_logging.set_verbosity_error()
    argv = ["--output_dir", "out", *words]
    assert parse_arguments([RecipeOptions, UDAConfig], {"cpu": {}}, "cpu", argv)[1].disable_tqdm is hidden
