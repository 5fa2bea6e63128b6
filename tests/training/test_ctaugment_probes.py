"""Probes in training: rates follow the evaluated model, and are state like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import torch

from tests.contract import tiny_features, tiny_images
from tests.contract.cases import labeled, model, state_of, swap_words, tokenizer, unlabeled
from textssl import FixMatchConfig, FixMatchTrainer, MeanTeacherConfig, MeanTeacherTrainer, UserError
from textssl.augment import Chain, Column, Identity, OneOf
from textssl.augment.image import CTAugment
from textssl.augment.plans import HITS, PLAN
from textssl.augment.text import TextCTAugment
from textssl.state import BinRates
from textssl.training.ctaugment_probes import update_rates, with_probe_views


def text_policy() -> TextCTAugment:
    return TextCTAugment.fit(unlabeled()["text"], bins=3, decay=0.9)


def image_policy() -> CTAugment:
    return CTAugment(bins=3, decay=0.9, operations=["rotate", "brightness", "invert", "cutout"])


POLICIES: dict[str, Callable[[], Any]] = {"text": text_policy, "image": image_policy}
BOTH = pytest.mark.parametrize("modality", ["text", "image"])
DEFAULTS: dict[str, Any] = {
    "max_steps": 4,
    "per_device_train_batch_size": 4,
    "mu": 2,
    "learning_rate": 0.05,
    "lr_scheduler_type": "constant",
    "optim": "sgd",
    "use_cpu": True,
    "save_steps": 2,
    "report_to": [],
    "disable_tqdm": True,
}


def problem(modality: str) -> dict[str, Any]:
    if modality == "text":
        return {
            "model": model(dropout=0.1),
            "train_dataset": labeled(),
            "unlabeled_dataset": unlabeled(),
            "eval_dataset": labeled(12, seed=3),
            "processing_class": tokenizer(),
        }
    return {
        "model": tiny_images.model(dropout=0.1),
        "train_dataset": tiny_images.dataset(9, 1),
        "unlabeled_dataset": tiny_images.dataset(40, 2, labels=False),
        "eval_dataset": tiny_images.dataset(12, 3),
        "processing_class": tiny_images.processor(),
    }


def fixmatch(out: Path, modality: str, strong: Any = None, **settings: Any) -> FixMatchTrainer:
    length = {"max_length": 16} if modality == "text" else {}
    config = FixMatchConfig(output_dir=str(out), **{**DEFAULTS, "threshold": 0.0, **length, **settings})
    views = {"strong": POLICIES[modality]() if strong is None else strong}
    return FixMatchTrainer(args=config, augmentations=views, **problem(modality))


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


# Which probes there are


def test_each_policy_has_one_probe_of_the_labeled_stream() -> None:
    one, two = image_policy(), image_policy()
    views = {"labeled": ("weak",), "unlabeled": ("weak", "strong", "strong_2", "strong_3")}
    ways = {"strong": one, "strong_2": one, "strong_3": two, "other": image_policy()}
    with_probes, made = with_probe_views(views, ways)
    assert with_probes == {**views, "labeled": ("weak", "probe", "probe_2")}
    assert made["probe"].rates is one.rates
    assert made["probe_2"].rates is two.rates
    assert {name: made[name] for name in ways} == ways
    assert views["labeled"] == ("weak",)


def test_methods_without_such_a_view_have_no_probe(tmp_path: Path) -> None:
    views = {"labeled": ("weak",), "unlabeled": ("weak", "strong")}
    assert with_probe_views(views, {"strong": swap_words, "unused": image_policy()})[0] == views
    trainer = fixmatch(tmp_path, "text", swap_words)
    assert not any("bin_rates" in name for name in trainer.objective.state_dict())
    assert trainer.data_collator.views == views


def test_an_objective_without_rates_is_left_alone() -> None:
    trainer: Any = torch.nn.Module()
    update_rates(trainer, None, [])  # type: ignore[arg-type]
    assert trainer.state_dict() == {}


# What a step does


@BOTH
def test_a_step_moves_the_rates_that_it_probed_by_what_the_evaluated_model_says(modality: str, tmp_path: Path) -> None:
    trainer = fixmatch(tmp_path, modality, max_steps=1, gradient_accumulation_steps=2, ema_decay=0.5)
    trainer.train()
    rates = trainer.objective.bin_rates[0]  # type: ignore[index]
    evaluated = trainer.evaluated_model
    assert evaluated is not trainer.model
    found: dict[tuple[int, int], list[float]] = {}
    assert len(trainer.micro_batches) == 2
    for batch in trainer.micro_batches:
        probe = batch["labeled"]["probe"]
        inputs = {name: value for name, value in probe.items() if isinstance(value, torch.Tensor)}
        assert inputs.keys() <= {"input_ids", "attention_mask", "pixel_values"}
        with torch.no_grad():
            probs = evaluated.eval()(**inputs).logits.softmax(-1)
        for row, label, hits in zip(probs, batch["labeled"]["labels"], probe[HITS], strict=True):
            assert len(hits) == 2
            for hit in hits:
                found.setdefault(hit, []).append(1 - 0.5 * float((row - torch.eye(3)[label]).abs().sum()))
    assert sum(map(len, found.values())) == 2 * 8
    for operation, size in enumerate(rates.sizes):
        for bin_ in range(size):
            expected = 1.0
            tried = found.get((operation, bin_), [])
            for _ in tried:
                expected = 0.9 * expected + 0.1 * sum(tried) / len(tried)
            assert float(rates.rates[operation, bin_]) == pytest.approx(expected, abs=1e-5)


@BOTH
def test_views_of_a_step_are_finished(modality: str, tmp_path: Path) -> None:
    trainer = fixmatch(tmp_path, modality)
    unfinished = next(iter(trainer.get_train_dataloader()))
    main = trainer.modality.main_input
    # A text that is changed later is not tokenised before.
    assert (main in unfinished["unlabeled"]["strong"]) is (modality == "image")
    (batch,) = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 1, torch.device("cpu"))[0]
    assert batch["labeled"].keys() == {"weak", "probe", "index", "labels"}
    for stream, view in (("labeled", "weak"), ("labeled", "probe"), ("unlabeled", "weak"), ("unlabeled", "strong")):
        inputs = batch[stream][view]
        assert PLAN not in inputs
        assert inputs["stream"] == stream
        assert inputs[main].shape[0] == (4 if stream == "labeled" else 8)
        assert (HITS in inputs) is (view == "probe")
    assert trainer.floating_point_ops(batch) > 0


def test_a_method_of_another_kind_has_probes_too_also_while_it_warms_up(tmp_path: Path) -> None:
    """Mean Teacher has no strong view; its teacher's view adapts, and its teacher is asked."""
    config = MeanTeacherConfig(output_dir=str(tmp_path), max_length=16, warm_start_steps=2, **DEFAULTS)
    strong = text_policy()
    trainer = MeanTeacherTrainer(args=config, augmentations={"weak_2": strong}, **problem("text"))
    seen: list[float] = []

    def watch(*args: Any, **kwargs: Any) -> None:
        after(*args, **kwargs)
        seen.append(float(strong.rates.rates.sum()))

    after = trainer.objective.after_step
    trainer.objective.after_step = watch  # type: ignore[method-assign]
    trainer.train()
    # Seen before each update: untouched, then lower after each of the two steps of the warm start.
    assert seen[0] == 16
    assert seen[0] > seen[1] > seen[2] > seen[3]


