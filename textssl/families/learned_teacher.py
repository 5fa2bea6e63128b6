"""A student and a teacher that learns too, by an optimizer of its own, after each step of the student."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..objective import Objective, Task
from ..self_training.teachers import load_teacher
from ..state import NetworkOptimizer, average_batch_norms, average_gradients, leave_out_shared
from ..training.callbacks import StepCallback
from ..training.head_learning_rate import relative_rates
from .second_network import SecondNetworkTrainer, make_second_network
from .teacher_feedback import requiring_gradients
from .teacher_optimizer import attach_optimizer


__all__ = ["TeacherStepCallback", "TrainedTeacherObjective", "TrainedTeacherTrainer"]


class TrainedTeacherObjective(Objective):
    """An objective with a teacher that is trained: it, and its optimizer, are part of the state.

    The trainer's optimizer leaves the teacher alone: its parameters require a gradient only while it learns.

    Attributes:
        teacher: the network.
        trained: those of its parameters that learn.
        student_rate: the student's learning rate in the step under way, which the trainer tells.
        student_rates: learning rates of its parameters that have others, by ``id``, in units of that one.
        teacher_terms: what the teacher's last step was made of, for the log.
    """

    other_needs: ClassVar[tuple[str, ...]] = ("second network",)
    teacher: nn.Module
    trained: list[nn.Parameter]

    def __init__(self, config: Any, task: Task) -> None:
        super().__init__(config, task)
        self.teacher_optimizer = NetworkOptimizer()
        self.student_rate = float(config.learning_rate)
        self.student_rates: dict[int, float] = {}
        self.teacher_terms: dict[str, Tensor] = {}

    def bind(self, model: nn.Module) -> None:
        """Make the teacher, unless there is one: a copy of the student with a head of its own."""
        if "teacher" not in self._modules:
            self.teacher = make_second_network(model, self.config.seed)  # type: ignore[arg-type]
        self.trained = [p for p in self.teacher.parameters() if p.requires_grad]
        # Passes that train switch the mode themselves.
        self.teacher.requires_grad_(False).eval()
        leave_out_shared(self, "teacher", model)

    def update_teacher(self, parts: Iterable[dict[str, Tensor]], count: int) -> None:
        """Let the teacher take a step, and set ``teacher_terms`` to the means of all terms.

        Args:
            parts: the terms of each micro-batch, made one by one; ``"teacher_loss"`` is differentiated.
            count: number of micro-batches.
        """
        recorded: list[dict[str, Tensor]] = []
        with requiring_gradients(self.trained):
            for terms in parts:
                (terms["teacher_loss"] / count).backward()
                recorded.append({name: value.detach() for name, value in terms.items()})
        # The teacher is wrapped by nothing.
        average_gradients(self.trained)
        self.teacher_optimizer.step(self.config.max_grad_norm)
        average_batch_norms(self.teacher)
        self.teacher_terms = {name: torch.stack([terms[name] for terms in recorded]).mean() for name in recorded[0]}


class TeacherStepCallback(StepCallback):
    """Adds the terms of the teacher's step to those that are logged."""

    run: TrainedTeacherTrainer

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Let the objective follow the student, and count what it has set ``teacher_terms`` to."""
        super().on_step_end(args, state, control, **kwargs)
        self.run.count_terms(self.run.objective.teacher_terms)


class TrainedTeacherTrainer(SecondNetworkTrainer):
    """A trainer of a student and of a teacher that learns too.

    In ``warm_start_steps`` the teacher learns alone; the student's learning rate is then 0.

    Args:
        model: the student.
        args: the method's config.
        train_dataset: the labeled examples.
        unlabeled_dataset: the unlabeled examples.
        eval_dataset: as for any trainer.
        processing_class: as for any trainer.
        augmentations: as for any trainer.
        teacher: what the teacher starts from, in place of ``args.teacher``; it is trained, not copied. Its classes,
            their order and its tokenizer must be the student's, its architecture need not.
        teacher_processing_class: tokenizer or image processor that ``teacher`` was made with, to be checked.
        **kwargs: as for any trainer. ``optimizers`` are the student's; the teacher's are made from ``args``.

    Raises:
        UserError: also for a teacher that cannot read the student's inputs or has other labels.
    """

    second_network_argument = "teacher"
    objective: TrainedTeacherObjective
    args: Any

    step_callback = TeacherStepCallback

    def _check_arguments(self, args: Any, *more: Any) -> None:
        super()._check_arguments(args, *more)
        if args.fp16:
            raise UserError("fp16: got True; nobody scales the loss of the teacher, so use bf16 or float32")

    def _bind_objective(self, student: nn.Module) -> None:
        teacher, processing_class = self._given
        if teacher is None and self.args.teacher is not None:
            teacher, processing_class = load_teacher(self.args.teacher, self.modality.name)
        if teacher is not None:
            teacher = self._check_given(student, teacher, processing_class)
            self.objective.teacher = self.accelerator.unwrap_model(teacher, keep_fp32_wrapper=False)
        super()._bind_objective(student)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The student's schedule; the teacher's optimizer and schedule are made with it."""
        rate, objective = self.args.teacher_learning_rate, self.objective
        rate = self.args.learning_rate if rate is None else rate
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        with requiring_gradients(objective.trained):
            attach_optimizer(objective.teacher_optimizer, self, objective.teacher, rate, num_training_steps)
        if self.args.head_learning_rate is not None:
            objective.student_rates = relative_rates(self.optimizer if optimizer is None else optimizer)
        return scheduler

    @property
    def warm_start_lr_factor(self) -> float:
        """0: in the warm start the student rests."""
        return 0.0

    @property
    def resets_optimizer(self) -> bool:
        """Also after the warm start: Adam would count the steps in which the student did nothing."""
        return super().resets_optimizer or 0 < self.args.warm_start_steps == self.state.global_step

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The objective's loss, which may ask for the learning rate."""
        if self.optimizer is not None:
            self.objective.student_rate = float(self.optimizer.param_groups[0]["lr"])
        return super().compute_loss(model, inputs, *args, **kwargs)
