"""Modalities: which one a model is of, which settings mean something to it, and how its views are made."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image
from transformers import BertConfig, PreTrainedModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.contract import tiny_features, tiny_images
from tests.contract.cases import model, swap_words, tokenizer, unlabeled
from textssl import SSLConfig, UDAConfig, UserError
from textssl.augment.text import TfIdfReplacement
from textssl.modalities import MODALITIES, Modality, modality_of
from textssl.modalities.base import stem_of
from textssl.modalities.features.modality import FeatureModality
from textssl.modalities.image.modality import ImageModality
from textssl.modalities.text.modality import TextModality


def modality(name: str) -> Modality:
    if name == "text":
        return modality_of(model(), tokenizer())
    if name == "image":
        return modality_of(tiny_images.model(), tiny_images.processor())
    return modality_of(tiny_features.model(), None)


def config(**settings: Any) -> SSLConfig:
    return SSLConfig(output_dir="out", use_cpu=True, report_to=[], **settings)


# Which one


@pytest.mark.parametrize(
    ("name", "kind", "column"),
    [
        ("text", TextModality, "text"),
        ("image", ImageModality, "image"),
        ("features", FeatureModality, "features"),
    ],
)
def test_a_model_tells_its_modality_by_its_main_input(name: str, kind: type[Modality], column: str) -> None:
    found = modality(name)
    assert type(found) is kind
    assert found.name == name
    assert found.column(config()) == column
    assert found.column(config(**{found.column_setting: "x"})) == "x"


def test_a_model_of_sound_is_refused() -> None:
    class Listener(PreTrainedModel):
        config_class = BertConfig
        main_input_name = "input_values"

    told = "model: Listener takes 'input_values'; expected a classifier of input_ids, pixel_values, features"
    with pytest.raises(UserError, match=told):
        modality_of(Listener(BertConfig()), None)


@pytest.mark.parametrize("given", [None, "a tokenizer"])
def test_an_image_model_needs_an_image_processor(given: str | None) -> None:
    told = "processing_class: got .*; ViTForImageClassification takes images, so expected an image processor"
    with pytest.raises(UserError, match=told):
        modality_of(tiny_images.model(), None if given is None else tokenizer())


def test_a_text_model_needs_a_tokenizer() -> None:
    with pytest.raises(UserError, match="processing_class: expected a tokenizer that has a padding token"):
        modality_of(model(), tiny_images.processor())


# Foreign settings

CHANGED: dict[str, Any] = {
    "text_column": "x",
    "text_pair_column": "y",
    "max_length": 64,
    "keep_end": True,
    "truncation": "head_tail",
    "train_sampling_strategy": "group_by_length",
    "neftune_noise_alpha": 5.0,
    "image_column": "x",
    "horizontal_flip": True,
    "skip_corrupt_images": True,
    "feature_column": "x",
}
OWNERS = {setting: kind for kind in MODALITIES.values() for setting in kind.settings}


def test_every_setting_of_a_modality_is_tried_here() -> None:
    assert OWNERS.keys() == CHANGED.keys()


@pytest.mark.parametrize("setting", CHANGED)
@pytest.mark.parametrize("name", ["text", "image", "features"])
def test_a_setting_is_refused_by_all_but_its_own_modality(name: str, setting: str) -> None:
    kind, owner = type(modality(name)), OWNERS[setting]
    args = config(**{setting: CHANGED[setting]})
    if owner is kind:
        kind.check_foreign_settings(args, [*MODALITIES.values()])
        return
    told = f"{setting}: got {CHANGED[setting]!r}; it is for {owner.name}, and the model takes {kind.main_input}"
    with pytest.raises(UserError, match=told):
        kind.check_foreign_settings(args, [*MODALITIES.values()])


@pytest.mark.parametrize("name", ["text", "image", "features"])
def test_defaults_are_foreign_to_nobody(name: str) -> None:
    modality(name).check_foreign_settings(config(), [*MODALITIES.values()])


def test_lengths_of_texts_are_their_characters() -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "", "é😀b"]})
    assert modality("text").lengths(data, config()).tolist() == [1, 0, 3]


# Views

WANTED = {"labeled": ("weak",), "unlabeled": ("weak", "weak_2", "strong")}


def mark(word: str) -> Any:
    return lambda example, rng: {**example, "text": word}


def text_views(given: dict[str, Any], wanted: Any = WANTED) -> dict[str, Any]:
    return modality("text").views(wanted, given, config(), unlabeled())


def test_a_second_weak_view_is_made_as_the_first() -> None:
    weak, strong = mark("a"), mark("b")
    assert text_views({"weak": weak, "strong": strong}) == {"weak": weak, "weak_2": weak, "strong": strong}


def test_a_second_weak_view_that_is_given_is_taken() -> None:
    weak, second, strong = mark("a"), mark("b"), mark("c")
    given = {"weak": weak, "weak_2": second, "strong": strong}
    assert text_views(given) == given
    del given["weak"]
    assert text_views(given) == given


def test_views_that_are_the_example_itself_are_left_out() -> None:
    assert text_views({"strong": swap_words}) == {"strong": swap_words}


def test_a_view_by_an_unknown_name_is_refused_and_those_of_other_methods_are_not() -> None:
    with pytest.raises(UserError, match="augmentations: got 'stong'; the method's views are strong, weak, weak_2"):
        text_views({"stong": swap_words})
    views = text_views({"strong": swap_words, "weak_2": swap_words}, {"labeled": ("weak",)})
    assert views.keys() >= {"strong", "weak_2"}
    assert "weak" not in views


def test_the_mapping_that_is_given_is_left_alone() -> None:
    given = {"weak": swap_words}
    text_views(given)
    assert given == {"weak": swap_words}


def test_default_views_of_texts() -> None:
    strong = text_views({})["strong"]
    assert isinstance(strong, TfIdfReplacement)
    views = modality("text").views({"labeled": ("weak",)}, {}, config(), None)
    assert views == {}


@pytest.mark.parametrize("name", ["image", "features"])
def test_default_views_of_images_and_features_change_the_example(name: str) -> None:
    found = modality(name)
    data = {"image": tiny_images, "features": tiny_features}[name].dataset(3, 1)  # type: ignore[attr-defined]
    views = found.views(WANTED, {}, config(), data)
    assert views.keys() == {"weak", "weak_2", "strong"}
    assert views["weak_2"] is views["weak"]
    example, column = data[0], found.column(config())
    original = np.asarray(example[column], np.float64)
    weak, strong = (
        np.stack([np.asarray(views[v](example, np.random.default_rng(s))[column], np.float64) for s in range(30)])
        for v in ("weak", "strong")
    )
    assert np.array_equal(np.asarray(example[column], np.float64), original)
    assert weak.shape[1:] == strong.shape[1:] == original.shape
    near, far = (np.abs(view - original).mean() for view in (weak, strong))
    assert 0 < near < far


@pytest.mark.parametrize("flip", [False, True])
def test_images_are_mirrored_only_where_asked(flip: bool) -> None:
    """A dark left half and a bright right one, wide enough that no shift of an eighth hides which is which."""
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:, 8:] = 200
    views = modality("image").views({"labeled": ("weak",)}, {}, config(horizontal_flip=flip), None)
    made = [views["weak"]({"image": Image.fromarray(pixels)}, np.random.default_rng(s))["image"] for s in range(40)]
    mirrored = sum(np.asarray(image)[:, :4].mean() > np.asarray(image)[:, -4:].mean() for image in made)
    # Of 40 coins fewer than 8 heads fall once in 10,000 times, and the seeds are fixed.
    assert 8 <= mirrored <= 32 if flip else mirrored == 0


@pytest.mark.parametrize(("view", "stem"), [("weak", "weak"), ("weak_2", "weak"), ("a_b", "a_b"), ("_2", "_2")])
def test_the_stem_of_a_view(view: str, stem: str) -> None:
    assert stem_of(view) == stem


# Sizes of images


def sized(*sizes: tuple[int, int]) -> datasets.Dataset:
    images = [Image.new("L", size) for size in sizes]
    return datasets.Dataset.from_dict({"image": images}).cast_column("image", datasets.Image())


def test_sets_of_images_share_a_size_where_none_is_made() -> None:
    keeps = ViTImageProcessorPil(do_resize=False, image_mean=[0.5], image_std=[0.5])
    found = modality_of(tiny_images.model(), keeps)
    first = sized((8, 8), (8, 8))
    assert found.check_inputs(first, config(), "train_dataset") is first
    with pytest.raises(UserError, match=r"train_dataset: .* several sizes, and the image processor does not resize"):
        found.check_inputs(sized((8, 8), (9, 8)), config(), "train_dataset")
    with pytest.raises(UserError, match=r"unlabeled_dataset: .* the data set before .* resize them: 9x8 and 8x8"):
        found.check_inputs(sized((9, 8), (9, 8)), config(), "unlabeled_dataset")


def test_sets_of_images_may_differ_where_all_are_resized() -> None:
    found = modality("image")
    for sizes in ([(8, 8), (9, 8)], [(20, 30)]):
        found.check_inputs(sized(*sizes), config(), "train_dataset")


# Settings whose default depends on the modality


@pytest.mark.parametrize(
    ("name", "expected"),
    [("text", (1.0, 0.0, "linear")), ("image", (0.4, 0.8, "none")), ("features", (0.4, 0.8, "none"))],
)
def test_uda_s_defaults_are_those_of_the_paper_for_the_modality(name: str, expected: tuple[float, float, str]) -> None:
    """arXiv:1904.12848: text without sharpening or mask, with TSA; images at T = 0.4 and a threshold of 0.8."""
    open_one = UDAConfig(output_dir="out", use_cpu=True, report_to=[])
    settled = open_one.for_modality(name)
    assert (settled.temperature, settled.threshold, settled.tsa) == expected
    assert (open_one.temperature, open_one.threshold, open_one.tsa) == (None, None, "auto")
    assert settled.for_modality("text" if name == "image" else "image") == settled


@pytest.mark.parametrize("name", ["text", "image", "features"])
def test_what_a_person_says_wins(name: str) -> None:
    said = {"temperature": 0.7, "threshold": 0.0, "tsa": "log"}
    settled = UDAConfig(output_dir="out", use_cpu=True, report_to=[], **said).for_modality(name)
    assert {key: getattr(settled, key) for key in said} == said


def test_a_part_of_what_is_open_may_be_said() -> None:
    settled = UDAConfig(output_dir="out", use_cpu=True, report_to=[], tsa="none").for_modality("text")
    assert (settled.temperature, settled.threshold, settled.tsa) == (1.0, 0.0, "none")
