"""Trains methods on two processes, with checkpointed layers and without, and writes their states.

usage: torchrun --nproc_per_node 2 checkpointing_worker.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parents[2]))

from safetensors.torch import save_file

from tests.contract.cases import build, state_of
from textssl.cli.program import run_program


METHODS = {"uda": 2, "vat": 2, "dividemix": 5, "meta_pseudo_labels": 2}


def main() -> None:
    out = Path(sys.argv[1])
    for method, steps in METHODS.items():
        for name, is_on in (("plain", False), ("checkpointed", True)):
            trainer = build(
                method, out / f"{method}-{name}", dropout=0.1, max_steps=steps, save_strategy="no", ddp_backend="gloo",
                gradient_checkpointing=is_on,
            )  # fmt: skip
            trainer.train()
            state = {key: value.contiguous() for key, value in state_of(trainer).items()}
            save_file(state, out / f"{method}-{name}-{trainer.args.process_index}.safetensors")


if __name__ == "__main__":
    run_program(main)
