"""A classifier as an ONNX file in a folder that needs neither textssl nor PyTorch to answer."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import __version__
from ..errors import UserError
from ..files import is_disk_full
from .classifier import Classifier
from .onnx_card import onnx_card
from .onnx_classifier import DESCRIPTION, WEIGHTS, OnnxClassifier, load_onnx


__all__ = ["TOLERANCE", "export_onnx"]

# Largest difference of a logit between the file and the model.
TOLERANCE = 1e-4
# Words of the texts that the model is traced with and compared on: of several lengths, the last one too long.
WORDS = ((3,), (2, 90, 1), (5000,))


def export_onnx(classifier: Classifier, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write ``model.onnx``, the tokenizer or image processor, ``classifier.json`` and a README with code.

    The logits of the file are compared with those of the model before anything is kept.

    Args:
        classifier: of :func:`textssl.inference.load_classifier`.
        folder: to write into; it is made.
        overwrite: replace an earlier export.

    Returns:
        ``folder``.

    Raises:
        UserError: onnx is not installed; the folder holds something; an input that a file cannot have, such as the
            embeddings of an encoder that is not part of the model; a model that the exporter cannot follow, or whose
            logits would differ by more than 1e-4.
    """
    _check_installed()
    if isinstance(classifier, OnnxClassifier):
        raise UserError(f"model: {classifier.place.name!r} is an ONNX export already")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not _may_replace(folder, overwrite):
        raise UserError(f"output: {folder} is not empty; choose another folder, or overwrite an earlier export")
    trials = [_batch(classifier, count) for count in range(len(WORDS))]
    described = _described(classifier, list(trials[0]))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        made = Path(place)
        _write_network(classifier, trials[1], made / WEIGHTS)
        (made / DESCRIPTION).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n")
        processor = classifier.reader.saved_with()
        if processor is not None:
            processor.save_pretrained(made)
        (made / "README.md").write_text(onnx_card(described, processor, classifier.place.name))
        _check_equal(classifier, load_onnx(made), trials)
        folder.mkdir(exist_ok=True)
        for file in sorted(made.iterdir(), key=lambda file: file.name == DESCRIPTION):
            # What tells that the folder is an export comes last.
            os.replace(file, folder / file.name)
    return folder


def _check_installed() -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(name)
        except ImportError:
            raise UserError(f"onnx: {name} is not installed; pip install 'textssl[onnx]'") from None


def _may_replace(folder: Path, overwrite: bool) -> bool:
    return overwrite and (folder / DESCRIPTION).is_file() and (folder / WEIGHTS).is_file()


def _batch(classifier: Classifier, trial: int) -> Mapping[str, Tensor]:
    """Inputs to trace and to compare with."""
    reader, count = classifier.reader, len(WORDS[trial])
    rng = np.random.default_rng(trial)
    if classifier.modality == "text":
        texts = [" ".join(["word", "and", "number"][i % 3] for i in range(words)) for words in WORDS[trial]]
        inputs: Sequence[Any] = [(text, "and another") for text in texts] if classifier.pairs else texts
    elif hasattr(reader, "size"):
        return {"features": torch.from_numpy(rng.random((count, reader.size), np.float32))}
    elif classifier.modality == "image":
        from PIL import Image

        inputs = [Image.fromarray(rng.integers(0, 256, (48, 48, 3), np.uint8).astype(np.uint8)) for _ in range(count)]
        if trial == 2:
            # Without any edge: what a network divides by may be zero here.
            inputs = [Image.new("RGB", (48, 48))]
    if hasattr(reader, "encoder"):
        raise UserError(
            f"model: {classifier.place.name!r} reads vectors of an encoder that is no part of it; only models that "
            "hold their encoder, or take vectors, can be exported"
        )
    return reader.batch(reader.prepared(reader.checked(inputs)))


class _Logits(nn.Module):
    """The network as a function of positional inputs."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(**dict(zip(self.names, inputs, strict=True))).logits
        return logits


def _write_network(classifier: Classifier, batch: Mapping[str, Tensor], path: Path) -> None:
    names = list(batch)
    rows, length = torch.export.Dim("batch"), torch.export.Dim("length")
    shape = {0: rows, 1: length} if classifier.modality == "text" else {0: rows}
    model = _Logits(classifier.model.cpu().float().eval(), names)
    try:
        with torch.inference_mode(), _quiet():
            program = torch.onnx.export(
                model, tuple(batch.values()), input_names=names, output_names=["logits"],
                dynamic_shapes=(tuple(shape for _ in names),), dynamo=True, verbose=False,
            )  # fmt: skip
            assert program is not None
            program.save(path)
    except Exception as error:  # of whatever kind the exporter's many parts raise
        if is_disk_full(error):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"model: {type(classifier.model).__name__} cannot be exported ({reason})") from error


@contextlib.contextmanager
def _quiet() -> Any:
    """Without what the exporter says about itself."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _described(classifier: Classifier, names: list[str]) -> dict[str, Any]:
    return {
        "textssl": __version__,
        "modality": classifier.modality,
        "label_names": list(classifier.label_names),
        "inputs": names,
        "pairs": classifier.pairs,
        **classifier.reader.settings(),
    }


def _check_equal(classifier: Classifier, exported: OnnxClassifier, trials: Sequence[Mapping[str, Tensor]]) -> None:
    for batch in trials:
        with torch.inference_mode():
            wanted = classifier.model(**batch).logits.double().numpy()
        difference = np.abs(exported.logits(batch) - wanted).max()
        if not difference <= TOLERANCE:
            raise UserError(
                f"model: the logits of the ONNX file differ from those of the model by {difference:.1e}; expected at "
                f"most {TOLERANCE:.0e}, so it was not kept"
            )
