"""Examples as a page shows them: long texts cut, images small, what a view changed marked."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass

from textssl.report.html.shown import preview
from textssl.report.html.word_diff import Piece, word_diff
from textssl.report.parts import Item, ViewExample


__all__ = ["Images", "ShownExample", "ShownText", "ShownView", "shown_example", "shown_text"]

# Characters: of what is seen at once, of what can be unfolded, and of what is compared word by word.
SHORT, LONG, COMPARED = 320, 4_000, 1_000
# Characters of base64: of one image that is kept as it is, and of all images of a page.
SMALL, ROOM = 6_000, 900_000
SIDE = 160


@dataclass(frozen=True)
class ShownText:
    """A text: its beginning, more of it if it is long, and its length if it is longer than that."""

    beginning: str
    whole: str
    length: int
    is_cut: bool


@dataclass(frozen=True)
class ShownView:
    """A view: its name, its words with their changes, or an image."""

    name: str
    pieces: tuple[Piece, ...]
    image: str | None
    unchanged: bool


@dataclass(frozen=True)
class ShownExample:
    """An example with its views."""

    summary: str
    text: str | None
    image: str | None
    views: tuple[ShownView, ...]
    length: int
    is_cut: bool


def shown_text(text: str) -> ShownText:
    """What is seen at once and what can be unfolded; a text that is little longer than the one is not folded."""
    if len(text) <= 1.5 * SHORT:
        return ShownText(text, "", len(text), False)
    return ShownText(preview(text, SHORT), preview(text, LONG), len(text), len(text) > LONG)


class Images:
    """Images of a page, as data that a browser shows: none too large, and all together not more than a page holds."""

    def __init__(self, room: int = ROOM) -> None:
        self._left = room
        self.left_out = 0

    def shown(self, image: str | None) -> str | None:
        """A ``data:`` address, or ``None`` without an image, for one that cannot be read, or when the page is full."""
        if image is None:
            return None
        address = _address(image)
        if address is None or len(address) > self._left:
            self.left_out += 1
            return None
        self._left -= len(address)
        return address


def _address(image: str) -> str | None:
    try:
        data = base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(image) <= SMALL and data.startswith(b"\x89PNG\r\n\x1a\n"):
        return f"data:image/png;base64,{image}"
    smaller = _smaller(data)
    return None if smaller is None else f"data:image/jpeg;base64,{base64.b64encode(smaller).decode()}"


def _smaller(data: bytes) -> bytes | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            # Told from the header: a small file may hold a picture of gigabytes.
            if max(picture.size) > 4096:
                return None
            small = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=82)
    return buffer.getvalue()


def shown_example(example: ViewExample, images: Images) -> ShownExample:
    """The example beside its views; in a view of a text the words that it took out and put in."""
    text = example.original.text
    return ShownExample(
        summary="" if text is None else preview(" ".join(text[:400].split()), 110),
        text=None if text is None else preview(text, COMPARED),
        image=images.shown(example.original.image),
        views=tuple(_shown_view(name, text, view, images) for name, view in example.views),
        length=0 if text is None else len(text),
        is_cut=any(
            len(item.text or "") > COMPARED for item in (example.original, *(view for _, view in example.views))
        ),
    )


def _shown_view(name: str, text: str | None, view: Item, images: Images) -> ShownView:
    same = text is not None and view.text is not None and text.split() == view.text.split()
    pieces = [] if view.text is None else [Piece("same", preview(view.text, COMPARED))]
    if text is not None and view.text is not None and not same:
        pieces = word_diff(preview(text, COMPARED), preview(view.text, COMPARED))
        if max(len(text), len(view.text)) > COMPARED:
            # Both were cut, and not at the same word: the last words are no change.
            while len(pieces) > 1 and pieces[-1].change != "same":
                pieces.pop()
    return ShownView(name, tuple(pieces), images.shown(view.image), same)
