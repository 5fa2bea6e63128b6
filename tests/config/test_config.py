"""Settings: what is refused before anything starts, and how one config is made from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textssl import SSLConfig, UDAConfig, UserError
from textssl.config import derive_config
from textssl.methods.supervised import SupervisedConfig


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mu": 0}, "mu: got 0; expected a number above 0"),
        ({"max_length": 2}, "max_length: got 2; expected at least 3"),
        ({"warm_start_steps": -1}, "warm_start_steps: got -1; expected 0 or more"),
        ({"warm_start_learning_rate": 0.0}, "warm_start_learning_rate: got 0.0"),
        ({"max_steps": 4, "warm_start_steps": 4}, "warm_start_steps: got 4; expected fewer than max_steps, 4"),
        ({"max_steps": 0}, "max_steps: got 0; expected a number above 0, or -1 for num_train_epochs"),
        ({"num_train_epochs": 0}, "num_train_epochs: got 0; expected a number above 0"),
        ({"remove_unused_columns": True}, "remove_unused_columns: got True"),
        ({"train_sampling_strategy": "sequential"}, "'sequential'; allowed: random, group_by_length"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        SSLConfig(output_dir=str(tmp_path), **settings)


def test_derive_refuses_an_unknown_change_and_keeps_the_rest(tmp_path: Path) -> None:
    config = UDAConfig(output_dir=str(tmp_path), use_cpu=True, temperature=0.5, seed=7, max_length=20)
    with pytest.raises(UserError, match="changes: SupervisedConfig has no field max_stepz, temperature"):
        derive_config(config, SupervisedConfig, max_stepz=3, temperature=1.0)
    other = derive_config(config, SupervisedConfig, max_steps=3)
    assert type(other) is SupervisedConfig
    assert (other.max_steps, other.seed, other.max_length, other.use_cpu) == (3, 7, 20, True)
    assert config.max_steps == -1
    back = derive_config(other, UDAConfig, learning_rate=1.0)
    assert (back.temperature, back.unlabeled_weight) == (0.5, 1.0)
