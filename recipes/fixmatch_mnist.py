"""FixMatch on 5,000 real MNIST images with five labels a class, beside the supervised baseline on the same labels.

    accelerate launch recipes/fixmatch_mnist.py                       # the preset that fits this machine
    accelerate launch recipes/fixmatch_mnist.py --labels 20 --seed 1

Every field of the method's config is a flag, and a key of ``--config FILE.yaml``. The ``cpu`` preset trains a small
ResNet from nothing, three minutes on one core; the ``paper`` preset holds the optimiser of Sohn et al.
(2020), for a model of your own.
"""

from __future__ import annotations

from textssl.cli.presets import image_presets
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


PRESETS = image_presets("outputs/fixmatch_mnist", num_labeled=50)


def main() -> None:
    """Train the baseline, train FixMatch, print one table."""
    train_recipe("fixmatch", PRESETS, source="mnist5k")


if __name__ == "__main__":
    run_program(main)
