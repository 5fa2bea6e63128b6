"""The training steps of methods with one network against a bare PyTorch loop of the same forwards and backwards.

Both run on the same batches, prepared beforehand, in turn: after each step of the trainer one of the bare loop
(``bare_steps.py``), so a busy machine slows both. The figures are CPU seconds of one thread, medians over the steps
of all rounds but the first of each; the ratio is the median over pairs. Loading is the CPU time of one batch in the
trainer's own loader, which stands apart: ``dataloader_num_workers=1`` hides it.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_methods.py [text] [image] [features] [--methods NAME ...]

``text`` is a BERT of 4 layers of 256, 8 + 24 reviews of 48 tokens, in the precision of the ``cpu`` preset. ``image``
is the small ResNet of the recipes, 16 + 64 images of 28 x 28. ``features`` is a head of 384, 256 and 10, 8 + 24, where
a step is so small that Trainer's own work is most of it: its steps per second are what to look at.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import numpy as np
import torch
from bare_steps import BARE_STEPS, Batch, Loop, view
from PIL import Image
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification, PrinterCallback, Trainer, TrainerCallback, set_seed

from textssl.cli.presets import cpu_precision
from textssl.cli.task_setups.image_models import load_image_processor, small_resnet
from textssl.cli.task_setups.model_loading import label_settings
from textssl.cli.task_setups.text_models import load_tokenizer
from textssl.features import FeatureClassifier, FeatureClassifierConfig
from textssl.methods import METHODS
from textssl.sources.named import load_source
from textssl.training.trainer import SSLTrainer


TEN = tuple(str(digit) for digit in range(10))
UNLABELED = 256
BUSY = 1.2
# transformers' own Trainer on the labeled batches: what its loop costs beside a bare one.
STOCK = "transformers.Trainer"
# So that both sides run the same rows: every strong one, as many views, and inputs mixed; nothing but the method.
SAME_ROWS = {
    "fixmatch": {"threshold": 0.0},
    "uda": {"threshold": 0.0},
    "mixtext": {"mix_at": "input"},
    "mixup_pseudo_label": {"warm_start_ratio": 0.0},
    "remixmatch": {"num_strong": 2, "pretext": "none"},
}


@dataclass(frozen=True)
class Setting:
    """What a benchmark trains, on which data, and with which settings."""

    model: Callable[[], Any]
    processor: Any
    labeled: datasets.Dataset
    unlabeled: datasets.Dataset
    config: dict[str, Any]
    steps: int


def text() -> Setting:
    train = load_source("imdb", "embedded").train.shuffle(seed=0).select(range(2 * UNLABELED))
    train = train.filter(lambda example: len(example["text"].split()) > 60)
    tokenizer = load_tokenizer("embedded")
    names = ("negative", "positive")

    def model() -> BertForSequenceClassification:
        shape = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=1024,
            attn_implementation="eager",
            **label_settings(names),
        )
        return BertForSequenceClassification(shape)

    config = {"max_length": 48, "per_device_train_batch_size": 8, "mu": 3, **cpu_precision()}
    labeled = train.select(range(32))
    return Setting(model, tokenizer, labeled, train.select(range(32, 288)).remove_columns("label"), config, 5)


def image() -> Setting:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(pixels) for pixels in rng.integers(0, 256, (UNLABELED + 50, 28, 28), dtype=np.uint8)]
    labeled = datasets.Dataset.from_dict(
        {"image": images[:50], "label": [i % 10 for i in range(50)]},
        datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(TEN))}),
    )
    features = datasets.Features({"image": datasets.Image()})
    unlabeled = datasets.Dataset.from_dict({"image": images[50:]}, features)
    config = {"per_device_train_batch_size": 16, "mu": 4, "use_cpu": True}
    return Setting(
        lambda: small_resnet(TEN, 1), load_image_processor("embedded", (28, 28), 1), labeled, unlabeled, config, 12
    )


def features() -> Setting:
    vectors = np.random.default_rng(0).standard_normal((UNLABELED + 50, 384)).astype(np.float32)
    kind = datasets.List(datasets.Value("float32"), length=384)
    labeled = datasets.Dataset.from_dict(
        {"features": vectors[:50], "label": [i % 10 for i in range(50)]},
        datasets.Features({"features": kind, "label": datasets.ClassLabel(names=list(TEN))}),
    )
    unlabeled = datasets.Dataset.from_dict({"features": vectors[50:]}, datasets.Features({"features": kind}))

    def model() -> FeatureClassifier:
        return FeatureClassifier(FeatureClassifierConfig(**label_settings(TEN)))

    return Setting(model, None, labeled, unlabeled, {"per_device_train_batch_size": 8, "mu": 3, "use_cpu": True}, 100)


SETTINGS: dict[str, Callable[[], Setting]] = {"text": text, "image": image, "features": features}


class InTurn(TrainerCallback):
    """CPU seconds of each step of the trainer, and of a bare one on the same batch after it."""

    def __init__(self, bare: Callable[[int], None]) -> None:
        self.bare = bare
        self.own: list[float] = []
        self.others: list[float] = []
        self.mark = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.mark = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        begin = time.process_time()
        self.bare(len(self.own))
        end = time.process_time()
        self.own.append(begin - self.mark)
        self.others.append(end - begin)
        self.mark = time.process_time()


def build(method: str, setting: Setting, folder: str, steps: int) -> SSLTrainer:
    kind = METHODS[method]
    settings = {
        "output_dir": folder,
        "max_steps": steps,
        "save_strategy": "no",
        "logging_steps": 10,
        "report_to": [],
        "disable_tqdm": True,
        **setting.config,
        **SAME_ROWS.get(method, {}),
    }
    set_seed(0)
    return kind(
        setting.model(),
        kind.config_class(**settings),
        setting.labeled,
        setting.unlabeled,
        processing_class=setting.processor,
    )


def load(trainer: SSLTrainer, count: int) -> tuple[list[Batch], list[float]]:
    """Batches of the trainer's loader, and the CPU seconds of each."""
    batches, seconds, mark = [], [], time.process_time()
    loader = trainer.get_train_dataloader()
    while len(batches) < count:
        for batch in loader:
            seconds.append(time.process_time() - mark)
            batches.append(batch)
            if len(batches) == count:
                break
            mark = time.process_time()
    return batches, seconds[1:]


