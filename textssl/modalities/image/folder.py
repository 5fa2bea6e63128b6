"""A person's own images: a folder of files, a saved data set, or a table that holds or names them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Image, Value

from ...data.class_labels import with_class_labels
from ...data.columns import check_column
from ...data.image_tables import is_image_column
from ...data.tables import read_table, table_to_dataset
from ...errors import UserError


__all__ = ["IMAGE_SUFFIXES", "as_images", "is_image_folder", "load_image_folder", "load_images"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
KINDS = f"images are files {', '.join(IMAGE_SUFFIXES)}"
SAVED_FILES = ("state.json", "dataset_info.json", "dataset_dict.json")


def load_images(
    path: str | os.PathLike[str],
    image_column: str = "image",
    label_column: str | None = "label",
    label_names: Sequence[str] | None = None,
) -> Dataset:
    """Read images, and their labels, from a folder, a saved data set or a table.

    Images are decoded when they are used. Labels become a `ClassLabel` as `load_table` makes it.
    Read the evaluation images with the names of the training images,
    `label_names=train.features["label"].names`, so that both mean the same by a label.

    Args:
        path: A folder of images, as `load_image_folder` reads it; a folder written by
            `datasets.Dataset.save_to_disk`, which is memory-mapped; or a table, `.parquet`, `.csv`,
            `.tsv`, `.jsonl` or `.json`, which is read into memory.
        image_column: The column of images: the feature `datasets.Image`, a struct of `bytes` and
            `path`, the bytes of image files, or their paths, relative to the folder of the table. A
            folder of images gets a column of that name.
        label_column: The column of labels, likewise; `None` for unlabeled images.
        label_names: The classes in the order of their ids; `None` takes them from the data.

    Returns:
        A data set of N > 0 rows. `textssl.modalities.image.validation.check_images` looks at the images
        themselves.

    Raises:
        UserError: The file or folder is missing, empty, broken or of an unknown kind; a column does
            not exist; the images are none; a label is missing, negative or not among `label_names`.
    """
    location = Path(path)
    if is_image_folder(location):
        folder = load_image_folder(location, label_names, labeled=label_column is not None)
        return folder.rename_columns(
            {"image": image_column} if label_column is None else {"image": image_column, "label": label_column}
        )
    dataset = read_table(location, image_column)
    if len(dataset) == 0:
        raise UserError(f"path: {str(location)!r} holds no rows")
    dataset = as_images(dataset, image_column, location)
    if label_column is None:
        return dataset
    return with_class_labels(dataset, label_column, label_names, location)


def is_image_folder(path: Path) -> bool:
    """Whether a path is a folder that no data set was saved in."""
    return path.is_dir() and not any((path / name).is_file() for name in SAVED_FILES)


def load_image_folder(
    path: str | os.PathLike[str], label_names: Sequence[str] | None = None, labeled: bool = True
) -> Dataset:
    """List the images of a folder; they are decoded when they are used.

    Of a labeled folder each sub-folder is a class, and all images in it, however deep, are of that
    class. Of an unlabeled folder all images are listed, however deep. Images are recognised by their
    suffix (`IMAGE_SUFFIXES`); other files, and files and folders whose name begins with a dot, are
    ignored. Links are followed, but no folder is entered twice for one class.

    Args:
        path: The folder.
        label_names: The classes in the order of their ids; `None` takes the sorted names of the
            sub-folders.
        labeled: Whether sub-folders are classes.

    Returns:
        N > 0 rows, sorted by class and path: `image`, `label` (a `ClassLabel`; only if labeled) and
        `file`, the path relative to the folder with `/` between its parts.

    Raises:
        UserError: No such folder; no images; of a labeled folder also images outside the
            sub-folders, a sub-folder without images, and one that is not among `label_names`.
    """
    root = Path(path).absolute()
    if not root.is_dir():
        raise UserError(f"path: no such folder: {str(path)!r}")
    if not labeled:
        return _rows(root, _images_below(root, set()))
    classes = _classes(root)
    if label_names is not None:
        # A held-out set may lack a class.
        classes = {name: found for name, found in classes.items() if found}
    elif empty := [name for name, found in classes.items() if not found]:
        raise UserError(f"path: the class folder {str(root / empty[0])!r} holds no images; {KINDS}")
    names = list(classes) if label_names is None else list(label_names)
    if strange := [name for name in classes if name not in names]:
        raise UserError(f"path: the class folder {str(root / strange[0])!r} is not among the known labels {names}")
    files = [file for found in classes.values() for file in found]
    labels = np.repeat([names.index(name) for name in classes], [len(found) for found in classes.values()])
    return _rows(root, files, labels, names)


def _classes(root: Path) -> dict[str, list[str]]:
    """The images of each class folder."""
    folders, files = _listing(root)
    classes = {folder.name: _images_below(folder, {_identity(root)}) for folder in folders}
    if files:
        raise UserError(
            f"path: the image {str(files[0])!r} lies in no class folder; a labeled folder has one folder a class"
        )
    if not any(classes.values()):
        raise UserError(f"path: no images in class folders of {str(root)!r}; {KINDS}")
    return classes


def _images_below(folder: Path, entered: set[tuple[int, int]]) -> list[str]:
    """Paths of all images in a folder, sorted; `entered` are folders to stay out of."""
    identity = _identity(folder)
    if identity in entered:
        return []
    entered.add(identity)
    folders, files = _listing(folder)
    return [str(file) for file in files] + [file for inner in folders for file in _images_below(inner, entered)]


def _listing(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the images right in a folder, sorted; a link that leads nowhere counts as an image."""
    try:
        with os.scandir(folder) as entries:
            seen = sorted((entry.name, _is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"path: cannot read the folder {str(folder)!r}: {error.strerror}") from error
    folders = [folder / name for name, is_folder in seen if is_folder]
    files = [
        folder / name for name, is_folder in seen if not is_folder and Path(name).suffix.lower() in IMAGE_SUFFIXES
    ]
    return folders, files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # Of a link to itself `entry.is_dir` raises.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _rows(
    root: Path, files: Sequence[str], labels: np.ndarray | None = None, names: Sequence[str] | None = None
) -> Dataset:
    if not files:
        raise UserError(f"path: no images in {str(root)!r}; {KINDS}")
    paths = pa.array(files, pa.string())
    relative = pa.array([Path(file).relative_to(root).as_posix() for file in files], pa.string())
    columns, features = {"image": Image().cast_storage(paths)}, {"image": Image()}
    if labels is not None:
        columns["label"] = pa.array(labels, pa.int64())
        features["label"] = ClassLabel(names=list(names or []))
    columns["file"], features["file"] = relative, Value("string")
    return table_to_dataset(pa.table(columns, schema=Features(features).arrow_schema))


