"""Which files of a model's folder may go to the Hub: those on this list, and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


__all__ = ["published_files"]

CARD = "README.md"
MODEL = re.compile(
    r"config\.json|generation_config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"
    r"|adapter_config\.json|adapter_model\.safetensors"
)
PROCESSOR = re.compile(
    r"tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|chat_template\.jinja"
    r"|vocab\.txt|vocab\.json|merges\.txt|[a-z.]+\.model|preprocessor_config\.json|processor_config\.json"
)
# Whatever their names: these may be pickles.
NEVER = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz")


def published_files(folder: str | Path, processing_class: Any = None) -> list[str]:
    """Names of the files of a folder that may be pushed: weights and configs, tokenizer or processor, model card.

    Not among them are pickles, the optimizer's and the method's state, checkpoints, logs, results and settings, nor
    anything that a person or another program put there.

    Args:
        folder: where a model was saved.
        processing_class: its tokenizer, which may have vocabulary files of other names; or its image processor.
    """
    own = set(getattr(processing_class, "vocab_files_names", {}).values())
    names = sorted(path.name for path in Path(folder).iterdir() if path.is_file() and not path.is_symlink())
    return [
        name
        for name in names
        if (name == CARD or name in own or MODEL.fullmatch(name) or PROCESSOR.fullmatch(name))
        and not name.endswith(NEVER)
    ]
