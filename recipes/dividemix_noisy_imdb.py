"""DivideMix on IMDb with wrong labels: two networks that tell each other which to trust, beside plain training.

    accelerate launch recipes/dividemix_noisy_imdb.py                              # 40 % of the labels are wrong
    accelerate launch recipes/dividemix_noisy_imdb.py --preset cpu --labels 4000 --noise 0.2
    accelerate launch recipes/dividemix_noisy_imdb.py --noise_kind keywords --noise 0   # labels by words in the texts

The ``cpu`` preset trains small heads on the embeddings of a frozen encoder: where two labels of five are wrong, it
takes thousands of them to learn from. The ``paper`` preset fine-tunes, and so does ``--backend text``. The supervised
baseline trains on the same wrong labels. ``label_quality.parquet`` in the run's folder tells for each label how likely
it is right. Every field of ``DivideMixConfig`` is a flag, and a key of ``--config FILE.yaml``. Own data as in
``uda_imdb.py``, with ``--noise 0`` where their labels are to stay as they are.
"""

from __future__ import annotations

from textssl.cli.presets import feature_presets, text_presets
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe


FOLDER = "outputs/dividemix_noisy_imdb"
PRESETS = text_presets(FOLDER, "dividemix", num_labeled=20_000, noise=0.4)
PRESETS["cpu"] = feature_presets(FOLDER, "dividemix", num_labeled=8000, noise=0.4)["cpu"] | {
    "backend": "features",
    "num_unlabeled": 500,
    "per_device_train_batch_size": 64,
    "num_train_epochs": 10.0,
    "min_steps": None,
    "step_limit": None,
    "learning_rate": 1e-4,
    "warm_start_epochs": 4,
    "baseline_epochs": 10.0,
    "baseline_learning_rate": 1e-4,
}
PRESETS["paper"] |= {"max_steps": 6000, "warm_start_epochs": 1, "per_device_train_batch_size": 32}


def main() -> None:
    """Train the baseline, train the two networks, print one table."""
    train_recipe("dividemix", PRESETS)


if __name__ == "__main__":
    run_program(main)
