"""Domain-relevance filtering: keep the texts of another domain that a trained model is sure of.

Of a large collection from elsewhere UDA uses the examples that a model trained on the labeled data
is most confident about, equally many of each class (Xie et al., 2020, arXiv:1904.12848, section
"Domain-relevance Data Filtering").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset
from tqdm.auto import tqdm

from ..data.class_names import check_classifier, label_names
from ..data.predicted_columns import check_new_columns, predicted_columns
from ..data.probabilities import checked_probs
from ..data.tables import take_rows
from ..data.validation import check_texts, check_unlabeled
from ..errors import UserError
from ..modalities.text.encoding import TextEncoder, contents_of, text_lengths
from ..modalities.text.truncation import truncation_of
from ..models.inspection import position_limit
from ..models.pairs import takes_token_types
from ..state.module_modes import evaluating


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


__all__ = ["filter_in_domain", "predict_probs", "select_in_domain"]


def select_in_domain(
    probs: np.ndarray, keep: int | float, threshold: float = 0.0, balanced: bool = True
) -> np.ndarray:
    """Choose the rows that a model is most confident about.

    Differs from the paper in: the paper ranks all examples once for each class, so that a rare
    class takes examples which are predicted as another one; here an example counts for the class
    with its largest probability only, and a class with too few confident examples yields fewer than
    its share.

    Args:
        probs: [N, C] class probabilities.
        keep: How many rows to keep: a number of 1 or more, or a share of N as a float in (0, 1].
        threshold: Least confidence, the largest probability of a row, of a kept row; in [0, 1].
        balanced: Keep `keep / C` rows of each predicted class (one more of the first classes if
            that is no whole number), and not the `keep` most confident rows of all.

    Returns:
        [K] sorted int64 rows, K <= keep. Of equally confident rows the earlier is preferred.

    Raises:
        UserError: `probs` is not [N, C] or its rows are not probabilities; `keep` or `threshold` is
            out of range.
    """
    probs = checked_probs(probs)
    count = _number_to_keep(keep, len(probs))
    if not 0.0 <= threshold <= 1.0:
        raise UserError(f"threshold: expected a number in [0, 1], got {threshold!r}")
    num_classes = probs.shape[1]
    confidence, predicted = probs.max(axis=1), probs.argmax(axis=1)
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] >= threshold]
    if not balanced:
        return np.sort(order[:count])
    shares = count // num_classes + (np.arange(num_classes) < count % num_classes)
    kept = [order[predicted[order] == c][: shares[c]] for c in range(num_classes)]
    return np.sort(np.concatenate(kept))


def predict_probs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    *,
    text_column: str = "text",
    text_pair_column: str | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    truncation: str | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Class probabilities of every text, by a model in evaluation mode.

    Texts of like length share a batch, which saves padding and changes no result. The model comes
    back in the mode it was in, module by module.

    Args:
        model: A sequence classifier of C >= 2 classes; it is run where it is.
        tokenizer: Its tokenizer.
        dataset: N > 0 rows.
        text_column: The column of texts.
        text_pair_column: The column of second texts, where the model classifies pairs.
        batch_size: Texts in a batch.
        max_length: Most tokens of a text; by default what the tokenizer and the model allow.
        truncation: What a longer text loses: `end`, `start` or `head_tail`; by default as in the
            training that saved the tokenizer.
        progress: Show a bar.

    Returns:
        [N, C] float32, in the order of the rows.

    Raises:
        UserError: A fault of `dataset` (see `check_unlabeled`), a batch size below 1, or a model
            with fewer than 2 classes or several labels per example.
    """
    import torch

    check_unlabeled(dataset, text_column, argument="dataset")
    if text_pair_column is not None:
        check_texts(dataset, text_pair_column, "dataset", "text_pair_column")
    if batch_size < 1:
        raise UserError(f"batch_size: expected at least 1, got {batch_size!r}")
    num_labels = int(model.config.num_labels or 0)
    if num_labels < 2:
        raise UserError(f"model: it has {num_labels} output, not two classes or more")
    check_classifier(model.config, "model")
    limit = _length_limit(model, tokenizer) if max_length is None else max_length
    columns = [text_column] if text_pair_column is None else [text_column, text_pair_column]
    encode = TextEncoder(
        tokenizer,
        limit,
        truncation or truncation_of(tokenizer),
        pairs=text_pair_column is not None,
        token_types=takes_token_types(model),
    )
    texts = dataset.select_columns(columns)
    order = np.argsort(-text_lengths(texts, *columns), kind="stable")
    device = next(model.parameters()).device
    probs = np.empty((len(dataset), num_labels), np.float32)
    with evaluating(model), torch.no_grad():
        for start in tqdm(range(0, len(order), batch_size), desc="predict", disable=not progress):
            rows = order[start : start + batch_size]
            batch = encode(contents_of(texts[rows], columns))
            inputs = {name: value.to(device) for name, value in batch.items() if torch.is_tensor(value)}
            logits = model(**inputs).logits
            probs[rows] = logits.float().softmax(dim=-1).cpu().numpy()
    return probs


def filter_in_domain(
    model: PreTrainedModel,
    processing_class: PreTrainedTokenizerBase,
    dataset: Dataset,
    *,
    keep: int | float,
    threshold: float = 0.0,
    balanced: bool = True,
    text_column: str = "text",
    batch_size: int = 32,
    max_length: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Keep the texts of another domain that a trained model is most confident about.

    Args:
        model: A sequence classifier trained on the labeled data.
        processing_class: Its tokenizer.
        dataset: N > 0 rows of the other domain.
        keep: How many rows to keep; see `select_in_domain`.
        threshold: Least confidence of a kept row.
        balanced: Keep equally many of each predicted class.
        text_column: The column of texts.
        batch_size: Texts in a batch.
        max_length: Most tokens of a text; by default what the tokenizer and the model allow.
        progress: Show a bar.

    Returns:
        The kept rows in their order, with the columns `label`, the name of the predicted class, and `confidence`,
        its probability; `predicted_label` and `predicted_confidence` where the data have such columns.

    Raises:
        UserError: As in `predict_probs` and `select_in_domain`; no row reaches the threshold.
    """
    check_unlabeled(dataset, text_column, argument="dataset")
    names = label_names(model.config)
    check_new_columns(dataset.column_names, names, probabilities=False)
    _number_to_keep(keep, len(dataset))
    probs = predict_probs(
        model,
        processing_class,
        dataset,
        text_column=text_column,
        batch_size=batch_size,
        max_length=max_length,
        progress=progress,
    )
    kept = select_in_domain(probs, keep, threshold, balanced)
    if len(kept) == 0:
        raise UserError(f"threshold: no text reaches {threshold}; the largest confidence is {probs.max():.4f}")
    columns = predicted_columns(dataset.column_names, probs[kept], names, probabilities=False)
    return take_rows(dataset, kept, columns)


def _number_to_keep(keep: int | float, num_rows: int) -> int:
    whole = isinstance(keep, int | np.integer) and not isinstance(keep, bool)
    if whole and keep >= 1:
        return int(keep)
    if isinstance(keep, float) and 0.0 < keep <= 1.0:
        return max(1, round(keep * num_rows))
    raise UserError(f"keep: expected a number of rows, 1 or more, or a share as a float in (0, 1], got {keep!r}")


def _length_limit(model: Any, tokenizer: Any) -> int:
    """The smaller limit of the two; a tokenizer that knows none gives a huge number."""
    return min(tokenizer.model_max_length, position_limit(model) or tokenizer.model_max_length)
