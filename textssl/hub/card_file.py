"""The card of a saved model, as its page on the Hub is to have it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textssl.errors import UserError
from textssl.hub.published_files import CARD


__all__ = ["card_for_the_hub"]

# How the snippet of a card names the folder that it lies in.
HERE = '"."'
COMMENT = "  # the folder of this file"
# The widget shows one line.
LONGEST = 300


def card_for_the_hub(folder: Path, repo_id: str, widget: Sequence[str] = ()) -> str:
    """The card, whose snippet loads the model from the Hub.

    Args:
        folder: of the model.
        repo_id: ``"user/name"``.
        widget: example texts for the model's page.

    Raises:
        UserError: a card that is no UTF-8, or metadata that the Hub does not take.
    """
    from huggingface_hub import ModelCard, ModelCardData

    path = folder / CARD
    try:
        content = path.read_text(encoding="utf-8") if path.is_file() else f"# {repo_id.split('/')[-1]}\n"
        card = ModelCard(content.replace(HERE, f'"{repo_id}"').replace(COMMENT, ""), ignore_metadata_errors=False)
        if not path.is_file():
            card.data = ModelCardData(library_name="transformers", tags=["textssl"])
        if widget:
            examples = [{"text": " ".join(text.split())[:LONGEST]} for text in widget]
            card.data["widget"] = [
                {"example_title": f"Example {number}", **example} for number, example in enumerate(examples, 1)
            ]
        card.validate()
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the Hub does not take this card ({' '.join(str(error).split())})") from error
    return str(card)
