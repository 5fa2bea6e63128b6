"""A config that a person hands in stays as it is, whoever reads it and however long the run."""

from __future__ import annotations

import importlib
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import textssl.cli.recipe as recipe
import textssl.cli.run.comparison as comparison
import textssl.cli.sentaugment as sentaugment
from tests.contract.cases import build, model, tokenizer, unlabeled
from textssl import UDAConfig, UserError
from textssl.cli.options import RecipeOptions
from textssl.cli.run.config import run_config
from textssl.config import derive_config
from textssl.config.saved_settings import write_settings
from textssl.methods import METHODS
from textssl.pretraining import PretrainingConfig, pretrain_in_domain
from textssl.training.trainer import SSLTrainer


MODALITIES = [(name, m) for name in sorted(METHODS) for m in METHODS[name].objective_class.modalities]


def values(config: Any) -> dict[str, Any]:
    return {entry.name: deepcopy(getattr(config, entry.name)) for entry in fields(config)}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "modality"), MODALITIES)
def test_training_leaves_the_config_as_it_was(
    method: str, modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of each trainer which a method makes: rounds make several."""
    given: list[tuple[Any, dict[str, Any]]] = []
    check = SSLTrainer._check_arguments

    def noting(self: SSLTrainer, args: Any, *more: Any) -> None:
        given.append((args, values(args)))
        check(self, args, *more)

    monkeypatch.setattr(SSLTrainer, "_check_arguments", noting)
    own = importlib.import_module(f"tests.methods.test_{method}")
    settings = getattr(own, "CONTRACT_IMAGE" if modality == "image" else "CONTRACT_DEFAULT", {})
    extra = {"lr_scheduler_kwargs": {}, "accelerator_config": {"even_batches": False}, "save_strategy": "no"}
    trainer = build(method, tmp_path, modality, **{"max_steps": 4, **extra, **settings})
    trainer.train()
    trainer.evaluate()
    assert given
    for config, before in given:
        assert trainer.args is not config
        assert values(config) == before
        assert trainer.args.accelerator_config is not config.accelerator_config


@pytest.mark.parametrize("method", ["uda", "vat", "noisy_student"])
def test_one_config_is_resolved_for_a_trainer(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made once, at construction; the loss reads it, and it is what is written beside the model."""
    copies: list[Any] = []

    def counted(config: Any, kind: Any, **changes: Any) -> Any:
        copies.append(derive_config(config, kind, **changes))
        return copies[-1]

    monkeypatch.setattr("textssl.config.derive_config", counted)
    trainer = build(method, tmp_path)
    assert len(copies) == 1
    assert trainer.args is trainer.objective.config is copies[0]
    write_settings(trainer.args, tmp_path / "expected")
    trainer.save_model(str(tmp_path / "saved"))
    written = [(tmp_path / name / "training_args.json").read_bytes() for name in ("expected", "saved")]
    assert written[0] == written[1]


def test_pretraining_leaves_the_config_as_it_was(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"use_cpu": True, "report_to": [], "max_steps": 1, "max_length": 16, "save_steps": 1}
    config = PretrainingConfig(str(tmp_path), disable_tqdm=True, per_device_train_batch_size=4, **settings)
    before = values(config)
    pretrain_in_domain(model(), tokenizer(), unlabeled(), config)
    assert values(config) == before


def test_a_derived_config_shares_nothing_that_can_be_changed() -> None:
    config = UDAConfig("out", use_cpu=True, report_to=[], lr_scheduler_kwargs={"power": {"of": 2}})
    other: Any = derive_config(config, UDAConfig)
    assert values(other) == values(config)
    other.lr_scheduler_kwargs["power"]["of"] = 3
    other.accelerator_config.even_batches = False
    other.report_to.append("tensorboard")
    assert config.lr_scheduler_kwargs == {"power": {"of": 2}}
    assert config.accelerator_config.even_batches
    assert config.report_to == []


# Recipes

# Of a preset: a person who asks for an evaluation without data is refused.
PRESETS: dict[str, Any] = {name: {"eval_strategy": "steps"} for name in ("cpu", "paper")}
DIGITS = [
    "--source=digits", "--labels=20", "--num_test=40", "--num_validation=0", "--num_unlabeled=60", "--max_steps=2",
    "--baseline_steps=2", "--report_to=none", "--disable_tqdm=True", "--use_cpu=True",
]  # fmt: skip


def watched(module: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """What a recipe reads off its command line, and how it was then."""
    given: list[tuple[Any, dict[str, Any]]] = []
    parse = module.parse_arguments

    def noting(*args: Any) -> Any:
        parsed = parse(*args)
        given.extend((part, values(part)) for part in parsed)
        return parsed

    monkeypatch.setattr(module, "parse_arguments", noting)
    return given


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "backend", "threshold"),
    [
        ("uda", "features", 0.8),
        ("uda", "image", 0.8),
        ("fixmatch", "features", 0.95),
        ("supervised", "features", None),
    ],
)
def test_the_report_reads_the_config_that_was_trained_with(
    method: str, backend: str, threshold: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UDA's threshold of images and features is open until the modality is known: 0.8 in the paper."""
    drawn: list[float | None] = []
    plot = comparison.plot_confidence

    def noting(confidences: Any, folder: Path, line: float | None, *more: Any) -> Path:
        drawn.append(line)
        return plot(confidences, folder, line, *more)

    monkeypatch.setattr(comparison, "plot_confidence", noting)
    given = watched(recipe, monkeypatch)
    recipe.train_recipe(method, PRESETS, argv=[*DIGITS, f"--backend={backend}", f"--output_dir={tmp_path / 'out'}"])
    assert drawn == [threshold]
    trained = METHODS[method].config_class.from_json(tmp_path / "out" / method)
    assert getattr(trained, "threshold", None) == threshold
    assert trained.eval_strategy == "no"
    for part, before in given:
        assert values(part) == before
    # What was asked for, not what became of it.
    assert given[1][1]["eval_strategy"] == "steps"


@pytest.mark.slow
def test_a_token_of_a_yaml_file_is_nowhere_in_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token, out = "hf_ofAPersonByFile0123", tmp_path / "out"
    (tmp_path / "run.yaml").write_text(f"hub_token: {token}\nreport_to: tensorboard\n")
    flags = [flag for flag in DIGITS if not flag.startswith("--report_to")]
    argv = [*flags, "--backend=features", f"--output_dir={out}", f"--config={tmp_path / 'run.yaml'}"]
    recipe.train_recipe("uda", PRESETS, argv=argv)
    written = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert any("tfevents" in name for name in written)
    assert {"run.json", "results.json", "uda/README.md", "uda/training_args.json"} <= written.keys()
    assert [name for name, content in written.items() if token.encode() in content] == []
    assert token not in "".join(capsys.readouterr())


def test_a_run_config_is_made_of_what_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from types import SimpleNamespace

    import textssl.cli.run.config as module

    monkeypatch.setattr(module, "check_push_target", lambda name, token: f"me/{name}")
    run: Any = SimpleNamespace(path=tmp_path / "tiny")
    config = UDAConfig("out", use_cpu=True, report_to=[], eval_strategy="epoch", push_to_hub=True)
    before = values(config)
    for validation, flip, modality in [(None, True, "image"), ([1], True, "features"), ([1], False, "text")]:
        data: Any = SimpleNamespace(validation=validation, flip=flip, truncation="end")
        made = run_config(RecipeOptions(), config, data, modality, run)
        assert made.hub_model_id == "me/tiny"
        assert made.eval_strategy == ("epoch" if validation else "no")
        assert made.horizontal_flip == (modality == "image")
        assert made == derive_config(made, UDAConfig).for_modality(modality), "nothing is open any more"
    assert values(config) == before
    best = UDAConfig("out", use_cpu=True, report_to=[], load_best_model_at_end=True, eval_strategy="steps")
    with pytest.raises(UserError, match="load_best_model_at_end: got True; there is no validation data"):
        run_config(RecipeOptions(), best, SimpleNamespace(validation=None, flip=False), "text", run)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_retrieval_leaves_the_options_as_they_were(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bank that holds fewer sentences than neighbours are asked for."""
    from tests.recipes.test_sentaugment import SHORT
    from tests.recipes.tiny_task import make_task

    given = watched(sentaugment, monkeypatch)
    task = make_task(tmp_path / "task")
    changes = {
        "encoder": task.folder / "model",
        **SHORT,
        "num_neighbors": 5000,
        "baseline_steps": 20,
        "control": False,
        "dataloader_pin_memory": False,
    }
    sentaugment.sentaugment_recipe({"cpu": {}, "paper": {}}, argv=task.flags(tmp_path / "out", **changes))
    assert given[1][1]["num_neighbors"] == 5000
    for part, before in given:
        assert values(part) == before
