"""Facts of a run for the model card."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from textssl.citation import Citation
from textssl.secrets import redacted, secrets_of


__all__ = ["Citation", "DataFacts", "RunFacts", "SplitFacts", "TextFacts", "changed_hyperparameters", "known_facts"]

# Of the arguments that Trainer declares, those that make the model what it is. A list of what may
# be told, not of what may not: a token or a folder stays out of the card by itself, new ones too.
TRAINER_ARGUMENTS = frozenset(
    {
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
        "auto_find_batch_size",
        "bf16",
        "data_seed",
        "fp16",
        "gradient_accumulation_steps",
        "greater_is_better",
        "label_smoothing_factor",
        "learning_rate",
        "load_best_model_at_end",
        "lr_scheduler_kwargs",
        "lr_scheduler_type",
        "max_grad_norm",
        "max_steps",
        "metric_for_best_model",
        "neftune_noise_alpha",
        "num_train_epochs",
        "optim",
        "optim_args",
        "per_device_train_batch_size",
        "seed",
        "tf32",
        "train_sampling_strategy",
        "warmup_steps",
        "weight_decay",
    }
)
# Of our own, those that do not.
NOT_OF_THE_MODEL = frozenset({"data_check"})


@dataclass(frozen=True)
class DataFacts:
    """Where the examples came from. Unknown facts are None and left out.

    Attributes:
        name: what people call the data set, such as `"IMDb"`.
        hub_id: its id on the Hub, such as `"stanfordnlp/imdb"`.
        origin: how it was obtained, in words: the Hub, a package and its version, a file.
        license: its licence or terms of use.
        checksum: checksum of what was read, with the algorithm: `"sha256:..."`.
    """

    name: str | None = None
    hub_id: str | None = None
    origin: str | None = None
    license: str | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class SplitFacts:
    """Which examples were used as what. Unknown facts are None and left out.

    Attributes:
        labeled: number of labeled examples.
        unlabeled: number of unlabeled examples.
        held_out: number of examples that the metrics were measured on.
        seed: seed of the split.
        indices_sha256: hash of the indices of the split, hexadecimal.
        noise: how labels of the labeled examples were made wrong to try a method on, such as
            `"symmetric"`; None where they are as they came.
        wrong_labels: how many of them are wrong therefore.
    """

    labeled: int | None = None
    unlabeled: int | None = None
    held_out: int | None = None
    seed: int | None = None
    indices_sha256: str | None = None
    noise: str | None = None
    wrong_labels: int | None = None


@dataclass(frozen=True)
class TextFacts:
    """How the model reads texts.

    Attributes:
        max_length: most tokens of a text; longer ones are cut.
        truncation: what a longer one loses: `"end"`, `"start"` or `"head_tail"`, its middle.
        pairs: whether it classifies pairs of texts.
    """

    max_length: int
    truncation: str = "end"
    pairs: bool = False


@dataclass(frozen=True)
class RunFacts:
    """All that a model card tells of a run. What is missing is left out of the card.

    Attributes:
        method: name of the method, such as `"uda"`.
        citation: the method's publication.
        model_name: title of the card; by default the last part of `hub_model_id`, or the folder.
        hub_model_id: `"user/name"` on the Hub, for the snippet of code.
        base_model: id on the Hub of the model that was fine-tuned. A local folder is
            left out.
        task: what a pipeline of transformers calls the task, `"text-classification"` or
            `"image-classification"`; None where no pipeline takes the model.
        texts: how the model reads texts; None for other inputs.
        ensemble: whether the model is a :class:`textssl.models.Ensemble`, which transformers must be told of.
        pooled: whether the model is a :class:`textssl.models.PooledTextClassifier` or one of images, which
            transformers must be told of.
        frozen_encoder: the encoder that only the head was trained on, and how it makes a vector; in words.
        features_alone: why the model takes features and has no encoder in front, in words; None where it has one.
        adapters: whether the model is a base with adapters of peft; `base_model` names the base.
        language: ISO code of the texts' language, such as `"en"`.
        license: licence of the fine-tuned model.
        label_names: the classes' names, in order.
        data: where the examples came from.
        split: which of them were used as what.
        hyperparameters: those that differ from their defaults; `changed_hyperparameters(config)`.
        metrics: `accuracy` and `macro_f1` on the held-out data, in [0, 1]. The `eval_` that
            `Trainer` puts before a name may stay; other names are left out.
        baseline: the same of the supervised baseline.
        versions: package to version, such as `{"transformers": "5.23.0"}`.
    """

    method: str | None = None
    citation: Citation | None = None
    model_name: str | None = None
    hub_model_id: str | None = None
    base_model: str | None = None
    task: str | None = "text-classification"
    texts: TextFacts | None = None
    ensemble: bool = False
    pooled: bool = False
    frozen_encoder: str | None = None
    features_alone: str | None = None
    adapters: bool = False
    language: str | None = None
    license: str | None = None
    label_names: tuple[str, ...] = ()
    data: DataFacts = DataFacts()
    split: SplitFacts = SplitFacts()
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def changed_hyperparameters(config: Any) -> dict[str, Any]:
    """The fields of a config that differ from their defaults and bear on the trained model.

    Args:
        config: a dataclass instance, usually of a subclass of `TrainingArguments`. Of the fields
            that `TrainingArguments` declares only those that shape the training are kept; of the
            subclasses' own, all but absolute paths. Secrets within a value are replaced.

    Returns:
        Name to value, in the order of the fields; an enum by its value.

    Raises:
        TypeError: `config` is no dataclass instance.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"config must be a dataclass instance, got {config!r}")
    withheld = (_declared_by_transformers(type(config)) - TRAINER_ARGUMENTS) | NOT_OF_THE_MODEL
    changed, secrets = {}, secrets_of(config)
    for entry in fields(config):
        value, default = _value(getattr(config, entry.name)), _default(entry)
        path = isinstance(value, str | os.PathLike) and os.path.isabs(value)
        if value != default and entry.name not in withheld and not path:
            changed[entry.name] = redacted(value, secrets)
    return changed


