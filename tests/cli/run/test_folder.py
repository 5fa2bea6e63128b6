"""One run in one folder: who may write there, and what is remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from textssl import UDAConfig, UserError
from textssl.cli.options import RecipeOptions
from textssl.cli.run.folder import RunFolder


def config(**settings: Any) -> UDAConfig:
    return UDAConfig(**{"output_dir": "out", "use_cpu": True, "report_to": [], **settings})


def folder(path: Path, resume: Any = False, overwrite: bool = False, **settings: Any) -> RunFolder:
    return RunFolder(
        path, [RecipeOptions(num_labeled=settings.pop("labels", 20)), config(**settings)], resume, overwrite
    )


def begun(path: Path, **settings: Any) -> Path:
    """A run that left something behind."""
    run = folder(path, **settings)
    run.claim()
    run.finish_stage("supervised", {"accuracy": 0.5})
    (path / "uda" / "checkpoint-3").mkdir(parents=True)
    (path / "uda" / "checkpoint-3" / "model.safetensors").write_bytes(b"weights")
    return path


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("there", [False, True])
def test_a_free_folder_is_claimed(there: bool, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    if there:
        path.mkdir(parents=True)
    folder(path).claim()
    assert [p.name for p in path.iterdir()] == ["run.json"]
    json.loads((path / "run.json").read_text())


def test_a_kill_while_the_record_was_written_leaves_nothing_that_counts(tmp_path: Path) -> None:
    (tmp_path / ".run.json.17.tmp").write_text("{")
    folder(tmp_path).claim()


def test_nothing_is_written_before_the_claim(tmp_path: Path) -> None:
    assert folder(tmp_path / "a").stage_result("uda") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_a_run_is_held(tmp_path: Path) -> None:
    before = contents(begun(tmp_path / "a"))
    with pytest.raises(UserError, match=r"holds another run; .*--output_dir.*--resume_from_checkpoint.*--overwrite"):
        folder(tmp_path / "a").claim()
    assert contents(tmp_path / "a") == before


def test_a_run_that_failed_before_any_work_does_not_hold_its_folder(tmp_path: Path) -> None:
    folder(tmp_path / "a").claim()
    folder(tmp_path / "a", labels=40).claim()
    with pytest.raises(UserError, match="num_labeled was 40, is 20"):
        folder(begun_again(tmp_path / "a", labels=40), resume=True).claim()


def begun_again(path: Path, **settings: Any) -> Path:
    folder(path, **settings).finish_stage("supervised", {})
    return path


def test_a_run_goes_on_with_the_same_settings(tmp_path: Path) -> None:
    before = contents(begun(tmp_path / "a"))
    run = folder(tmp_path / "a", resume=True)
    run.claim()
    assert contents(tmp_path / "a") == before
    assert run.stage_result("supervised") == {"accuracy": 0.5}
    assert run.stage_result("uda") is None
    assert folder(tmp_path / "a").stage_result("supervised") is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seed": 7}, "seed was 42, is 7"),
        ({"labels": 50}, "num_labeled was 20, is 50"),
        ({"temperature": 0.5}, "temperature was None, is 0.5"),
        ({"learning_rate": 1e-3}, "learning_rate was 5e-05, is 0.001"),
        ({"max_steps": 7, "mu": 9}, "max_steps was -1, is 7, mu was 3, is 9"),
    ],
)
def test_other_settings_are_named_and_nothing_is_touched(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    before = contents(begun(tmp_path / "a"))
    with pytest.raises(UserError, match=f"holds a run of other settings: {told}"):
        folder(tmp_path / "a", resume=True, **settings).claim()
    assert contents(tmp_path / "a") == before


@pytest.mark.parametrize(
    "settings",
    [
        {"output_dir": "elsewhere"},
        {"dataloader_num_workers": 2},
        {"logging_steps": 3},
        {"save_total_limit": 5},
        {"disable_tqdm": True},
        {"hub_model_id": "me/model"},
        {"resume_from_checkpoint": "true"},
    ],
)
def test_what_changes_no_number_may_differ(settings: dict[str, Any], tmp_path: Path) -> None:
    begun(tmp_path / "a")
    folder(tmp_path / "a", resume=True, **settings).claim()


def test_no_token_is_written(tmp_path: Path) -> None:
    begun(tmp_path / "a", hub_token="hf_secret")
    assert b"hf_secret" not in b"".join(contents(tmp_path / "a").values())


def test_resuming_where_nothing_is_begins(tmp_path: Path) -> None:
    run = folder(tmp_path / "a", resume=True)
    run.claim()
    assert run.stage_result("supervised") is None
    assert (tmp_path / "a" / "run.json").is_file()


def test_overwriting_deletes_a_run_and_begins_anew(tmp_path: Path) -> None:
    begun(tmp_path / "a")
    folder(tmp_path / "a", overwrite=True, seed=9).claim()
    assert list(contents(tmp_path / "a")) == ["run.json"]
    begun_again(tmp_path / "a", seed=9)
    folder(tmp_path / "a", resume=True, seed=9).claim()


@pytest.mark.parametrize("record", [None, '{"seed": 1, "command": "other"}', "[]", '{"settings": 3}', "{", ""])
@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_that_no_run_of_ours_made_is_never_touched(
    record: str | None, how: dict[str, bool], tmp_path: Path
) -> None:
    """Whatever one asks for; another program may have a run.json of its own, and ours may be damaged."""
    path = tmp_path / "thesis"
    path.mkdir()
    (path / "chapter1.tex").write_text("years of work")
    if record is not None:
        (path / "run.json").write_text(record)
    before = contents(path)
    with pytest.raises(UserError, match=r"output_dir: .*(holds files that are no run|run\.json is damaged)"):
        folder(path, **how).claim()
    assert contents(path) == before


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_a_file_in_its_place_is_never_touched(how: dict[str, bool], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(UserError, match=r"output_dir: .* choose another --output_dir"):
        folder(tmp_path / "a", **how).claim()
    assert (tmp_path / "a").read_text() == "mine"


def test_going_on_with_what_is_to_be_deleted_is_refused(tmp_path: Path) -> None:
    begun(tmp_path / "a")
    with pytest.raises(UserError, match="overwrite: got True with resume_from_checkpoint"):
        folder(tmp_path / "a", resume=True, overwrite=True).claim()
    assert (tmp_path / "a" / "uda" / "checkpoint-3").is_dir()


def test_a_named_checkpoint_is_where_its_stage_goes_on(tmp_path: Path) -> None:
    begun(tmp_path / "a")
    named = tmp_path / "a" / "supervised" / "checkpoint-3"
    run = folder(tmp_path / "a", resume=str(named))
    run.claim()
    assert Path(str(run.checkpoint("supervised"))) == named
    assert run.checkpoint("uda") is True
    assert run.stage_result("supervised") is None, "its result is of a later step"


@pytest.mark.parametrize("named", ["elsewhere/uda/checkpoint-3", "a/checkpoint-3", "a/b/c/checkpoint-3"])
def test_a_checkpoint_of_another_run_is_refused(named: str, tmp_path: Path) -> None:
    begun(tmp_path / "a")
    with pytest.raises(UserError, match="expected a checkpoint of a stage of this run"):
        folder(tmp_path / "a", resume=str(tmp_path / named)).claim()


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    begun(tmp_path / "a")
    (tmp_path / "a" / "supervised" / "result.json").write_text('{"accuracy": 0.')
    with pytest.raises(UserError, match=r"supervised/result\.json is damaged; delete it and resume"):
        folder(tmp_path / "a", resume=True).stage_result("supervised")


def test_settings_are_dataclasses(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="settings: got dict; expected dataclasses"):
        RunFolder(tmp_path, [{"seed": 1}])


def test_a_run_goes_on_from_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def named(file: str, resume: bool = False) -> RunFolder:
        return RunFolder(tmp_path / "run", [RecipeOptions(train_file=file), config()], resume)

    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "held.csv").write_text("text,label\n")
    monkeypatch.chdir(tmp_path / "b")
    named("../a/held.csv").claim()
    named("../a/held.csv").finish_stage("supervised", {})
    monkeypatch.chdir(tmp_path)
    named("a/held.csv", resume=True).claim()
    with pytest.raises(UserError, match=r"train_file was 'a/held.csv', is 'b/held.csv'"):
        named("b/held.csv", resume=True).claim()
    named(str(tmp_path / "a" / "held.csv"), resume=True).claim()
