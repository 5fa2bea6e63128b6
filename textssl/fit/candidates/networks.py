"""Fine-tuned classifiers: encoder, pooling and head in one model, which is run on the examples themselves."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from accelerate.utils import extract_model_from_parallel
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from ...config import SSLConfig
from ...forward.base import Forward
from ...forward.device_transfer import inputs_to_device
from ...modalities import modality_of
from ...modalities.text.encoding import contents_of
from ...models import PooledImageClassifier, PooledTextClassifier
from ...models.encoders import place_of
from ...models.pooled_classifier import PooledClassifier
from ...models.precision import computes_in_bfloat16
from ..data import Examples, FitData
from ..probe import LinearHead
from .base import Candidate, Trained


__all__ = [
    "NetworkCandidate",
    "Runner",
    "TrainedNetwork",
    "column_settings",
    "model_with",
    "precision",
    "processing_class_of",
    "quiet",
    "saved_processing_class_of",
    "seconds_per_row",
]

# Examples in one pass without gradient.
BATCH = 64
# A step is timed with so many examples.
TIMED = 16
# Part of the time of a step with a gradient that a pass without one takes.
WITHOUT_GRADIENT = 0.35
FOLDER = "model"

_measured: dict[tuple[str, int, int], float] = {}


def model_with(head: LinearHead, data: FitData, to_train: bool = False) -> PreTrainedModel:
    """The encoder of the features, as a classifier with this head: its logits are the head's of the features.

    Args:
        head: of the features.
        data: says what the features were made with.
        to_train: whether it will be trained: then attention is the kind whose gradient is fast on this machine.
    """
    with quiet():
        model = _kind(data).from_encoder(data.encoder, label_names=list(data.label_names))
    if to_train and not torch.accelerator.is_available():
        # With dropout, scaled_dot_product_attention has no fused form on a processor: plain products are faster.
        model.encoder.set_attn_implementation("eager")
    model.set_linear_head(head.weight, head.bias)
    return model


def processing_class_of(data: FitData) -> Any:
    """Tokenizer or image processor of the encoder."""
    kind = AutoImageProcessor if data.modality == "image" else AutoTokenizer
    return kind.from_pretrained(place_of(data.encoder))


def saved_processing_class_of(data: FitData) -> Any:
    """The same as it is saved beside a classifier: a pipeline that cuts texts cuts them where training did."""
    processing_class = processing_class_of(data)
    if data.modality == "image":
        return processing_class
    if processing_class.pad_token is None:
        processing_class.pad_token = processing_class.eos_token
    processing_class.model_max_length = data.max_length
    return processing_class


def _kind(data: FitData) -> type[PooledClassifier]:
    return PooledImageClassifier if data.modality == "image" else PooledTextClassifier


@contextmanager
def quiet() -> Iterator[None]:
    """Without what transformers says whenever a model is read or written: here it happens again and again."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()


