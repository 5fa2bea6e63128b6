"""What a person sets wins over a preset, which may not stand in its way."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from textssl import METHODS, UserError
from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions
from textssl.cli.presets import presets_for


MACHINE = {"bf16": False, "report_to": "none", "dataloader_num_workers": 0}


def parsed(method: str, line: str, preset: str = "cpu", **changes: Any) -> tuple[RecipeOptions, Any]:
    """As a run with the preset reads its command line. Not every machine has bfloat16."""
    words = shlex.split(line)
    flags = {word.lstrip("-"): value for word, value in zip(words, [*words[1:], ""], strict=False) if word[0] == "-"}
    settings = {**presets_for(method)(flags)[preset], **MACHINE, **changes}
    options, config = parse_arguments(
        [RecipeOptions, METHODS[method].config_class], {preset: settings}, preset, [*words, "--use_cpu"]
    )
    return options, config


BACKENDS = ["", "--head random", "--source digits", "--backend features"]
ASKED = [
    "--max_steps 6",
    "--max_steps 2 --warm_start_steps 1",
    "--num_train_epochs 0.5",
    "--warm_start_steps 5000",
    "--finetune_steps 5000",
    "--warm_start_share 0.9",
    "--min_steps 5000",
    "--step_limit 3",
    "--eval_steps 70",
    "--save_steps 70",
    "--load_best_model_at_end",
    "--load_best_model_at_end --eval_steps 70 --eval_strategy steps",
    "--load_best_model_at_end --save_steps 70",
    "--learning_rate 1e-3",
    "--optim adamw_torch",
    "--lr_scheduler_type constant",
    "--per_device_train_batch_size 1000",
    "--max_length 500",
    "--num_labeled 3000",
    "--warmup_steps 20000",
    "--relative_threshold 0.1",
]
NAMES = sorted(METHODS)
CASES = [
    # Each with another method: all methods come, with each backend and each preset.
    pytest.param(NAMES[number % len(NAMES)], f"{backend} {asked}", preset, id=f"{preset} {backend} {asked}")
    for number, (preset, backend, asked) in enumerate(
        (preset, backend, asked) for preset in ("cpu", "paper") for backend in BACKENDS for asked in ASKED
    )
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "line", "preset"), CASES)
def test_no_preset_stands_in_the_way(method: str, line: str, preset: str) -> None:
    options, config = parsed(method, line, preset)
    words = shlex.split(line)
    for flag, value in zip(words, [*words[1:], "--"], strict=True):
        if flag.startswith("--"):
            name = flag.removeprefix("--")
            held = getattr(options if hasattr(options, name) else config, name)
            wanted = "true" if value.startswith("--") else value
            assert str(getattr(held, "value", held)).lower() == wanted or float(held) == float(wanted), name
    if config.load_best_model_at_end:
        assert config.eval_strategy == config.save_strategy
        assert config.save_steps % config.eval_steps == 0


@pytest.mark.parametrize(
    ("line", "changes", "became"),
    [
        # 250 steps, of which 1,000 of 10,000 warm up in the paper's.
        ("--max_steps 500", {"max_steps": 10_000, "warmup_steps": 1000}, {"warmup_steps": 50}),
        ("--max_steps 6", {"max_steps": 250, "warm_start_steps": 50}, {"warm_start_steps": 1}),
        ("--max_steps 6", {"warm_start_steps": 50}, {"warm_start_steps": 3}),
        ("--warm_start_steps 300", {"max_steps": 250}, {"max_steps": 550}),
        ("--num_train_epochs 2", {"max_steps": 250}, {"max_steps": -1}),
        ("--step_limit 20", {"max_steps": 250, "min_steps": None, "step_limit": None}, {"max_steps": 20}),
        ("--min_steps 300", {"step_limit": 200, "min_steps": 80}, {"step_limit": 300}),
        ("--step_limit 20", {"step_limit": 200, "min_steps": 80}, {"min_steps": 20}),
        ("--learning_rate 1e-4", {"learning_rate": 5e-5, "head_learning_rate": 5e-4}, {"head_learning_rate": 1e-3}),
        ("--optim adamw_torch", {"optim": "sgd", "optim_args": "momentum=0.9"}, {"optim_args": None}),
        (
            "--lr_scheduler_type linear",
            {"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"num_cycles": 0.4}},
            {"lr_scheduler_kwargs": None},
        ),
        ("--load_best_model_at_end", {"eval_steps": 50, "save_steps": 120}, {"eval_steps": 120}),
        ("--load_best_model_at_end --eval_steps 50", {"save_steps": 120}, {"save_steps": 150}),
        # Two that UDA refuses beside each other.
        ("--entropy_weight 0.1", {"teacher_decay": 0.97}, {"teacher_decay": 0.0}),
    ],
)
def test_what_becomes_of_the_preset(line: str, changes: dict[str, Any], became: dict[str, Any]) -> None:
    options, config = parsed("uda", f"{line} --eval_strategy steps", **changes)
    for name, value in became.items():
        assert getattr(options if hasattr(options, name) else config, name) == pytest.approx(value)
        assert any(note.startswith(f"{name}: ") for note in options.notes)
    assert len(options.notes) == len(became), options.notes


def test_nothing_is_said_without_a_clash() -> None:
    assert parsed("uda", "")[0].notes == ()
    assert parsed("uda", "--max_steps 100 --seed 1 --learning_rate 5e-5")[0].notes == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--max_steps 6 --warm_start_steps 50", "warm_start_steps: got 50; expected fewer than max_steps, 6"),
        ("--temperature 0", "temperature: got 0.0"),
        ("--entropy_weight 0.1 --teacher_decay 0.9", "entropy_weight: got 0.1 with teacher_decay 0.9"),
        ("--min_steps 9 --step_limit 5", "min_steps: got 9; expected at most step_limit, 5"),
    ],
)
def test_what_a_person_alone_got_wrong_stays_a_mistake(line: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        parsed("uda", line)
