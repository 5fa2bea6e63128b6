"""A teacher by prompt: class probabilities of texts from a model that was not trained for the classes.

A model of natural language inference is asked whether the text entails "This text is about sport." (Yin et al., 2019,
arXiv:1909.00161). A generative model is asked how likely it would write "sport" after "TEXT This text is about",
against how likely it would without a text, so that frequent names do not win (contextual calibration, Zhao et al.,
2021, arXiv:2102.09690; Holtzman et al., 2021, arXiv:2104.08315). What either says is noisy: it may start self-training
(:func:`textssl.fit.zero_label.zero_label`), be distilled, or be corrected by DivideMix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from scipy.special import softmax
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from ..errors import UserError
from ..models.inspection import position_limit
from .names import Descriptions, descriptions_of, templates_of


__all__ = ["PROMPT_TEMPLATES", "PromptTeacher", "load_prompt_teacher", "prompt_probs"]

PROMPT_TEMPLATES = ("This text is about {}.",)
# Fewer leave no room for a text beside the longest name.
FEWEST_TEXT_TOKENS = 8

# A description in its template: what stands before it, itself, and what stands after.
Form = tuple[str, str, str]
Scores = Callable[[Any, Any, Sequence[str], Sequence[Form], int, int], np.ndarray]


class PromptTeacher:
    """A model that scores descriptions of classes for texts, in evaluation mode.

    Args:
        model: of sequence classification with a label "entailment", of causal language modeling, or encoder-decoder.
        tokenizer: its own.
        max_length: most tokens of text and description together; longer texts lose their end.
        batch_size: pairs of text and description per pass.

    Raises:
        UserError: a model of another kind, a size out of range, more tokens than it has positions.
    """

    def __init__(self, model: Any, tokenizer: Any, *, max_length: int = 256, batch_size: int = 16) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size: got {batch_size}; expected at least 1")
        limit = position_limit(model)
        if limit is not None and max_length > limit:
            raise UserError(f"max_length: got {max_length}; the prompt teacher has {limit} positions")
        self.score = _scores_of(model.config, type(model).__name__)
        self.model, self.tokenizer = model.eval(), tokenizer
        self.max_length, self.batch_size = max_length, batch_size

    def probs(
        self,
        texts: Sequence[str],
        label_names: Sequence[str],
        label_descriptions: Descriptions | None = None,
        template: str | Sequence[str] | None = None,
    ) -> np.ndarray:
        """Class probabilities ``[n, C]`` of n texts.

        Args:
            texts: to classify.
            label_names: the C classes.
            label_descriptions: as for :func:`textssl.fit.names.descriptions_of`. The scores of several descriptions
                of a class are averaged.
            template: one or several; :data:`PROMPT_TEMPLATES` by default. A generative model is given what stands
                before ``{}``, and scores the description.

        Raises:
            UserError: a class without a description whose name says nothing, and as ``descriptions_of`` does.
        """
        forms = templates_of(template or PROMPT_TEMPLATES)
        described = descriptions_of(label_names, label_descriptions, "{}")
        numbers = np.array([number for number, _ in described])
        missing = [name for c, name in enumerate(label_names) if not (numbers == c).any()]
        if missing:
            raise UserError(f"label_descriptions: no description for class {missing[0]!r}; expected one")
        filled = [(before, text, after) for before, after in forms for _, text in described]
        scores = self._scores(texts, filled).reshape(len(texts), len(forms), len(described)).mean(1)
        logits = np.stack([scores[:, numbers == c].mean(1) for c in range(len(label_names))], axis=1)
        return np.asarray(softmax(logits, axis=1))

    @torch.inference_mode()
    def _scores(self, texts: Sequence[str], filled: Sequence[Form]) -> np.ndarray:
        return self.score(self.model, self.tokenizer, texts, filled, self.max_length, self.batch_size)


def load_prompt_teacher(place: str, **settings: Any) -> PromptTeacher:
    """Load a prompt teacher. Only safetensors are read, and no code of the model's repository is run.

    Args:
        place: a folder or a model of the Hub.
        settings: as for :class:`PromptTeacher`.

    Raises:
        UserError: a model that cannot be loaded or is of another kind.
    """
    known = {"local_files_only": Path(place).is_dir(), "trust_remote_code": False}
    device = PartialState().device
    dtype = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    try:
        config = AutoConfig.from_pretrained(place, **known)
        loader = _loader_of(config)
        tokenizer = AutoTokenizer.from_pretrained(place, **known)
        model = loader.from_pretrained(place, config=config, dtype=dtype, use_safetensors=True, **known)
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UserError(f"prompt_teacher: {place!r} cannot be loaded ({reason[:200]})") from error
    return PromptTeacher(model.to(device), tokenizer, **settings)


def prompt_probs(
    texts: Sequence[str],
    label_names: Sequence[str],
    prompt_teacher: str,
    label_descriptions: Descriptions | None = None,
    template: str | Sequence[str] | None = None,
    **settings: Any,
) -> np.ndarray:
    """:meth:`PromptTeacher.probs` of the model at ``prompt_teacher``."""
    teacher = load_prompt_teacher(prompt_teacher, **settings)
    return teacher.probs(texts, label_names, label_descriptions, template)


def _loader_of(config: Any) -> Any:
    architecture = (getattr(config, "architectures", None) or [""])[0]
    scores = _scores_of(config, architecture)
    if scores is _entailment:
        return AutoModelForSequenceClassification
    return AutoModelForSeq2SeqLM if scores is _encoder_decoder else AutoModelForCausalLM


def _scores_of(config: Any, architecture: str) -> Scores:
    if architecture.endswith("ForSequenceClassification") and _entails(config) is not None:
        return _entailment
    if architecture.endswith("ForConditionalGeneration") and config.is_encoder_decoder:
        return _encoder_decoder
    if architecture.endswith(("ForCausalLM", "LMHeadModel")) and not config.is_encoder_decoder:
        return _continuation
    raise UserError(
        f"prompt_teacher: got {architecture or type(config).__name__}; expected a generative model, "
        "or a sequence classifier with a label 'entailment'"
    )


def _entails(config: Any) -> int | None:
    names = {str(name).lower(): int(number) for number, name in config.id2label.items()}
    return names.get("entailment")


def _entailment(
    model: Any, tokenizer: Any, texts: Sequence[str], forms: Sequence[Form], max_length: int, batch_size: int
) -> np.ndarray:
    """Logits of entailment ``[n, F]``."""
    column = _entails(model.config)

    def run(batch: list[dict[str, Any]]) -> list[float]:
        inputs = tokenizer.pad(batch, return_tensors="pt").to(model.device)
        logits: Tensor = model(**inputs).logits[:, column]
        return logits.float().tolist()

    pairs = [
        dict(tokenizer(text, "".join(form), truncation="only_first", max_length=max_length))
        for text in texts
        for form in forms
    ]
    return _in_batches(pairs, run, batch_size).reshape(len(texts), len(forms))


def _continuation(
    model: Any, tokenizer: Any, texts: Sequence[str], forms: Sequence[Form], max_length: int, batch_size: int
) -> np.ndarray:
    """Of a causal model, log p(description | text, prompt) - log p(description | prompt), ``[n, F]``."""
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]

    def encoded(text: str, form: Form) -> dict[str, Any]:
        prompt, name = _prompt(tokenizer, form)
        kept = _cut(_ids(tokenizer, text), max_length - len(begin) - len(prompt) - len(name))
        return {"input_ids": [*begin, *kept, *prompt, *name], "name": name}

    def run(batch: list[dict[str, Any]]) -> list[float]:
        logs = model(**_padded([row["input_ids"] for row in batch], model.device)).logits.float().log_softmax(-1)
        ends = [len(row["input_ids"]) - 1 for row in batch]
        return [
            float(logs[i, end - len(row["name"]) : end].gather(1, _column(row["name"], logs)).sum())
            for i, (row, end) in enumerate(zip(batch, ends, strict=True))
        ]

    return _against_no_text(encoded, run, texts, forms, batch_size)


def _encoder_decoder(
    model: Any, tokenizer: Any, texts: Sequence[str], forms: Sequence[Form], max_length: int, batch_size: int
) -> np.ndarray:
    """The same of an encoder-decoder, which reads text and prompt and writes the description."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]

    def encoded(text: str, form: Form) -> dict[str, Any]:
        prompt, name = _prompt(tokenizer, form)
        kept = _cut(_ids(tokenizer, text), max_length - len(prompt) - len(end))
        return {"input_ids": [*kept, *prompt, *end], "name": name}

    def run(batch: list[dict[str, Any]]) -> list[float]:
        names = [row["name"] for row in batch]
        longest = max(map(len, names))
        labels = torch.tensor([[*name, *[-100] * (longest - len(name))] for name in names], device=model.device)
        inputs = _padded([row["input_ids"] for row in batch], model.device)
        logs = model(**inputs, labels=labels).logits.float().log_softmax(-1)
        return [float(logs[i, : len(name)].gather(1, _column(name, logs)).sum()) for i, name in enumerate(names)]

    return _against_no_text(encoded, run, texts, forms, batch_size)


