"""Which settings may differ between a run and its continuation, each with the reason."""

from __future__ import annotations


__all__ = ["is_free"]

_WHERE = "says where files go"
_SHOWN = "says what is logged, and where"
_PUSHED = "says what is pushed, and where"
_LOADED = "says how fast batches are loaded, not which"
_ROUNDING = "changes no more than rounding"
_EVALUATED = "changes evaluation alone"
_WHEN = "checkpoints are written at other steps"

# May differ without a word: no number depends on them. A key that ends in ``_`` stands for all that begin so.
FREE = {
    "config": "the file that settings were read from; what counts is the settings",
    "data_check": "says what is reported of the data, and changes none",
    "ddp_backend": "says how processes talk, not what",
    "ddp_bucket_cap_mb": "says how processes talk, not what",
    "ddp_timeout": "says how long processes wait for each other",
    "debug": _SHOWN,
    "disable_tqdm": _SHOWN,
    "do_eval": "read by scripts, not by a trainer",
    "do_predict": "read by scripts, not by a trainer",
    "do_train": "read by scripts, not by a trainer",
    "dataloader_num_workers": _LOADED,
    "dataloader_multiprocessing_context": _LOADED,
    "dataloader_persistent_workers": _LOADED,
    "dataloader_pin_memory": _LOADED,
    "dataloader_prefetch_factor": _LOADED,
    "embedding_cache": _WHERE,
    "hub_": _PUSHED,
    "local_rank": "is set by the launcher",
    "log_": _SHOWN,
    "logging_": _SHOWN,
    "nan_policy": "says what becomes of a run that has failed",
    "output_dir": _WHERE,
    "overwrite": _WHERE,
    "project": _SHOWN,
    "push_to_hub": _PUSHED,
    "report_to": _SHOWN,
    "resume_from_checkpoint": "is what asks for the continuation",
    "run_name": _SHOWN,
    "save_on_each_node": _WHERE,
    "save_total_limit": "says how many checkpoints are kept",
    "skip_memory_metrics": _SHOWN,
    "torch_empty_cache_steps": "frees memory, and changes no number",
    "trackio_": _SHOWN,
}

# May differ, and a warning says so, with the reason. A recipe, which repeats no stage, refuses these too.
SAID = {
    "activation_checkpointing": _ROUNDING,
    "activation_checkpointing_kwargs": _ROUNDING,
    "auto_find_batch_size": "the batch stays that of the checkpoint",
    "batch_eval_metrics": _EVALUATED,
    "eval_accumulation_steps": _EVALUATED,
    "eval_delay": _EVALUATED,
    "eval_do_concat_batches": _EVALUATED,
    "eval_on_start": _EVALUATED,
    "eval_steps": _EVALUATED,
    "eval_strategy": _EVALUATED,
    "eval_use_gather_object": _EVALUATED,
    "full_determinism": _ROUNDING,
    "gradient_checkpointing": _ROUNDING,
    "gradient_checkpointing_kwargs": _ROUNDING,
    "include_for_metrics": _EVALUATED,
    "include_num_input_tokens_seen": _SHOWN,
    "length_passes": _ROUNDING,
    "max_steps": "schedules that count all steps go on by the new number",
    "num_train_epochs": "schedules that count all steps go on by the new number",
    "per_device_eval_batch_size": _EVALUATED,
    "prediction_loss_only": _EVALUATED,
    "restore_callback_states_from_checkpoint": "callbacks alone are concerned",
    "save_only_model": _WHEN,
    "save_steps": _WHEN,
    "save_strategy": _WHEN,
    "tf32": _ROUNDING,
    "torch_compile": _ROUNDING,
    "torch_compile_backend": _ROUNDING,
    "torch_compile_mode": _ROUNDING,
    "use_cpu": _ROUNDING,
    "use_liger_kernel": _ROUNDING,
}


def is_free(name: str) -> bool:
    """Whether a setting may differ between a run and its continuation without a word."""
    return name in FREE or any(key.endswith("_") and name.startswith(key) for key in FREE)
