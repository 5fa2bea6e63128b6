"""SentAugment on IMDb with few labels: a student of sentences that a teacher labeled, beside that teacher.

    accelerate launch recipes/sentaugment_imdb.py                          # the preset that fits this machine
    accelerate launch recipes/sentaugment_imdb.py --variant few_shot       # hard labels, and the labeled examples
    accelerate launch recipes/sentaugment_imdb.py --bank my_bank           # of textssl bank build

The bank is made of the sentences of the unlabeled reviews and of Rotten Tomatoes. The teacher is the supervised
baseline; a third row is a student of as many sentences that were drawn at random. Every field of the student's config
is a flag, and a key of ``--config FILE.yaml``. Own data as in ``uda_imdb.py``.
"""

from __future__ import annotations

import argparse

from textssl.cli.presets import presets_for
from textssl.cli.program import run_program
from textssl.cli.sentaugment import VARIANTS, sentaugment_recipe
from textssl.errors import UserError


PRESETS = presets_for(
    "distillation",
    output_dir="outputs/sentaugment_imdb",
    cpu={"num_unlabeled": 2000, "num_neighbors": 3000, "mu": 4, "max_steps": 200, "warm_start_share": 0.0},
    paper={
        "model": "FacebookAI/roberta-large",
        "learning_rate": 1e-5,
        "per_device_train_batch_size": 16,
        "mu": 1,
        "num_neighbors": 1_000_000,
    },
)


def main() -> None:
    """Train the teacher, retrieve, train the students, print one table."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--variant", default="soft")
    known, _ = parser.parse_known_args()
    if known.variant not in VARIANTS:
        raise UserError(f"variant: got {known.variant!r}; allowed: {', '.join(VARIANTS)}")
    sentaugment_recipe(PRESETS, variant=known.variant)


if __name__ == "__main__":
    run_program(main)