# State


@pytest.mark.slow
@BOTH
def test_resume_is_exact(modality: str, tmp_path: Path) -> None:
    whole = fixmatch(tmp_path / "a", modality)
    whole.train()
    resumed = fixmatch(tmp_path / "b", modality)
    resumed.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-2"))
    states = state_of(whole), state_of(resumed)
    assert_same(*states)
    moved = states[0]["objective.bin_rates.0.rates"]
    assert ((moved > 0) & (moved < 1)).sum() > 3


def test_another_policy_cannot_go_on_with_the_rates(tmp_path: Path) -> None:
    fixmatch(tmp_path, "image").train()
    other = fixmatch(tmp_path, "image", CTAugment(bins=4, operations=["rotate"]))
    with pytest.raises(UserError, match=r"views\.strong was '\.\.\..*_brightness.*, is \"\.\.\."):
        other.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


@pytest.mark.slow
@BOTH
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_that_are_ahead_change_nothing(modality: str, tmp_path: Path) -> None:
    """They draw for all four steps at once; a threshold of 1 makes every change of a rate count."""
    ends = []
    for workers in ({}, {"dataloader_num_workers": 2, "dataloader_prefetch_factor": 4}):
        strong = POLICIES[modality]()
        strong.rates.threshold = 1.0
        trainer = fixmatch(tmp_path / str(len(ends)), modality, strong, **workers)
        trainer.train()
        ends.append(state_of(trainer))
    assert_same(*ends)


@pytest.mark.slow
def test_strong_views_follow_the_rates(tmp_path: Path) -> None:
    """The same run, but for what the rates begin with, ends elsewhere."""
    ends = []
    for weak in (False, True):
        trainer = fixmatch(tmp_path / str(weak), "image")
        if weak:
            trainer.objective.bin_rates[0].rates[:, 1:] = 0.0  # type: ignore[index]
        trainer.train()
        ends.append(state_of(trainer)["model.classifier.weight"])
    assert not torch.allclose(ends[0], ends[1], atol=1e-4)


@pytest.mark.slow
@BOTH
def test_evaluation_changes_nothing(modality: str, tmp_path: Path) -> None:
    trainer = fixmatch(tmp_path, modality)
    trainer.train()
    before = state_of(trainer)
    assert "eval_accuracy" in trainer.evaluate()
    trainer.predict(trainer.eval_dataset)  # type: ignore[arg-type]
    assert_same(before, state_of(trainer))


