"""What a model sees of an example in a view, before it is encoded: for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..augment import Augmentation, Identity
from ..augment.plans import PLAN, DeviceAugmentation, LateAugmentation


__all__ = ["view_content"]


def view_content(
    augment: Augmentation | None,
    example: dict[str, Any],
    rng: np.random.Generator,
    content: Callable[[Mapping[str, Any]], Any],
) -> Any:
    """The text or the image of a view; ``None`` where it cannot be shown.

    A view that follows rates which training moves is shown by the rates as they are now.

    Args:
        augment: how the view is made; ``None`` for the example as it is.
        example: a row of the data.
        rng: of this view of this visit, see :func:`textssl.data.views.view_rng`.
        content: what is encoded of an example.
    """
    if augment is None or isinstance(augment, Identity):
        return content(example)
    made = augment(example, rng)
    if PLAN not in made:
        return content(made)
    if isinstance(augment, LateAugmentation):
        return content(augment.finish([made[PLAN]])[0])
    return _on_device(augment, content(made), made[PLAN]) if isinstance(augment, DeviceAugmentation) else None


def _on_device(augment: DeviceAugmentation, image: Image.Image, plan: np.ndarray) -> Image.Image:
    """Carry out the plan of one image, in its own size."""
    shown = image if image.mode in ("L", "RGB") else image.convert("RGB")
    pixels = np.atleast_3d(np.asarray(shown, dtype=np.float32)) / 255
    changed = augment.apply(torch.from_numpy(pixels).permute(2, 0, 1)[None], [plan])[0]
    values = (changed * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(values[..., 0] if shown.mode == "L" else values)
