"""A contact sheet: each image beside its views."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from .program import ShownViews


__all__ = ["contact_sheet"]

CELL, MARGIN, TITLE = 160, 8, 18
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def contact_sheet(shown: ShownViews) -> bytes:
    """A PNG: a row for each image, the original first, then its views, named above."""
    names = ["original", *shown.rows[0].views]
    width = MARGIN + len(names) * (CELL + MARGIN)
    height = TITLE + MARGIN + len(shown.rows) * (CELL + MARGIN)
    sheet = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(sheet)
    for place, name in enumerate(names):
        draw.text((MARGIN + place * (CELL + MARGIN), MARGIN // 2), name, BLACK)
    for number, row in enumerate(shown.rows):
        top = TITLE + MARGIN + number * (CELL + MARGIN)
        for place, image in enumerate([row.original, *row.views.values()]):
            cell = _fitted(image)
            left = MARGIN + place * (CELL + MARGIN)
            sheet.paste(cell, (left + (CELL - cell.width) // 2, top + (CELL - cell.height) // 2))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _fitted(image: Image.Image) -> Image.Image:
    """An image that fills a cell; pixels of a small one stay squares."""
    shown = image.convert("RGB")
    scale = CELL / max(shown.size)
    size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
    return shown.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)
