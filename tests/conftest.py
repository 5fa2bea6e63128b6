"""Every test runs offline, on the CPU, on one thread."""

from __future__ import annotations

import gc
import os


# Before torch or huggingface_hub are imported anywhere: both read them once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import pytest
from hypothesis import settings


# A busy machine is no defect of an example.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def _embeddings_are_kept_out_of_the_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["TEXTSSL_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _imported_modules_are_no_garbage() -> None:
    """Accelerate collects garbage whenever a training begins: most of a short one is a walk over what was imported."""
    gc.collect()
    gc.freeze()
