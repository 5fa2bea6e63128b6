"""UDA on IMDb with few labels, beside the supervised baseline on the same labels.

    accelerate launch recipes/uda_imdb.py                         # the preset that fits this machine
    accelerate launch recipes/uda_imdb.py --preset cpu --num_labeled 50 --seed 1
    accelerate launch recipes/uda_imdb.py --train_file few.csv --unlabeled_file many.csv --test_file held_out.csv

Every field of the method's config is a flag, and a key of ``--config FILE.yaml``. The ``paper`` preset holds the
settings of Xie et al. (2020) for BERT-base; the ``cpu`` preset is ours, chosen on validation reviews, and
takes about fifteen minutes on two cores.
"""

from __future__ import annotations

from textssl.cli.presets import presets_for
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


PRESETS = presets_for(
    "uda",
    output_dir="outputs/uda_imdb",
    paper={"num_labeled": 20, "strong": "seq2seq", "tsa": "linear", "per_device_train_batch_size": 8},
)


def main() -> None:
    """Train the baseline, train UDA, print one table."""
    train_recipe("uda", PRESETS)


if __name__ == "__main__":
    run_program(main)