def known_facts(objective: Any, model_config: Any, modality: str, adapters: bool = False) -> RunFacts:
    """Facts that a trainer can fill in.

    Args:
        objective: the method, a `textssl.Objective`.
        model_config: of the classifier.
        modality: `"text"`, `"image"` or `"features"`.
        adapters: whether the classifier is a base with adapters of peft.
    """
    task = objective.task
    return RunFacts(
        method=type(objective).__module__.rsplit(".", 1)[-1],
        citation=objective.citation,
        base_model=model_config._name_or_path or None,
        label_names=tuple(model_config.id2label[i] for i in range(model_config.num_labels)),
        task={"text": "text-classification", "image": "image-classification"}.get(modality),
        texts=_text_facts(objective.config) if modality == "text" else None,
        adapters=adapters,
        pooled=str(model_config.model_type).startswith("textssl-pooled"),
        ensemble=bool(getattr(objective.config, "ensemble", False)),
        split=SplitFacts(labeled=task.num_labeled, unlabeled=task.num_unlabeled),
        hyperparameters=changed_hyperparameters(objective.config),
    )


def _text_facts(config: Any) -> TextFacts:
    return TextFacts(config.max_length, config.truncation, config.text_pair_column is not None)


def _declared_by_transformers(config_class: type) -> set[str]:
    bases = [base for base in config_class.__mro__ if base.__module__.startswith("transformers.")]
    return {entry.name for base in bases if dataclasses.is_dataclass(base) for entry in fields(base)}


def _default(entry: dataclasses.Field[Any]) -> Any:
    if entry.default_factory is not dataclasses.MISSING:
        return _value(entry.default_factory())
    return _value(entry.default)


def _value(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value
