"""Semi-supervised learning on Hugging Face Transformers: choose a method by choosing a Trainer class.

    trainer = FixMatchTrainer(model, FixMatchConfig(output_dir="out"), train_dataset=labeled,
                              unlabeled_dataset=unlabeled, eval_dataset=held_out, processing_class=tokenizer)
    trainer.train()

Main entries:

- A trainer and a config per method: ``FixMatchTrainer`` and ``FixMatchConfig``, ``UDATrainer`` and ``UDAConfig``, and
  so on. ``METHODS`` maps the name of each method to its trainer.
- ``fit`` chooses a classifier for data of any kind, such as a DataFrame, ``fit_classifier`` for data sets;
  ``fit_from_names`` trains one from class names alone.
- ``SSLTrainer``, ``SSLConfig``, ``Objective``, ``Task`` and ``Citation`` are what a new method is made of.
- ``FeatureClassifier``, ``PooledTextClassifier``, ``PooledImageClassifier`` and ``Ensemble`` are models beside those
  of transformers; ``HeadTailPipeline`` is a pipeline for texts that were cut in the middle.
- ``UserError`` is raised where an argument or the data cannot be used.

The objective of a method stands in its module, for example ``textssl.methods.fixmatch.FixMatch``; augmentations are in
``textssl.augment``, embeddings in ``textssl.features``, retrieval in ``textssl.retrieval``, losses in
``textssl.functional``.

Names are imported on first use, so that ``import textssl`` alone loads neither torch nor transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from .citation import Citation
    from .config import SSLConfig
    from .errors import UserError
    from .fit import FitResult, fit, fit_classifier, fit_from_names
    from .methods import METHODS
    from .methods.adversarial import AdversarialConfig, AdversarialTrainer
    from .methods.co_training import CoTrainingConfig, CoTrainingTrainer
    from .methods.distillation import DistillationConfig, DistillationTrainer
    from .methods.dividemix import DivideMixConfig, DivideMixTrainer
    from .methods.fixmatch import FixMatchConfig, FixMatchTrainer
    from .methods.ict import ICTConfig, ICTTrainer
    from .methods.in_domain_pretraining import InDomainPretrainingConfig, InDomainPretrainingTrainer
    from .methods.label_propagation import LabelPropagationConfig, LabelPropagationTrainer
    from .methods.mean_teacher import MeanTeacherConfig, MeanTeacherTrainer
    from .methods.meta_pseudo_labels import MetaPseudoLabelsConfig, MetaPseudoLabelsTrainer
    from .methods.mixmatch import MixMatchConfig, MixMatchTrainer
    from .methods.mixtext import MixTextConfig, MixTextTrainer
    from .methods.mixup import MixupConfig, MixupTrainer
    from .methods.mixup_pseudo_label import MixupPseudoLabelConfig, MixupPseudoLabelTrainer
    from .methods.noisy_student import NoisyStudentConfig, NoisyStudentTrainer
    from .methods.pi_model import PiModelConfig, PiModelTrainer
    from .methods.pseudo_label import PseudoLabelConfig, PseudoLabelTrainer
    from .methods.remixmatch import ReMixMatchConfig, ReMixMatchTrainer
    from .methods.self_training import SelfTrainingConfig, SelfTrainingTrainer
    from .methods.supervised import SupervisedConfig, SupervisedTrainer
    from .methods.temporal_ensembling import TemporalEnsemblingConfig, TemporalEnsemblingTrainer
    from .methods.uda import UDAConfig, UDATrainer
    from .methods.vat import VATConfig, VATTrainer
    from .models import (
        Ensemble,
        EnsembleConfig,
        FeatureClassifier,
        FeatureClassifierConfig,
        HogEncoder,
        HogEncoderConfig,
        PooledClassifierConfig,
        PooledImageClassifier,
        PooledImageClassifierConfig,
        PooledTextClassifier,
        embedded_model_path,
    )
    from .objective import Objective, Task
    from .pipelines import HeadTailPipeline
    from .pretraining import PretrainingConfig, PretrainingTrainer, pretrain_in_domain
    from .training.trainer import SSLTrainer
else:
    from .lazy_exports import lazy_exports

    # The same names, for the program that runs. Type checkers must not see ``__getattr__``: it would allow any name.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "citation": ["Citation"],
            "config": ["SSLConfig"],
            "errors": ["UserError"],
            "fit": ["FitResult", "fit", "fit_classifier", "fit_from_names"],
            "methods": ["METHODS"],
            "methods.adversarial": ["AdversarialConfig", "AdversarialTrainer"],
            "methods.co_training": ["CoTrainingConfig", "CoTrainingTrainer"],
            "methods.distillation": ["DistillationConfig", "DistillationTrainer"],
            "methods.dividemix": ["DivideMixConfig", "DivideMixTrainer"],
            "methods.fixmatch": ["FixMatchConfig", "FixMatchTrainer"],
            "methods.ict": ["ICTConfig", "ICTTrainer"],
            "methods.in_domain_pretraining": ["InDomainPretrainingConfig", "InDomainPretrainingTrainer"],
            "methods.label_propagation": ["LabelPropagationConfig", "LabelPropagationTrainer"],
            "methods.mean_teacher": ["MeanTeacherConfig", "MeanTeacherTrainer"],
            "methods.meta_pseudo_labels": ["MetaPseudoLabelsConfig", "MetaPseudoLabelsTrainer"],
            "methods.mixmatch": ["MixMatchConfig", "MixMatchTrainer"],
            "methods.mixtext": ["MixTextConfig", "MixTextTrainer"],
            "methods.mixup": ["MixupConfig", "MixupTrainer"],
            "methods.mixup_pseudo_label": ["MixupPseudoLabelConfig", "MixupPseudoLabelTrainer"],
            "methods.noisy_student": ["NoisyStudentConfig", "NoisyStudentTrainer"],
            "methods.pi_model": ["PiModelConfig", "PiModelTrainer"],
            "methods.pseudo_label": ["PseudoLabelConfig", "PseudoLabelTrainer"],
            "methods.remixmatch": ["ReMixMatchConfig", "ReMixMatchTrainer"],
            "methods.self_training": ["SelfTrainingConfig", "SelfTrainingTrainer"],
            "methods.supervised": ["SupervisedConfig", "SupervisedTrainer"],
            "methods.temporal_ensembling": ["TemporalEnsemblingConfig", "TemporalEnsemblingTrainer"],
            "methods.uda": ["UDAConfig", "UDATrainer"],
            "methods.vat": ["VATConfig", "VATTrainer"],
            "models": [
                "Ensemble",
                "EnsembleConfig",
                "FeatureClassifier",
                "FeatureClassifierConfig",
                "HogEncoder",
                "HogEncoderConfig",
                "PooledClassifierConfig",
                "PooledImageClassifier",
                "PooledImageClassifierConfig",
                "PooledTextClassifier",
                "embedded_model_path",
            ],
            "objective": ["Objective", "Task"],
            "pipelines": ["HeadTailPipeline"],
            "pretraining": ["PretrainingConfig", "PretrainingTrainer", "pretrain_in_domain"],
            "training.trainer": ["SSLTrainer"],
        },
    )

__version__ = "0.1.0"

__all__ = [
    "METHODS",
    "AdversarialConfig",
    "AdversarialTrainer",
    "Citation",
    "CoTrainingConfig",
    "CoTrainingTrainer",
    "DistillationConfig",
    "DistillationTrainer",
    "DivideMixConfig",
    "DivideMixTrainer",
    "Ensemble",
    "EnsembleConfig",
    "FeatureClassifier",
    "FeatureClassifierConfig",
    "FitResult",
    "FixMatchConfig",
    "FixMatchTrainer",
    "HeadTailPipeline",
    "HogEncoder",
    "HogEncoderConfig",
    "ICTConfig",
    "ICTTrainer",
    "InDomainPretrainingConfig",
    "InDomainPretrainingTrainer",
    "LabelPropagationConfig",
    "LabelPropagationTrainer",
    "MeanTeacherConfig",
    "MeanTeacherTrainer",
    "MetaPseudoLabelsConfig",
    "MetaPseudoLabelsTrainer",
    "MixMatchConfig",
    "MixMatchTrainer",
    "MixTextConfig",
    "MixTextTrainer",
    "MixupConfig",
    "MixupPseudoLabelConfig",
    "MixupPseudoLabelTrainer",
    "MixupTrainer",
    "NoisyStudentConfig",
    "NoisyStudentTrainer",
    "Objective",
    "PiModelConfig",
    "PiModelTrainer",
    "PooledClassifierConfig",
    "PooledImageClassifier",
    "PooledImageClassifierConfig",
    "PooledTextClassifier",
    "PretrainingConfig",
    "PretrainingTrainer",
    "PseudoLabelConfig",
    "PseudoLabelTrainer",
    "ReMixMatchConfig",
    "ReMixMatchTrainer",
    "SSLConfig",
    "SSLTrainer",
    "SelfTrainingConfig",
    "SelfTrainingTrainer",
    "SupervisedConfig",
    "SupervisedTrainer",
    "Task",
    "TemporalEnsemblingConfig",
    "TemporalEnsemblingTrainer",
    "UDAConfig",
    "UDATrainer",
    "UserError",
    "VATConfig",
    "VATTrainer",
    "embedded_model_path",
    "fit",
    "fit_classifier",
    "fit_from_names",
    "pretrain_in_domain",
]
