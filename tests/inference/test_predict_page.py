"""The code of docs/guides/predict.md, run from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.test_examples import DOCS, run_page
from tests.inference.saved_models import NAMES, save_plain


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_plain(tmp_path / "outputs" / "fit" / "model")
    monkeypatch.chdir(tmp_path)
    names = run_page(DOCS / "guides" / "predict.md", {})
    assert names["probs"].shape == (1, 3)
    assert names["scores"].label_names == list(NAMES)
