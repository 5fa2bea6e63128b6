"""The code of docs/guides/text_inputs.md, run from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.cases import labeled, model, unlabeled
from tests.contract.tiny_pairs import dataset, tokenizer
from textssl import FixMatchConfig, FixMatchTrainer


PAGE = Path(__file__).parents[2] / "docs" / "guides" / "text_inputs.md"


@pytest.mark.slow
def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = model()

    def quiet(**settings: Any) -> FixMatchConfig:
        return FixMatchConfig(use_cpu=True, report_to=[], disable_tqdm=True, **settings)

    names: dict[str, Any] = {
        "FixMatchConfig": quiet,
        "FixMatchTrainer": FixMatchTrainer,
        "model": network,
        "tokenizer": tokenizer(),
        "few": labeled(),
        "many": unlabeled(),
        "few_pairs": dataset(9, 1),
        "many_pairs": dataset(40, 2, labels=False),
    }
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        exec(block, names)
    row = dataset(3, 1)[0]
    changed = names["both"](row, np.random.default_rng(0))
    assert (changed["premise"], changed["hypothesis"]) != (row["premise"], row["hypothesis"])
