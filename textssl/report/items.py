"""Texts and images as a report shows them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from textssl.report.parts import Item


if TYPE_CHECKING:
    from PIL import Image


__all__ = ["item_of"]

PIXELS = 160
# What is longer is shown by its beginning.
CHARACTERS = 5_000


def item_of(content: Any) -> Item:
    """Show a text, a pair of texts, or an image; of anything else, such as a vector, nothing is shown."""
    if isinstance(content, str):
        return Item(text=content if len(content) <= CHARACTERS else f"{content[:CHARACTERS]} ...")
    if isinstance(content, tuple | list) and content and all(isinstance(part, str) for part in content):
        return item_of("\n".join(content))
    if hasattr(content, "resize") and hasattr(content, "mode"):
        return Item(image=_encoded(content))
    return Item()


def _encoded(image: Image.Image) -> str:
    """PNG in base64; a large image is made smaller."""
    shown = image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB")
    if max(shown.size) > PIXELS:
        shown = shown.copy()
        shown.thumbnail((PIXELS, PIXELS))
    content = io.BytesIO()
    shown.save(content, format="PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode("ascii")
