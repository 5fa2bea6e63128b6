"""In-domain pretraining: masked language modelling on the texts of a task, before fine-tuning."""

from .config import PretrainingConfig
from .stage import pretrain_in_domain
from .trainer import PretrainingTrainer


__all__ = ["PretrainingConfig", "PretrainingTrainer", "pretrain_in_domain"]
