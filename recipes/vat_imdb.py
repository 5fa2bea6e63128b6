"""VAT on IMDb with few labels, beside the supervised baseline on the same labels.

    accelerate launch recipes/vat_imdb.py                         # the preset that fits this machine
    accelerate launch recipes/vat_imdb.py --preset cpu --labels 50 --seed 1

Every field of the method's config is a flag, and a key of ``--config FILE.yaml``. Own data as in ``uda_imdb.py``.
"""

from __future__ import annotations

from textssl.cli.presets import presets_for
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


PRESETS = presets_for("vat", output_dir="outputs/vat_imdb")


def main() -> None:
    """Train the baseline, train VAT, print one table."""
    train_recipe("vat", PRESETS)


if __name__ == "__main__":
    run_program(main)
