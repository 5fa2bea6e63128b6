"""A Trainer whose checkpoints hold an objective's state, are sealed when whole, and are checked before use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import TrainerState
from transformers.trainer_utils import TrainOutput, rotate_checkpoints

from ..errors import UserError
from ..models.adapters import save_base_config
from ..models.weights import load_weights
from ..objective import Objective
from . import checkpoints
from .divergence import DivergenceTrainer
from .publishing import PublishingTrainer
from .run_record import check_same_run, run_record, write_record


__all__ = ["CheckpointingTrainer"]


class CheckpointingTrainer(DivergenceTrainer, PublishingTrainer):
    """What ``checkpoint-N`` is: the evaluated model as a plain Transformers checkpoint, the objective, and a seal.

    Its own folder holds the model whose score is logged. Where that is not the student, such as a moving average, the
    student is in ``checkpoint-N/student``.

    The seal is written last, and older checkpoints go only after it: whenever the run is killed, the newest sealed
    checkpoint is whole.
    """

    objective: Objective
    # What the run is trained with; made when it is first written or compared, for the data are read for it.
    _run_record: dict[str, Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise UserError("fsdp/deepspeed: not supported yet; use DDP (accelerate launch --multi_gpu)")

    @property
    def evaluated_model(self) -> nn.Module:
        """The model that evaluates best by the method's own rule: the student, or its teacher."""
        return self.objective.evaluated(self.unwrapped_model)

    def create_optimizer(self, model: Any = None) -> Any:
        """Trainer's optimizer, or a person's, which moves the objective's own parameters by the same rules."""
        optimizer = super().create_optimizer(model)
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        own = {n: p for n, p in self.objective.named_parameters() if p.requires_grad and id(p) not in known}
        decayed = set(self.get_decay_parameter_names(self.objective))
        for names, decay in ((own.keys() & decayed, self.args.weight_decay), (own.keys() - decayed, 0.0)):
            if names:
                optimizer.add_param_group({"params": [own[n] for n in own if n in names], "weight_decay": decay})
        return optimizer

    def train(  # type: ignore[override]  # what else Trainer takes is handed through
        self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any
    ) -> Any:
        """Train; with ``resume_from_checkpoint=True`` go on from the newest finished checkpoint.

        A run that had taken its last step takes none.

        Raises:
            UserError: the checkpoint is missing, unfinished or damaged, or of a run under other circumstances.
        """
        self._run_record = None
        checkpoint = checkpoints.resolve_checkpoint(resume_from_checkpoint, str(self.args.output_dir))
        if checkpoint is not None:
            self._run_record = run_record(self)
            check_same_run(self._run_record, checkpoint)
            state = TrainerState.load_from_json(str(Path(checkpoint, "trainer_state.json")))
            steps, epochs = self.args.max_steps, self.args.num_train_epochs
            if state.global_step >= steps if steps > 0 else (state.epoch or 0.0) >= epochs:
                return self._finished(checkpoint, state)
        return super().train(resume_from_checkpoint=checkpoint, **kwargs)

    def _finished(self, checkpoint: str, state: TrainerState) -> TrainOutput:
        """What the last step left. Trainer, which looks after a step whether it was the last, would take one more."""
        self.state = state
        if self.args.load_best_model_at_end:
            state.best_model_checkpoint = checkpoints.best_checkpoint(state.best_model_checkpoint, checkpoint)
        if self.args.load_best_model_at_end and state.best_model_checkpoint is not None:
            self._load_best_model()
        else:
            self._load_from_checkpoint(checkpoint)
            checkpoints.load_objective(self.objective, checkpoint)
        # As Trainer ends its history.
        metrics = {"train_runtime": 0.0, "total_flos": state.total_flos}
        self.log(metrics)
        return TrainOutput(state.global_step, 0.0, metrics)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write a plain Transformers checkpoint of the evaluated model; in a checkpoint the student lies beside it."""
        student, evaluated = self.model, self.evaluated_model
        self.model = evaluated
        try:
            super().save_model(output_dir, _internal_call)
            if self.args.should_save:
                save_base_config(self.model, output_dir or str(self.args.output_dir))
        finally:
            self.model = student
        if _internal_call and output_dir is not None and self.args.should_save:
            checkpoints.save_student(self.accelerator.unwrap_model(student), evaluated, output_dir)

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int] | None:
        # In order: only the sampler of training batches knows what to group by.
        return SequentialSampler(eval_dataset) if self.args.world_size == 1 else None

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self._get_output_dir(trial=trial), f"checkpoint-{self.state.global_step}")
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            if self.args.should_save:
                checkpoints.unseal(folder)
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                if self.args.save_only_model:
                    checkpoints.save_objective(self.objective, folder, self.evaluated_model)
                self._run_record = self._run_record or run_record(self)
                write_record(self._run_record, folder)
                checkpoints.seal(folder)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise checkpoints.failed_save(folder, error) from error
        finally:
            self.args.save_total_limit = limit
        # Only now may an older one go: the new one is whole.
        if self.args.should_save:
            rotate_checkpoints(
                output_dir=str(folder.parent),
                save_total_limit=limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=True,
            )

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.args.should_save:
            checkpoints.save_objective(self.objective, output_dir, self.evaluated_model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            checkpoints.load_objective(self.objective, checkpoint)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        model = self.accelerator.unwrap_model(self.model if model is None else model)
        load_weights(model, checkpoints.student_folder(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        best = str(self.state.best_model_checkpoint)
        self._load_from_checkpoint(best)
        checkpoints.load_objective(self.objective, best)
