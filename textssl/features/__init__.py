"""Precomputed features: embeddings of a frozen encoder, and the small classifier that is trained on them.

Training such a classifier costs a thousandth of fine-tuning the encoder, so that it fits a processor.
Importing this package makes the classifier known to ``AutoModelForSequenceClassification``.
"""

from ..models.modeling_feature_classifier import FeatureClassifier, FeatureClassifierConfig
from .deployment import deployable, head_of, save_deployable
from .embedding import embed, embed_views
from .encoders import Encoder, SentenceEncoder
from .extraction import features_of
from .image_embedding import embed_images
from .image_encoders import ImageEncoder, VisionEncoder
from .store import FeatureStore


__all__ = [
    "Encoder",
    "FeatureClassifier",
    "FeatureClassifierConfig",
    "FeatureStore",
    "ImageEncoder",
    "SentenceEncoder",
    "VisionEncoder",
    "deployable",
    "embed",
    "embed_images",
    "embed_views",
    "features_of",
    "head_of",
    "save_deployable",
]
