"""DivideMix on IMDb with wrong labels: two networks that tell each other which to trust, beside plain training.

    accelerate launch recipes/dividemix_noisy_imdb.py                              # 40 % of the labels are wrong
    accelerate launch recipes/dividemix_noisy_imdb.py --preset cpu --labels 500 --noise 0.2
    accelerate launch recipes/dividemix_noisy_imdb.py --noise_kind keywords --noise 0   # labels by words in the texts

The supervised baseline trains on the same wrong labels. ``label_quality.parquet`` in the run's folder tells for each
label how likely it is right. Every field of ``DivideMixConfig`` is a flag, and a key of ``--config FILE.yaml``. Own
data as in ``uda_imdb.py``, with ``--noise 0`` where their labels are to stay as they are.
"""

from __future__ import annotations

from textssl.cli.presets import text_presets
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


PRESETS = text_presets("outputs/dividemix_noisy_imdb", "dividemix", num_labeled=1000, noise=0.4)


def main() -> None:
    """Train the baseline, train the two networks, print one table."""
    train_recipe("dividemix", PRESETS)


if __name__ == "__main__":
    run_program(main)
