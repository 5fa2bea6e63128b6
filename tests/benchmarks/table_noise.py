"""DivideMix against plain training on 4,500 MNIST images of which half are labeled wrongly.

Labels of 50 % of the images are replaced by another class each, drawn uniformly. Accuracy on 500 held-out images with
right labels, after the last step; ``AUC`` is that of the clean probability against the truth. Both columns of a seed
share wrong labels, weights at the start and the order of the data. Rows:

- ``plain``: two convolutions and 200,000 weights, images as they are: it learns wrong labels by heart.
- ``shifted``: the small ResNet of the recipes, 80,000 weights, images shifted at random: it hardly can.

    OMP_NUM_THREADS=1 python tests/benchmarks/table_noise.py [--rows ROW ...] [--seeds SEED ...]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from tests.reference.problems import ConvNet, ConvNetConfig
from textssl.cli.task_setups.image_models import load_image_processor, small_resnet
from textssl.methods import METHODS
from textssl.sources.named import load_source
from textssl.sources.noise import flip_labels


TEN = tuple(str(digit) for digit in range(10))
RATE = 0.5
SHARED: dict[str, Any] = {
    "max_steps": 1200,
    "per_device_train_batch_size": 64,
    "learning_rate": 2e-3,
    "lr_scheduler_type": "cosine",
    "weight_decay": 0.01,
    "use_cpu": True,
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
    "per_device_eval_batch_size": 250,
}
# Row: epochs before the first division.
ROWS: dict[str, int] = {"plain": 5, "shifted": 10}


def network(row: str, seed: int) -> Any:
    torch.manual_seed(seed)
    if row == "shifted":
        return small_resnet(TEN)
    model = ConvNet(ConvNetConfig(num_labels=10))
    model.config.num_channels = 3
    parts = [nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1), nn.Linear(32 * 49, 128)]
    model.net = nn.Sequential(
        parts[0], nn.ReLU(), nn.MaxPool2d(2), parts[1], nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), parts[2], nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return model


def run(method: str, row: str, seed: int, folder: str) -> tuple[float, float | None]:
    """Accuracy in percent, and the AUC where labels are judged."""
    source = load_source("mnist5k", "embedded")
    truth = np.array(source.train["label"])
    given = flip_labels(truth, RATE, 10, seed)
    train = source.train.remove_columns("label").add_column("label", given.tolist())
    settings, second = dict(SHARED), {}
    if method == "dividemix":
        settings["warm_start_epochs"] = ROWS[row]
        second["peer"] = network(row, 1000 + seed)
    trainer = METHODS[method](
        network(row, seed),
        METHODS[method].config_class(output_dir=folder, seed=seed, **settings),
        train,
        processing_class=load_image_processor("embedded", (28, 28)),
        augmentations={"weak": lambda example, rng: example} if row == "plain" else {},
        **second,
    )
    trainer.train()
    accuracy = 100 * trainer.evaluate(source.test)["eval_accuracy"]
    judged = trainer.clean_probability() if method == "dividemix" else None
    return accuracy, None if judged is None else float(roc_auc_score(given == truth, judged))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':<10}{'seed':>5}{'supervised':>12}{'dividemix':>11}{'AUC':>8}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for row in arguments.rows:
            for seed in arguments.seeds:
                plain, _ = run("supervised", row, seed, folder)
                divided, auc = run("dividemix", row, seed, folder)
                print(f"{row:<10}{seed:>5}{plain:12.1f}{divided:11.1f}{auc:8.3f}", flush=True)


if __name__ == "__main__":
    main()
