"""SSLConfig: what every method's config shares, on top of transformers' TrainingArguments."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from transformers.trainer_pt_utils import AcceleratorConfig

from ..errors import UserError
from .class_weights import parsed_class_weights
from .saved_settings import SavedSettings
from .trainer_arguments import check_composed, check_settings


__all__ = [
    "NAN_POLICIES",
    "SSLConfig",
    "check_allowed",
    "check_decay",
    "check_not_negative",
    "check_positive",
    "check_unit_interval",
    "derive_config",
]

NAN_POLICIES = ("stop", "ignore")

C = TypeVar("C", bound="SSLConfig")
D = TypeVar("D", bound=SavedSettings)


@dataclass
class SSLConfig(SavedSettings):
    """Arguments of a run. Every field is also a flag of the recipes and a key of their YAML files.

    ``per_device_train_batch_size`` counts labeled examples; each step adds ``mu`` times as many unlabeled ones.
    An epoch is one pass over the unlabeled data. ``train_sampling_strategy="group_by_length"`` makes unlabeled
    batches of texts of like length.

    Args:
        mu: unlabeled examples per labeled one in a batch.
        text_column: column of the texts.
        text_pair_column: column of each example's second text, such as a hypothesis or an answer; ``None`` where
            examples are single texts.
        image_column: column of the images.
        feature_column: column of precomputed features.
        label_column: column of the labels.
        data_check: what to do about held-out rows that are also in the training data, equal texts with different
            labels, repeated labeled rows, blank texts, and classes that differ by case or spaces: ``warn``,
            ``strict``, which refuses them, or ``off``.
        max_length: most tokens of a text, special ones included.
        truncation: what a longer text loses: its ``end``; its ``start``, as in UDA's runs on reviews; or, with
            ``head_tail``, its middle, where a quarter of the tokens are left for the head (128 of 510, as in
            Sun et al., 2019, arXiv:1905.05583). The saved tokenizer keeps length and side; no tokenizer can cut the
            middle, for which see :class:`textssl.pipelines.HeadTailPipeline`.
        keep_end: shorthand: ``True`` for ``truncation="start"``, ``False`` for ``"end"``.
        horizontal_flip: whether the default views may mirror an image; never for digits or letters.
        skip_corrupt_images: leave out images that cannot be decoded, with a warning, instead of refusing them.
        batch_norm: whose passes move the running statistics of batch norms: ``all`` rows of the student, labeled
            and unlabeled, weak and strong, as in FixMatch, or those of the ``labeled`` examples alone, as in
            MixMatch. Perturbed inputs (VAT) never do, nor does another model; a teacher copies them. On several
            processes they are averaged after each step.
        length_passes: run rows of unequal length in several passes of like length. Changes rounding only.
        warm_start_steps: steps on the labeled data alone, by plain cross entropy, before the method begins;
            0 in every paper. A method's own schedules count from the end of them.
        warm_start_learning_rate: peak learning rate of these steps; ``None`` takes ``learning_rate``.
        finetune_steps: the last steps, on the labeled data alone by plain cross entropy, after the method has ended;
            0 in most papers, ``None`` for a tenth of training. The optimizer state is reset, and a method's own
            schedules end before them.
        nan_policy: what becomes of a run whose loss, weights or evaluation are NaN or infinite: ``stop`` ends it at
            that step, before anything is saved, and names the last good checkpoint; ``ignore`` goes on.
        finetune_learning_rate: learning rate of their first; it falls linearly to 0. ``None`` takes
            ``learning_rate``.
        head_learning_rate: peak learning rate of the head, which is all of a classifier but its encoder
            (``model.base_model``); ``None`` takes ``learning_rate``. Schedules act on both, so that their ratio
            is the same in the warm start, in the fine-tuning and in a teacher that learns.
        class_weights: weights of the classes in the loss of the labeled examples: ``"balanced"``, all classes count
            alike, or a number for each, of which the ratios matter; as a flag ``1,2.5,1``. The mean weight of the
            labeled examples is 1, and the loss of an evaluation is not weighted. Methods that mix labels refuse it.

    A method's field whose default is ``None`` or ``"auto"`` takes the paper's value for the modality of the model:
    what the method lists in ``modality_defaults``.

    Raises:
        UserError: a value out of range.
    """

    # Modality: field: value; fields that a modality does not list take the value for text.
    modality_defaults: ClassVar[dict[str, dict[str, Any]]] = {}

    mu: int = field(default=3, metadata={"help": "Unlabeled examples per labeled one in a batch."})
    text_column: str = field(default="text", metadata={"help": "Column of the texts."})
    text_pair_column: str | None = field(
        default=None, metadata={"help": "Column of the second texts, where examples are pairs."}
    )
    image_column: str = field(default="image", metadata={"help": "Column of the images."})
    feature_column: str = field(default="features", metadata={"help": "Column of precomputed features."})
    label_column: str = field(default="label", metadata={"help": "Column of the labels."})
    data_check: str = field(
        default="warn", metadata={"help": "Leaks, contradictions and the like in the data: warn, strict or off."}
    )
    max_length: int = field(default=128, metadata={"help": "Most tokens of a text."})
    truncation: str = field(
        default="end",
        metadata={"help": "What a longer text loses: its end, its start, or its middle (head_tail)."},
    )
    keep_end: bool | None = field(
        default=None, metadata={"help": "Shorthand: true for truncation start, false for end."}
    )
    horizontal_flip: bool = field(default=False, metadata={"help": "Default views may mirror images."})
    skip_corrupt_images: bool = field(
        default=False, metadata={"help": "Leave out images that cannot be decoded instead of refusing them."}
    )
    batch_norm: str = field(
        default="all", metadata={"help": "Whose rows move running statistics of batch norms: all or labeled."}
    )
    length_passes: bool = field(
        default=True, metadata={"help": "Run rows of unequal length in several passes of like length."}
    )
    warm_start_steps: int = field(
        default=0, metadata={"help": "Steps on labeled data alone before the method begins."}
    )
    warm_start_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the warm start; default: learning_rate."}
    )
    finetune_steps: int | None = field(
        default=0, metadata={"help": "Last steps, on labeled data alone, after the method has ended."}
    )
    finetune_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the first of them; default: learning_rate."}
    )
    head_learning_rate: float | None = field(
        default=None, metadata={"help": "Peak learning rate of the head; default: learning_rate."}
    )
    # In this order: of other unions HfArgumentParser makes no flag.
    class_weights: None | str | list[float] = field(  # noqa: RUF036
        default=None, metadata={"help": "Weights of classes in the labeled loss: balanced, or a number for each."}
    )

    nan_policy: str = field(
        default="stop", metadata={"help": "When a loss is not finite: stop, before anything is saved, or ignore."}
    )

    # The columns are ours and the losses are means; see the notes of each in transformers' documentation.
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Must stay off: views are made from the data's own columns."}
    )
    ddp_find_unused_parameters: bool | None = field(
        default=False, metadata={"help": "Off: every trainable parameter takes part in each step."}
    )
    ddp_broadcast_buffers: bool | None = field(
        default=False, metadata={"help": "Off: processes run unequal numbers of passes."}
    )
    logging_nan_inf_filter: bool = field(
        default=False, metadata={"help": "Off: a loss that is not finite must be seen."}
    )

    def __post_init__(self) -> None:
        check_positive("mu", self.mu)
        check_allowed("data_check", self.data_check, ("warn", "strict", "off"))
        check_allowed("batch_norm", self.batch_norm, ("all", "labeled"))
        self._check_truncation()
        check_allowed("nan_policy", self.nan_policy, NAN_POLICIES)
        if self.max_length < 3:
            raise UserError(f"max_length: got {self.max_length}; expected at least 3")
        if self.warm_start_steps < 0:
            raise UserError(f"warm_start_steps: got {self.warm_start_steps}; expected 0 or more")
        check_positive("warm_start_learning_rate", self.warm_start_learning_rate)
        check_not_negative("finetune_steps", self.finetune_steps)
        check_positive("finetune_learning_rate", self.finetune_learning_rate)
        check_positive("head_learning_rate", self.head_learning_rate)
        for name in ("warm_start_learning_rate", "finetune_learning_rate"):
            if not self.learning_rate and getattr(self, name) is not None:
                raise UserError(f"learning_rate: got 0; expected a number above 0, of which {name} is a multiple")
        # Trainer knows more, but batches of two streams are made by our own sampler.
        check_allowed("train_sampling_strategy", self.train_sampling_strategy, ("random", "group_by_length"))
        check_settings(self)
        self.class_weights = parsed_class_weights(self.class_weights)
        if self.max_steps == 0:
            raise UserError("max_steps: got 0; expected a number above 0, or -1 for num_train_epochs")
        if self.max_steps < 0:
            check_positive("num_train_epochs", self.num_train_epochs)
        if self.max_steps > 0:
            self.count_finetune_steps(self.max_steps, "max_steps, {}")
        # TrainingArguments turns some fields into others that it would not take again.
        if not vars(self).get("_is_complete"):
            super().__post_init__()
            vars(self)["_is_complete"] = True
        check_composed(self)

    def check_again(self) -> None:
        """Check all settings again, some of which were set after construction; UserError as there."""
        derive_config(self, type(self)).__post_init__()

    def _check_truncation(self) -> None:
        """Let ``keep_end`` decide, unless ``truncation`` says another thing."""
        check_allowed("truncation", self.truncation, ("end", "start", "head_tail"))
        if self.keep_end is None:
            return
        meant = "start" if self.keep_end else "end"
        if self.truncation not in ("end", meant):
            raise UserError(f"keep_end: got {self.keep_end}; truncation is {self.truncation!r}; set truncation alone")
        self.truncation = meant

    def count_finetune_steps(self, steps: int, wording: str = "the {} steps of training") -> int:
        """How many of ``steps`` the fine-tuning takes.

        Args:
            steps: of all training.
            wording: how a message names their number.

        Raises:
            UserError: with the warm start it leaves the method no step.
        """
        warm = self.warm_start_steps
        tuned = steps // 10 if self.finetune_steps is None else self.finetune_steps
        if warm + tuned >= steps:
            names, counts = ("warm_start_steps", str(warm))
            if tuned:
                names, counts = ("warm_start_steps and finetune_steps", f"{warm} and {tuned}")
            raise UserError(f"{names}: got {counts}; expected fewer than {wording.format(steps)}")
        return tuned

    def paper_values(self, modality: str) -> dict[str, Any]:
        """The paper's values, for ``"text"``, ``"image"`` or ``"features"``, of the fields that are still open."""
        values = self.modality_defaults.get("text", {}) | self.modality_defaults.get(modality, {})
        return {name: value for name, value in values.items() if getattr(self, name) in (None, "auto")}

    def for_modality(self: C, modality: str) -> C:
        """A copy of this config, its open fields filled for ``"text"``, ``"image"`` or ``"features"``."""
        return derive_config(self, type(self), **self.paper_values(modality))


