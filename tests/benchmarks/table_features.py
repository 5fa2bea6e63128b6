"""The table of all methods on precomputed features, as docs/results/features.md has it.

Rotten Tomatoes snippets, embedded by the small BERT of a package: 100 labeled and 2,300 unlabeled examples, a head of
one hidden layer, 1,500 steps (500 on labeled data alone), accuracy on 1,000 held-out snippets.

    OMP_NUM_THREADS=1 python tests/benchmarks/table_features.py CACHE [SEED ...]
"""

from __future__ import annotations

import os
import sys
import tempfile


os.environ.setdefault("HF_HUB_OFFLINE", "1")

from transformers import set_seed

from textssl.cli.task_setups.model_loading import label_settings
from textssl.data.vectors import feature_array
from textssl.features import FeatureClassifier, FeatureClassifierConfig, embed
from textssl.methods import METHODS
from textssl.sources.named import LoadedSource, load_source
from textssl.sources.splits import few_labels


LABELED_ALONE = {"supervised", "adversarial"}


def accuracy(method: str, source: LoadedSource, pool, test, seed: int) -> float:
    split = few_labels(pool["label"], seed=seed, total=100, label_names=source.label_names)
    unlabeled = pool.select(split.unlabeled).remove_columns("label")
    set_seed(seed)
    model = FeatureClassifier(FeatureClassifierConfig(input_size=384, **label_settings(source.label_names)))
    model.fit_standardization(feature_array(unlabeled, "features"))
    trainer_class = METHODS[method]
    with tempfile.TemporaryDirectory() as folder:
        config = trainer_class.config_class(
            output_dir=folder,
            use_cpu=True,
            seed=seed,
            max_steps=500 if method in LABELED_ALONE else 1500,
            learning_rate=1e-3,
            weight_decay=0.01,
            per_device_train_batch_size=16,
            mu=4,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = trainer_class(model, config, pool.select(split.labeled), unlabeled)
        trainer.train()
        return 100 * trainer.evaluate(test)["eval_accuracy"]


def main() -> None:
    cache, seeds = sys.argv[1], [int(seed) for seed in sys.argv[2:]] or [0, 1, 2]
    source = load_source("rotten_tomatoes", "embedded")
    parts = source.train.shuffle(seed=0).select(range(2400)), source.test.shuffle(seed=0).select(range(1000))
    pool, test = (embed(part, "text", "embedded", cache, max_length=128) for part in parts)
    rows = []
    for method in sorted(METHODS):
        reached = [accuracy(method, source, pool, test, seed) for seed in seeds]
        told = " | ".join(f"{value:.1f}" for value in reached)
        rows.append(f"| `{method}` | {told} | {sum(reached) / len(reached):.1f} |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
