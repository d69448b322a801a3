"""Image files of a user's folder with their labels, checked and stored unchanged in one archive."""

import csv
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.base.files.formats import read_json, write_json
from stages.base.run.bars import ProgressBar
from stages.datasets.base.contract import Dataset, Origin, RawImages
from stages.datasets.base.decode import MOST_PIXELS, decode
from stages.datasets.base.decoded import UnusableImage
from stages.datasets.base.layout import UNSPLIT, printable

ARCHIVE, INDEX, CLASSES = "images.zip", "images.csv", "classes.json"

Range = tuple[float, float]


class Depth(NamedTuple):
    """The values in an image of more than 8 bits.

    Attributes:
        lowest: Lowest pixel value.
        highest: Highest pixel value.
        window: What the file wants shown black and white; None if it does not say.
    """

    lowest: float
    highest: float
    window: Range | None


class LabelledFile(NamedTuple):
    """An image file and its place in the data set.

    Attributes:
        name: Path in the user's folder, with forward slashes.
        split: `train`, `validation`, `test` or `UNSPLIT`.
        group: What it has in common with other images, such as a patient; its name if nothing.
        label: Class; with several labels an image, 0 or 1 for each label.
    """

    name: str
    split: str
    group: str
    label: str | Sequence[int]


class ArchivedImages:
    """The images of an archive, as an `ImageSequence`."""

    def __init__(self, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
        self._archive, self._names = archive, names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> NDArray[Any]:
        # Their size was checked when they were stored.
        return decode(self._archive.read(self._names[index]), most_pixels=None).pixels


def group_of(path: Path, name: str) -> str:
    """The group of an image: the first folder of its path within its class, or its own name."""
    return path.parts[0] if len(path.parts) > 1 else name


def archive_images(
    origin: Origin, folder: Path, names: Sequence[str], most_pixels: int = MOST_PIXELS
) -> dict[str, Depth | None]:
    """Check image files by decoding them, and store them in `ARCHIVE`.

    Args:
        origin: The user's folder, and what to do with damaged files.
        folder: Destination.
        names: Paths of the files in the user's folder.
        most_pixels: Largest number of pixels of an image.

    Returns:
        The depth of each file that was stored, in order; None if its pixels have 8 bits.

    Raises:
        UserError: Files are not images, and `origin.skip_damaged` is false; lists them.
    """
    root, stored, damaged = origin.source, dict[str, Depth | None](), []
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_STORED) as archive:
        for name in ProgressBar(names, desc="download", unit="image"):
            try:
                content, depth = _checked_content(root / name, root, most_pixels)
            except UnusableImage as error:
                damaged.append(f"  {printable(Path(name))}: {error}")
            else:
                # No dates and permissions: the same images always give the same bytes.
                archive.writestr(zipfile.ZipInfo(name), content)
                stored[name] = depth
    _report_damaged(root, damaged, len(names), origin.skip_damaged)
    return stored


def write_index(
    folder: Path,
    files: Sequence[LabelledFile],
    depths: Mapping[str, Depth | None],
    class_names: Sequence[str],
    absent: bool,
) -> None:
    """Write what `read` needs beside the archive.

    Args:
        folder: Has the archive.
        files: The files in it, in order.
        depths: What `archive_images` returned.
        class_names: Names of the classes or labels, in class order.
        absent: Whether classes may have no training images.
    """
    numbers = {name: [number] for number, name in enumerate(class_names)}
    with (folder / INDEX).open("w", encoding="utf-8", newline="") as table:
        lines = csv.writer(table, lineterminator="\n")
        for file in files:
            label = numbers[file.label] if isinstance(file.label, str) else file.label
            lines.writerow([file.name, file.split, file.group, *_cells(depths[file.name]), *label])
    single = all(isinstance(file.label, str) for file in files)
    write_json(folder / CLASSES, {"names": class_names, "absent": absent, "single": single})


def _cells(depth: Depth | None) -> Sequence[float | str]:
    """Range and window, or empty cells."""
    if depth is None:
        return [""] * 4
    return [depth.lowest, depth.highest, *(depth.window or ("", ""))]


def read(folder: Path) -> Dataset:
    """Open the archive; images are decoded on access."""
    archive, classes = zipfile.ZipFile(folder / ARCHIVE), read_json(folder / CLASSES)
    splits: dict[str, list[list[str]]] = defaultdict(list)
    with (folder / INDEX).open(encoding="utf-8", newline="") as table:
        for row in csv.reader(table):
            splits[row[1]].append(row)

    def raw_images(split: str) -> RawImages | None:
        if not (rows := splits[split]):
            return None
        labels = np.array([row[7:] for row in rows], np.int64)
        depths = np.array([[float(value or "nan") for value in row[3:7]] for row in rows])
        ranges, windows = depths[:, :2], depths[:, 2:]
        names = [row[0] for row in rows]
        return RawImages(
            ArchivedImages(archive, names),
            labels[:, 0] if classes["single"] else labels,
            names,
            groups=[row[2] for row in rows],
            ranges=None if np.isnan(ranges).all() else ranges,
            windows=None if np.isnan(windows).all() else windows,
        )

    train = raw_images("train") or raw_images(UNSPLIT)
    assert train is not None  # fetch rejects folders without images
    validation, test = raw_images("validation"), raw_images("test")
    return Dataset(train, test, tuple(classes["names"]), classes["absent"], validation)


def _checked_content(path: Path, root: Path, most_pixels: int) -> tuple[bytes, Depth | None]:
    """The bytes of a file, and the values in it if they have more than 8 bits.

    Raises:
        UnusableImage: It is not an image inside the folder.
    """
    try:
        str(path).encode()
        if not path.resolve().is_relative_to(root.resolve()):
            raise UnusableImage(f"a link to {path.resolve()}, outside the folder: not followed")
        if path.is_dir():
            raise UnusableImage("a link to a folder: not followed")
        content = path.read_bytes()
    except UnicodeEncodeError:
        raise UnusableImage("its name is not UTF-8; rename it") from None
    except (OSError, RuntimeError) as error:  # resolve() raises RuntimeError for a loop of links
        raise UnusableImage(getattr(error, "strerror", None) or str(error)) from None
    pixels, window = decode(content, most_pixels)
    if pixels.dtype == np.uint8:
        return content, None
    return content, Depth(float(pixels.min()), float(pixels.max()), window)


def _report_damaged(root: Path, damaged: Sequence[str], n_files: int, skip: bool) -> None:
    if not damaged:
        return
    lines = "\n".join(damaged)
    if not skip:
        raise UserError(
            f"{root}: {len(damaged):,} of {n_files:,} files cannot be used as images:\n"
            f"{lines}\nFix or remove them, or set data.skip_damaged: true to leave them out."
        )
    print(f"{root}: left out {len(damaged):,} of {n_files:,} files (data.skip_damaged):\n{lines}")
