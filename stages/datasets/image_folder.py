"""Your own folder of images: `data.source` is its path.

It contains `train/<class>/*` and `test/<class>/*`, or `<class>/*` alone, from which preprocess
splits off test images (`preprocess.test_fraction`). Classes have the names of their folders, in
alphabetical order; an image is named by its path in the folder: `test/cats/1.jpg` or `cats/1.jpg`.
Formats: PNG, JPEG, BMP, WebP, TIFF and GIF (first frame). Files and folders whose names start with
a dot are ignored, and so are files outside the class folders.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, Origin, RawImages
from stages.datasets.base.decode import UnusableImage, decode

ARCHIVE = "images.zip"
UNSPLIT = "all"  # the only split of a folder without train and test
LAYOUT = "train/<class>/* and test/<class>/*, or <class>/*"


class ClassFolder(NamedTuple):
    """A class in one split: `train`, `test` or `all`."""

    split: str
    name: str


def fetch(origin: Origin, folder: Path) -> str:
    """Check every image by decoding it, and store the files unchanged in one archive.

    Returns:
        Name of the user's folder.
    """
    root = origin.source
    if not root.is_dir():
        raise UserError(f"data.source: {root}: no such folder; image_folder needs {LAYOUT} there")
    folders = _class_folders(root)
    files = [(key, file) for key, path in folders.items() for file in _visible(path)]
    counts = dict.fromkeys(folders, 0)
    damaged = []
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_STORED) as archive:
        for key, path in tqdm(files, desc="images", delay=1, leave=False, disable=None):
            try:
                content = _checked_content(path, root)
            except UnusableImage as error:
                damaged.append(f"  {_printable(path.relative_to(root))}: {error}")
            else:
                # No dates and permissions: the same images always give the same bytes.
                archive.writestr(zipfile.ZipInfo("/".join((*key, path.name))), content)
                counts[key] += 1
    _report_damaged(root, damaged, len(files), origin.skip_damaged)
    _require_classes(root, counts)
    return _printable(Path(root.resolve().name))


def read(folder: Path) -> Dataset:
    """Open the archive; images are decoded on access."""
    archive = zipfile.ZipFile(folder / ARCHIVE)
    members = [(ClassFolder(*name.split("/")[:2]), name) for name in archive.namelist()]
    class_names = sorted({key.name for key, _ in members})

    def raw_images(split: str) -> RawImages:
        chosen = [(key, name) for key, name in members if key.split == split]
        labels = [class_names.index(key.name) for key, _ in chosen]
        stored = [name for _, name in chosen]
        return RawImages(
            _ArchivedImages(archive, stored),
            np.array(labels, np.int64),
            [name.removeprefix(f"{UNSPLIT}/") for name in stored],
        )

    if members[0][0].split == UNSPLIT:
        return Dataset(raw_images(UNSPLIT), None, tuple(class_names))
    return Dataset(raw_images("train"), raw_images("test"), tuple(class_names))


class _ArchivedImages:
    """The images of an archive, as an `ImageSequence`."""

    def __init__(self, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
        self._archive, self._names = archive, names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return decode(self._archive.read(self._names[index]))


def _class_folders(root: Path) -> dict[ClassFolder, Path]:
    splits = [name for name in ("train", "test") if (root / name).is_dir()]
    # A class may be called train or test too, but classes contain files and splits folders.
    if len(splits) == 1 and all(path.is_dir() for path in _visible(root / splits[0])):
        found = ", ".join(path.name for path in _visible(root))
        raise UserError(
            f"data.source: {_printable(root)}: contains {found}; image_folder needs {LAYOUT}: "
            "rename the other split, or set data.source to "
            f"{_printable(root / splits[0])} to have test images split off"
        )
    parents = {name: root / name for name in splits} if len(splits) == 2 else {UNSPLIT: root}
    return {
        ClassFolder(split, path.name): path
        for split, parent in parents.items()
        for path in _visible(parent)
        if path.is_dir()
    }


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"{_printable(folder)}: cannot be read: {error.strerror}; fix its permissions"
        ) from error


def _checked_content(path: Path, root: Path) -> bytes:
    """The bytes of a file; raises `UnusableImage` if it is not an image inside the folder."""
    try:
        str(path).encode()
        if not path.resolve().is_relative_to(root.resolve()):
            raise UnusableImage(f"a link to {path.resolve()}, outside the folder: not followed")
        content = path.read_bytes()
    except UnicodeEncodeError:
        raise UnusableImage("its name is not UTF-8; rename it") from None
    except (OSError, RuntimeError) as error:  # resolve() raises RuntimeError for a loop of links
        raise UnusableImage(getattr(error, "strerror", None) or str(error)) from None
    decode(content)
    return content


def _printable(path: Path) -> str:
    return str(path).encode(errors="backslashreplace").decode()


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


def _require_classes(root: Path, counts: Mapping[ClassFolder, int]) -> None:
    """Require at least two classes, the same in both splits, each with images."""
    errors = [
        f"{_where(key)}: an empty class; add images or remove the folder"
        for key, count in counts.items()
        if count == 0
    ]
    names = {split: {key.name for key in counts if key.split == split} for split, _ in counts}
    train, test = (names.get(split, names.get(UNSPLIT, set())) for split in ("train", "test"))
    for name in sorted(train ^ test):
        here, there = ("train", "test") if name in train else ("test", "train")
        images = "test images" if there == "test" else "training images"
        errors.append(
            f"{_printable(Path(here, name))}: a class without {images}; add them to "
            f"{_printable(Path(there, name))} or remove it"
        )
    if len(train) < 2:
        found = ", ".join(_printable(Path(name)) for name in train) or "none"
        errors.append(f"classes found: {len(train)} ({found}), expected at least 2, as {LAYOUT}")
    if errors:
        raise UserError("\n  ".join([f"{root}: cannot be used as image_folder:", *errors]))


def _where(key: ClassFolder) -> str:
    return _printable(Path(key.name) if key.split == UNSPLIT else Path(*key))
