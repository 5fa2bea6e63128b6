"""``textssl export``: a classifier as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


__all__ = ["command"]


def command(
    model: Annotated[str, typer.Argument(help="Folder of a model, output of fit or train, or a name on the Hub.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Export a model to ONNX with its tokenizer or image processor.

    The logits are compared with those of the model before the folder is kept. Needs `textssl[onnx]`.
    """
    from ...inference import export_onnx, load_classifier
    from ...inference.onnx_export import TOLERANCE
    from ..console import next_step, result, say

    classifier = load_classifier(model, device="cpu")
    say(f"exporting {classifier.place.name}: {len(classifier.label_names)} classes, {classifier.modality}")
    folder = export_onnx(classifier, output, overwrite=overwrite)
    size = (folder / "model.onnx").stat().st_size / 2**20
    result(f"{folder}: model.onnx ({size:,.1f} MiB), logits within {TOLERANCE:.0e} of the model's")
    next_step("textssl", "serve", folder)
