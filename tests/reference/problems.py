"""Two small real tasks on which published methods are known to help, and a trainer of any method on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from textssl import DivideMixTrainer, MetaPseudoLabelsTrainer, SSLTrainer
from textssl.augment import Augmentation, Chain
from textssl.augment.image import Cutout, RandAugment, Shift
from textssl.features import FeatureClassifier, FeatureClassifierConfig
from textssl.methods import METHODS
from textssl.sources.named import load_source
from textssl.sources.noise import flip_labels
from textssl.sources.splits import few_labels


class ConvNetConfig(PretrainedConfig):
    model_type = "textssl-test-convnet"


class ConvNet(PreTrainedModel):
    """Two convolutions and a hidden layer, for 8x8 digits."""

    config_class = ConvNetConfig
    main_input_name = "pixel_values"

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__(config)
        config.num_channels = 1
        self.net = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * 16, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, config.num_labels),
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.reset_parameters()

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None, **_: Any) -> ImageClassifierOutput:
        logits = self.net(pixel_values)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return ImageClassifierOutput(loss=loss, logits=logits)


def common(out: Path, seed: int, steps: int) -> dict[str, Any]:
    return {
        "output_dir": str(out),
        "max_steps": steps,
        "seed": seed,
        "use_cpu": True,
        "lr_scheduler_type": "constant",
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "per_device_eval_batch_size": 1000,
    }


def moons(method: str, out: Path, seed: int, **settings: Any) -> float:
    """Accuracy on 1,000 points of two moons with noise 0.1, from three labels a moon."""
    points, labels = make_moons(1000, noise=0.1, random_state=seed)
    held = _vectors(*make_moons(1000, noise=0.1, random_state=1000 + seed))
    torch.manual_seed(seed)
    model = FeatureClassifier(FeatureClassifierConfig(input_size=2, hidden_sizes=(64, 64), dropout=0.0, num_labels=2))
    model.fit_standardization(points)
    return _accuracy_on_moons(METHODS[method], model, out, seed, _vectors(points, labels), held, settings)


def veiled_moons(out: Path, seed: int, **settings: Any) -> float:
    """Accuracy of Meta Pseudo Labels' student on two moons among 30 dimensions of noise, from three labels a moon.

    The student is blind to the noise, the teacher is not: six labels do not tell it what matters. The student sees no
    label itself, so what it knows of them the teacher has told it.
    """
    rng = np.random.default_rng(seed)
    points, labels = make_moons(1000, noise=0.1, random_state=seed)
    held, held_labels = make_moons(1000, noise=0.1, random_state=1000 + seed)
    held = _veiled((held - points.mean(0)) / points.std(0), rng)
    points = _veiled((points - points.mean(0)) / points.std(0), rng)
    networks = []
    for number in (seed, 5000 + seed):
        torch.manual_seed(number)
        shape = FeatureClassifierConfig(input_size=32, hidden_sizes=(64, 64), dropout=0.0, num_labels=2)
        networks.append(FeatureClassifier(shape))
    student, teacher = networks
    student.std[2:] = 1e6
    data = _vectors(points, labels), _vectors(held, held_labels)
    settings = {"temperature": 1.0, "threshold": 0.0, "finetune_steps": 0, **settings}
    return _accuracy_on_moons(MetaPseudoLabelsTrainer, student, out, seed, *data, settings, teacher=teacher)


def _accuracy_on_moons(
    trainer_class: type[SSLTrainer],
    model: FeatureClassifier,
    out: Path,
    seed: int,
    data: datasets.Dataset,
    held: datasets.Dataset,
    settings: dict[str, Any],
    **networks: Any,
) -> float:
    """Of the model on ``held``, after training on three labels a moon and the other points of ``data`` without any."""
    split = few_labels(data["label"], seed=seed, per_class=3)
    known = {"learning_rate": 5e-3, "per_device_train_batch_size": 6, "mu": 16}
    trainer = trainer_class(
        model,
        trainer_class.config_class(**{**common(out, seed, 1000), **known, **settings}),
        data.select(split.labeled),
        data.select(split.unlabeled).remove_columns("label"),
        augmentations={"weak": jitter(0.05), "strong": jitter(0.25)},
        **networks,
    )
    trainer.train()
    return float(trainer.evaluate(held)["eval_accuracy"])


def digits(method: str, out: Path, seed: int, **settings: Any) -> float:
    """Accuracy on 500 held-out 8x8 digits, from five labels a class."""
    source = load_source("digits")
    split = few_labels(source.train["label"], seed=seed, per_class=5)
    torch.manual_seed(seed)
    trainer_class = METHODS[method]
    config = trainer_class.config_class(
        **{
            **common(out, seed, 400),
            "learning_rate": 1e-3,
            "per_device_train_batch_size": 16,
            "mu": 4,
            **settings,
        }
    )
    weak = Shift(pixels=1, fill=0)
    strong = Chain([weak, RandAugment(n=2, fill=0), Cutout(pixels=3, fill=0)])
    trainer = trainer_class(
        ConvNet(ConvNetConfig(num_labels=10)),
        config,
        source.train.select(split.labeled),
        source.train.select(split.unlabeled).remove_columns("label"),
        processing_class=ViTImageProcessorPil(size={"height": 8, "width": 8}, image_mean=[0.5], image_std=[0.5]),
        augmentations={"weak": weak, "strong": strong},
    )
    trainer.train()
    return float(trainer.evaluate(source.test)["eval_accuracy"])


def noisy_digits(method: str, out: Path, seed: int, **settings: Any) -> tuple[float, float | None]:
    """Accuracy on 500 held-out digits where half of the labels are wrong; and the AUC of what judges the labels."""
    source = load_source("digits")
    truth = np.array(source.train["label"])
    given = flip_labels(truth, 0.5, 10, seed)
    networks = []
    for number in (seed, 5000 + seed):
        torch.manual_seed(number)
        networks.append(ConvNet(ConvNetConfig(num_labels=10)))
    trainer_class = METHODS[method]
    known = {"learning_rate": 1e-3, "per_device_train_batch_size": 64}
    trainer = trainer_class(
        networks[0],
        trainer_class.config_class(**{**common(out, seed, 400), **known, **settings}),
        source.train.remove_columns("label").add_column("label", given.tolist()),
        processing_class=ViTImageProcessorPil(size={"height": 8, "width": 8}, image_mean=[0.5], image_std=[0.5]),
        augmentations={"weak": lambda example, rng: example},
        **(
            {}
            if trainer_class.second_network_argument is None
            else {trainer_class.second_network_argument: networks[1]}
        ),
    )
    trainer.train()
    judged = trainer.clean_probability() if isinstance(trainer, DivideMixTrainer) else None
    auc = None if judged is None else float(roc_auc_score(given == truth, judged))
    return float(trainer.evaluate(source.test)["eval_accuracy"]), auc


def jitter(scale: float) -> Augmentation:
    """Noise of one size everywhere: relative noise would leave the points near the origin as they are."""

    def moved(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        x = np.asarray(example["features"], dtype=np.float32)
        return {**example, "features": x + rng.normal(scale=scale, size=x.shape).astype(np.float32)}

    return moved


def _veiled(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([points, rng.normal(size=(len(points), 30))], axis=1)


def _vectors(points: np.ndarray, labels: np.ndarray) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"features": points.astype(np.float32), "label": labels})
