"""What other libraries print while a command runs."""

from __future__ import annotations

import logging
import os
import sys
import warnings


__all__ = ["silence_loaded_libraries", "silence_other_libraries"]

# Read once, when the libraries are imported.
SETTINGS = {
    # Threads that wait in a loop take the core that another program needs: eight times slower on a busy machine.
    "OMP_WAIT_POLICY": "PASSIVE",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
OTHERS = r"(accelerate|datasets|huggingface_hub|peft|sentence_transformers|sklearn|torch|transformers)(\.|$)"


def silence_other_libraries() -> None:
    """Show warnings of this library alone, a line each; variables of the environment that are set stay as they are."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if "transformers" in sys.modules:
        # Too late for the variables.
        from transformers.utils import logging as transformers_logging

        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=OTHERS)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(message)s"))
    logger = logging.getLogger("textssl")
    logger.handlers, logger.propagate = [handler], False


def silence_loaded_libraries() -> None:
    """The same of libraries that are imported already, as in a script; what a person set in the environment stays."""
    import datasets
    import huggingface_hub.utils
    import transformers

    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    huggingface_hub.utils.disable_progress_bars()
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", module=OTHERS)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return level + " ".join(super().format(record).split())
