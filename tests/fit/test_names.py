"""What the names and descriptions of classes say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fit.fit_data import fit_data
from textssl.errors import UserError
from textssl.fit.names import descriptions_of, prototypes_by_view, readable_name, with_descriptions


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("rec.sport.baseball", "sport baseball"),
        ("comp.sys.mac.hardware", "computer system mac hardware"),
        ("comp.os.ms-windows.misc", "computer operating system microsoft windows"),
        ("alt.atheism", "atheism"),
        ("talk.politics.misc", "politics"),
        ("Sci/Tech", "science and technology"),
        ("Arts & Crafts", "arts and crafts"),
        ("credit_card-lost", "credit card lost"),
        ("creditCardLost", "credit card lost"),
        ("USAToday", "USA today"),
        ("neg", "negative"),
        ("pos", "positive"),
        ("03_sport", "sport"),
        ("5 stars", "5 stars"),
        ("misc", None),
        ("Größe", "größe"),
        ("体育", "体育"),
        ("LABEL_0", None),
        ("label 12", None),
        ("class-3", None),
        ("A", None),
        ("7", None),
        ("-1", None),
        ("???", None),
        ("", None),
    ],
)
def test_readable_names(name: str, readable: str | None) -> None:
    assert readable_name(name) == readable


def test_each_description_is_put_into_each_template_and_a_sentence_stands_for_itself() -> None:
    descriptions = {"b": ["ships", "Ports are meant here."]}
    assert descriptions_of(["sport", "b"], descriptions, ["{}", "About {}!"]) == [
        (0, "sport"),
        (0, "About sport!"),
        (1, "ships"),
        (1, "About ships!"),
        (1, "Ports are meant here."),
        (1, "Ports are meant here."),
    ]


def test_braces_of_a_description_are_text() -> None:
    assert descriptions_of(["a", "b"], {"a": "sets {0} {}", "b": "x y"}, "on {}") == [
        (0, "on sets {0} {}"),
        (1, "on x y"),
    ]


def test_classes_whose_names_say_nothing_or_the_same_have_no_texts() -> None:
    assert descriptions_of(["LABEL_0", "pos", "positive", "sad"], None, "{}") == [(3, "sad")]


@pytest.mark.parametrize(
    ("descriptions", "template", "message"),
    [
        ({"c": "x"}, None, "label_descriptions: got 'c'; the classes are"),
        ({"a": ""}, None, "label_descriptions: got '' for 'a'"),
        ({"a": []}, None, "label_descriptions: got .* for 'a'"),
        ({"a": 3}, None, "label_descriptions: got 3 for 'a'"),
        ({"a": [3]}, None, "label_descriptions: got 3 for 'a'"),
        ({"a": "x", "b": ["y", "x "]}, None, "stands for 'a' and for 'b'"),
        (["a"], None, "label_descriptions: got .*; expected texts by class name"),
        (None, "about", "template: got 'about'"),
        (None, [], "template: got ''"),
        (None, ["{} {}"], "template: got"),
    ],
)
def test_mistakes_are_refused_in_one_line(descriptions: object, template: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        descriptions_of(["a", "b"], descriptions, template)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_prototypes_are_embeddings_of_the_texts() -> None:
    data = fit_data(dimensions=3)

    def embed(texts: list[str]) -> np.ndarray:
        return np.array([[len(text), 0, 1] for text in texts], float)

    told = with_descriptions(data, embed, {"science": ["a", "bb"]}, "{}")
    np.testing.assert_array_equal(told.prototypes[:, 0], [len("sport"), 1, 2, len("politics")])
    assert told.prototypes.dtype == np.float32
    assert told.prototype_labels.tolist() == [0, 1, 1, 2]
    views = prototypes_by_view(told.prototypes, told.prototype_labels, 3)
    assert views[..., 0].tolist() == [[5, 1, 8], [5, 2, 8]]


def test_nothing_is_embedded_for_numbered_classes_and_for_images() -> None:
    def embed(texts: list[str]) -> np.ndarray:
        raise AssertionError(texts)

    numbered = replace(fit_data(), label_names=("0", "1", "2"))
    assert with_descriptions(numbered, embed).prototypes.shape == (0, 16)
    images = replace(fit_data(), modality="image")
    assert with_descriptions(images, embed) is images
    with pytest.raises(UserError, match=r"label_descriptions: .* images"):
        with_descriptions(images, embed, {"sport": "x"})
