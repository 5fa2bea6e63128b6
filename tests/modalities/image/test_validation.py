from __future__ import annotations

import functools
from io import BytesIO

import datasets
import numpy as np
import pytest
from datasets import Dataset, Features, Value
from PIL import Image

from textssl.data.validation import check_eval, check_labeled, check_unlabeled
from textssl.errors import UserError
from textssl.modalities.image.validation import PROGRESS_ROWS, check_images


LABEL2ID = {"cat": 0, "dog": 1}


def encoded(mode: str = "RGB", size: tuple[int, int] = (6, 4), kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


def noise(kind: str, size: tuple[int, int] = (64, 64)) -> bytes:
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def make(files: list, labels: list | None = None, paths: list | None = None) -> Dataset:
    paths = paths or [None] * len(files)
    images = [
        None if file is None and path is None else {"bytes": file, "path": path}
        for file, path in zip(files, paths, strict=True)
    ]
    columns: dict = {"image": images}
    features = {"image": datasets.Image()}
    if labels is not None:
        columns["label"] = labels
        features["label"] = Value("int64") if isinstance(labels[0], int) else Value("string")
    return Dataset.from_dict(columns, Features(features))


def check(dataset: Dataset, **options) -> Dataset:
    return check_images(dataset, "image", "train_dataset", **options)


def test_good_images_pass_unchanged():
    dataset = make([encoded(), encoded("L"), encoded("RGB", kind="JPEG"), encoded("P", (9, 9))])
    assert check(dataset) is dataset
    assert check(dataset, num_channels=1) is dataset
    assert check(dataset, num_channels=3) is dataset
    assert check(make([encoded(), encoded()]), fixed_size=False)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16"])
def test_modes_of_8_bits_and_deeper_ones_that_hold_no_more_are_read(mode):
    kind = "PNG" if mode == "I;16" else "TIFF"
    assert check(make([encoded(mode, kind=kind)]))


def gray(values, dtype, kind="PNG"):
    file = BytesIO()
    Image.fromarray(np.array(values, dtype)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("deep", "share"),
    [
        (gray([[0, 255], [256, 40_000]], np.uint16), 50),
        (gray([[0, 255], [70_000, 3]], np.int32, "TIFF"), 25),
        (gray([[0.0, 1.0], [0.25, 0.5]], np.float32, "TIFF"), 50),
    ],
)
def test_images_that_8_bits_cannot_hold(deep, share, caplog):
    """As many as Pillow's conversion to RGB, with which pipeline begins, changes; one in a hundred is let pass."""
    dataset = make([encoded(), deep])
    told = rf"^train_dataset: column 'image': 1 of 2 images have more than 8 bits .* row 1: {share} % of its pixels"
    with pytest.raises(UserError, match=told) as caught:
        check(dataset)
    assert "Save them with 8 bits" in str(caught.value)
    assert "skip_corrupt_images=True leaves them out" in str(caught.value)
    with pytest.raises(UserError, match=told):
        check(dataset.cast_column("image", datasets.Image(mode="RGB")))
    assert len(check(dataset, skip_corrupt=True)) == 1
    assert "more than 8 bits" in caplog.text
    few = np.zeros((20, 20), np.uint16)
    few[0, :4] = 300
    assert len(check(make([gray(few, np.uint16)]))) == 1


@pytest.mark.parametrize("sizes", [[(20, 10)] * 2 + [(10, 10)] * 8, [(10, 20)] * 10])
def test_images_that_are_squeezed_are_told_once(sizes, caplog):
    """Two of ten are stretched by 2; a tenth is let pass, and so are images of the processor's own proportions."""
    dataset = make([encoded(size=size) for size in sizes])
    for _ in range(2):
        check(dataset, squeezed_to=(16, 16))
    many = sum(size != (10, 10) for size in sizes)
    told = [text for text in caplog.messages if "squeezes" in text]
    assert len(told) == 1
    assert (
        f"into 16x16 pixels, which stretches {many} of 10 by more than 1.2, half of these by more than 2;" in told[0]
    )
    caplog.clear()
    check(dataset)
    check(make([encoded(size=(20, 10))] + [encoded(size=(11, 10))] * 9), squeezed_to=(16, 16))
    check(dataset.select([0]), squeezed_to=(sizes[0][1], sizes[0][0]))
    assert not caplog.messages


def test_truncated_and_foreign_files():
    png, jpeg = noise("PNG"), noise("JPEG")
    cases = {
        "truncated PNG": png[: len(png) // 2],
        "truncated JPEG": jpeg[: len(jpeg) // 2],
        "only a signature": png[:8],
        "text": b"no image at all",
        "empty": b"",
    }
    for name, data in cases.items():
        with pytest.raises(UserError, match=r"1 of 2 images cannot be decoded; the first is row 1: \w") as caught:
            check(make([png, data]))
        assert "\n" not in str(caught.value), name
        assert "object at 0x" not in str(caught.value), name
    with pytest.raises(UserError, match="row 1: not a file of a known image format"):
        check(make([png, b"no image"]))


def test_the_first_corrupt_file_is_named_with_the_count(tmp_path):
    (tmp_path / "good.png").write_bytes(encoded())
    (tmp_path / "bad.jpg").write_bytes(noise("JPEG")[:100])
    names = ["good.png", "gone.png", "bad.jpg"]
    dataset = make([None] * 3, paths=[str(tmp_path / name) for name in names])
    with pytest.raises(
        UserError, match=r"2 of 3 .*row 1, '.*gone\.png': FileNotFoundError: No such file.*skip_corrupt"
    ):
        check(dataset)
    with pytest.raises(UserError, match=r"1 of 1 images cannot be decoded; the first is row 0, '.*bad\.jpg'"):
        check(dataset.select([2]), skip_corrupt=True)


def test_corrupt_images_can_be_left_out(caplog):
    dataset = make([encoded(), b"x", None, encoded("L"), encoded()[:20]], [0, 1, 1, 1, 0])
    kept = check(dataset, skip_corrupt=True)
    assert kept["label"][:] == [0, 1]
    assert [image.mode for image in kept["image"]] == ["RGB", "L"]
    assert "train_dataset: column 'image': 3 of 5 images cannot be decoded; the first is row 1" in caplog.text
    assert "left out" in caplog.text


def test_missing_images():
    with pytest.raises(UserError, match=r"2 of 3 images cannot be decoded; the first is row 1: no image"):
        check(make([encoded(), None, None]))


def test_rows_are_those_of_a_selection():
    dataset = make([encoded(), b"x", encoded()]).select([2, 0, 1])
    with pytest.raises(UserError, match="the first is row 2"):
        check(dataset)


@pytest.mark.parametrize("offset", [18, 22])
def test_images_without_a_pixel(offset):
    """A BMP file has its width at byte 18 and its height at byte 22."""
    data = bytearray(encoded(kind="BMP"))
    assert check(make([bytes(data)]))
    data[offset : offset + 4] = bytes(4)
    with pytest.raises(UserError, match=r"1 of 2 images cannot be decoded; the first is row 1"):
        check(make([encoded(), bytes(data)]))


def test_sizes_must_agree_only_where_nothing_resizes():
    dataset = make([encoded(size=(6, 4)), encoded(size=(6, 4)), encoded(size=(4, 6))])
    assert check(dataset) is dataset
    with pytest.raises(UserError, match=r"several sizes, .* does not resize them: 6x4 \(row 0\) and 4x6 \(row 2\)"):
        check(dataset, fixed_size=False)


def test_sizes_are_those_after_the_orientation_of_the_camera():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    Image.new("RGB", (6, 4)).save(file, "JPEG", exif=exif)
    assert check(make([encoded(size=(4, 6)), file.getvalue()]), fixed_size=False)


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_channels_that_no_image_has(channels):
    with pytest.raises(UserError, match=rf"^train_dataset: .* {channels} channels .*; allowed are 1 .* and 3"):
        check(make([b"never looked at"]), num_channels=channels)


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset.from_dict({"image": ["a.png"]}),
        Dataset.from_dict({"image": [b"bytes"]}),
        Dataset.from_dict({"image": [[[0, 1], [1, 0]]]}),
        make([encoded()]).cast_column("image", datasets.Image(decode=False)),
    ],
)
def test_columns_that_hold_no_images(dataset):
    with pytest.raises(
        UserError, match=r"not datasets.Image\(\); .*dataset.cast_column\('image', datasets.Image\(\)\)"
    ):
        check(dataset)


def test_a_column_that_is_not_there():
    with pytest.raises(
        UserError, match=r"^train_dataset: no column 'image' \(image_column\); its columns are \['x'\]"
    ):
        check(Dataset.from_dict({"x": [1]}))


def test_large_images_are_decoded_on_threads_and_keep_their_order():
    good, bad = noise("JPEG", (160, 160)), noise("JPEG", (160, 160))[:500]
    dataset = make([good] * 100 + [bad] + [good] * 30 + [bad])
    with pytest.raises(UserError, match="2 of 132 images cannot be decoded; the first is row 100:"):
        check(dataset)


def test_a_bar_appears_for_many_images_only(capsys):
    datasets.enable_progress_bars()
    few = make([encoded("1", (1, 1))] * 10)
    check(few)
    assert capsys.readouterr().err == ""
    check(few.select([0] * (PROGRESS_ROWS + 1)))
    assert f"Checking images of train_dataset: 100%|██████████| {PROGRESS_ROWS + 1}/" in capsys.readouterr().err


def test_a_data_set_with_a_transform_and_other_columns():
    dataset = make([encoded()], [0]).with_transform(lambda batch: pytest.fail("transformed"))
    assert check(dataset) is dataset


CHECK = functools.partial(check_images, skip_corrupt=True)


def test_labels_of_images_are_checked_as_those_of_texts():
    dataset = make([encoded()] * 3, ["dog", "cat", "dog"])
    checked = check_labeled(dataset, "image", "label", 2, LABEL2ID, check_inputs=CHECK)
    assert checked["label"][:] == [1, 0, 1]
    assert checked[0]["image"].size == (6, 4)
    assert check_eval(dataset.select([1]), "image", "label", 2, LABEL2ID, check_inputs=CHECK)["label"][:] == [0]
    with pytest.raises(UserError, match=r"^train_dataset: label 'dog' in row 0 .* not among the model's labels"):
        check_labeled(dataset, "image", "label", 1, {"cat": 0}, check_inputs=CHECK)
    with pytest.raises(UserError, match="the data set is empty"):
        check_unlabeled(dataset.select([]), "image", check_inputs=CHECK)


def test_labels_are_those_of_the_images_kept():
    dataset = make([b"x", encoded(), encoded()], ["bird", "dog", "cat"])
    assert check_labeled(dataset, "image", "label", 2, LABEL2ID, check_inputs=CHECK)["label"][:] == [1, 0]
    only_dog = make([b"x", encoded()], [0, 1])
    with pytest.raises(UserError, match=r"no example of class 'cat' \(id 0\)"):
        check_labeled(only_dog, "image", "label", 2, LABEL2ID, check_inputs=CHECK)
    assert len(check_unlabeled(only_dog, "image", check_inputs=CHECK)) == 1


def test_the_check_of_inputs_gets_data_column_and_name():
    seen = []

    def note(dataset: Dataset, column: str, argument: str) -> Dataset:
        seen.append((dataset, column, argument))
        return dataset

    dataset = Dataset.from_dict({"features": [[0.5]], "label": [0]})
    assert check_unlabeled(dataset, "features", check_inputs=note) is dataset
    assert check_labeled(dataset, "features", "label", 1, argument="few", check_inputs=note) is dataset
    assert seen == [(dataset, "features", "unlabeled_dataset"), (dataset, "features", "few")]
