"""Teachers: trained classifiers that label examples, in evaluation mode and without any noise."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    PreTrainedModel,
)

from ..config import SSLConfig, derive_config
from ..data.class_names import check_classifier, label_names, own_names
from ..errors import UserError
from ..forward.base import Forward
from ..forward.device_transfer import inputs_to_device
from ..inference.networks import load_network
from ..modalities import modality_of
from ..modalities.text.encoding import contents_of
from ..modalities.text.truncation import trained_with
from ..models.adapters import has_adapters, take_adapters
from ..models.inspection import position_limit, weights_checksum


__all__ = ["TeacherJob", "check_same_labels", "load_teacher", "start_from"]

logger = logging.getLogger(__name__)


def load_teacher(place: str, modality: str) -> tuple[PreTrainedModel, Any]:
    """A trained classifier in float32, and its tokenizer or image processor.

    Args:
        place: a folder, or a model of the Hub; also of adapters of peft, whose base is then loaded by the name that
            they have for it. Only safetensors are read, and no code of it is run.
        modality: ``"text"``, ``"image"`` or ``"features"``.

    Raises:
        UserError: no such model, or one without a trained head, or of several labels per example.
    """
    return load_network(place, modality, "teacher")


def check_same_labels(teacher: Any, student: Any, warn: bool = False) -> list[int]:
    """Where each class of the student stands among those of the teacher.

    Args:
        teacher: config of a model.
        student: config of a model. Where either of the two has no names of its own, classes are matched by number.
        warn: whether to say so if only one of them has names.

    Raises:
        UserError: other classes; the message has both. A teacher of several labels per example.
    """
    check_classifier(teacher, "teacher")
    theirs, ours = label_names(teacher), label_names(student)
    unnamed = [who for who, config in (("teacher", teacher), ("student", student)) if own_names(config) is None]
    if len(theirs) == len(ours) and unnamed:
        if warn and len(unnamed) == 1:
            known = ours if unnamed == ["teacher"] else theirs
            logger.warning(
                "teacher: the classes of the %s have no names, so they are taken in the order %s. If that is wrong, "
                "set its config.id2label.", unnamed[0], _format_names(known)
            )  # fmt: skip
        return list(range(len(ours)))
    if sorted(theirs) != sorted(ours):
        raise UserError(
            f"teacher: its labels are {_format_names(theirs)}; those of the student are {_format_names(ours)}"
        )
    return [theirs.index(name) for name in ours]


class TeacherJob:
    """Class probabilities of examples, as a job for :func:`textssl.jobs.run_job`.

    Args:
        model: the teacher, on the run's device when the job is called.
        processing_class: its own tokenizer or image processor, which need not be the student's.
        args: of the student's run: column, most tokens, device, evaluation batch. A teacher whose tokenizer was
            saved by training reads texts as it did then; one with fewer positions is given as many tokens as it takes.
        order: what :func:`check_same_labels` gave.
        autocast: makes the context of mixed precision.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processing_class: Any,
        args: SSLConfig,
        order: list[int],
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        modality = modality_of(model, processing_class)
        trained = trained_with(processing_class) if modality.name == "text" else None
        if trained is not None:
            args = derive_config(args, type(args), max_length=trained[0], truncation=trained[1])
        limit = position_limit(model) if modality.name == "text" else None
        if limit is not None and limit < args.max_length:
            args = derive_config(args, type(args), max_length=limit)
        self.model, self.args, self.order = model, args, order
        self.columns = modality.columns(args)
        self.encode = modality.encoder(args)
        self.backend = modality.backend(args)
        self.forward = Forward(model, model, self.backend, autocast)
        self.by_length = modality.name == "text"
        # Once: a job is asked for its name again and again.
        self.checksum = weights_checksum(model)

    @property
    def name(self) -> str:
        """The weights and all that else decides a probability."""
        args = self.args
        cut = f" max_length={args.max_length} truncation={args.truncation}" if self.by_length else ""
        precision = "bf16" if args.bf16 or args.bf16_full_eval else "fp16" if args.fp16 else "fp32"
        order = "" if self.order == sorted(self.order) else f" order={self.order}"
        return f"probs sha256:{self.checksum} {precision}{cut}{order}"

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """``{"probs": [n, C]}`` of n rows, float32."""
        contents = contents_of(rows, self.columns)
        order = np.arange(len(contents))
        if self.by_length:
            # Texts of like length share a batch.
            lengths = np.sum([[len(text) for text in rows[column]] for column in self.columns], axis=0)
            order = np.argsort(-lengths, kind="stable")
        probs = np.empty((len(contents), len(self.order)), np.float32)
        size = self.args.per_device_eval_batch_size
        with torch.no_grad():
            for start in range(0, len(order), size):
                batch = order[start : start + size]
                probs[batch] = self._probs([contents[i] for i in batch]).cpu().numpy()
        return {"probs": probs}

    def _probs(self, contents: list[Any]) -> Tensor:
        inputs = inputs_to_device(self.encode(contents, None), self.args.device)
        (logits,) = self.forward(inputs, model=self.model, dropout=False)
        return logits.softmax(-1)[:, self.order]


def start_from(teacher: PreTrainedModel, student: PreTrainedModel) -> None:
    """Give a student its teacher's weights; UserError if it has another architecture, size, base or other adapters."""
    if has_adapters(student) and has_adapters(teacher):
        take_adapters(teacher, student)
        return
    try:
        student.load_state_dict(teacher.state_dict())
    except RuntimeError as error:
        raise UserError(
            "student_init: got 'continued', and the teacher is of another architecture or size; allowed then: fresh"
        ) from error


def _format_names(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{len(names)} ({shown}{', ...' if len(names) > 10 else ''})"
