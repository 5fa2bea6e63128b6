"""Noisy Student on IMDb with few labels: students of a teacher's labels, beside that teacher.

    accelerate launch recipes/noisy_student_imdb.py                    # the preset that fits this machine
    accelerate launch recipes/noisy_student_imdb.py --preset cpu --labels 50 --rounds 2

The teacher is the supervised baseline. Every field of ``NoisyStudentConfig`` is a flag, and a key of ``--config
FILE.yaml``. Own data as in ``uda_imdb.py``.
"""

from __future__ import annotations

from textssl.cli.presets import presets_for
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


PRESETS = presets_for("noisy_student", output_dir="outputs/noisy_student_imdb")


def main() -> None:
    """Train the teacher, train the students, print one table."""
    train_recipe("noisy_student", PRESETS)


if __name__ == "__main__":
    run_program(main)