def as_images(dataset: Dataset, column: str, location: Path) -> Dataset:
    """The same rows, with paths and bytes of image files turned into the feature `datasets.Image`.

    Args:
        dataset: A table.
        column: Of images, the bytes of their files, or their paths.
        location: The file of the table; paths are relative to its folder.

    Raises:
        UserError: No such column, or one of something else.
    """
    check_column(dataset, column, str(location), "image_column")
    kind = dataset.data.column(column).type
    fields = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {"": kind}
    if not fields.keys() <= {"", "bytes", "path"} or not all(_may_be_image(field) for field in fields.values()):
        raise UserError(
            f"{location}: column {column!r} holds {kind}; images are the feature datasets.Image, a struct of bytes "
            "and path, the bytes of image files, or their paths"
        )
    if not is_image_column(dataset, column) or not dataset.features[column].decode:
        dataset = dataset.cast_column(column, Image())
    return dataset if location.is_dir() else _with_whole_paths(dataset, column, location.absolute().parent)


def _may_be_image(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        # The half of a struct that no row uses.
        or pa.types.is_null(kind)
    )


def _with_whole_paths(dataset: Dataset, column: str, folder: Path) -> Dataset:
    """Paths of images that are stored outside the table, made absolute."""
    chunks = [_whole_paths(chunk, folder) for chunk in dataset.data.column(column).chunks]
    table, field = dataset.data.table, dataset.features.arrow_schema.field(column)
    return table_to_dataset(table.set_column(table.column_names.index(column), field, pa.chunked_array(chunks)))


def _whole_paths(images: pa.StructArray, folder: Path) -> pa.StructArray:
    data, paths = pc.struct_field(images, "bytes"), pc.struct_field(images, "path")
    if not data.null_count:
        return images
    whole = [
        os.path.join(folder, path) if outside and path else path
        for path, outside in zip(paths.to_pylist(), data.is_null().to_pylist(), strict=True)
    ]
    return pa.StructArray.from_arrays([data, pa.array(whole, pa.string())], ["bytes", "path"], mask=images.is_null())