def feed(trainer: Trainer, batches: list[Batch]) -> None:
    """Train on these batches, in this order."""
    ready = DataLoader(batches, batch_size=1, collate_fn=lambda batch: batch[0])
    trainer.get_train_dataloader = lambda: trainer.accelerator.prepare(ready)


def race(method: str, setting: Setting, folder: str, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """CPU seconds of the trainer's steps, of the bare ones, and of loading."""
    own, others, loading = [], [], []
    loss, decay = BARE_STEPS["supervised" if method == STOCK else method]
    for _ in range(rounds):
        trainer: Trainer = build("supervised" if method == STOCK else method, setting, folder, setting.steps)
        batches, seconds = load(trainer, setting.steps)
        shown = batches
        if method == STOCK:
            trainer = Trainer(setting.model(), trainer.args, train_dataset=trainer.train_dataset)
            shown = [view(batch, "labeled") | {"labels": batch["labeled"]["labels"]} for batch in batches]
        feed(trainer, shown)
        bf16 = bool(setting.config.get("bf16"))
        loop = Loop(setting.model(), decay, bf16, (len(setting.labeled), len(setting.unlabeled)))
        clock = InTurn(lambda number, loop=loop, batches=batches: loop.step(loss, batches[number]))
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(clock)
        trainer.train()
        own += clock.own[1:]
        others += clock.others[1:]
        loading += seconds
    return own, others, loading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", help="text, image, features; by default all")
    # A method without a bare step has no row; two networks are in ``bench_two_networks.py``.
    names = [STOCK, *sorted(BARE_STEPS)]
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    for name in arguments.settings or SETTINGS:
        setting = SETTINGS[name]()
        begin = time.perf_counter()
        print(f"\n{name}: ms of CPU a step", flush=True)
        print(f"{'':<22}{'bare':>9}{'trainer':>9}{'ratio':>8}{'quartiles':>16}{'loading':>9}{'steps/s':>9}")
        with tempfile.TemporaryDirectory() as folder:
            for method in arguments.methods:
                own, others, loading = race(method, setting, folder, arguments.rounds)
                low, ratio, high = statistics.quantiles([a / b for a, b in zip(own, others, strict=True)], n=4)
                step, bare, batch = (1e3 * statistics.median(values) for values in (own, others, loading))
                print(
                    f"{method:<22}{bare:9.2f}{step:9.2f}{ratio:8.3f}{low:9.3f}-{high:.3f}{batch:9.2f}"
                    f"{1e3 / (step + batch):9.1f}",
                    flush=True,
                )
        print(f"{time.perf_counter() - begin:.0f} s")
        load_average = os.getloadavg()[0]
        if load_average > BUSY:
            print(f"The load average is {load_average:.1f}: other work disturbs these figures.", file=sys.stderr)


if __name__ == "__main__":
    main()
