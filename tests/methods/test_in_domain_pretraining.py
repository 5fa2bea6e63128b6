"""In-domain pretraining: two stages, of which the first is done once."""

from __future__ import annotations

from typing import Any


CONTRACT_DEFAULT: dict[str, Any] = {"pretraining_steps": 2, "pretraining_batch_size": 8}
