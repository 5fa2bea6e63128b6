"""What the library must know of a network of transformers, and classifiers of its own that transformers lacks.

Importing this package makes those classifiers known to the Auto classes of transformers.
"""

from .configuration_ensemble import EnsembleConfig
from .configuration_pooled_classifier import PooledClassifierConfig, PooledImageClassifierConfig
from .embedded import embedded_model_path
from .modeling_ensemble import Ensemble
from .modeling_feature_classifier import FeatureClassifier, FeatureClassifierConfig
from .modeling_hog_encoder import HogEncoder, HogEncoderConfig
from .modeling_pooled_classifier import PooledImageClassifier, PooledTextClassifier


__all__ = [
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
]
