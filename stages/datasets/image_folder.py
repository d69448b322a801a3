"""A folder of one's own images: `data.source` names it.

It holds `train/<class>/*` and `test/<class>/*`, or `<class>/*` alone, of which preprocess splits
some off to test (`preprocess.test_fraction`). A class is called as its folder is, and classes are
in the order of their names. PNG, JPEG, BMP, WebP, TIFF and GIF (its first frame). What begins with
a dot, and files beside the class folders, do not count.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.core.errors import UserError
from stages.datasets.base.contract import Dataset, Origin, RawImages
from stages.datasets.base.decode import Undecodable, decode

ARCHIVE = "images.zip"
WHOLE = "all"  # stands for the split where there is none
LAYOUT = "train/<class>/* and test/<class>/*, or <class>/*"


class Class(NamedTuple):
    """The images of one class in one split: `train`, `test` or `all`."""

    split: str
    name: str


def fetch(origin: Origin, folder: Path) -> str:
    """Decode every image once to check it, and store the files as they are in one archive.

    Returns:
        The name of the user's folder.
    """
    root = origin.source
    if not root.is_dir():
        raise UserError(f"data.source: {root}: no such folder; image_folder needs {LAYOUT} there")
    classes = _class_folders(root)
    files = [(key, path) for key, place in classes.items() for path in _visible(place)]
    counts = dict.fromkeys(classes, 0)
    damaged = []
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_STORED) as archive:
        for key, path in tqdm(files, desc="images", delay=1, leave=False, disable=None):
            try:
                content = _checked_content(path, root)
            except Undecodable as error:
                damaged.append(f"  {_printable(path.relative_to(root))}: {error}")
            else:
                # Without dates and rights, the same images give the same bytes.
                archive.writestr(zipfile.ZipInfo("/".join((*key, path.name))), content)
                counts[key] += 1
    _report_damaged(root, damaged, len(files), origin.skip_damaged)
    _require_classes(root, counts)
    return _printable(Path(root.resolve().name))


def read(folder: Path) -> Dataset:
    """Read the archive; images are decoded when they are asked for."""
    archive = zipfile.ZipFile(folder / ARCHIVE)
    members = [(Class(*name.split("/")[:2]), name) for name in archive.namelist()]
    class_names = sorted({key.name for key, _ in members})

    def raw_images(split: str) -> RawImages:
        chosen = [(key, name) for key, name in members if key.split == split]
        labels = [class_names.index(key.name) for key, _ in chosen]
        return RawImages(
            _Archived(archive, [name for _, name in chosen]), np.array(labels, np.int64)
        )

    if members[0][0].split == WHOLE:
        return Dataset(raw_images(WHOLE), None, tuple(class_names))
    return Dataset(raw_images("train"), raw_images("test"), tuple(class_names))


class _Archived:
    """Images in an archive, as `stages.datasets.base.contract.LazyImages`."""

    def __init__(self, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
        self._archive, self._names = archive, names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, position: int) -> NDArray[np.uint8]:
        return decode(self._archive.read(self._names[position]))


def _class_folders(root: Path) -> dict[Class, Path]:
    halves = [name for name in ("train", "test") if (root / name).is_dir()]
    # A class may be called so, too; but classes hold images, splits hold folders.
    if len(halves) == 1 and all(place.is_dir() for place in _visible(root / halves[0])):
        found = ", ".join(place.name for place in _visible(root))
        raise UserError(
            f"data.source: {_printable(root)}: holds {found}; image_folder needs {LAYOUT}: rename "
            f"the other split, or name {_printable(root / halves[0])} to have one split off"
        )
    divided = len(halves) == 2
    splits = {"train": root / "train", "test": root / "test"} if divided else {WHOLE: root}
    return {
        Class(split, place.name): place
        for split, parent in splits.items()
        for place in _visible(parent)
        if place.is_dir()
    }


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"{_printable(folder)}: cannot be read: {error.strerror}; fix its permissions"
        ) from error


def _checked_content(path: Path, root: Path) -> bytes:
    """Read a file that lies in the folder and holds an image."""
    try:
        str(path).encode()
        if not path.resolve().is_relative_to(root.resolve()):
            raise Undecodable(f"a link out of the folder, to {path.resolve()}: not followed")
        content = path.read_bytes()
    except UnicodeEncodeError:
        raise Undecodable("its name is not UTF-8; rename it") from None
    except (OSError, RuntimeError) as error:  # resolve() calls a loop of links a RuntimeError
        raise Undecodable(getattr(error, "strerror", None) or str(error)) from None
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
            f"{root}: {len(damaged):,} of {n_files:,} files are no images that can be used:\n"
            f"{lines}\nFix or remove them, or set data.skip_damaged: true to leave them out."
        )
    print(f"{root}: left out {len(damaged):,} of {n_files:,} files (data.skip_damaged):\n{lines}")


def _require_classes(root: Path, counts: Mapping[Class, int]) -> None:
    """Every class needs images, at least two classes, the same ones to train and to test."""
    mistakes = [
        f"{_where(key)}: an empty class; add images or remove the folder"
        for key, count in counts.items()
        if count == 0
    ]
    names = {split: {key.name for key in counts if key.split == split} for split, _ in counts}
    train, test = (names.get(split, names.get(WHOLE, set())) for split in ("train", "test"))
    mistakes += [
        f"test/{_printable(Path(name))}: a class without training images; add them to "
        f"train/{_printable(Path(name))} or remove it"
        for name in sorted(test - train)
    ]
    mistakes += [
        f"train/{_printable(Path(name))}: a class without test images; add them to "
        f"test/{_printable(Path(name))} or remove it"
        for name in sorted(train - test)
    ]
    if len(train) < 2:
        found = ", ".join(_printable(Path(name)) for name in train) or "none"
        mistakes.append(f"classes found: {len(train)} ({found}), expected at least 2, as {LAYOUT}")
    if mistakes:
        raise UserError("\n  ".join([f"{root}: not as image_folder needs it:", *mistakes]))


def _where(key: Class) -> str:
    place = Path(key.name) if key.split == WHOLE else Path(key.split, key.name)
    return _printable(place)
