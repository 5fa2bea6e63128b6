"""Every argument of Trainer and field of TrainingArguments acts, as in Trainer, or is refused with its reason."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments

from tests.contract.cases import build
from tests.contract.tiny_texts import model
from tests.training.stock import both, ours, weights
from textssl import UDAConfig, UserError
from textssl.config.trainer_arguments import ARGUMENTS, SETTINGS


ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "trainer_arguments.md"

# --- the table


def test_every_argument_and_field_is_in_the_table() -> None:
    given = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert given - ARGUMENTS.keys() == set(), "new arguments of Trainer: does each act, or is it refused?"
    fields = {entry.name for entry in dataclasses.fields(TrainingArguments)}
    assert fields - SETTINGS.keys() == set(), "new fields of TrainingArguments: does each act, or is it refused?"


@pytest.mark.slow
def test_every_test_of_the_table_exists() -> None:
    for name, entry in {**ARGUMENTS, **SETTINGS}.items():
        assert (entry.test is None) == bool(entry.allowed), name
        if entry.test is not None:
            path, _, test = entry.test.partition("::")
            tree = ast.parse((ROOT / path).read_text())
            assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (name, entry.test)


def rows_of(table: dict[str, Any]) -> list[str]:
    rows = []
    for name, entry in sorted(table.items()):
        status, note = ("acts" if entry.test else "refused"), entry.note
        if entry.test is None and len(entry.allowed) > 0:
            note = f"{note}. Allowed: {', '.join(f'`{value!r}`' for value in entry.allowed)}"
        rows.append(f"| `{name}` | {status} | {note} |")
    return rows


def test_the_page_has_the_table() -> None:
    lines = PAGE.read_text().splitlines()
    told = [line for line in lines if line.startswith("| `")]
    assert told == rows_of(ARGUMENTS) + rows_of(SETTINGS)


# --- what is refused

WRONG: dict[str, Any] = {
    "debug": "underflow_overflow",
    "do_predict": True,
    "average_tokens_across_devices": False,
    "bf16_full_eval": True,
    "fp16_full_eval": True,
    "use_liger_kernel": True,
    "liger_kernel_config": {"rope": True},
    "use_cache": True,
    "optim_target_modules": ["query"],
    "enable_jit_checkpoint": True,
    "ignore_data_skip": True,
    "dataloader_drop_last": True,
    "dataloader_in_order": False,
    "remove_unused_columns": True,
    "label_names": ["stars"],
    "length_column_name": "len",
    "ddp_find_unused_parameters": True,
    "ddp_broadcast_buffers": True,
    "ddp_static_graph": True,
    "fsdp": "full_shard",
    "fsdp_config": {"min_num_params": 1},
    "deepspeed": {"zero_optimization": {"stage": 2}},
    "parallelism_config": object(),
}


@pytest.mark.parametrize("name", [name for name, entry in SETTINGS.items() if entry.test is None])
def test_a_value_that_cannot_act_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{name}: got .*; .+") as refused:
        UDAConfig(output_dir=str(tmp_path), use_cpu=True, **{name: WRONG[name]})
    assert "\n" not in str(refused.value)
    for value in SETTINGS[name].allowed:
        UDAConfig(output_dir=str(tmp_path), use_cpu=True, **{name: value})


@pytest.mark.parametrize("name", ["split_batches", "dispatch_batches"])
def test_a_batch_is_not_cut_by_accelerate(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"accelerator_config: got {name} True; batches are a function of seed"):
        UDAConfig(output_dir=str(tmp_path), use_cpu=True, accelerator_config={name: True})


def test_what_a_trainer_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="data_collator: got function; a batch is made of views; augmentations say how"
    ):
        build("uda", tmp_path, given={"data_collator": lambda rows: rows})
    with pytest.raises(UserError, match="tokenizer: got int; a trainer takes no such argument"):
        build("uda", tmp_path, given={"tokenizer": 3})
    with pytest.raises(UserError, match="batch_eval_metrics: got True; compute_metrics must take compute_result"):
        build("uda", tmp_path, batch_eval_metrics=True)


# --- training, beside the stock Trainer

AS_IN_TRAINER: dict[str, dict[str, Any]] = {
    "max_steps": {"max_steps": 2},
    "num_train_epochs": {"max_steps": -1, "num_train_epochs": 5},
    "learning_rate": {"learning_rate": 0.1},
    "lr_scheduler_type": {"lr_scheduler_type": "constant"},
    "lr_scheduler_kwargs": {"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"num_cycles": 2}},
    "warmup_steps": {"warmup_steps": 2},
    "optim": {"optim": "adamw_torch", "learning_rate": 1e-3},
    "optim_args": {"optim_args": "momentum=0.9"},
    "weight_decay": {"weight_decay": 0.5},
    "adam_beta1": {"optim": "adamw_torch", "learning_rate": 1e-3, "adam_beta1": 0.5},
    "adam_beta2": {"optim": "adamw_torch", "learning_rate": 1e-3, "adam_beta2": 0.5},
    "adam_epsilon": {"optim": "adamw_torch", "learning_rate": 1e-3, "adam_epsilon": 0.1},
    "max_grad_norm": {"max_grad_norm": 0.1},
    "label_smoothing_factor": {"label_smoothing_factor": 0.3},
    "bf16": {"bf16": True},
    "gradient_accumulation_steps": {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    return weights(both(tmp_path_factory.mktemp("plain"))[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", AS_IN_TRAINER)
def test_a_setting_acts_as_in_trainer(name: str, plain: torch.Tensor, tmp_path: Path) -> None:
    own, other = both(tmp_path, **AS_IN_TRAINER[name])
    loose = 2e-3 if name == "bf16" else 2e-5
    torch.testing.assert_close(weights(own), weights(other), atol=loose, rtol=1e-3)
    if name != "gradient_accumulation_steps":
        assert (weights(own) - plain).abs().max() > (1e-6 if name == "bf16" else 1e-4)
    figures = [[row["learning_rate"] for row in t.state.log_history if "learning_rate" in row] for t in (own, other)]
    assert figures[0] == pytest.approx(figures[1])


def test_batch_sizes_are_those_of_trainer(tmp_path: Path) -> None:
    """Four examples in twos, in two micro-batches: one step an epoch."""
    for trainer in both(
        tmp_path, max_steps=-1, num_train_epochs=2, per_device_train_batch_size=2, gradient_accumulation_steps=2
    ):
        assert (trainer.state.global_step, trainer.state.train_batch_size) == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"seed": 1}, {"data_seed": 1}, {"neftune_noise_alpha": 50.0}], ids=str)
def test_a_setting_changes_the_weights(changed: dict[str, Any], tmp_path: Path) -> None:
    runs = []
    for number, settings in enumerate([{}, changed]):
        trainer = build("uda", tmp_path / str(number), save_strategy="no", max_steps=2, dropout=0.1, **settings)
        trainer.train()
        runs.append(trainer)
    assert not torch.equal(weights(runs[0]), weights(runs[1]))
    # No noise is left behind, nor in a saved copy.
    assert not runs[1].model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("modality", ["image", "features"])
def test_text_settings_act(modality: str, tmp_path: Path) -> None:
    """``train_sampling_strategy`` has its own test of batches; here: neither is accepted where it could not act."""
    for setting, value in (("train_sampling_strategy", "group_by_length"), ("neftune_noise_alpha", 5.0)):
        with pytest.raises(UserError, match=f"{setting}: got {value!r}; it is for text"):
            build("uda", tmp_path, modality, **{setting: value})


def test_noise_of_one_network_of_two_is_refused(tmp_path: Path) -> None:
    for method in ("dividemix", "meta_pseudo_labels"):
        with pytest.raises(UserError, match=r"neftune_noise_alpha: got 5.0; .* trains two networks"):
            build(method, tmp_path, neftune_noise_alpha=5.0)


# --- what a trainer is given


@pytest.mark.slow
def test_an_optimizer_that_is_given_moves_the_weights(plain: torch.Tensor, tmp_path: Path) -> None:
    def instance() -> dict[str, Any]:
        network = model()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
        return {"model": network, "optimizers": (optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5))}

    def kind() -> dict[str, Any]:
        return {"optimizer_cls_and_kwargs": (torch.optim.RMSprop, {"lr": 1e-3})}

    for number, given in enumerate([instance, kind]):
        own, other = both(tmp_path / str(number), given)
        torch.testing.assert_close(weights(own), weights(other), atol=2e-5, rtol=1e-3)
        assert (weights(own) - plain).abs().max() > 1e-3
    with pytest.raises(UserError, match=r"finetune_learning_rate: got 0.1 and a schedule in optimizers"):
        ours(tmp_path, instance(), finetune_learning_rate=0.1)
    with pytest.raises(UserError, match=r"optimizers: got one and auto_find_batch_size"):
        ours(tmp_path, instance(), auto_find_batch_size=True)
    # A second network is moved by the optimizer too, and no schedule of one network's groups can follow.
    with pytest.raises(UserError, match=r"optimizers: got a schedule; DivideMix adds parameters to the optimizer"):
        build("dividemix", tmp_path, max_steps=6, given=instance())
    given = instance()
    given["optimizers"] = (given["optimizers"][0], None)
    two = build("dividemix", tmp_path, max_steps=6, save_strategy="no", given=given)
    before = weights_of(two.objective.peer)
    two.train()
    assert not torch.equal(before, weights_of(two.objective.peer))


def weights_of(network: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


class Seen(TrainerCallback):
    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            self.events.append(name)
        return super().__getattribute__(name)


@pytest.mark.slow
def test_callbacks_are_called(tmp_path: Path) -> None:
    seen: list[Seen] = []

    def given() -> dict[str, Any]:
        seen.append(Seen())
        return {"callbacks": [seen[-1]]}

    both(tmp_path, given, max_steps=2, eval_strategy="steps", eval_steps=1)
    assert seen[0].events == seen[1].events
    assert {"on_step_end", "on_evaluate", "on_train_end"} <= set(seen[0].events)


@pytest.mark.slow
def test_what_is_measured_is_what_the_functions_say(tmp_path: Path) -> None:
    given = {
        "compute_metrics": lambda p: {"sum": float(p.predictions.sum()), "n": len(p.label_ids)},
        "preprocess_logits_for_metrics": lambda logits, labels: logits.argmax(-1),
    }
    own, other = both(tmp_path, lambda: given)
    for trainer in (own, other):
        metrics = trainer.evaluate()
        assert metrics["eval_n"] == 9
        assert metrics["eval_sum"] == float(trainer.predict(trainer.eval_dataset).predictions.sum())
    # The stages of self-training measure so too.
    stage = build("self_training", tmp_path / "rounds", given=given)
    assert stage._shared()["preprocess_logits_for_metrics"] is given["preprocess_logits_for_metrics"]


# --- logs and evaluation, beside the stock Trainer

LOGGED: dict[str, dict[str, Any]] = {
    "logging_strategy": {"logging_strategy": "epoch", "max_steps": -1, "num_train_epochs": 2},
    "logging_steps": {"logging_steps": 2},
    "logging_first_step": {"logging_steps": 2, "logging_first_step": True},
    "eval_strategy": {"eval_strategy": "epoch"},
    "eval_steps": {"eval_strategy": "steps", "eval_steps": 2},
    "eval_delay": {"eval_strategy": "steps", "eval_steps": 1, "eval_delay": 2},
    "eval_on_start": {"eval_strategy": "steps", "eval_steps": 3, "eval_on_start": True},
    "skip_memory_metrics": {"skip_memory_metrics": False},
}


def told(trainer: Trainer) -> list[tuple[int, set[str]]]:
    rows = [(row["step"], {k for k in row if not k.startswith("ssl/")}) for row in trainer.state.log_history]
    return [(step, names - {"eval_accuracy", "eval_macro_f1"}) for step, names in rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOGGED)
def test_logs_are_those_of_trainer(name: str, tmp_path: Path) -> None:
    own, other = both(tmp_path, **LOGGED[name])
    assert told(own) == told(other)
    assert len(told(own)) > 1
    for row, expected in zip(own.state.log_history, other.state.log_history, strict=True):
        for key in ("loss", "eval_loss", "train_loss", "grad_norm"):
            if key in expected:
                assert row[key] == pytest.approx(expected[key], rel=1e-3), key
    assert any("mem_cpu" in key for key in own.state.log_history[-1]) == (name == "skip_memory_metrics")


@pytest.mark.parametrize("is_filtered", [False, True])
def test_an_infinite_loss_is_shown_unless_it_is_filtered(is_filtered: bool, tmp_path: Path) -> None:
    def infinite(outputs: Any, labels: Any, **_: Any) -> torch.Tensor:
        return outputs.logits.sum() * math.inf

    trainer = ours(
        tmp_path, {"compute_loss_func": infinite}, max_steps=1, logging_nan_inf_filter=is_filtered, nan_policy="ignore"
    )
    trainer.train()
    assert math.isfinite(trainer.state.log_history[0]["loss"]) == is_filtered


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["no", "all", "non_padding"])
def test_tokens_of_all_views_are_counted(kind: str, tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, include_num_input_tokens_seen=kind, save_strategy="no", max_steps=2)
    counted = 0
    step = trainer.training_step

    def counting(network: Any, inputs: dict[str, Any], *args: Any) -> Any:
        nonlocal counted
        for view in (inputs["labeled"]["weak"], inputs["unlabeled"]["weak"], inputs["unlabeled"]["strong"]):
            counted += view["input_ids"].numel() if kind == "all" else int(view["attention_mask"].sum())
        return step(network, inputs, *args)

    trainer.training_step = counting
    trainer.train()
    assert trainer.state.num_input_tokens_seen == (0 if kind == "no" else counted)


def test_evaluation_settings_act(tmp_path: Path) -> None:
    def evaluated(**settings: Any) -> tuple[Any, dict[str, Any]]:
        handed: list[Any] = []

        def keep(prediction: Any, compute_result: bool = True) -> dict[str, float]:
            handed.append((prediction, compute_result))
            return {}

        trainer = ours(tmp_path, {"compute_metrics": keep}, **{"per_device_eval_batch_size": 4, **settings})
        sizes: list[int] = []
        step = trainer.prediction_step
        trainer.prediction_step = lambda net, inputs, *a, **k: (
            sizes.append(len(inputs["labels"])),
            step(net, inputs, *a, **k),
        )[1]
        return handed, {"sizes": sizes, **trainer.evaluate()}

    plain, metrics = evaluated()
    assert metrics["sizes"] == [4, 4, 1]
    assert evaluated(per_device_eval_batch_size=9)[1]["sizes"] == [9]
    assert evaluated(prediction_loss_only=True)[0] == []
    accumulated, more = evaluated(eval_accumulation_steps=1)
    assert (accumulated[0][0].predictions == plain[0][0].predictions).all()
    assert more["eval_loss"] == metrics["eval_loss"]
    apart, _ = evaluated(eval_do_concat_batches=False)
    assert [len(part) for part in apart[0][0].predictions] == [4, 4, 1]
    included, _ = evaluated(include_for_metrics=["inputs", "loss"])
    assert len(included[0][0].inputs) == len(included[0][0].losses) == 9
    by_batch, _ = evaluated(batch_eval_metrics=True)
    assert [flag for _, flag in by_batch] == [False, False, True]
    assert ours(tmp_path, eval_use_gather_object=True).gather_function.keywords == {"use_gather_object": True}


# --- files


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"save_strategy": "steps", "save_steps": 2},
        {"save_strategy": "epoch"},
        {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 2},
        {"save_strategy": "best", "eval_strategy": "steps", "eval_steps": 1, "metric_for_best_model": "loss"},
        {
            **{"save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 1, "max_steps": 4},
            **{"load_best_model_at_end": True, "metric_for_best_model": "loss", "learning_rate": 3.0},
        },
        {
            **{"save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 1, "max_steps": 4},
            **{"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": True},
        },
    ],
    ids=lambda settings: ",".join(f"{k}={v}" for k, v in settings.items())[:60],
)
def test_checkpoints_are_those_of_trainer(settings: dict[str, Any], tmp_path: Path) -> None:
    own, other = both(tmp_path, **settings, save_on_each_node=True)
    found = [sorted(p.name for p in Path(t.args.output_dir).glob("checkpoint-*")) for t in (own, other)]
    assert found[0] == found[1] != []
    assert own.state.best_global_step == other.state.best_global_step
    torch.testing.assert_close(weights(own), weights(other), atol=1e-4, rtol=1e-2)
    assert own.args.should_save


@pytest.mark.slow
def test_states_of_callbacks_are_restored(tmp_path: Path) -> None:
    settings = {
        **{"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1, "max_steps": 2},
        **{"metric_for_best_model": "loss", "load_best_model_at_end": True, "learning_rate": 5.0},
    }
    first = ours(tmp_path, {"callbacks": [EarlyStoppingCallback(7)]}, **settings)
    first.train()
    for restored in (False, True):
        trainer = ours(
            tmp_path, {"callbacks": [EarlyStoppingCallback(3)]}, **{**settings, "max_steps": 3},
            restore_callback_states_from_checkpoint=restored,
        )  # fmt: skip
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        (callback,) = [c for c in trainer.callback_handler.callbacks if isinstance(c, EarlyStoppingCallback)]
        assert callback.early_stopping_patience == (7 if restored else 3)


# --- the process, the loader, services


def test_workers_are_those_that_were_asked_for(tmp_path: Path) -> None:
    settings = {
        "dataloader_num_workers": 1,
        "dataloader_persistent_workers": True,
        "dataloader_prefetch_factor": 3,
        "dataloader_multiprocessing_context": "forkserver",
    }
    trainer = build("uda", tmp_path, **settings)
    for loader in (trainer.get_train_dataloader(), trainer.get_eval_dataloader()):
        base = getattr(loader, "base_dataloader", loader)
        assert (base.num_workers, base.persistent_workers, base.prefetch_factor) == (1, True, 3)
        assert base.multiprocessing_context.get_start_method() == "forkserver"
        assert not base.pin_memory, "of the CPU none is pinned"


def test_settings_of_the_process_are_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[int] = []
    monkeypatch.setattr("transformers.trainer.clear_device_cache", lambda *a, **k: cleared.append(1))
    trainer = build(
        "uda", tmp_path, max_steps=4, save_strategy="no", torch_empty_cache_steps=2,
        accelerator_config={"even_batches": False, "gradient_accumulation_kwargs": {"sync_each_batch": True}},
        disable_tqdm=False,
    )  # fmt: skip
    assert trainer.args.device == torch.device("cpu")
    assert not trainer.accelerator.dataloader_config.even_batches
    assert trainer.accelerator.gradient_state.plugin_kwargs["sync_each_batch"]
    assert any("Progress" in type(c).__name__ for c in trainer.callback_handler.callbacks)
    trainer.train()
    assert len(cleared) == 2
    before = logging.getLogger("transformers").level
    try:
        assert build("uda", tmp_path, log_level="error").args.get_process_log_level() == logging.ERROR
        assert logging.getLogger("transformers").level == logging.ERROR
    finally:
        logging.getLogger("transformers").setLevel(before)
    called: list[int] = []
    monkeypatch.setattr("transformers.trainer.enable_full_determinism", called.append)
    build("uda", tmp_path, full_determinism=True, seed=9)
    assert called == [9]


def test_settings_are_handed_to_torch_and_accelerate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("uda", tmp_path, ddp_bucket_cap_mb=7, ddp_timeout=60, tf32=False)
    (handler,) = trainer._build_accelerator_args()["kwargs_handlers"]
    assert (handler.bucket_cap_mb, handler.find_unused_parameters, handler.broadcast_buffers) == (7, False, False)
    assert trainer.args.ddp_timeout_delta.total_seconds() == 60
    config = UDAConfig(output_dir=str(tmp_path), use_cpu=True, fp16=True)
    assert config.mixed_precision == "fp16"


def test_settings_of_services_are_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    trainer = ours(tmp_path / "run", report_to=["tensorboard"], run_name="one", project="two", hub_revision="dev")
    trainer.train()
    assert list((tmp_path / "board").rglob("events*"))
    kept = {"run_name": "one", "project": "two", "hub_revision": "dev", "hub_always_push": False}
    assert {name: getattr(trainer.args, name) for name in kept} == kept
    assert {name: value for name, value in trainer.args.to_dict().items() if name.startswith("trackio")}.keys() >= {
        "trackio_space_id"
    }


def test_what_only_scripts_read(tmp_path: Path) -> None:
    trainer = ours(tmp_path, do_train=False, do_eval=False, resume_from_checkpoint="nowhere")
    trainer.train()
    assert trainer.state.global_step == 3


@pytest.mark.parametrize(
    "name", ["per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"]
)
def test_batches_have_examples(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{name}: got 0; expected 1 or more"):
        build("fixmatch", tmp_path, **{name: 0})
