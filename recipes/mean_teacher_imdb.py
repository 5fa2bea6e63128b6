"""Mean Teacher on IMDb with few labels, beside the supervised baseline on the same labels.

    accelerate launch recipes/mean_teacher_imdb.py                         # the preset that fits this machine
    accelerate launch recipes/mean_teacher_imdb.py --preset cpu --labels 50 --seed 1

Every field of the method's config is a flag, and a key of ``--config FILE.yaml``. Own data as in ``uda_imdb.py``.
"""

from __future__ import annotations

from textssl.cli.presets import presets_for
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


PRESETS = presets_for("mean_teacher", output_dir="outputs/mean_teacher_imdb")


def main() -> None:
    """Train the baseline, train Mean Teacher, print one table."""
    train_recipe("mean_teacher", PRESETS)


if __name__ == "__main__":
    run_program(main)
