"""What the Hub requires of a model card's metadata (huggingface.co/docs/hub/model-cards, and its specification)."""

from __future__ import annotations

import re
from typing import Any

import yaml


TEXTS = ("license", "library_name", "pipeline_tag", "base_model_relation", "license_name", "license_link")
LISTS = ("tags", "datasets", "metrics", "language", "base_model")
REPOSITORY = re.compile(r"[\w][\w.-]{0,95}(/[\w][\w.-]{0,95})?")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?|multilingual|code")


def metadata_errors(content: str) -> list[str]:
    """What is wrong with a card, line by line; empty if nothing is."""
    found = re.match(r"---\r?\n(.*?)\r?\n---", content, re.DOTALL)
    if found is None:
        return []
    data = yaml.safe_load(found.group(1))
    if not isinstance(data, dict):
        return ["metadata must be a mapping"]
    errors = [f'"{key}" must be a string' for key in TEXTS if not isinstance(data.get(key, ""), str)]
    for key in LISTS:
        values = data.get(key, [])
        values = values if isinstance(values, list) else [values]
        errors += [f'"{key}" must be strings' for value in values if not isinstance(value, str)]
        if key in ("datasets", "base_model"):
            errors += [f'"{key}" with value {v} is not valid' for v in values if not REPOSITORY.fullmatch(str(v))]
        if key == "language":
            errors += [f'"language" with value {v} is not valid' for v in values if not LANGUAGE.fullmatch(str(v))]
    errors += [
        '"widget" must be a list of objects with "text" or "src"'
        for example in data.get("widget", [])
        if not isinstance(example, dict) or not {"text", "src"} & set(example)
    ]
    return errors + [error for model in data.get("model-index", []) for error in _index_errors(model)]


def _index_errors(model: Any) -> list[str]:
    errors = [] if isinstance(model.get("name"), str) else ['"model-index[].name" is required']
    for result in model.get("results", []):
        for part, names in (("task", ("type",)), ("dataset", ("name", "type"))):
            for name in names:
                if not isinstance(result.get(part, {}).get(name), str):
                    errors.append(f'"model-index[].results[].{part}.{name}" is required')
        for metric in result.get("metrics", []):
            if not isinstance(metric.get("type"), str) or not isinstance(metric.get("value"), int | float | str):
                errors.append('"model-index[].results[].metrics[]" needs type and value')
    return errors
