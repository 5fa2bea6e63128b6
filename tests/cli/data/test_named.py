"""Named data: how many examples of a preset are kept where a person asks for more labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from textssl import SSLConfig, UserError
from textssl.cli.data.named import named_task
from textssl.cli.options import RecipeOptions


def options(*explicit: str) -> RecipeOptions:
    # 1,797 digits of which 500 are held out; 300 for validation leave too few of some class.
    made = RecipeOptions(source="digits", num_labeled=1100, num_validation=300)
    made.set_explicit(frozenset(explicit))
    return made


@pytest.mark.slow
def test_labels_that_a_person_asks_for_come_before_a_preset_s_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SSLConfig(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    data = named_task(options("num_labeled"), config, "digits")
    assert len(data.labeled) == 1100
    assert data.validation is not None
    assert len(data.validation) in (150, 75, 37)
    told = f"changed: num_validation: {len(data.validation)} instead of 300, to go with num_labeled 1100"
    assert told in capsys.readouterr().err
    with pytest.raises(UserError, match="fewer than the"):
        named_task(options("num_labeled", "num_validation"), config, "digits")
