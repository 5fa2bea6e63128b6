"""A Trainer that saves its settings as JSON, not as a pickle, and pushes listed files alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, get_token
from transformers import Trainer
from transformers.trainer_utils import HubStrategy, SaveStrategy
from transformers.utils import is_torch_xla_available
from transformers.utils.hub import PushInProgress

from ..config.saved_settings import write_settings
from ..errors import UserError
from ..hub.published_files import CARD, published_files
from ..secrets import check_token


__all__ = ["PublishingTrainer"]


class PublishingTrainer(Trainer):
    """What is saved and pushed holds no secret and no pickle of the arguments.

    Trainer itself writes ``training_args.bin``, its arguments with the Hub's token in clear, into the output folder
    and every checkpoint, and pushes whatever lies in the output folder.
    """

    push_in_progress: Any
    # What makes of the evaluated model the one that the output folder is to hold, with its tokenizer or processor;
    # checkpoints hold the model that is trained.
    exported: Callable[[Any], tuple[Any, Any]] | None = None
    _saved_processing: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if is_torch_xla_available():
            # Its saving is another, which writes the token.
            raise UserError("torch_xla: training on TPU is not supported yet; uninstall torch_xla to train elsewhere")
        super().__init__(*args, **kwargs)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # Trainer's own, but for the arguments that it pickles.
        if not self.args.should_save:
            return
        folder = str(output_dir or self.args.output_dir)
        final = Path(folder) == Path(str(self.args.output_dir))
        if final:
            # A push that runs beside the training reads these files.
            self._finish_current_push()
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        processing_class = self.processing_class
        if final and self.exported is not None:
            (model, processing_class), state_dict = self.exported(model), None
            self._saved_processing = processing_class
        model.save_pretrained(folder, state_dict=state_dict)
        if processing_class is not None:
            processing_class.save_pretrained(folder)
        write_settings(self.args, folder)

    # --- pushing

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Create the repository on the Hub, unless it is there.

        Raises:
            UserError: a token that cannot be one.
        """
        check_token("hub_token", token or self.args.hub_token or get_token())
        # The oldest transformers that is allowed knows no ``private`` here.
        super().init_hf_repo(token, **({} if private is None else {"private": private}))

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Push the evaluated model, its tokenizer or processor and its card, and no other file.

        Args:
            commit_message: of the commit.
            blocking: wait until all is there.
            token: with write permission; by default ``args.hub_token``, or the one that is logged in.
            revision: branch to commit to.
            private: whether a repository that is made is private.
            **kwargs: for :meth:`create_model_card`.

        Returns:
            What ``HfApi.upload_folder`` returns; ``None`` on processes other than the first.
        """
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        if self.hub_model_id is None:
            self.init_hf_repo(token, private)
        self.save_model(_internal_call=True)
        if not self.is_world_process_zero():
            return None
        kwargs.setdefault("model_name", str(self.hub_model_id).split("/")[-1])
        self.create_model_card(**kwargs)
        self._finish_current_push()
        return self._upload(str(commit_message), blocking, token, revision)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        # Trainer's own, which copies the weights and pushes the whole folder.
        args, running = self.args, getattr(self, "push_in_progress", None)
        if not self.is_world_process_zero() or args.hub_strategy == HubStrategy.END:
            return
        if running is not None and not running.is_done() and not args.hub_always_push:
            return
        self._finish_current_push()
        self.callback_handler.on_push_begin(args, self.state, self.control)
        for name in published_files(checkpoint_folder, self.processing_class):
            # The card of a checkpoint is not that of the run: adapters come with one.
            if name != CARD:
                shutil.copy(Path(checkpoint_folder, name), Path(str(args.output_dir), name))
        at = (
            f"step {self.state.global_step}"
            if args.save_strategy == SaveStrategy.STEPS
            else f"epoch {int(self.state.epoch or 0)}"
        )
        jobs: Any = [self._upload(f"Training in progress, {at}", blocking=False)]
        self.push_in_progress = PushInProgress(jobs)

    def _upload(self, message: str, blocking: bool, token: str | None = None, revision: str | None = None) -> Any:
        folder = str(self.args.output_dir)
        # Its overloads want a literal ``run_as_future``.
        api: Any = HfApi()
        return api.upload_folder(
            repo_id=str(self.hub_model_id),
            folder_path=folder,
            # Names without wildcards, at the top of the folder.
            allow_patterns=published_files(folder, self._saved_processing or self.processing_class),
            commit_message=message,
            token=token or self.args.hub_token,
            run_as_future=not blocking,
            revision=revision or self.args.hub_revision,
        )
