"""Trains every method variant, as one process or as one of two, and writes the state of each rank.

usage: [torchrun --nproc_per_node 2] ddp_worker.py OUT PER_DEVICE_BATCH
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


sys.path.insert(0, str(Path(__file__).parents[2]))

from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from tests.contract.cases import build, model, state_of, variants
from textssl.cli.program import run_program
from textssl.errors import UserError


def main() -> None:
    out, batch = Path(sys.argv[1]), int(sys.argv[2])
    cases = [(*variant, {}) for variant in variants()]
    # The last is a student with adapters.
    lora = LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])
    cases.append(("mean_teacher", "text", {}, {"model": get_peft_model(model(), lora)}))
    for number, (method, modality, settings, given) in enumerate(cases):
        trainer = build(
            method,
            out / f"run{number}",
            modality,
            per_device_train_batch_size=batch,
            given=given,
            save_strategy="no",
            ddp_backend="gloo" if "LOCAL_RANK" in os.environ else None,
            **settings,
        )
        trainer.train()
        args = trainer.args
        save_file(
            {name: value.contiguous() for name, value in state_of(trainer).items()},
            out / f"{number}-rank{args.process_index}-of-{args.world_size}.safetensors",
        )
    diverging = build("fixmatch", out / "diverged", save_strategy="no", per_device_train_batch_size=batch)
    if diverging.args.process_index == diverging.args.world_size - 1:
        original, diverging.objective.loss = diverging.objective.loss, lambda *a: not_finite(original(*a))
    try:
        diverging.train()
    except UserError as error:
        rank, size = diverging.args.process_index, diverging.args.world_size
        Path(out, f"diverged-rank{rank}-of-{size}.txt").write_text(str(error))


def not_finite(terms: dict[str, Any]) -> dict[str, Any]:
    return {**terms, "loss": terms["loss"] * float("nan")}


if __name__ == "__main__":
    run_program(main)
