"""The setting ``distribution_alignment``: its values, flags and files, what each does, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

from tests.contract.cases import build, labeled, model, state_of
from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions
from textssl.errors import UserError
from textssl.methods import METHODS
from textssl.state import DistributionAlignment
from textssl.training.distribution_alignment import ALIGNMENTS, alignment_prior, parsed_alignment


METHODS_THAT_ALIGN = ("fixmatch", "remixmatch", "uda")
# Class 0 four times, class 1 three times, class 2 twice.
UNEVEN = datasets.Dataset.from_dict({"text": labeled()["text"], "label": [0, 1, 2, 0, 1, 2, 0, 1, 0]})


def final(method: str, folder: Path, **settings: Any) -> dict[str, torch.Tensor]:
    trainer = build(method, folder, given={"train_dataset": UNEVEN}, save_strategy="no", **settings)
    trainer.train()
    return {name: value for name, value in state_of(trainer).items() if name.startswith("model.")}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS_THAT_ALIGN)
def test_every_word_makes_another_model(method: str, tmp_path: Path) -> None:
    # Of FixMatch's hard labels an alignment changes few, but it decides which of these unsure ones are learned.
    kept = {"fixmatch": {"threshold": 0.4}, "uda": {"threshold": 0.0}, "remixmatch": {"rampup": 0.1}}[method]
    settings = (*ALIGNMENTS, [0.1, 0.1, 0.8])
    states = [final(method, tmp_path, distribution_alignment=align, max_steps=16, **kept) for align in settings]
    for i, a in enumerate(states):
        for j, b in enumerate(states[:i]):
            assert any(not torch.equal(a[name], b[name]) for name in a), (settings[i], settings[j])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("former", "now"),
    [(True, "labeled"), (False, "none"), (None, "none"), ([0.2, 0.2, 0.6], [1, 1, 3]), ([2, 3, 5], [0.2, 0.3, 0.5])],
)
def test_settings_that_mean_the_same(former: Any, now: Any, tmp_path: Path) -> None:
    a, b = (final("uda", tmp_path, distribution_alignment=align, threshold=0.0) for align in (former, now))
    for name in a:
        torch.testing.assert_close(a[name], b[name])


def test_shares_by_name_are_in_the_order_of_the_model(tmp_path: Path) -> None:
    named = model()
    named.config.id2label = {0: "sun", 1: "rain", 2: "snow"}
    named.config.label2id = {"sun": 0, "rain": 1, "snow": 2}
    shares = {"snow": 0.5, "sun": 0.3, "rain": 0.2}
    trainer = build("fixmatch", tmp_path, given={"model": named}, distribution_alignment=shares)
    torch.testing.assert_close(trainer.objective.model_mean.prior, torch.tensor([0.3, 0.2, 0.5]))
    saved = type(trainer.args).from_json(_written(trainer.args, tmp_path))
    assert saved.distribution_alignment == shares
    with pytest.raises(
        UserError, match="distribution_alignment: got shares of snow, sun; the classes are sun, rain, snow"
    ):
        build("fixmatch", tmp_path, given={"model": named}, distribution_alignment={"snow": 0.5, "sun": 0.5})


def _written(args: Any, folder: Path) -> Path:
    path = folder / "training_args.json"
    path.write_text(json.dumps({"output_dir": str(folder), "distribution_alignment": args.distribution_alignment}))
    return path


FLAGS: list[tuple[list[str], str, Any]] = [
    (["labeled"], "labeled", "labeled"),
    (["True"], "true", "labeled"),
    (["false"], "false", "none"),
    ([], "labeled", "labeled"),
    (["none"], "null", "none"),
    (["estimated"], "estimated", "estimated"),
    (["0.2", "0.8"], "[0.2, 0.8]", [0.2, 0.8]),
    (["0.2,0.8"], "0.2,0.8", [0.2, 0.8]),
    (['{"sun": 0.2, "rain": 0.8}'], "{sun: 0.2, rain: 0.8}", {"sun": 0.2, "rain": 0.8}),
]


@pytest.mark.parametrize(("words", "text", "expected"), FLAGS)
def test_flags_and_files(words: list[str], text: str, expected: Any, tmp_path: Path) -> None:
    kind = METHODS["fixmatch"].config_class
    common = ["--output_dir", str(tmp_path), "--report_to", "none", "--use_cpu"]
    _, args = parse_arguments(
        [RecipeOptions, kind],
        {"p": {"distribution_alignment": True}},
        "p",
        [*common, "--distribution_alignment", *words],
    )
    assert args.distribution_alignment == expected
    file = tmp_path / "settings.yaml"
    file.write_text(f"distribution_alignment: {text}\n")
    _, args = parse_arguments([RecipeOptions, kind], {"p": {}}, "p", [*common, "--config", str(file)])
    assert args.distribution_alignment == expected


@pytest.mark.parametrize(
    "given", ["labelled", "", [], [0.5, -0.5], [0.0, 0.0], [float("nan"), 1.0], {"a": "b"}, {}, "{a", ["labeled", "1"]]
)
def test_what_is_no_distribution_is_refused(given: Any) -> None:
    with pytest.raises(
        UserError, match=r"distribution_alignment: got .*; allowed: none, labeled, uniform, sqrt, estimated, a share"
    ):
        parsed_alignment(given)


def test_shares_of_other_classes_are_refused(tmp_path: Path) -> None:
    for method in METHODS_THAT_ALIGN:
        with pytest.raises(UserError, match="distribution_alignment: got 2 shares; expected 3, one per class"):
            build(method, tmp_path, distribution_alignment=[0.5, 0.5])
    with pytest.raises(UserError, match=r"class_prior: got .* and distribution_alignment 'sqrt'; set one of the two"):
        build("remixmatch", tmp_path, distribution_alignment="sqrt", class_prior=[0.5, 0.2, 0.3])


def test_the_prior_of_each_word() -> None:
    counted = (0.5, 0.3, 0.2)
    for word in ("labeled", "sqrt", "estimated"):
        assert alignment_prior(word, counted, "abc") == counted
    assert alignment_prior("uniform", counted, "abc") == pytest.approx((1 / 3,) * 3)
    assert alignment_prior({"c": 6, "a": 3, "b": 1}, counted, "abc") == pytest.approx((0.3, 0.1, 0.6))


def test_sqrt_by_hand() -> None:
    aligned = DistributionAlignment((0.5, 0.5), decay=0.0, target="sqrt")
    aligned.align(torch.tensor([[0.9, 0.1], [0.7, 0.3]]))
    aligned.end_step()
    # The mean is 0.8 and 0.2: roots of 0.4 and 0.1 are 2 to 1.
    torch.testing.assert_close(aligned.target, torch.tensor([2 / 3, 1 / 3]))
    # 0.6 * 2 / 0.8 to 0.4 * 1 / 0.2 is 3 to 4.
    torch.testing.assert_close(aligned.align(torch.tensor([[0.6, 0.4]])), torch.tensor([[3 / 7, 4 / 7]]))


def test_estimate_by_hand() -> None:
    aligned = DistributionAlignment((0.5, 0.5), decay=0.0, target="estimated")
    certain = torch.tensor([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    for micro_batch in certain.split(5):
        torch.testing.assert_close(aligned.align(micro_batch), micro_batch)
    aligned.end_step()
    # 9 of 10, half shrunk to 0.5.
    torch.testing.assert_close(aligned.target, torch.tensor([0.7, 0.3]))
    # The next estimate reweighs by 0.7 / 0.5 and 0.3 / 0.5: 0.6 * 7 to 0.4 * 3 is 7 to 2.
    aligned.align(torch.tensor([[0.6, 0.4]]))
    aligned.end_step()
    torch.testing.assert_close(aligned.target, torch.tensor([7 / 18 + 0.25, 1 / 9 + 0.25]))
    assert set(aligned.state_dict()) == {
        f"{part}.{name}" for part in ("mean", "shares") for name in ("init", "biased", "correction")
    }


def test_repeated_steps_find_the_estimate_of_all_examples() -> None:
    from textssl.functional import estimate_prior_em

    generator = torch.Generator().manual_seed(0)
    probs = torch.randn(50, 3, generator=generator).mul(2).softmax(-1)
    aligned = DistributionAlignment((0.5, 0.3, 0.2), window=4, target="estimated")
    for _ in range(60):
        aligned.align(probs)
        aligned.end_step()
    expected = estimate_prior_em(probs, torch.tensor([0.5, 0.3, 0.2]), shrinkage=0.5)
    torch.testing.assert_close(aligned.target, expected, atol=1e-4, rtol=0)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(ValueError, match=r"target: got .*; expected one of prior, sqrt, estimated"):
        DistributionAlignment((0.5, 0.5), decay=0.0, target="labeled")