def derive_config(config: SavedSettings, kind: type[D], **changes: Any) -> D:
    """A config of ``kind`` that agrees with ``config`` in all that both have, but for ``changes``.

    Args:
        config: any method's config.
        kind: the config class wanted.
        **changes: fields to set.

    Raises:
        UserError: a change that is no field of ``kind``.
    """
    names = {entry.name for entry in fields(kind)}
    if unknown := sorted(changes.keys() - names):
        raise UserError(f"changes: {kind.__name__} has no field {', '.join(unknown)}")
    # Not through __init__: TrainingArguments turns some fields into others that it would not take again.
    derived = object.__new__(kind)
    # Trainer changes some settings in place.
    own = {k: deepcopy(v) if isinstance(v, dict | list | AcceleratorConfig) else v for k, v in vars(config).items()}
    derived.__dict__.update(own)
    derived.__dict__.update(changes)
    return derived


def check_unit_interval(name: str, value: float | None) -> None:
    """Raise UserError unless 0 <= value <= 1, or None: open."""
    if value is not None and not 0 <= value <= 1:
        raise UserError(f"{name}: got {value}; expected a number in [0, 1]")


def check_decay(name: str, value: float | None) -> None:
    """Raise UserError unless 0 <= value < 1, or None: open."""
    if value is not None and not 0 <= value < 1:
        raise UserError(f"{name}: got {value}; expected a number in [0, 1)")


def check_not_negative(name: str, value: float | None) -> None:
    """Raise UserError unless value >= 0, or None: open."""
    if value is not None and not value >= 0:
        raise UserError(f"{name}: got {value}; expected 0 or more")


def check_positive(name: str, value: float | None) -> None:
    """Raise UserError unless value > 0, or None: open."""
    if value is not None and not value > 0:
        raise UserError(f"{name}: got {value}; expected a number above 0")


def check_allowed(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    """Raise UserError unless value is one of choices, or None."""
    if value is not None and value not in choices:
        raise UserError(f"{name}: got {value!r}; allowed: {', '.join(choices)}")
