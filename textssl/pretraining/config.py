"""PretrainingConfig: how long, on what and with what masks an encoder is trained further."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transformers.trainer_utils import IntervalStrategy, SchedulerType
from transformers.training_args import OptimizerNames

from ..config import NAN_POLICIES, SSLConfig, check_allowed, check_positive, derive_config
from ..config.saved_settings import SavedSettings
from ..errors import UserError


__all__ = ["PretrainingConfig", "before_fine_tuning"]

# What else decides the weights, at transformers' own defaults.
UNDECLARED = {"adam_beta1", "lr_scheduler_kwargs", "max_grad_norm", "max_steps", "optim_args"}
# Windows of a micro-batch: what fits beside a base-sized encoder.
MICRO_BATCH = 32


@dataclass
class PretrainingConfig(SavedSettings):
    """Arguments of in-domain pretraining. Defaults are those of task-adaptive pretraining in the paper.

    That is RoBERTa's optimizer (Gururangan et al., 2020, arXiv:2004.10964, appendix): 100 epochs, batches of 256
    windows, here 8 micro-batches of 32, a peak learning rate of 1e-4, 6 % of the steps a rise and then linear decay,
    Adam with beta_2 = 0.98 and epsilon = 1e-6, weight decay 0.01. ``max_steps`` above 0 counts instead of epochs.
    An epoch is a pass over all windows.

    Args:
        text_column: column of the texts.
        max_length: most tokens of a window, special ones included; a longer text gives several windows.
        mask_share: share of the tokens of a window that are to be predicted, special ones not counted; at least one
            is. Of these 80 % are masked, 10 % replaced by a random token, and 10 % left as they are.
        whole_word: choose whole words, all their word pieces together; for WordPiece vocabularies.
        validation_share: share of the texts that is held out to measure the loss on; at least one text, unless 0.
        head_learning_rate: peak learning rate of a fresh head, which has to be learned before the encoder can learn
            anything from it; by default ten times ``learning_rate``. A head that the model had has ``learning_rate``.
        nan_policy: as in :class:`textssl.SSLConfig`.

    Raises:
        UserError: a value out of range.
    """

    text_column: str = field(default="text", metadata={"help": "Column of the texts."})
    max_length: int = field(default=128, metadata={"help": "Most tokens of a window."})
    mask_share: float = field(default=0.15, metadata={"help": "Share of tokens to predict."})
    whole_word: bool = field(default=False, metadata={"help": "Choose whole words, all their pieces together."})
    validation_share: float = field(default=0.02, metadata={"help": "Share of texts to measure the loss on."})

    head_learning_rate: float | None = field(
        default=None, metadata={"help": "Peak learning rate of a fresh head. Default: ten times learning_rate."}
    )

    nan_policy: str = field(default="stop", metadata={"help": "When a loss is not finite: stop or ignore."})

    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate."})
    num_train_epochs: float = field(default=100.0, metadata={"help": "Passes over all windows."})
    per_device_train_batch_size: int = field(default=MICRO_BATCH, metadata={"help": "Windows of a micro-batch."})
    gradient_accumulation_steps: int = field(default=8, metadata={"help": "Micro-batches of a step."})
    warmup_steps: float = field(default=0.06, metadata={"help": "Steps of the rise; below 1 a share of all."})
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay."})
    adam_beta2: float = field(default=0.98, metadata={"help": "beta_2 of Adam."})
    adam_epsilon: float = field(default=1e-6, metadata={"help": "epsilon of Adam."})
    # A batch holds passes, not what the model's forward takes, and unequal numbers of them on each process.
    remove_unused_columns: bool = field(default=False, metadata={"help": "Must stay off."})
    ddp_find_unused_parameters: bool | None = field(default=False, metadata={"help": "Off: each takes part."})
    ddp_broadcast_buffers: bool | None = field(default=False, metadata={"help": "Off: passes are unequal."})
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "Off: a loss that is not finite must show."})

    def __post_init__(self) -> None:
        self.check()
        super().__post_init__()
        if self.eval_strategy != IntervalStrategy.NO and not self.validation_share:
            raise UserError("eval_strategy: got no held-out texts to evaluate on; expected a validation_share above 0")

    def check(self) -> None:
        """Raise UserError for values that cannot work."""
        check_positive("mask_share", self.mask_share)
        check_allowed("nan_policy", self.nan_policy, NAN_POLICIES)
        check_positive("head_learning_rate", self.head_learning_rate)
        if self.mask_share > 1:
            raise UserError(f"mask_share: got {self.mask_share}; expected a number in (0, 1]")
        if not 0 <= self.validation_share < 1:
            raise UserError(f"validation_share: got {self.validation_share}; expected a number in [0, 1)")
        if self.max_length < 3:
            raise UserError(f"max_length: got {self.max_length}; expected at least 3")
        if self.remove_unused_columns:
            raise UserError("remove_unused_columns: got True; batches are made of windows, so it must be False")


def before_fine_tuning(config: SSLConfig, output_dir: str, batch_size: int, **changes: Any) -> PretrainingConfig:
    """Settings of a pretraining that runs where and as ``config`` says: device, precision, seed, logs, checkpoints.

    What decides the weights is not taken from ``config``, but for ``max_length``, ``text_column`` and the seeds.

    Args:
        config: of the fine-tuning.
        output_dir: folder of the pretraining.
        batch_size: windows of a step, over all processes.
        **changes: other fields.

    Raises:
        UserError: a value out of range, or a batch that cannot be divided among the processes.
    """
    per_process, rest = divmod(batch_size, config.world_size)
    if rest or not per_process:
        raise UserError(
            f"pretraining_batch_size: got {batch_size}; expected a multiple of the {config.world_size} processes"
        )
    micro = next(size for size in range(min(per_process, MICRO_BATCH), 0, -1) if per_process % size == 0)
    known = PretrainingConfig.__dataclass_fields__
    own = PretrainingConfig.__annotations__.keys() - {"max_length", "nan_policy", "text_column"}
    defaults = {name: known[name].default for name in own | UNDECLARED}
    stage = derive_config(
        config, PretrainingConfig,
        **defaults | {
            # Not through __init__, which would reset the state of an accelerator that is in use: as it leaves them.
            "optim": OptimizerNames(known["optim"].default),
            "lr_scheduler_type": SchedulerType.LINEAR,
            "eval_strategy": IntervalStrategy.NO,
            "load_best_model_at_end": False,
            "push_to_hub": False,
            "torch_compile": False,
            "torch_compile_backend": None,
            "torch_compile_mode": None,
            "resume_from_checkpoint": None,
            "output_dir": output_dir,
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": per_process // micro,
            **changes,
        },
    )  # fmt: skip
    stage.check()
    return stage
