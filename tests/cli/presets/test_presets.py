"""Presets: which are taken for what is asked for, and that each of them is one that can be run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

from tests.contract import tiny_images
from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions
from textssl.cli.presets import (
    feature_presets,
    features,
    fitting_preset,
    image,
    image_presets,
    presets_for,
    text,
    text_presets,
)
from textssl.methods import METHODS
from textssl.sources.named import SOURCES


# Learning rates of the presets, which tell them apart.
TEXT, FRESH, IMAGE, FEATURES = 5e-5, 6e-5, 2e-3, 1e-3
# Settings of single methods.
TUNED = {
    "text": text.TUNED,
    "fresh text": text.TUNED_FRESH,
    "image": image.TUNED,
    "features": features.TUNED,
    "fresh features": features.TUNED_FRESH,
}


def folder_of_pictures(path: Path) -> Path:
    path.mkdir()
    return path


def saved_data_set(path: Path) -> Path:
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(path)
    return path


def rate(flags: Mapping[str, Any]) -> Any:
    return presets_for("vat")(flags)["cpu"]["learning_rate"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, TEXT),
        ({"source": "imdb"}, TEXT),
        ({"source": "hub"}, TEXT),
        # A head that knows nothing yet needs more, and faster, steps.
        ({"head": "random"}, FRESH),
        ({"model": "/no/such/folder/of/an/encoder"}, FRESH),
        ({"model": "/no/such/folder/of/an/encoder", "head": "probe"}, TEXT),
        ({"source": "digits"}, IMAGE),
        ({"source": "mnist5k:embedded"}, IMAGE),
        ({"source": "digits", "backend": "features"}, FEATURES),
        ({"backend": "features"}, FEATURES),
        ({"backend": "image"}, IMAGE),
        ({"backend": "auto", "source": "digits"}, IMAGE),
        # Whatever is not known is refused later, by what knows it.
        ({"source": "minst"}, TEXT),
        ({"backend": "audio", "source": "digits"}, IMAGE),
    ],
)
def test_source_and_backend_choose(flags: dict[str, str], expected: float) -> None:
    assert rate(flags) == expected


def test_own_files_choose_by_what_they_are(tmp_path: Path) -> None:
    pictures = str(folder_of_pictures(tmp_path / "cats"))
    saved = str(saved_data_set(tmp_path / "saved"))
    assert rate({"train_file": "few.csv"}) == TEXT
    assert rate({"train_file": saved}) == TEXT
    assert rate({"train_file": pictures}) == IMAGE
    assert rate({"train_file": pictures, "source": "imdb"}) == IMAGE
    assert rate({"train_file": "few.parquet", "backend": "image"}) == IMAGE
    assert rate({"train_file": pictures, "backend": "features"}) == FEATURES
    assert presets_for("vat")({"train_file": pictures})["cpu"]["output_dir"] == "outputs/vat_cats"


@pytest.mark.parametrize(("name", "modality"), [(name, source.modality) for name, source in SOURCES.items()])
def test_every_source_has_the_presets_of_its_modality(name: str, modality: str) -> None:
    preset = presets_for("vat")({"source": name})["cpu"]
    assert preset["learning_rate"] == {"text": TEXT, "image": IMAGE}[modality]
    assert preset["output_dir"] == f"outputs/vat_{name}"


BACKENDS: dict[str, dict[str, str]] = {
    "text": {},
    "fresh": {"head": "random"},
    "image": {"source": "digits"},
    "features": {"backend": "features"},
}


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("flags", BACKENDS.values(), ids=BACKENDS.keys())
@pytest.mark.parametrize("name", ["cpu", "paper"])
def test_every_preset_of_every_method_is_understood(name: str, flags: dict[str, str], method: str) -> None:
    """As a person's flags are: no key unknown, no value out of range. Not every machine has bfloat16."""
    preset = {**presets_for(method)(flags)[name], "bf16": False}
    types = [RecipeOptions, METHODS[method].config_class]
    options, config = parse_arguments(types, {name: preset}, name, ["--report_to", "none"])
    assert options.num_labeled == (50 if "source" in flags else 100)
    # No warm start that a small --max_steps could clash with.
    assert config.warm_start_steps == 0
    assert options.warm_start_share is None or 0 <= options.warm_start_share < 1
    for key, value in preset.items():
        holder = options if hasattr(options, key) else config
        assert getattr(holder, key) == value