def precision() -> dict[str, Any]:
    """Settings of a trainer on this machine: bfloat16 where it computes in it."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        return {"use_cpu": True, "bf16": computes_in_bfloat16(torch.device("cpu"))}
    return {"bf16": computes_in_bfloat16(accelerator)}


def column_settings(data: FitData) -> dict[str, Any]:
    """Settings of a trainer that say where the examples are and how they are cut."""
    if data.modality == "image":
        return {"image_column": data.column}
    return {"text_column": data.column, "max_length": data.max_length}


class Runner:
    """Runs a model on examples, in evaluation mode, longest first.

    Args:
        model: a classifier of pooled vectors; it is moved to the device of this process.
        data: says what the examples are.
    """

    def __init__(self, model: PreTrainedModel, data: FitData) -> None:
        args = SSLConfig(output_dir="unused", **precision(), **column_settings(data))
        self.modality = modality_of(model, processing_class_of(data))
        self.encode = self.modality.encoder(args)
        self.columns = self.modality.columns(args)
        self.by_length = data.modality == "text"
        self.device, self.bfloat16 = args.device, bool(args.bf16)
        self.model = model.to(args.device)  # type: ignore[arg-type]
        self.forward = Forward(model, model, self.modality.backend(args), self.autocast)

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision, where this machine computes in it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def inputs(self, rows: datasets.Dataset) -> dict[str, Any]:
        """What the model takes, of a few examples."""
        return inputs_to_device(self.encode(contents_of(rows[:], self.columns), None), self.device)

    def batches(self, rows: datasets.Dataset, size: int = BATCH) -> list[np.ndarray]:
        """Places of the examples of each pass: texts of like length share one."""
        order = np.arange(len(rows))
        if self.by_length:
            order = np.argsort([-len(text) for text in rows[self.columns[0]]], kind="stable")
        return [order[start : start + size] for start in range(0, len(order), size)]

    @torch.no_grad()
    def logits(self, rows: datasets.Dataset) -> np.ndarray:
        """Logits ``[n, C]``, float64."""
        logits = np.empty((len(rows), int(self.model.config.num_labels or 0)))
        for batch in self.batches(rows):
            (found,) = self.forward(self.inputs(rows.select(batch)), dropout=False)
            logits[batch] = found.double().cpu().numpy()
        return logits


class TrainedNetwork(Trained):
    """A classifier of the examples themselves."""

    def __init__(self, network: PreTrainedModel, data: FitData) -> None:
        # A trainer leaves mixed precision in forward, which the saved model does not have.
        network = extract_model_from_parallel(network, keep_fp32_wrapper=False)
        encoder: Any = network.encoder
        # As a model that is read from its files attends.
        encoder.set_attn_implementation("sdpa" if encoder._supports_sdpa else "eager")
        self.network = network.eval()
        self.data = data

    def logits(self, examples: Examples) -> np.ndarray:
        """Logits ``[n, C]`` of n examples."""
        return Runner(self.network, self.data).logits(examples.rows)

    def model(self) -> PreTrainedModel:
        """The model itself."""
        return self.network


class NetworkCandidate(Candidate):
    """A candidate that trains a :class:`textssl.models.PooledTextClassifier` or its like for images."""

    def save(self, trained: Trained, folder: Path) -> None:
        """Write the model's own files into ``folder / "model"``."""
        temporary, final = folder / f".{FOLDER}.tmp", folder / FOLDER
        for old in (temporary, final):
            shutil.rmtree(old, ignore_errors=True)
        with quiet():
            trained.model().save_pretrained(temporary)
        temporary.rename(final)

    def load(self, data: FitData, folder: Path) -> TrainedNetwork:
        """Read what :meth:`save` wrote."""
        with quiet():
            model = _kind(data).from_pretrained(folder / FOLDER, local_files_only=True, use_safetensors=True)
        return TrainedNetwork(model.float(), data)


def seconds_per_row(data: FitData, gradient: bool = True) -> float:
    """How long one example takes in a step on this machine, measured once; without a gradient about a third."""
    key = (data.encoder, data.max_length, len(data.unlabeled))
    if key not in _measured:
        _measured[key] = _time_a_step(data)
    return _measured[key] * (1.0 if gradient else WITHOUT_GRADIENT)


def _time_a_step(data: FitData) -> float:
    examples = data.unlabeled if len(data.unlabeled) else data.labeled
    count = min(TIMED, len(examples))
    rows = examples.rows.select(np.random.default_rng(data.seed).choice(len(examples), count, replace=False))
    head = LinearHead(np.zeros((data.num_labels, data.labeled.features.shape[1])), np.zeros(data.num_labels))
    runner = Runner(model_with(head, data, to_train=True), data)

    def step() -> float:
        began = time.perf_counter()
        (logits,) = runner.forward(runner.inputs(rows))
        # Reading the loss waits for the device.
        logits.logsumexp(-1).mean().backward()
        float(logits.detach().sum())
        return time.perf_counter() - began

    step()
    # The faster of two: what else the machine does is no part of a step.
    return min(step(), step()) / count
