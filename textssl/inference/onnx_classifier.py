"""An exported classifier, run by onnxruntime."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from ..errors import UserError
from ..modalities.image.encoding import ImageEncoder
from ..modalities.text.encoding import TextEncoder
from .classifier import Classifier
from .place import ModelPlace
from .readers import ImageReader, PixelReader, Reader, VectorReader
from .text_reader import TextReader


__all__ = ["DESCRIPTION", "WEIGHTS", "OnnxClassifier", "is_export", "load_onnx"]

DESCRIPTION, WEIGHTS = "classifier.json", "model.onnx"


class OnnxClassifier(Classifier):
    """What :func:`textssl.inference.load_classifier` returns for the folder of an export."""

    def logits(self, batch: Mapping[str, Any]) -> np.ndarray:
        """Logits, float64 ``[n, C]``, of a batch that the reader made."""
        wanted = {entry.name for entry in self.model.get_inputs()}
        arrays = {name: np.asarray(value) for name, value in batch.items() if name in wanted}
        found: np.ndarray = self.model.run(["logits"], arrays)[0].astype(np.float64)
        return found

    def _probs(self, prepared: list[Any]) -> np.ndarray:
        found: np.ndarray = softmax(self.logits(self.reader.batch(prepared)), axis=1)
        return found


def is_export(folder: Path) -> bool:
    """Whether a folder is one that ``export_onnx`` wrote."""
    return (folder / DESCRIPTION).is_file() and (folder / WEIGHTS).is_file()


def load_onnx(folder: str | os.PathLike[str], batch_size: int | None = None) -> OnnxClassifier:
    """Load an exported classifier.

    Args:
        folder: of the export.
        batch_size: inputs per pass.

    Raises:
        UserError: onnxruntime is not installed; files that are damaged or missing.
    """
    folder = Path(folder)
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"model: {folder} is an ONNX export; pip install 'textssl[onnx]' to run it") from None
    options = onnxruntime.SessionOptions()
    # As many threads as the person's PyTorch has; errors reach us as exceptions.
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    try:
        described = json.loads((folder / DESCRIPTION).read_text())
        session = onnxruntime.InferenceSession(
            str(folder / WEIGHTS), options, providers=onnxruntime.get_available_providers()
        )
        processor, reader = _reader(folder, described)
        names = described["label_names"]
    except UserError:
        raise
    except Exception as error:  # damaged files have more kinds of failure than can be listed
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"model: {str(folder)!r} cannot be loaded ({reason})") from error
    return OnnxClassifier(session, processor, reader, names, ModelPlace(str(folder), folder), batch_size)


def _reader(folder: Path, described: Mapping[str, Any]) -> tuple[Any, Reader]:
    if described["modality"] == "text":
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        pairs, types = described["pairs"], "token_type_ids" in described["inputs"]
        encode = TextEncoder(
            tokenizer, described["max_length"], described["truncation"], pairs=pairs, token_types=types
        )
        return tokenizer, TextReader.from_encoder(encode, pairs)
    if "input_size" in described:
        kinds: dict[str, Any] = {"image": PixelReader, "features": VectorReader}
        return None, kinds[described["modality"]](described["input_size"])
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    return processor, ImageReader.from_encoder(ImageEncoder(processor, described["mode"]))
