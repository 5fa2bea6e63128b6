"""Settings as JSON: what is read back is what was written, and no secret is shown anywhere."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from textssl import UDAConfig, UserError
from textssl.config import SSLConfig, derive_config
from textssl.config.saved_settings import SavedSettings, settings_of, write_settings
from textssl.methods import METHODS
from textssl.pretraining import PretrainingConfig


TOKEN = "hf_secretOfAPerson0123456789"
CONFIGS: list[type[SavedSettings]] = [PretrainingConfig, *(METHODS[name].config_class for name in sorted(METHODS))]
# Fields that TrainingArguments makes something else of: an enum, an object, a list, another number.
CHANGED: dict[str, Any] = {
    "learning_rate": 3e-4,
    "lr_scheduler_type": "cosine_with_restarts",
    "lr_scheduler_kwargs": {"num_cycles": 2},
    "optim": "adafactor",
    "optim_args": "scale_parameter=False,relative_step=False",
    "warmup_steps": 0.1,
    "include_for_metrics": ["inputs"],
    "accelerator_config": {"even_batches": False, "gradient_accumulation_kwargs": {"num_steps": 2}},
    "save_strategy": "epoch",
    "logging_strategy": "epoch",
    "hub_strategy": "end",
    "report_to": ["tensorboard"],
    "logging_steps": 0.25,
    "label_smoothing_factor": 0.15,
    "adam_epsilon": 1e-7,
    "seed": 7,
}


def config(kind: type[Any], **settings: Any) -> Any:
    return kind(**{"output_dir": "out", "use_cpu": True, "report_to": [], **settings})


def differences(first: Any, second: Any) -> set[str]:
    return {f.name for f in fields(first) if f.init and getattr(first, f.name) != getattr(second, f.name)}


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda kind: kind.__name__)
def test_settings_are_read_back_as_they_were(kind: type[Any], tmp_path: Path) -> None:
    given = config(kind, hub_token=TOKEN, **CHANGED)
    assert {name for name in CHANGED if getattr(given, name) == getattr(config(kind), name)} == set()
    write_settings(given, tmp_path)
    assert TOKEN.encode() not in (tmp_path / "training_args.json").read_bytes()
    for path in (tmp_path, tmp_path / "training_args.json"):
        read = kind.from_json(path)
        assert type(read) is kind
        assert differences(given, read) == {"hub_token"}
        assert read.hub_token is None
    # And again: what was read is written as it was.
    assert settings_of(read) == settings_of(given)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_config_that_was_filled_for_a_modality_is_read_back(name: str, tmp_path: Path) -> None:
    kind = METHODS[name].config_class
    resolved = derive_config(config(kind), kind, output_dir="elsewhere").for_modality("image")
    write_settings(resolved, tmp_path)
    assert kind.from_json(tmp_path) == resolved


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda kind: kind.__name__)
def test_no_print_shows_the_token(kind: type[Any]) -> None:
    given = config(kind, hub_token=TOKEN)
    shown = [repr(given), str(given), f"{given}", given.to_json_string(), str(given.to_dict())]
    shown += [str(given.to_sanitized_dict()), str(settings_of(given))]
    for text in shown:
        assert TOKEN not in text
    assert "learning_rate=" in repr(given)


def test_a_config_of_ones_own_shows_no_token_either() -> None:
    @dataclass
    class Own(UDAConfig):
        service_api_key: str | None = None

    given = config(Own, hub_token=TOKEN, service_api_key="sesame-open")
    assert TOKEN not in repr(given)
    assert "sesame" not in repr(given) + given.to_json_string() + str(settings_of(given))
    assert "Own(" in repr(given)


def test_a_token_in_another_field_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "from-the-environment")
    told = {
        "run_name": f"try with {TOKEN}",
        "hub_model_id": "https://me:hunter22@hub.example/me/model",
        "lr_scheduler_kwargs": {"api_key": "nested-secret", "power": 2.0},
        "optim_args": "key=from-the-environment",
    }
    given = config(UDAConfig, hub_token=TOKEN, **told)
    text = json.dumps(settings_of(given)) + given.to_json_string() + repr(given)
    for secret in (TOKEN, "hunter22", "nested-secret", "from-the-environment"):
        assert secret not in text
    assert not told.keys() & settings_of(given).keys()
    assert {"learning_rate", "output_dir", "mu"} <= settings_of(given).keys()


def test_what_json_cannot_hold_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    given = config(UDAConfig, lr_scheduler_kwargs={"power": object()})
    assert "lr_scheduler_kwargs" not in settings_of(given)
    assert "lr_scheduler_kwargs: its value is not saved" in caplog.text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read as settings"),
        (b"{", "cannot be read as settings"),
        (pickle.dumps({"mu": 3}), "cannot be read as settings"),
        (b"[1]", "holds no settings"),
        (b'{"output_dir": "o", "nothing": 1}', "has nothing, which UDAConfig has not"),
        (b'{"output_dir": "o", "use_cpu": true, "mu": 0}', "mu: got 0"),
    ],
)
def test_what_is_no_saved_settings_is_refused(content: bytes | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "training_args.json").write_bytes(content)
    with pytest.raises(UserError, match=told):
        UDAConfig.from_json(tmp_path / "training_args.json")


@pytest.mark.parametrize("strategy", ["checkpoint", "all_checkpoints"])
@pytest.mark.parametrize("kind", [UDAConfig, PretrainingConfig])
def test_a_strategy_that_pushes_pickles_is_refused(kind: type[Any], strategy: str) -> None:
    with pytest.raises(UserError, match=f"hub_strategy: got '{strategy}'; .*pickle; allowed: end, every_save"):
        config(kind, hub_strategy=strategy)
    assert config(kind, hub_strategy="every_save").hub_strategy == "every_save"


@pytest.mark.parametrize("token", ["hf_with space", "hf_line\n", "hf_\x01control", "hf_Schlüssel"])
def test_what_is_no_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(UserError, match="hub_token: got text that is no token") as caught:
        config(UDAConfig, hub_token=token)
    assert token not in str(caught.value)
    assert token not in repr(caught.value)


def test_every_config_of_a_trainer_is_one() -> None:
    """By its base class a new method's config is written as these are."""
    assert issubclass(SSLConfig, SavedSettings)
    assert all(issubclass(kind, TrainingArguments) for kind in CONFIGS)
