"""Parquet files of images, as Hugging Face stores data sets: `data.source` is a folder or a file.

In a folder, a file's name or that of its folder contains its split: `train-00000-of-00002.parquet`,
`validation-…`, `test/0000.parquet`. Preprocess splits off splits that are missing; a single file,
and files that name no split, are not split yet. An image is named by its row in its split.

A row has an image file, as bytes or as a struct {bytes, path}, and a label: a number, whose name
the schema's Hugging Face metadata may have, or a string. Files are read in small batches of rows.
"""

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from stages.base.errors.extras import missing_extra
from stages.base.errors.user import UserError, reason_of, shortened
from stages.base.files.formats import read_json, write_json
from stages.base.run.bars import ProgressBar
from stages.datasets.base.archive import ARCHIVE, ArchivedImages
from stages.datasets.base.contract import Dataset, Origin, RawImages
from stages.datasets.base.decode import MOST_PIXELS, decode
from stages.datasets.base.decoded import UnusableImage
from stages.datasets.base.labels import classes_of
from stages.datasets.base.layout import printable
from stages.datasets.base.parquet_layout import files_by_split
from stages.datasets.base.stored import SPLITS

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise missing_extra("data.dataset", "parquet", error) from error

CLASSES = "classes.json"
BATCH_ROWS = 64
MOST_LISTED = 10


class Columns(NamedTuple):
    """Names of the columns that are read."""

    image: str
    label: str


class Stored(NamedTuple):
    """Images of a split that are stored.

    Attributes:
        rows: Their rows in the split (n,), from 0.
        labels: Their labels, numbers or strings.
    """

    rows: list[int]
    labels: list[Any]


def fetch(
    origin: Origin,
    folder: Path,
    *,
    image: str = "image",
    label: str = "label",
    labels_from: Literal[0, 1] = 0,
    most_pixels: Annotated[int, Field(gt=0)] = MOST_PIXELS,
) -> str:
    """Check every image by decoding it, and store the files unchanged in one archive.

    Args:
        origin: Has the user's folder or file.
        folder: Where the archive is written.
        image: Name of the column of images.
        label: Name of the column of labels.
        labels_from: Number of the first class.
        most_pixels: Largest number of pixels of an image: larger ones may be an attack.

    Returns:
        Name of the user's folder, or of the file without `.parquet`.
    """
    if origin.multiple:
        raise UserError(
            "data.labels: multiple is not read from Parquet files; save the images in a folder "
            "with a labels.csv, for dataset image_folder"
        )
    columns = Columns(image, label)
    files = files_by_split(origin.source)
    opened = {path: _opened(path, columns) for paths in files.values() for path in paths}
    given = _class_names(opened, label)
    stored = _store(origin, folder, files, opened, columns, most_pixels)
    errors: list[str] = []
    labels = {f"{label} of {split}": np.array(part.labels) for split, part in stored.items()}
    numbers, names = classes_of(labels, given, labels_from, errors)
    errors += [f"no images are left in {split}" for split, part in stored.items() if not part.rows]
    errors += [
        f"{name} is -1 for all images: the split is published without labels; move its files to "
        "another folder, and preprocess splits off others"
        for name, array in numbers.items()
        if len(array) and (array == -1).all()
    ]
    if errors:
        lines = "\n".join(f"  {error}" for error in errors)
        raise UserError(f"{origin.source}: cannot be used as dataset parquet:\n{lines}")
    for (split, part), array in zip(stored.items(), numbers.values(), strict=True):
        np.save(folder / f"{split}_rows.npy", np.array(part.rows, np.int64))
        np.save(folder / f"{split}_labels.npy", array)
    write_json(folder / CLASSES, {"names": names})
    return printable(Path(origin.source.resolve().name.removesuffix(".parquet")))


def read(folder: Path) -> Dataset:
    """Open the archive; images are decoded on access."""
    archive = zipfile.ZipFile(folder / ARCHIVE)

    def raw_images(split: str) -> Any:
        if not (folder / f"{split}_rows.npy").exists():
            return None
        rows = np.load(folder / f"{split}_rows.npy")
        images = ArchivedImages(archive, [_member(split, row) for row in rows.tolist()])
        return RawImages(images, np.load(folder / f"{split}_labels.npy"), rows)

    splits = {split: raw_images(split) for split in SPLITS}
    return Dataset(class_names=tuple(read_json(folder / CLASSES)["names"]), **splits)


def _member(split: str, row: int) -> str:
    return f"{split}/{row}"


@contextlib.contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{printable(path)}: cannot be read as a Parquet file ({shortened(reason_of(error))}); "
            "download or write it again"
        ) from None