def _against_no_text(
    encoded: Callable[[str, Form], dict[str, Any]],
    run: Callable[[list[dict[str, Any]]], list[float]],
    texts: Sequence[str],
    forms: Sequence[Form],
    batch_size: int,
) -> np.ndarray:
    """Scores of each form after each text, less those after no text ``[n, F]``."""
    rows = [encoded(text, form) for text in ["", *texts] for form in forms]
    scores = _in_batches(rows, run, batch_size).reshape(len(texts) + 1, len(forms))
    return np.asarray(scores[1:] - scores[0])


def _in_batches(
    rows: list[dict[str, Any]], run: Callable[[list[dict[str, Any]]], list[float]], batch_size: int
) -> np.ndarray:
    """A score of each row, rows of like length together."""
    scores = np.empty(len(rows))
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]["input_ids"]))
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        scores[index] = run([rows[i] for i in index])
    return scores


def _prompt(tokenizer: Any, form: Form) -> tuple[list[int], list[int]]:
    """Tokens of what stands before the description, after a text, and of the description."""
    before, name, _ = form
    return _ids(tokenizer, f"\n{before.rstrip()}"), _ids(tokenizer, f" {name}" if before else name)


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])


def _cut(tokens: list[int], room: int) -> list[int]:
    if room < FEWEST_TEXT_TOKENS:
        raise UserError(f"max_length: it leaves {room} tokens for a text; expected at least {FEWEST_TEXT_TOKENS}")
    return tokens[:room]


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> dict[str, Tensor]:
    """Token ids and mask, padded on the right; which token pads does not matter, as it is masked."""
    longest = max(map(len, rows))
    ids = [[*row, *[0] * (longest - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return {
        "input_ids": torch.tensor(ids, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


def _column(tokens: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor(tokens, device=like.device)[:, None]
