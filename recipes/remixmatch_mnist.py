"""ReMixMatch on 5,000 real MNIST images with five labels a class, beside the supervised baseline on the same labels.

    accelerate launch recipes/remixmatch_mnist.py                       # the preset that fits this machine
    accelerate launch recipes/remixmatch_mnist.py --labels 20 --seed 1

Every field of the method's config is a flag, and a key of ``--config FILE.yaml``. The ``cpu`` preset trains a small
ResNet from nothing; the ``paper`` preset holds the optimiser of Berthelot et al. (2020), for a model of your own.
"""

from __future__ import annotations

from textssl.cli.presets import image_presets
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


PRESETS = image_presets("outputs/remixmatch_mnist", "remixmatch", num_labeled=50)


def main() -> None:
    """Train the baseline, train ReMixMatch, print one table."""
    train_recipe("remixmatch", PRESETS, source="mnist5k")


if __name__ == "__main__":
    run_program(main)
