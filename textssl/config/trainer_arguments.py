"""What each argument of ``transformers.Trainer`` and each field of ``TrainingArguments`` does in this library.

An argument acts, and a test would notice if it did not; or a value of it is refused with its reason before training.
The same tables are in ``docs/reference/trainer_arguments.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

from ..errors import UserError


__all__ = ["ARGUMENTS", "SETTINGS", "Entry", "check_composed", "check_given", "check_schedule", "check_settings"]

OWN = "tests/config/test_trainer_arguments.py::"


@dataclass(frozen=True)
class Entry:
    """One argument.

    Attributes:
        test: the test that would notice if it did not act; or ``None`` where every value but ``allowed`` is refused.
        note: what is worth knowing, or why it is refused.
        allowed: the values that are not refused; empty where all act.
    """

    test: str | None
    note: str = ""
    allowed: tuple[Any, ...] = ()


def _acts(test: str, *names: str, note: str = "") -> dict[str, Entry]:
    return {name: Entry(test if "::" in test else OWN + test, note) for name in names}


def _refused(name: str, note: str, *allowed: Any) -> dict[str, Entry]:
    return {name: Entry(None, note, allowed)}


ARGUMENTS: dict[str, Entry] = {
    **_acts("test_a_setting_acts_as_in_trainer", "model", "args", "train_dataset", "processing_class"),
    **_acts("tests/training/test_trainer.py::test_several_evaluation_sets_are_each_measured", "eval_dataset"),
    **_acts("tests/training/test_search.py::test_each_training_begins_anew", "model_init"),
    **_acts(
        "tests/training/test_labeled_loss.py::test_a_loss_function_is_the_labeled_loss",
        "compute_loss_func",
        note="the loss of the labeled examples, in place of cross entropy; it is called with the number of examples "
        "of the micro-batch. Refused by methods that mix labels or need the loss of each example",
    ),
    **_acts("test_what_is_measured_is_what_the_functions_say", "compute_metrics", "preprocess_logits_for_metrics"),
    **_acts("test_callbacks_are_called", "callbacks"),
    **_acts("test_an_optimizer_that_is_given_moves_the_weights", "optimizers", "optimizer_cls_and_kwargs"),
    **_refused("data_collator", "a batch is made of views; augmentations say how", None),
}

SETTINGS: dict[str, Entry] = {
    **_acts(
        "test_a_setting_acts_as_in_trainer",
        *("max_steps", "num_train_epochs", "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs"),
        *("warmup_steps", "optim", "optim_args", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"),
        *("max_grad_norm", "label_smoothing_factor", "bf16", "gradient_accumulation_steps"),
    ),
    **_acts("test_batch_sizes_are_those_of_trainer", "per_device_train_batch_size"),
    **_acts("test_a_setting_changes_the_weights", "seed", "data_seed", "neftune_noise_alpha"),
    **_acts(
        "test_text_settings_act",
        "train_sampling_strategy",
        note="random or group_by_length; the latter makes unlabeled batches of texts of like length",
    ),
    **_acts(
        "test_logs_are_those_of_trainer",
        *("logging_strategy", "logging_steps", "logging_first_step", "eval_strategy", "eval_steps", "eval_delay"),
        *("eval_on_start", "skip_memory_metrics"),
    ),
    **_acts("test_an_infinite_loss_is_shown_unless_it_is_filtered", "logging_nan_inf_filter"),
    **_acts("test_tokens_of_all_views_are_counted", "include_num_input_tokens_seen"),
    **_acts(
        "test_settings_of_the_process_are_in_force",
        *("log_level", "log_level_replica", "log_on_each_node", "disable_tqdm", "use_cpu", "full_determinism"),
        *("torch_empty_cache_steps", "accelerator_config", "local_rank"),
    ),
    **_acts(
        "test_settings_are_handed_to_torch_and_accelerate",
        *("ddp_timeout", "ddp_bucket_cap_mb", "fp16", "tf32"),
        note="as Trainer hands it on",
    ),
    **_acts("tests/contract/test_contract.py::test_two_processes_hold_one_state_and_equal_one", "ddp_backend"),
    **_acts(
        "test_settings_of_services_are_handed_on",
        *("report_to", "run_name", "project", "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"),
        note="as Trainer hands it on",
    ),
    **_acts(
        "test_evaluation_settings_act",
        *("per_device_eval_batch_size", "prediction_loss_only", "eval_do_concat_batches", "eval_use_gather_object"),
        *("eval_accumulation_steps", "include_for_metrics", "batch_eval_metrics"),
    ),
    **_acts(
        "test_checkpoints_are_those_of_trainer",
        *("output_dir", "save_strategy", "save_steps", "save_total_limit", "save_on_each_node"),
        *("load_best_model_at_end", "metric_for_best_model", "greater_is_better"),
    ),
    **_acts("test_states_of_callbacks_are_restored", "restore_callback_states_from_checkpoint"),
    **_acts(
        "tests/hub/test_push.py::test_trainer_pushes_while_it_trains_and_at_the_end",
        *("push_to_hub", "hub_token", "hub_private_repo", "hub_model_id", "hub_strategy"),
    ),
    **_acts("test_settings_of_services_are_handed_on", "hub_always_push", "hub_revision", note="as Trainer does"),
    **_acts(
        "test_workers_are_those_that_were_asked_for",
        *("dataloader_num_workers", "dataloader_pin_memory", "dataloader_persistent_workers"),
        *("dataloader_prefetch_factor", "dataloader_multiprocessing_context"),
    ),
    **_acts(
        "tests/training/test_memory_settings.py::test_checkpointing_changes_no_weight",
        *("activation_checkpointing", "activation_checkpointing_kwargs"),
        *("gradient_checkpointing", "gradient_checkpointing_kwargs"),
        note="also on several processes; MixText and mix_at='hidden' refuse it, and use_reentrant is refused",
    ),
    **_acts(
        "tests/training/test_memory_settings.py::test_a_compiled_model_trains_as_it_would_otherwise",
        *("torch_compile", "torch_compile_backend", "torch_compile_mode"),
        note="refused by what reaches inside the model: mix_at='hidden', a pretext task, label propagation and "
        "stochastic depth",
    ),
    **_acts("tests/training/test_memory_settings.py::test_a_batch_that_does_not_fit_shrinks", "auto_find_batch_size"),
    **_acts("tests/training/test_memory_settings.py::test_a_checkpoint_of_the_model_alone", "save_only_model"),
    **_acts(
        "test_what_only_scripts_read",
        *("do_train", "do_eval", "resume_from_checkpoint"),
        note="for scripts alone, as in Trainer: the recipes always train and evaluate, and resume where told",
    ),
    **_refused("debug", "its detector of transformers stops at the boolean masks of a model", "", [], None),
    **_refused("do_predict", "the recipes write no predictions; trainer.predict(dataset) gives them", False),
    **_refused("average_tokens_across_devices", "losses are means over examples, not over tokens", True),
    **_refused("bf16_full_eval", "it casts the weights that go on training; bf16 evaluates in bfloat16 too", False),
    **_refused("fp16_full_eval", "it casts the weights that go on training; fp16 evaluates in float16 too", False),
    **_refused(
        "use_liger_kernel", "its kernels are for language models, not for classifiers and their teachers", False
    ),
    **_refused("liger_kernel_config", "it is for use_liger_kernel, which is refused", None),
    **_refused("use_cache", "a classifier reads a text once, so there is nothing to cache", False),
    **_refused(
        "optim_target_modules", "it is for optimizers of low rank, which are not tried with these losses", None
    ),
    **_refused("enable_jit_checkpoint", "it saves within a step, and changes a checkpoint after its seal", False),
    **_refused(
        "ignore_data_skip", "rows of a resumed run would be seen twice; to skip them costs nothing here", False
    ),
    **_refused("dataloader_drop_last", "training batches are whole, and evaluation must count every row", False),
    **_refused("dataloader_in_order", "batch N must be that of step N, or a resumed run would be another", True),
    **_refused("remove_unused_columns", "views need the columns, so it must be False", False),
    **_refused("label_names", "batches have their labels as 'labels', whatever label_column is", None, ["labels"]),
    **_refused("length_column_name", "lengths are those of the texts", "length"),
    **_refused("ddp_find_unused_parameters", "every parameter takes part in a step, which has several passes", False),
    **_refused("ddp_broadcast_buffers", "processes run unequal numbers of passes", False),
    **_refused("ddp_static_graph", "the number of passes changes from step to step", None, False),
    **_refused("fsdp", "not supported; use DDP (accelerate launch --multi_gpu)", None, False, "", []),
    **_refused("fsdp_config", "not supported; use DDP (accelerate launch --multi_gpu)", None),
    **_refused("deepspeed", "not supported; use DDP (accelerate launch --multi_gpu)", None),
    **_refused("parallelism_config", "not supported; use DDP (accelerate launch --multi_gpu)", None),
}
# Of ``accelerator_config``: what would cut a batch of two streams apart, or has no sampler to act on.
ACCELERATOR = {"split_batches": (False,), "dispatch_batches": (None, False), "use_seedable_sampler": (True,)}


def check_settings(config: Any) -> None:
    """Raise UserError for a field of ``TrainingArguments`` whose value is refused.

    Args:
        config: before or after its ``__post_init__``. A field that this transformers does not have is none.
    """
    for name, entry in SETTINGS.items():
        value = getattr(config, name, None)
        if entry.allowed and hasattr(config, name) and value not in entry.allowed:
            raise UserError(f"{name}: got {value!r}; {entry.note}")


def check_composed(config: Any) -> None:
    """Raise UserError for parts of fields that are refused, and for batches without examples.

    Args:
        config: after its ``__post_init__``.
    """
    for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}: got {getattr(config, name)}; expected 1 or more")
    for name, allowed in ACCELERATOR.items():
        value = getattr(config.accelerator_config, name)
        if value not in allowed:
            raise UserError(f"accelerator_config: got {name} {value!r}; batches are a function of seed and step")
    if (config.gradient_checkpointing_kwargs or {}).get("use_reentrant"):
        raise UserError("gradient_checkpointing_kwargs: got use_reentrant True; it allows one pass in a step alone")
    if config.auto_find_batch_size and config.world_size > 1:
        raise UserError(f"auto_find_batch_size: got True with {config.world_size} processes; each would find its own")


def check_given(kind: Any, args: Any, given: Mapping[str, Any]) -> None:
    """Raise UserError for what a trainer was given beside its own arguments and cannot use.

    Args:
        kind: class of the trainer.
        args: its config.
        given: by name.
    """
    for name, value in given.items():
        entry = ARGUMENTS.get(name)
        if entry is None:
            raise UserError(f"{name}: got {type(value).__name__}; a trainer takes no such argument")
        if entry.test is None and value is not None:
            raise UserError(f"{name}: got {type(value).__name__}; {entry.note}")
    if args.neftune_noise_alpha is not None and kind.second_network_argument is not None:
        raise UserError(
            f"neftune_noise_alpha: got {args.neftune_noise_alpha}; {kind.__name__} trains two networks, and the noise "
            "would be added to the first alone"
        )
    metrics = given.get("compute_metrics")
    if args.batch_eval_metrics and (metrics is None or "compute_result" not in signature(metrics).parameters):
        raise UserError("batch_eval_metrics: got True; compute_metrics must take compute_result, see transformers")
    optimizer, schedule = given.get("optimizers") or (None, None)
    if args.auto_find_batch_size and (optimizer, schedule) != (None, None):
        raise UserError(
            "optimizers: got one and auto_find_batch_size; each attempt has its own: optimizer_cls_and_kwargs"
        )
    if args.head_learning_rate is not None and (optimizer, schedule) != (None, None):
        raise UserError(
            f"head_learning_rate: got {args.head_learning_rate} and an optimizer or a schedule in optimizers, which "
            "decides alone"
        )
    if schedule is not None:
        for name in ("warm_start_learning_rate", "finetune_learning_rate"):
            if getattr(args, name) is not None:
                raise UserError(f"{name}: got {getattr(args, name)} and a schedule in optimizers, which decides alone")


def check_schedule(schedule: Any, objective: Any) -> None:
    """Raise UserError for a schedule of a person's own where the method has parameters that it would not move.

    Args:
        schedule: of ``optimizers``, or ``None``.
        objective: the method, bound to the student.
    """
    if schedule is not None and any(parameter.requires_grad for parameter in objective.parameters()):
        raise UserError(
            f"optimizers: got a schedule; {type(objective).__name__} adds parameters to the optimizer, which the "
            "schedule would not know. Give an optimizer alone"
        )
