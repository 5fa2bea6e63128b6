"""The collator: augments each example once per view, by an rng of its own, and encodes the views."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..augment import Augmentation, Identity
from ..augment.plans import PLAN, LateAugmentation
from .sampler import STREAMS, Key
from .two_stream import Item


__all__ = ["Encode", "ViewCollator", "view_rng"]

Encode = Callable[[Sequence[Any], Sequence[Any] | None], dict[str, Any]]


def view_rng(seed: int, key: Key, view: str) -> np.random.Generator:
    """The rng of one view of one visit to one example.

    It depends on nothing else, so worker count, process count, batch and resume cannot change an augmentation.
    """
    words = struct.pack("<4q", seed, *key)
    return np.random.Generator(np.random.PCG64(_Hashed(words + view.encode())))  # type: ignore[arg-type]


class _Hashed(np.random.bit_generator.ISeedSequence):
    """State of a generator from a hash: numpy's own seeding takes four times as long, and there is one a view."""

    def __init__(self, words: bytes) -> None:
        self.state = hashlib.blake2b(words, digest_size=32).digest()

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        return np.frombuffer(self.state, dtype)[:n_words]


class ViewCollator:
    """Makes what :class:`textssl.Objective` calls a batch, or an ordinary one from plain examples.

    Args:
        encode: ``(contents, keys) -> inputs`` of one view.
        views: for each stream, the names of its views.
        augmentations: for each name, how the view is made; a name that is missing is the example as it is.
        seed: of all augmentations.
        column: what holds the text or the image.
        label_column: what holds the class number.
        probs_column: what holds a teacher's probabilities of an unlabeled example; ``None`` if nobody wants them.
        pair_column: what holds the second text of an example; ``None`` where examples are single.
    """

    def __init__(
        self,
        encode: Encode,
        views: Mapping[str, Sequence[str]],
        augmentations: Mapping[str, Augmentation],
        seed: int,
        column: str = "text",
        label_column: str = "label",
        probs_column: str | None = None,
        pair_column: str | None = None,
    ) -> None:
        self.encode = encode
        self.views = views
        self.augmentations = augmentations
        self.seed = seed
        self.column = column
        self.label_column = label_column
        self.probs_column = probs_column
        self.pair_column = pair_column

    def __call__(self, items: Sequence[Item] | Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Collate items of a two-stream data set, or plain examples for evaluation."""
        loaded = [item for item in items if isinstance(item, Item)]
        if not loaded:
            return self._plain([item for item in items if not isinstance(item, Item)])
        batch: dict[str, Any] = {}
        for stream, name in enumerate(STREAMS):
            members = [item for item in loaded if item.key.stream == stream]
            if not members or name not in self.views:
                continue
            batch[name] = {view: {**self._view(members, view), "stream": name} for view in self.views[name]}
            batch[name]["index"] = torch.tensor([item.key.index for item in members])
            if name == "labeled":
                batch[name]["labels"] = self._labels([item.example for item in members])
            elif self.probs_column is not None:
                probs = np.asarray([item.example[self.probs_column] for item in members], dtype=np.float32)
                batch[name]["probs"] = torch.from_numpy(probs)
        return batch

    def _view(self, items: Sequence[Item], view: str) -> dict[str, Any]:
        augment = self.augmentations.get(view)
        if augment is None or isinstance(augment, Identity):
            keys = [(item.key.stream, item.key.index) for item in items]
            return self.encode([self.content(item.example) for item in items], keys)
        augmented = [augment(item.example, view_rng(self.seed, item.key, view)) for item in items]
        plans = [example[PLAN] for example in augmented if PLAN in example]
        # Of a late augmentation the text is not yet what it will be.
        inputs = {} if isinstance(augment, LateAugmentation) else self.encoded(augmented)
        return {**inputs, PLAN: plans} if plans else inputs

    def content(self, example: Mapping[str, Any]) -> Any:
        """What is encoded of an example: a text, an image, features; or a pair of texts."""
        content = example[self.column]
        return content if self.pair_column is None else (content, example[self.pair_column])

    def encoded(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Inputs of examples that are as the model shall see them."""
        return self.encode([self.content(example) for example in examples], None)

    def _plain(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        batch = self.encoded(examples)
        batch = {key: value for key, value in batch.items() if isinstance(value, torch.Tensor)}
        if self.label_column in examples[0]:
            batch["labels"] = self._labels(examples)
        return batch

    def _labels(self, examples: Sequence[dict[str, Any]]) -> torch.Tensor:
        return torch.tensor([example[self.label_column] for example in examples], dtype=torch.long)
