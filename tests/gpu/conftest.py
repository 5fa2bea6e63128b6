"""Nothing here is collected without a CUDA device."""

from __future__ import annotations

from tests.gpu.device import why_not


collect_ignore = ["test_contract.py"] if why_not() else []