def test_a_recipe_has_changes_of_its_own() -> None:
    choose = presets_for("uda", "digits", "out", cpu={"mu": 2}, paper={"mu": 5}, temperature=0.9)
    presets = choose({})
    assert [presets[name]["mu"] for name in ("cpu", "paper")] == [2, 5]
    assert {(preset["temperature"], preset["output_dir"]) for preset in presets.values()} == {(0.9, "out")}
    assert presets["cpu"]["learning_rate"] == IMAGE
    assert choose({"source": "imdb"})["cpu"]["learning_rate"] == TEXT


def test_no_preset_says_how_long_texts_are_cut() -> None:
    """That is a matter of the data: reviews alone keep their end."""
    for name, preset in [*presets_for("uda")({}).items(), *presets_for("uda")({"backend": "features"}).items()]:
        assert not {"truncation", "keep_end"} & preset.keys(), name
    assert {name for name, source in SOURCES.items() if source.truncation == "start"} == {"imdb", "rotten_tomatoes"}


def test_changes_are_of_both_presets_and_the_methods_own_of_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for make, backend in ((text_presets, "text"), (image_presets, "image"), (feature_presets, "features")):
        monkeypatch.setitem(TUNED[backend], "vat", {"mu": 9, "xi": 0.5})
        tuned, other = make("out", "vat", num_labeled=7), make("out", "pi_model", num_labeled=7)
        assert {preset["num_labeled"] for preset in (*tuned.values(), *other.values())} == {7}
        assert (tuned["cpu"]["mu"], tuned["cpu"]["xi"]) == (9, 0.5)
        assert tuned["paper"] == other["paper"]
        assert "xi" not in other["cpu"]


@pytest.mark.parametrize("backend", TUNED)
def test_what_is_tuned_is_of_a_method_and_of_its_config(backend: str) -> None:
    for method, settings in TUNED[backend].items():
        known = {*METHODS[method].config_class.__dataclass_fields__, *RecipeOptions.__dataclass_fields__}
        assert settings.keys() <= known


def test_the_optimizer_of_fixmatch_s_paper(tmp_path: Path) -> None:
    """Section 4 of arXiv:2001.07685: SGD with Nesterov momentum 0.9 at 0.03, weight decay 5e-4 on CIFAR-10."""
    preset = image_presets(str(tmp_path))["paper"] | {"bf16": False, "dataloader_num_workers": 0}
    flags = ["--use_cpu", "true", "--report_to", "none"]
    types = [RecipeOptions, METHODS["fixmatch"].config_class]
    _, config = parse_arguments(types, {"paper": preset}, "paper", flags)
    data = tiny_images.dataset(9, 1)
    trainer = METHODS["fixmatch"](tiny_images.model(), config, data, data, processing_class=tiny_images.processor())
    optimizer = trainer.create_optimizer()
    optimizer = getattr(optimizer, "optimizer", optimizer)
    assert isinstance(optimizer, torch.optim.SGD)
    first = optimizer.param_groups[0]
    assert (first["lr"], first["momentum"], first["nesterov"], first["weight_decay"]) == (0.03, 0.9, True, 5e-4)
    assert config.per_device_train_batch_size == 64
    assert (config.mu, config.threshold, config.unlabeled_weight) == (7, 0.95, 1.0)


@pytest.mark.parametrize(("kind", "expected"), [(None, "cpu"), ("cpu", "cpu"), ("cuda", "paper"), ("mps", "paper")])
def test_the_preset_that_fits_the_machine(kind: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: kind is not None)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind or "cpu"))
    preset, reason = fitting_preset()
    assert preset == expected
    assert kind in (None, "cpu") or kind in reason