def _opened(path: Path, columns: Columns) -> Any:
    """A Parquet file whose columns have types that can be read."""
    with _damage_reported(path):
        # Neither whole files nor whole columns are kept in memory.
        file = pq.ParquetFile(path, memory_map=True, pre_buffer=False)
        schema = file.schema_arrow
    for parameter, name in columns._asdict().items():
        if name not in schema.names:
            raise UserError(
                f"{printable(path)}: has no column {name}; its columns are "
                f"{', '.join(schema.names)}: set data.options: {{{parameter}: <column>}}"
            )
    kind = schema.field(columns.image).type
    is_struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    content = kind.field("bytes").type if is_struct else kind
    if not (pa.types.is_binary(content) or pa.types.is_large_binary(content)):
        raise UserError(
            f"{printable(path)}: column {columns.image} is {kind}, expected the bytes of image "
            "files, or a struct of bytes and path; choose another with data.options: {image: "
            "<column>}"
        )
    kind = schema.field(columns.label).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_label = (
        *(pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean),
        *(pa.types.is_string, pa.types.is_large_string),
    )
    if not any(accepts(kind) for accepts in is_label):
        raise UserError(
            f"{printable(path)}: column {columns.label} is {kind}, expected a number or a string; "
            "choose another with data.options: {label: <column>}"
        )
    return file


def _class_names(opened: Mapping[Path, Any], label: str) -> list[str] | None:
    """Names of the classes in the files' Hugging Face metadata; None if there are none."""
    found = {path: _named(file.schema_arrow.metadata, label) for path, file in opened.items()}
    (first, names), *others = found.items()
    for path, its_names in others:
        if its_names != names:
            raise UserError(
                f"{printable(path)}: its metadata names other classes than {printable(first)}; "
                "use files of one data set"
            )
    return names


def _named(metadata: Mapping[bytes, bytes] | None, label: str) -> list[str] | None:
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_list else None


def _store(
    origin: Origin,
    folder: Path,
    files: Mapping[str, list[Path]],
    opened: Mapping[Path, Any],
    columns: Columns,
    most_pixels: int,
) -> dict[str, Stored]:
    """Check the images of all splits and write them to the archive."""
    stored = {split: Stored([], []) for split in files}
    damaged = []
    n_rows = sum(file.metadata.num_rows for file in opened.values())
    with (
        zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_STORED) as archive,
        ProgressBar[Any](desc="download", unit="image", total=n_rows) as progress,
    ):
        for split, paths in files.items():
            cells = (cell for path in paths for cell in _rows(path, opened[path], columns))
            for row, (where, image, label) in enumerate(cells):
                try:
                    if label is None:
                        raise UnusableImage("has no label")
                    content = _checked_content(image, most_pixels)
                except UnusableImage as error:
                    damaged.append(f"  {where}: {error}")
                else:
                    # No dates and permissions: the same images always give the same bytes.
                    archive.writestr(zipfile.ZipInfo(_member(split, row)), content)
                    stored[split].rows.append(row)
                    stored[split].labels.append(label)
                progress.update()
    _report_damaged(origin, damaged, n_rows)
    return stored


def _rows(path: Path, file: Any, columns: Columns) -> Iterator[tuple[str, Any, Any]]:
    """Place, image and label of each row of a file."""
    row = 0
    with _damage_reported(path):
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            cells = (batch.column(name).to_pylist() for name in columns)
            for image, label in zip(*cells, strict=True):
                yield f"{printable(path)}, row {row}", image, label
                row += 1


def _checked_content(cell: Any, most_pixels: int) -> bytes:
    """The bytes of an image; raises `UnusableImage` if they are none."""
    content = cell["bytes"] if isinstance(cell, dict) else cell
    if content is None:
        path = cell.get("path") if isinstance(cell, dict) else None
        raise UnusableImage(
            f"only the path {path!r}, without the file's bytes" if path else "empty"
        )
    decode(content, most_pixels)
    return bytes(content)


def _report_damaged(origin: Origin, damaged: list[str], n_rows: int) -> None:
    if not damaged:
        return
    root, n = printable(origin.source), len(damaged)
    more = [f"  and {n - MOST_LISTED:,} more"] if n > MOST_LISTED else []
    lines = "\n".join(damaged[:MOST_LISTED] + more)
    if not origin.skip_damaged:
        raise UserError(
            f"{root}: {n:,} of {n_rows:,} rows cannot be used as images with a label:\n{lines}\n"
            "Fix or remove them, or set data.skip_damaged: true to leave them out."
        )
    print(f"{root}: left out {n:,} of {n_rows:,} rows (data.skip_damaged):\n{lines}")
