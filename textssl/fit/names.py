"""What the names and descriptions of classes say: texts about each class, embedded as the examples are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import UserError
from .data import FitData


__all__ = ["DEFAULT_TEMPLATES", "Descriptions", "descriptions_of", "prototypes_by_view", "readable_name"]
__all__ += ["templates_of", "with_descriptions", "without_descriptions"]

Descriptions = Mapping[str, str | Sequence[str]]

# The mean over several templates is steadier than any one of them.
DEFAULT_TEMPLATES = ("{}", "This text is about {}.", "News and discussion of {}.")

# The first parts of Usenet's names, and what is left out of them.
HIERARCHIES = {
    "alt": "",
    "comp": "computer",
    "humanities": "humanities",
    "misc": "",
    "news": "news",
    "rec": "",
    "sci": "science",
    "soc": "society",
    "talk": "",
}
ABBREVIATIONS = {
    "biz": "business",
    "ent": "entertainment",
    "env": "environment",
    "intl": "international",
    "med": "medicine",
    "misc": "",
    "ms": "microsoft",
    "neg": "negative",
    "neu": "neutral",
    "org": "organization",
    "os": "operating system",
    "pol": "politics",
    "pos": "positive",
    "sci": "science",
    "sys": "system",
    "tech": "technology",
}
# Words that stand before a number or a letter where nobody gave a class a name.
PLACEHOLDERS = {"c", "cat", "category", "class", "cls", "cluster", "group", "id", "label", "target", "topic", "type"}
# Full stops and their like, of Chinese and Indic writing too.
SENTENCE_ENDS = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u0964")


def readable_name(label_name: str) -> str | None:
    """The words of a class name, as a person would write them.

    Args:
        label_name: such as ``"comp.sys.mac.hardware"``, ``"Sci/Tech"``, ``"creditCard_lost"`` or ``"neg"``.

    Returns:
        Such as ``"computer system mac hardware"``, ``"science and technology"``, ``"credit card lost"`` or
        ``"negative"``; None where the name says nothing, as ``"LABEL_0"`` or ``"3"`` do.
    """
    name = label_name.strip()
    numbered = re.fullmatch(r"([^\W\d_]*)[\s_.:#-]*(\d+|[A-Za-z])", name)
    if numbered and (not numbered[1] or numbered[1].lower() in PLACEHOLDERS):
        return None
    # An index before the name, as in "03_sport".
    name = re.sub(r"^\d+[_.:)-]+\s*(?=[^\W\d])", "", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    dotted = "." in name and " " not in name
    name = re.sub(r"\s*(?:[/&+]|\band\b)\s*", " and ", name)
    words = [word for word in re.split(r"[\s_.:|\\-]+", name) if word]
    if dotted and len(words) > 1 and words[0].lower() in HIERARCHIES:
        words[0] = HIERARCHIES[words[0].lower()]
    words = [ABBREVIATIONS.get(word.lower(), word) if len(words) < 2 or not word.isupper() else word for word in words]
    words = [word if word.isupper() else word.lower() for word in words if word]
    text = re.sub(r"^(and )+|( and)+$", "", " ".join(words)).strip()
    return text if re.search(r"[^\W\d_]", text) else None


def descriptions_of(
    label_names: Sequence[str],
    label_descriptions: Descriptions | None = None,
    template: str | Sequence[str] | None = None,
) -> list[tuple[int, str]]:
    """Texts about each class: what a person wrote of it, or else its name made readable, put into templates.

    Args:
        label_names: the C classes.
        label_descriptions: by class name, one text or several. Classes that it lacks are described by their names.
        template: one or several texts with ``{}`` in the place of the description; :data:`DEFAULT_TEMPLATES` by
            default. A description that ends as a sentence does stands for itself.

    Returns:
        Class numbers and texts, the classes in order; for each description a text for each template. A class whose
        name says nothing, or the same as another's, and that has no description, is not among them.

    Raises:
        UserError: a class that does not exist, a description that is empty, no text, or given for two classes, and a
            template without ``{}``.
    """
    templates = templates_of(template)
    given = _given(label_names, label_descriptions or {})
    named = {name: readable_name(name) for name in label_names if name not in given}
    taken = list(named.values())
    texts: list[tuple[int, str]] = []
    for number, label_name in enumerate(label_names):
        name = named.get(label_name)
        for text in given.get(label_name, [name] if name and taken.count(name) == 1 else []):
            whole = text.endswith(SENTENCE_ENDS)
            texts += [(number, text if whole else before + text + after) for before, after in templates]
    return texts


def templates_of(template: str | Sequence[str] | None) -> list[tuple[str, str]]:
    """What stands before and after ``{}`` in each template.

    Raises:
        UserError: no template, or one without ``{}``.
    """
    templates = DEFAULT_TEMPLATES if template is None else [template] if isinstance(template, str) else list(template)
    for form in templates or [""]:
        if not isinstance(form, str) or form.count("{}") != 1:
            raise UserError(
                f"template: got {form!r}; expected a text with one {{}}, such as 'This text is about {{}}.'"
            )
    return [(form.split("{}")[0], form.split("{}")[1]) for form in templates]


def _given(label_names: Sequence[str], label_descriptions: Descriptions) -> dict[str, list[str]]:
    if not isinstance(label_descriptions, Mapping):
        raise UserError(f"label_descriptions: got {label_descriptions!r:.60}; expected texts by class name")
    unknown = [name for name in label_descriptions if name not in label_names]
    if unknown:
        raise UserError(
            f"label_descriptions: got {unknown[0]!r}; the classes are {list(label_names)}; label_names may name more"
        )
    given: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for name, value in label_descriptions.items():
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, Sequence) or not texts:
            raise UserError(f"label_descriptions: got {value!r:.60} for {name!r}; expected a text or several")
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                raise UserError(f"label_descriptions: got {text!r:.60} for {name!r}; expected a text with words")
            if owner.setdefault(text.strip(), name) != name:
                raise UserError(
                    f"label_descriptions: {text!r:.60} stands for {owner[text.strip()]!r} and for {name!r}"
                )
        given[name] = list(dict.fromkeys(text.strip() for text in texts))
    return given


def with_descriptions(
    data: FitData,
    embed: Callable[[list[str]], np.ndarray],
    label_descriptions: Descriptions | None = None,
    template: str | Sequence[str] | None = None,
) -> FitData:
    """Add the embeddings of texts about the classes, as prototypes.

    Args:
        data: of texts; of images, whose encoder reads no texts, it comes back as it is.
        embed: gives embeddings ``[n, D]`` of n texts, by the encoder that made the features.
        label_descriptions: as for :func:`descriptions_of`.
        template: as for :func:`descriptions_of`.

    Raises:
        UserError: as :func:`descriptions_of` does, and for descriptions beside images.
    """
    if data.modality != "text":
        if label_descriptions:
            raise UserError("label_descriptions: got descriptions for images; their encoder reads no texts")
        return data
    texts = descriptions_of(data.label_names, label_descriptions, template)
    if not texts:
        return without_descriptions(data)
    features = np.asarray(embed([text for _, text in texts]), dtype=np.float32)
    return replace(data, prototypes=features, prototype_labels=np.array([c for c, _ in texts], dtype=np.int64))


def without_descriptions(data: FitData) -> FitData:
    """The same data without prototypes."""
    dimensions = data.labeled.features.shape[-1] if len(data.labeled) else data.unlabeled.features.shape[-1]
    return replace(
        data, prototypes=np.zeros((0, dimensions), np.float32), prototype_labels=np.zeros(0, dtype=np.int64)
    )


def prototypes_by_view(prototypes: np.ndarray, prototype_labels: np.ndarray, num_labels: int) -> np.ndarray:
    """One vector a class from each view: the v-th text of every class.

    Args:
        prototypes: ``[P, D]``.
        prototype_labels: ``[P]`` class numbers.
        num_labels: C; each class has a prototype.

    Returns:
        ``[V, C, D]``, float64, where V is the largest number of texts of a class; a class with fewer repeats them.
    """
    of_class = [np.flatnonzero(prototype_labels == c) for c in range(num_labels)]
    views = max(len(rows) for rows in of_class)
    index = np.array([[rows[v % len(rows)] for rows in of_class] for v in range(views)])
    return np.asarray(prototypes, dtype=np.float64)[index]
