"""Text: token ids with padding, word embeddings as the continuous input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UserError
from ...forward.backend import Backend, Inputs
from ...forward.device_transfer import rows_on
from ...forward.inside import check_hidden, read_vector
from ...functional import join_masks
from ...state.module_modes import evaluating


__all__ = ["TextBackend"]

TYPES = "token_type_ids"
EMBEDDABLE = (
    "models such as BERT, RoBERTa, DistilBERT, DeBERTa, ELECTRA, ALBERT, MiniLM and ModernBERT serve, and decoders "
    "with rotary positions, such as Llama and Qwen, whose tokenizer pads on the left"
)


class TextBackend(Backend):
    """Inputs hold ``input_ids`` [B, T] (or ``inputs_embeds`` [B, T, H]) and ``attention_mask`` [B, T].

    Those of pairs of texts hold ``token_type_ids`` [B, T] besides.

    Args:
        pad_token_id: fills what is added to short rows.
        padding_side: ``"right"`` or ``"left"``, the tokenizer's.
        multiple: widths stay multiples of it when rows are taken, which tensor cores like.
        ends_in_padding: whether the tokenizer ends each text with its padding token, as where that is the end token.
        token_types: whether inputs hold token types.
    """

    pretext: ClassVar[str | None] = "order"
    pretext_classes: ClassVar[int] = 2

    def __init__(
        self,
        pad_token_id: int = 0,
        padding_side: str = "right",
        multiple: int = 1,
        ends_in_padding: bool = False,
        token_types: bool = False,
    ) -> None:
        if padding_side not in ("left", "right"):
            raise ValueError(f"padding_side: got {padding_side!r}; allowed: 'left', 'right'")
        self.pad_token_id = pad_token_id
        self.padding_side = padding_side
        self.multiple = multiple
        self.ends_in_padding = ends_in_padding
        self.token_types = token_types

    def size(self, inputs: Inputs) -> int:
        """Number of rows."""
        return int(inputs["attention_mask"].shape[0])

    def join(self, many: Sequence[Inputs]) -> Inputs:
        """All rows, padded to the widest input."""
        if len({"inputs_embeds" in inputs for inputs in many}) > 1:
            raise ValueError("inputs: token ids and embeddings cannot share a pass; call forward for each")
        width = max(inputs["attention_mask"].shape[1] for inputs in many)
        joined: dict[str, Any] = {
            key: torch.cat([self._widen(inputs[key], width, key) for inputs in many]) for key in self.tensors(many[0])
        }
        return {**joined, "lengths": [length for inputs in many for length in inputs["lengths"]]}

    def take(self, inputs: Inputs, rows: Sequence[int]) -> Inputs:
        """The named rows, cut to the longest of them."""
        lengths = [inputs["lengths"][row] for row in rows]
        full = inputs["attention_mask"].shape[1]
        width = min(-(-max(lengths, default=0) // self.multiple) * self.multiple, full)
        kept = slice(full - width, full) if self.padding_side == "left" else slice(0, width)
        index = rows_on(rows, inputs["attention_mask"].device)
        cut = {key: value[:, kept].index_select(0, index) for key, value in self.tensors(inputs).items()}
        return {**inputs, **cut, "lengths": lengths}

    def check_continuous(self, model: nn.Module) -> None:
        """Raise UserError unless ``inputs_embeds`` of the embeddings give the logits of ``input_ids``.

        Some models refuse ``inputs_embeds``; others take them and then find the end of a padded text by its ids.
        """
        example = self._example(model)
        try:
            with torch.no_grad(), evaluating(model):
                expected = model(**example).logits
                got = model(**self.from_embedding(example, self.embed(model, example))).logits
        except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
            raise UserError(f"model: {type(model).__name__} takes no inputs_embeds; {EMBEDDABLE}") from error
        if not torch.allclose(expected, got, atol=1e-3, rtol=1e-2):
            raise UserError(
                f"model: the logits of {type(model).__name__} from inputs_embeds are not those from input_ids; "
                f"{EMBEDDABLE}"
            )

    def check_hidden(self, model: nn.Module, numbers: list[int]) -> None:
        """Raise UserError unless hidden layers ``numbers`` can be mixed, masks and pooling following."""
        check_hidden(model, self._example(model), numbers)

    def check_pooled(self, model: nn.Module) -> None:
        """Raise UserError unless the last linear layer reads one vector of each text."""
        with torch.no_grad(), evaluating(model), read_vector(model):
            model(**self._example(model))

    def changed(self, inputs: Inputs, classes: Sequence[int]) -> Inputs:
        """Rows of class 1 have the two halves of what stands between the first and the last token exchanged."""
        width = inputs["input_ids"].shape[1]
        places = [self._places(length, width, swap) for length, swap in zip(inputs["lengths"], classes, strict=True)]
        index = rows_on(places, inputs["input_ids"].device)
        # A token keeps its type.
        moved = [key for key in ("input_ids", TYPES) if key in inputs]
        return {**inputs, **{key: inputs[key].gather(1, index) for key in moved}}

    def _places(self, length: int, width: int, swap: int) -> list[int]:
        """For each position of a row, where its token comes from."""
        places = list(range(width))
        start = width - length if self.padding_side == "left" else 0
        inner = places[start + 1 : start + length - 1]
        if swap:
            half = len(inner) // 2
            places[start + 1 : start + length - 1] = inner[half:] + inner[:half]
        return places

    def _example(self, model: nn.Module) -> dict[str, Tensor]:
        """Two texts, the second half as long and at no position like the first; their token types take turns."""
        device = next(model.parameters()).device
        ids = torch.full((2, 4), self.pad_token_id, device=device)
        words = torch.arange(4, device=device) + self.pad_token_id + 1
        ids[0] = words % int(model.get_input_embeddings().num_embeddings)  # type: ignore[operator]
        first, last = slice(0, 2), slice(2, 4)
        kept, other = (last, first) if self.padding_side == "left" else (first, last)
        ids[1, kept] = ids[0, other]
        mask = (ids != self.pad_token_id).long()
        if self.ends_in_padding:
            end = [4, 4] if self.padding_side == "left" else [4, 2]
            ids, mask = F.pad(ids, (0, 1), value=self.pad_token_id), F.pad(mask, (0, 1))
            mask[[0, 1], end] = 1
        types = {TYPES: torch.arange(ids.shape[1], device=device) % 2 * mask} if self.token_types else {}
        return {"input_ids": ids, "attention_mask": mask, **types}

    def embed(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """Word embeddings [B, T, H], before positions and normalisation.

        Where there are token types, what their embeddings add to that of type 0 is in it too: the model, which is
        given no types beside embeddings, adds that of type 0. So a mix of two texts has the types of both.
        """
        words: Tensor = model.get_input_embeddings()(inputs["input_ids"])  # type: ignore[operator]
        types = inputs.get(TYPES)
        table = None if types is None else _type_embeddings(model)
        return words if table is None else words + (table(types) - table.weight[0])

    def from_embedding(self, inputs: Inputs, embedding: Tensor) -> Inputs:
        """``inputs`` with ``embedding`` [B, T, H] in place of the token ids and types."""
        kept = {key: value for key, value in inputs.items() if key not in ("input_ids", TYPES)}
        return {**kept, "inputs_embeds": embedding}

    def mask(self, inputs: Inputs) -> Tensor | None:
        """The attention mask."""
        mask: Tensor = inputs["attention_mask"]
        return mask

    def mixable(self, inputs: Inputs, index: Sequence[int]) -> Inputs:
        """``inputs`` with the union of the attention masks of each pair."""
        mask, lengths = inputs["attention_mask"], inputs["lengths"]
        joined = join_masks(mask, rows_on(index, mask.device))
        longer = [max(length, lengths[partner]) for length, partner in zip(lengths, index, strict=True)]
        return {**inputs, "attention_mask": joined, "lengths": longer}

    def _widen(self, x: Tensor, width: int, key: str) -> Tensor:
        missing = width - x.shape[1]
        if missing == 0:
            return x
        sides = (missing, 0) if self.padding_side == "left" else (0, missing)
        fill = self.pad_token_id if key == "input_ids" else 0
        return F.pad(x, (*(0, 0) * (x.dim() - 2), *sides), value=fill)


def _type_embeddings(model: nn.Module) -> nn.Embedding | None:
    """BERT's embeddings of token types, which it adds to those of words."""
    for name, module in model.named_modules():
        if name.endswith("token_type_embeddings") and isinstance(module, nn.Embedding):
            return module
    return None
