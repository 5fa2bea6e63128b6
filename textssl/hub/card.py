"""The model card, generated from what is known of a run: nothing in it is invented."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textssl.errors import UserError
from textssl.files import write_atomically
from textssl.hub.facts import Citation, RunFacts
from textssl.hub.usage import code_lines


if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard, ModelCardData


__all__ = ["model_card", "write_model_card"]

KINDS = {"text-classification": "text", "image-classification": "image"}

# our name of a metric: the Hub's type of it, what people read
METRICS = {"accuracy": ("accuracy", "Accuracy"), "macro_f1": ("f1", "Macro F1")}


def model_card(facts: RunFacts) -> ModelCard:
    """The model card of a run.

    The metadata names the method among the tags, the base model, the data set if it is on the Hub,
    and the metrics as a model index. The text has a snippet of code, the results beside the
    supervised baseline's, data, split, method with its citation, and the hyper-parameters that
    differ from their defaults. A line whose fact is missing is left out.

    Args:
        facts: what is known.

    Returns:
        The card; `str(card)` is the content of `README.md`.

    Raises:
        UserError: a metric outside [0, 1].
    """
    from huggingface_hub import ModelCard

    for scores in (facts.metrics, facts.baseline):
        _check_scores(scores)
    sections = [
        f"# {_title(facts)}\n\n{_summary(facts)}",
        _usage(facts),
        _results(facts),
        _section("Data", _data_lines(facts)),
        _section("Split", _split_lines(facts)),
        _section("Method", _method_lines(facts)),
        _hyperparameters(facts),
        _section("Versions", [f"- {_line(k)} {_line(v)}" for k, v in facts.versions.items()]),
    ]
    body = "\n\n".join(section for section in sections if section)
    return ModelCard(f"---\n{_metadata(facts).to_yaml()}\n---\n\n{body}\n")


def write_model_card(folder: str | os.PathLike[str], facts: RunFacts) -> Path:
    """Write the model card as `README.md` of a model's folder, in one step.

    Args:
        folder: the folder that `save_model` wrote; its name is the title if `facts` has none.
        facts: what is known.

    Returns:
        The file.

    Raises:
        UserError: as `model_card`.
    """
    folder = Path(folder)
    if facts.model_name is None and facts.hub_model_id is None:
        facts = replace(facts, model_name=folder.absolute().name)
    return write_atomically(folder / "README.md", str(model_card(facts)).encode())


def _metadata(facts: RunFacts) -> ModelCardData:
    from huggingface_hub import ModelCardData

    results = _eval_results(facts)
    return ModelCardData(
        language=facts.language,
        license=facts.license,
        library_name="peft" if facts.adapters else "transformers",
        pipeline_tag=facts.task,
        base_model=_hub_id(facts.base_model),
        base_model_relation="adapter" if facts.adapters and _hub_id(facts.base_model) else None,
        datasets=[facts.data.hub_id] if facts.data.hub_id else None,
        tags=["textssl", "semi-supervised-learning", *([facts.method] if facts.method else [])],
        metrics=[result.metric_type for result in results] or None,
        model_name=_title(facts) if results else None,
        eval_results=results or None,
    )


def _title(facts: RunFacts) -> str:
    if facts.model_name:
        return _line(facts.model_name)
    return (
        facts.hub_model_id.split("/")[-1]
        if facts.hub_model_id
        else f"{KINDS.get(str(facts.task), 'feature').title()} classifier"
    )


def _hub_id(name: str | None) -> str | None:
    """`name` if it can be the id of a model on the Hub and is no folder of this machine."""
    if not name or Path(name).exists():
        return None
    return name if re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name) else None


def _line(text: object) -> str:
    """`text` without line breaks: it cannot open a heading or a fence of its own."""
    return " ".join(str(text).split())


def _cell(text: object) -> str:
    return _line(text).replace("|", "\\|")


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _listed(pairs: Mapping[str, object]) -> list[str]:
    return [f"- {name}: {_line(value)}" for name, value in pairs.items() if value is not None]


def _score(scores: Mapping[str, float], name: str) -> float | None:
    """The score of that name, with or without Trainer's prefix; None where it is NaN or absent."""
    value = scores.get(name, scores.get(f"eval_{name}"))
    return None if value is None or value != value else float(value)


def _check_scores(scores: Mapping[str, float]) -> None:
    for name in METRICS:
        value = _score(scores, name)
        if value is not None and not 0 <= value <= 1:
            raise UserError(f"metric {name}: got {value}; expected a number in [0, 1]")


def _eval_results(facts: RunFacts) -> list[EvalResult]:
    """The model index; it must name the data, so without that name it is empty."""
    from huggingface_hub import EvalResult

    name = facts.data.name or facts.data.hub_id
    task = facts.task or "tabular-classification"
    if name is None:
        return []
    results = []
    for ours, (theirs, label) in METRICS.items():
        value = _score(facts.metrics, ours)
        if value is not None:
            results.append(
                EvalResult(
                    task_type=task,
                    task_name=task.replace("-", " ").title(),
                    dataset_type=facts.data.hub_id or _line(name),
                    dataset_name=_line(name),
                    metric_type=theirs,
                    metric_name=label,
                    metric_value=round(value, 6),
                    metric_args={"average": "macro"} if theirs == "f1" else None,
                )
            )
    return results