@pytest.mark.slow
def test_a_policy_that_served_another_run_begins_anew(tmp_path: Path) -> None:
    strong = image_policy()
    first = fixmatch(tmp_path / "a", "image", strong)
    first.train()
    end = state_of(first)
    second = fixmatch(tmp_path / "b", "image", strong)
    assert strong.learned()["invert"] == [1.0]
    second.train()
    assert_same(end, state_of(second))


# What is learned


class Without:
    """Deletes words of the classes, which are w0 to w14, with probability p; or those of none, w45 to w59."""

    def __init__(self, p: float, own: bool) -> None:
        self.p = p
        self.first = 0 if own else 45

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        words = example["text"].split()
        drawn = rng.random(len(words)) < self.p
        kept = [
            word
            for word, gone in zip(words, drawn, strict=True)
            if not (gone and self.first <= int(word[1:]) < self.first + 15)
        ]
        return {**example, "text": " ".join(kept) or "w30"}


def own_words(count: int, seed: int, labels: bool = True) -> datasets.Dataset:
    """Texts of eight words, of which four are their class's own."""
    rng = np.random.default_rng(seed)
    classes = [i % 3 for i in range(count)]
    texts = [
        " ".join(f"w{i}" for i in rng.permutation([*(5 * c + rng.integers(0, 5, 4)), *rng.integers(15, 60, 4)]))
        for c in classes
    ]
    return datasets.Dataset.from_dict({"text": texts} | ({"label": classes} if labels else {}))


@pytest.mark.slow
def test_an_operation_that_destroys_the_class_loses_its_strong_bins_and_a_harmless_one_does_not(
    tmp_path: Path,
) -> None:
    shares = [0.0, 0.5, 1.0]
    strong = TextCTAugment(
        {"harmful": [Without(p, own=True) for p in shares], "harmless": [Without(p, own=False) for p in shares]},
        depth=1,
        decay=0.9,
    )
    config = FixMatchConfig(
        output_dir=str(tmp_path),
        **{
            **DEFAULTS,
            "max_steps": 60,
            "per_device_train_batch_size": 12,
            "learning_rate": 2e-3,
            "optim": "adamw_torch",
        },
        save_strategy="no",
        max_length=16,
        ema_decay=0.8,
    )
    FixMatchTrainer(
        model(),
        config,
        own_words(60, 1),
        own_words(60, 2, labels=False),
        processing_class=tokenizer(),
        augmentations={"strong": strong},
    ).train()
    learned = strong.learned()
    assert min(learned["harmless"]) > 0.85
    assert learned["harmful"][0] > 0.85
    # A text without its class's words tells nothing: about a third.
    assert learned["harmful"][2] < 0.6
    probs = strong.rates.probs()
    assert probs[0, 2] == 0
    assert probs[1].min() > 0.25


# What cannot work


@pytest.mark.parametrize("wrap", [lambda way: Chain([way]), lambda way: OneOf([way, Identity()])])
@BOTH
def test_it_must_be_a_view_by_itself(modality: str, wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    trainer = fixmatch(tmp_path, modality, wrap(POLICIES[modality]()))
    with pytest.raises(UserError, match=r"augmentations: got (Chain|OneOf) for 'strong', a part of which acts on"):
        trainer.train()


def test_that_of_another_modality_is_refused(tmp_path: Path) -> None:
    view = SimpleNamespace(rates=BinRates([1]))
    modality: Any = fixmatch(tmp_path, "text").modality
    batch = {"unlabeled": {"strong": {PLAN: [np.zeros(3)]}, "index": torch.arange(1)}}
    with pytest.raises(UserError, match="got CTAugment for 'strong'"):
        modality.on_device(batch, {"strong": image_policy()}, dict)
    features = FixMatchTrainer(
        tiny_features.model(),
        FixMatchConfig(output_dir=str(tmp_path / "f"), **DEFAULTS),
        tiny_features.dataset(9, 1),
        tiny_features.dataset(40, 2, labels=False),
    ).modality
    with pytest.raises(UserError, match="got SimpleNamespace for 'strong'; it is not for features"):
        features.on_device(batch, {"strong": view}, dict)  # type: ignore[dict-item,arg-type]


def test_a_probe_is_no_view_that_anybody_may_choose(tmp_path: Path) -> None:
    config = FixMatchConfig(output_dir=str(tmp_path), max_length=16, **DEFAULTS)
    with pytest.raises(UserError, match="augmentations: got 'probe'; the method's views are strong, weak"):
        FixMatchTrainer(args=config, augmentations={"probe": text_policy()}, **problem("text"))


def test_a_column_that_the_unlabeled_data_lack_is_told_at_once(tmp_path: Path) -> None:
    strong = TextCTAugment({"identity": [Identity()], "back": [Column("bakc")]})
    with pytest.raises(UserError, match=r"operations: got Column\('bakc'\); the data have \['text'\]"):
        fixmatch(tmp_path, "text", strong)
