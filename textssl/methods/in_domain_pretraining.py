"""In-domain pretraining: masked language modelling on the task's texts, then labels (Gururangan et al., 2020).

"Don't Stop Pretraining" (arXiv:2004.10964), there task-adaptive pretraining, TAPT; UDA's authors have it as "BERT
finetune" (Xie et al., 2020, arXiv:1904.12848). The encoder first learns, of all texts U and the labeled ones, to
predict the tokens M of a window x that are masked in x~,

    mean_{x, m in M(x)} CE(x_m, p(x~)_m),

and then, below a fresh classifier, the cross entropy of the labeled examples, mean_B CE(y, p(x)).

*Views.* labeled: ``weak``. The unlabeled texts are read by the first stage alone.

*State.* None. The first stage lies in ``output_dir/pretraining``, an ordinary checkpoint.

*Cost.* The first stage is masked language modelling for ``pretraining_steps``, of which the head is run at masked
places alone. A step of the second is one forward and backward over B rows.

*Differs from the paper in.* Masks are drawn anew at each visit; the paper duplicates its corpus with other masks.
The tokens to predict are 15 % of each window, not each with a chance of 15 %. Labeled texts are among the corpus, as
in the paper, whose corpus is the training set of the task. A checkpoint without a head for masked words gets a fresh
one, which learns ten times as fast: all checkpoints of the paper have one. While such a head is learned, in a run of
minutes, the encoder gains little.

*When it fails.* In short runs it does not pay: 150 steps of 32 windows ended below supervised training on two of three
seeds (IMDb, 100 labels). Its gains are published for runs of thousands of steps.

*Relations.* Supervised training of a better encoder. Any other method can start from the folder of the first stage:
it takes the place of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import datasets
from torch import Tensor, nn
from transformers import PreTrainedModel, set_seed

from ..citation import Citation
from ..config import SSLConfig, check_positive
from ..data.validation import check_texts
from ..errors import UserError
from ..forward.backend import Backend
from ..forward.base import Forward
from ..models.adapters import refuse_adapters
from ..objective import Batch, Objective
from ..pretraining import PretrainingConfig, pretrain_in_domain
from ..pretraining.config import before_fine_tuning
from ..pretraining.corpus import texts_of
from ..pretraining.masked_lm import copy_encoder, encoder_of
from ..pretraining.stage import check_pretrainable
from ..step_cost import StepCost
from ..training.checkpoints import resolve_checkpoint
from ..training.model_init import new_model
from ..training.trainer import SSLTrainer


__all__ = ["InDomainPretraining", "InDomainPretrainingConfig", "InDomainPretrainingTrainer"]

FOLDER = "pretraining"


@dataclass
class InDomainPretrainingConfig(SSLConfig):
    """Arguments of both stages. Those of the first one begin with ``pretraining_``; defaults are the paper's.

    The other fields are of the second stage: an epoch is a pass over the labeled data, and ``mu`` has no effect.

    Args:
        pretraining_steps: steps of masked language modelling; by default ``pretraining_epochs`` decide.
        pretraining_epochs: passes over all texts; 100.
        pretraining_learning_rate: its peak; 1e-4.
        pretraining_batch_size: windows of ``max_length`` tokens in a step, over all processes; 256.
        pretraining_mask_share: share of the tokens that are to be predicted; 0.15.

    Raises:
        UserError: a value out of range.
    """

    pretraining_steps: int | None = field(default=None, metadata={"help": "Steps of the first stage."})
    pretraining_epochs: float = field(
        default=100.0, metadata={"help": "Passes over all texts, unless steps are given."}
    )
    pretraining_learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate of the first stage."})
    pretraining_batch_size: int = field(default=256, metadata={"help": "Windows of a step of the first stage."})
    pretraining_mask_share: float = field(default=0.15, metadata={"help": "Share of tokens to predict."})

    def __post_init__(self) -> None:
        for name in ("steps", "epochs", "learning_rate", "batch_size", "mask_share"):
            check_positive(f"pretraining_{name}", getattr(self, f"pretraining_{name}"))
        if self.pretraining_mask_share > 1:
            raise UserError(f"pretraining_mask_share: got {self.pretraining_mask_share}; expected a number in (0, 1]")
        super().__post_init__()

    def first_stage(self) -> PretrainingConfig:
        """Arguments of the first stage, in a folder of ``output_dir``.

        Raises:
            UserError: a batch that cannot be divided among the processes.
        """
        return before_fine_tuning(
            self,
            str(Path(str(self.output_dir), FOLDER)),
            self.pretraining_batch_size,
            max_steps=self.pretraining_steps or -1,
            num_train_epochs=self.pretraining_epochs,
            learning_rate=self.pretraining_learning_rate,
            mask_share=self.pretraining_mask_share,
        )


class InDomainPretraining(Objective):
    """Mean cross entropy of the labeled batch; what is new lies in the encoder that it starts from."""

    views: ClassVar[dict[str, tuple[str, ...]]] = {"labeled": ("weak",)}
    cost: ClassVar[StepCost | None] = StepCost(
        forward=(1, 0), backward=(1, 0), besides="masked language modelling first"
    )
    modalities: ClassVar[tuple[str, ...]] = ("text",)
    other_needs: ClassVar[tuple[str, ...]] = ("unlabeled",)
    citation: ClassVar[Citation | None] = Citation(
        title="Don't Stop Pretraining: Adapt Language Models to Domains and Tasks",
        authors=(
            "Suchin Gururangan",
            "Ana Marasović",
            "Swabha Swayamdipta",
            "Kyle Lo",
            "Iz Beltagy",
            "Doug Downey",
            "Noah A. Smith",
        ),
        year=2020,
        arxiv="2004.10964",
        bibtex="""@inproceedings{gururangan2020dont,
  title     = {Don't Stop Pretraining: Adapt Language Models to Domains and Tasks},
  author    = {Gururangan, Suchin and Marasovi\\'{c}, Ana and Swayamdipta, Swabha and Lo, Kyle and Beltagy, Iz and
               Downey, Doug and Smith, Noah A.},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year      = {2020}
}""",
    )

    def check_model(self, backend: Backend, model: nn.Module) -> None:
        """Refuse a model with adapters."""
        super().check_model(backend, model)
        refuse_adapters(
            "model",
            model,
            "the first stage trains the whole encoder, which adapters do not hold; pretrain with "
            "textssl.pretraining.pretrain_in_domain, and add adapters to the model of its folder",
        )

    def loss(self, forward: Forward, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return ``loss`` and ``supervised``, which are the same."""
        return self.warm_start_loss(forward, batch, progress)


class InDomainPretrainingTrainer(SSLTrainer):
    """Trains the encoder on all texts, then fine-tunes on the labeled data.

    Args:
        model: a classifier of texts.
        args: the settings of both stages.
        train_dataset: the labeled examples.
        unlabeled_dataset: the unlabeled ones, which the first stage reads beside them.
        *more: as for :class:`textssl.SSLTrainer`.
        **kwargs: as there.

    Raises:
        UserError: data or settings that cannot work, before any training.
    """

    objective_class = InDomainPretraining
    config_class = InDomainPretrainingConfig
    args: InDomainPretrainingConfig
    model: PreTrainedModel

    def __init__(
        self,
        model: PreTrainedModel | None = None,
        args: Any = None,
        train_dataset: datasets.Dataset | None = None,
        unlabeled_dataset: datasets.Dataset | None = None,
        *more: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, args, train_dataset, unlabeled_dataset, *more, **kwargs)
        if unlabeled_dataset is None:
            raise UserError(f"unlabeled_dataset: got None; {type(self).__name__} needs unlabeled examples")
        check_texts(unlabeled_dataset, args.text_column, "unlabeled_dataset")
        check_pretrainable(self.modality.model, self.processing_class, args.first_stage())
        self.texts = texts_of([train_dataset, unlabeled_dataset], self.modality.columns(args))

    def train(  # type: ignore[override]  # what else Trainer takes is handed through
        self, resume_from_checkpoint: str | bool | None = None, trial: Any = None, **kwargs: Any
    ) -> Any:
        """Train both stages; with ``resume_from_checkpoint=True`` go on where the newest finished checkpoint is.

        A first stage of the same settings that is finished in the folder is not repeated.

        Raises:
            UserError: the checkpoint is missing, unfinished or damaged.
        """
        checkpoint = resolve_checkpoint(resume_from_checkpoint, str(self.args.output_dir))
        with new_model(self, trial):
            if checkpoint is None:
                tokenizer: Any = self.processing_class
                resume = True if resume_from_checkpoint else None
                first = pretrain_in_domain(self.model, tokenizer, self.texts, self.args.first_stage(), resume)
                copy_encoder(encoder_of(first), self.model)
                # As if nothing had been drawn: whether the first stage ran now or before must not show.
                set_seed(self.args.seed)
            return super().train(checkpoint, trial, **kwargs)