def _summary(facts: RunFacts) -> str:
    split, base = facts.split, _hub_id(facts.base_model)
    text = (
        f"{'An' if facts.task == 'image-classification' else 'A'} {KINDS.get(str(facts.task), 'feature')} classifier"
    )
    adapted = "adapters on" if facts.adapters else "fine-tuned from"
    relation = "on the embeddings of" if facts.task is None or facts.frozen_encoder else adapted
    text += f", {relation} `{base}`" if base else ""
    text += f" with {_line(facts.method)}" if facts.method else ""
    wrongly = f" ({split.wrong_labels:,} of them wrongly, on purpose)" if split.wrong_labels is not None else ""
    counts = [(split.labeled, f"labeled{wrongly}"), (split.unlabeled, "unlabeled")]
    parts = [f"{count:,} {kind}" for count, kind in counts if count is not None]
    text += f" on {' and '.join(parts)} examples" if parts else ""
    text += f" of {_line(facts.data.name)}" if parts and facts.data.name else ""
    return f"{text}, trained with textssl."


def _usage(facts: RunFacts) -> str:
    model, comment = facts.hub_model_id, ""
    if model is None:
        model, comment = ".", "  # the folder of this file"
    code = code_lines(facts, model, comment)
    lines = ["```python", *code, "```"]
    if facts.texts is not None:
        lost = {"start": "start", "head_tail": "middle"}.get(facts.texts.truncation, "end")
        whole, part = ("pairs of texts", "the longer text's ") if facts.texts.pairs else ("texts", "the ")
        message = f"Of {whole} longer than {facts.texts.max_length} tokens {part}{lost} is cut, as in training"
        only = "; the pipeline of transformers alone would cut the end" if lost == "middle" else ""
        lines += ["", f"{message}{only}."]
    if facts.label_names:
        lines += ["", "Labels: " + ", ".join(f"`{_line(name)}`" for name in facts.label_names)]
    return _section("Use", lines)


def _results(facts: RunFacts) -> str:
    rows, compared = [], any(_score(facts.baseline, name) is not None for name in METRICS)
    for name, (_, label) in METRICS.items():
        score, base = _score(facts.metrics, name), _score(facts.baseline, name)
        if score is None:
            continue
        row = [label, f"{score:.4f}"]
        if compared:
            row += ["", ""] if base is None else [f"{base:.4f}", f"{100 * (score - base):+.2f}"]
        rows.append("| " + " | ".join(row) + " |")
    if not rows:
        return ""
    header = ["Metric", "This model"]
    if compared:
        header += ["Supervised baseline", "Gain (points)"]
    align = [":--", *["--:"] * (len(header) - 1)]
    table = ["| " + " | ".join(line) + " |" for line in (header, align)] + rows
    count = facts.split.held_out
    if count is not None:
        table = [f"Measured on {count:,} held-out examples.", "", *table]
    return _section("Results", table)


def _data_lines(facts: RunFacts) -> list[str]:
    data = facts.data
    return _listed(
        {
            "Data set": data.name,
            "On the Hub": f"`{data.hub_id}`" if data.hub_id else None,
            "Obtained from": data.origin,
            "Licence": data.license,
            "Checksum": f"`{data.checksum}`" if data.checksum else None,
        }
    )


def _split_lines(facts: RunFacts) -> list[str]:
    split = facts.split
    return _listed(
        {
            "Labeled examples": split.labeled,
            "Labels that are wrong on purpose": split.wrong_labels,
            "Kind of their noise": split.noise,
            "Unlabeled examples": split.unlabeled,
            "Held-out examples": split.held_out,
            "Seed of the split": split.seed,
            "SHA-256 of its indices": f"`{split.indices_sha256}`" if split.indices_sha256 else None,
        }
    )


def _method_lines(facts: RunFacts) -> list[str]:
    lines = [f"Trained with `{_line(facts.method)}`."] if facts.method else []
    if facts.frozen_encoder:
        message = f"The encoder is frozen: {_line(facts.frozen_encoder)}. The head was trained on its vectors."
        lines += [*([""] if lines else []), message]
    if facts.features_alone:
        message = f"The model takes features alone: {_line(facts.features_alone)}."
        lines += [*([""] if lines else []), message]
    if facts.citation is not None:
        lines += [*([""] if lines else []), *_reference(facts.citation)]
    return lines


def _reference(citation: Citation) -> list[str]:
    text = f"{', '.join(map(_line, citation.authors))} ({citation.year}). *{_line(citation.title)}*."
    if citation.arxiv:
        text += f" [arXiv:{citation.arxiv}](https://arxiv.org/abs/{citation.arxiv})"
    lines = [text]
    if citation.bibtex:
        lines += ["", "```bibtex", citation.bibtex.strip(), "```"]
    return lines


def _hyperparameters(facts: RunFacts) -> str:
    if not facts.hyperparameters:
        return ""
    rows = [f"| `{_cell(k)}` | {_format_value(v)} |" for k, v in facts.hyperparameters.items()]
    intro = "All others are the defaults."
    return _section("Hyper-parameters", [intro, "", "| Name | Value |", "| :-- | :-- |", *rows])


def _format_value(value: Any) -> str:
    return f"`{_cell(value)}`"
