"""Class weights and ``compute_loss_func``: in the labeled term of every method, or refused when a trainer is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.contract.cases import build, first_batch, state_of
from tests.contract.tiny_texts import labeled
from tests.uda_trainer import table
from textssl import UserError
from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions
from textssl.methods import METHODS
from textssl.methods.supervised import SupervisedConfig


COMMON: dict[str, Any] = {"max_steps": 2, "save_strategy": "no", "logging_steps": 1}
DEFAULTS = {
    "dividemix": {"max_steps": 5},
    "in_domain_pretraining": {"pretraining_steps": 2, "pretraining_batch_size": 4},
    "meta_pseudo_labels": {"max_steps": 4, "warm_start_steps": 2},
    "noisy_student": {"label_smoothing_factor": 0.0},
    "uda": {"tsa": "none"},
}
# Labels of these are mixed, not used by default, or weighed by the method itself; the other needs each example's loss.
MIXED = {
    "distillation",
    "dividemix",
    "label_propagation",
    "mixmatch",
    "mixtext",
    "mixup",
    "mixup_pseudo_label",
    "remixmatch",
}
NO_FUNCTION = MIXED | {"adversarial"}


def trainer_of(method: str, out: Path, **settings: Any) -> Any:
    return build(method, out, **{**COMMON, **DEFAULTS.get(method, {}), **settings})


def trained(method: str, out: Path, **settings: Any) -> Any:
    trainer = trainer_of(method, out, **settings)
    trainer.train()
    return trainer


def mean(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """As the documentation of transformers has it."""
    return cross_entropy(outputs.logits, labels, reduction="sum") / num_items_in_batch


def equal(a: Any, b: Any) -> bool:
    one, other = state_of(a), state_of(b)
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_class_weights_act_or_are_refused(method: str, tmp_path: Path) -> None:
    if method in MIXED:
        with pytest.raises(UserError, match=r"class_weights: got \[1.0, 5.0, 50.0\]; \w+ with these settings"):
            trainer_of(method, tmp_path, class_weights=[1, 5, 50])
        return
    weighted = trained(method, tmp_path / "a", class_weights=[1, 5, 50])
    assert not equal(weighted, trained(method, tmp_path / "b"))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_loss_function_is_the_labeled_loss(method: str, tmp_path: Path) -> None:
    """Cross entropy itself changes nothing; none at all leaves the unlabeled term as it was."""
    calls: list[int] = []

    def counted(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        calls.append(int(num_items_in_batch))
        return mean(outputs, labels, num_items_in_batch)

    if method in NO_FUNCTION:
        with pytest.raises(
            UserError, match=r"compute_loss_func: got one; .* mixes labels, uses none or needs the loss of each"
        ):
            trainer_of(method, tmp_path, given={"compute_loss_func": mean})
        return
    plain = trained(method, tmp_path / "plain")
    told = trained(method, tmp_path / "told", given={"compute_loss_func": counted})
    assert {4} <= set(calls)
    for name, value in state_of(plain).items():
        torch.testing.assert_close(state_of(told)[name], value, atol=1e-5, rtol=1e-4)
    without = trained(
        method, tmp_path / "none", given={"compute_loss_func": lambda o, *_, **__: 0 * o["logits"].sum()}
    )
    assert not equal(plain, without)
    first, other = (next(row for row in t.state.log_history if "loss" in row) for t in (plain, without))
    assert other["ssl/teacher_supervised" if method == "meta_pseudo_labels" else "ssl/supervised"] == 0
    if "ssl/unsupervised" in first and "rounds" not in vars(plain):
        assert other["ssl/unsupervised"] == pytest.approx(first["ssl/unsupervised"], rel=1e-5)


# Five examples of the first class, three of the second, one of the third.
LABELS = [0, 0, 0, 0, 0, 1, 1, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["supervised", "uda", "fixmatch", "self_training"])
@pytest.mark.parametrize("setting", ["balanced", [1.0, 5.0, 50.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_weighted_loss_is_that_of_a_naive_loop(
    method: str, setting: Any, smoothing: float, tmp_path: Path
) -> None:
    counts = [LABELS.count(c) for c in range(3)]
    if setting == "balanced":
        weights = [9 / (3 * count) for count in counts]
    else:
        weights = [w * 9 / sum(w * n for w, n in zip(setting, counts, strict=True)) for w in setting]
    data = table(text=labeled()["text"], label=LABELS)
    trainer = trainer_of(
        method, tmp_path, given={"train_dataset": data}, class_weights=setting, label_smoothing_factor=smoothing
    )
    batch = first_batch(trainer)
    trainer.model.train()
    terms = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)
    view = {k: v for k, v in batch["labeled"]["weak"].items() if isinstance(v, torch.Tensor)}
    probs, labels = trainer.model(**view).logits.softmax(-1), batch["labeled"]["labels"].tolist()
    total = 0.0
    for row, label in zip(probs.tolist(), labels, strict=True):
        logs = torch.tensor(row).log().tolist()
        total -= weights[label] * ((1 - smoothing) * logs[label] + smoothing * sum(logs) / 3)
    assert terms["supervised"].item() == pytest.approx(total / len(labels), rel=1e-4)


def test_a_micro_batch_is_not_divided_by_weights_of_its_own(tmp_path: Path) -> None:
    data = {"given": {"train_dataset": table(text=labeled()["text"], label=LABELS)}, "class_weights": "balanced"}
    large = trained("uda", tmp_path / "a", per_device_train_batch_size=8, **data)
    small = trained("uda", tmp_path / "b", gradient_accumulation_steps=2, **data)
    for name, value in state_of(large).items():
        torch.testing.assert_close(state_of(small)[name], value, atol=2e-5, rtol=1e-3)


def test_weights_act_in_a_step_on_labels_alone(tmp_path: Path) -> None:
    for part in ({"warm_start_steps": 1}, {"finetune_steps": 1}):
        runs = [trained("uda", tmp_path / f"{part}{w}", class_weights=w, **part) for w in (None, [1, 1, 9])]
        assert not equal(*runs)


REFUSED: list[tuple[Any, str]] = [
    ([1.0, 2.0], "class_weights: got 2 numbers; expected 3, one per class"),
    ([1.0, -1.0, 1.0], r"class_weights: got \[1.0, -1.0, 1.0\]; expected numbers of 0 or more"),
    ([0.0, 0.0, 0.0], r"class_weights: got \[0.0, 0.0, 0.0\]; expected one above 0"),
    ("fair", "class_weights: got 'fair'; expected numbers of 0 or more, one per class, or 'balanced'"),
    ([float("nan"), 1.0, 1.0], r"class_weights: got \[nan, 1.0, 1.0\]"),
]


@pytest.mark.parametrize(("setting", "told"), REFUSED)
def test_what_are_no_weights_is_refused(setting: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        trainer_of("uda", tmp_path, class_weights=setting)


@pytest.mark.parametrize(
    ("text", "expected"), [("balanced", "balanced"), ("1,5,50", [1, 5, 50]), ("[1, 0.5]", [1, 0.5]), ("none", None)]
)
def test_weights_are_a_flag_and_a_key(text: str, expected: Any, tmp_path: Path) -> None:
    common = ["--output_dir", str(tmp_path), "--use_cpu"]
    types = [RecipeOptions, SupervisedConfig]
    args = parse_arguments(types, {"p": {}}, "p", [*common, "--class_weights", text])[1]
    assert args.class_weights == expected
    file = tmp_path / "run.yaml"
    file.write_text(f"class_weights: {text}\n")
    args = parse_arguments(types, {"p": {}}, "p", [*common, "--config", str(file)])[1]
    assert args.class_weights == expected


def test_a_loss_function_must_be_alone_and_give_a_scalar(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="compute_loss_func: got one and class_weights"):
        trainer_of("fixmatch", tmp_path, class_weights="balanced", given={"compute_loss_func": mean})
    with pytest.raises(UserError, match="compute_loss_func: got one; UDA with these settings"):
        trainer_of("uda", tmp_path, tsa="linear", given={"compute_loss_func": mean})
    trainer_of("distillation", tmp_path, teacher_weight=0.5, given={"compute_loss_func": mean})
    with pytest.raises(UserError, match="compute_loss_func: got one; ICT with these settings mixes labels"):
        trainer_of("ict", tmp_path, mix_labeled=True, given={"compute_loss_func": mean})
    rows = trainer_of(
        "uda", tmp_path, given={"compute_loss_func": lambda o, y, **_: cross_entropy(o[0], y, reduction="none")}
    )
    with pytest.raises(UserError, match=r"compute_loss_func: returned a tensor of shape \[4\]; expected a scalar"):
        rows.train()
