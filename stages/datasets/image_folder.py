"""Your own folder of images: `data.source` is its path.

It contains `train/<class>/*` and `test/<class>/*`, and perhaps `val/<class>/*`, or `<class>/*`
alone; preprocess splits off what is missing (`preprocess.test_fraction`, `validation_fraction`).
Classes have the names of their folders, in alphabetical order, or in that of `data.options:
{classes: […]}`, which may name more of them. Folders inside a class are read too; their images are
a group (`preprocess.group`). An image is named by its path in the folder: `test/cats/1.jpg` or
`cats/1.jpg`. Formats: PNG, JPEG, BMP, WebP, TIFF, GIF and DICOM (first frames). Hidden files and
those of operating systems are ignored (`base/layout.py`), and so are files outside the class
folders.

With a table there need be no class folders, see `base/label_table.py`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from stages.base.errors.user import UserError
from stages.datasets.base import archive, label_table
from stages.datasets.base.archive import LabelledFile, archive_images, group_of, write_index
from stages.datasets.base.contract import Origin
from stages.datasets.base.decode import MOST_PIXELS
from stages.datasets.base.layout import (
    UNSPLIT,
    files_below,
    folders_in,
    printable,
    split_folders,
    visible,
)

SEVERAL_LABELS = True
LAYOUT = "train/<class>/* and test/<class>/*, or <class>/*"
TABLE = f"or a {label_table.TABLE} with the columns file and class"
SPLITS = {"train": "training", "validation": "validation", "test": "test"}  # for messages
MOST_LISTED = 10

read = archive.read


def _different(names: list[str]) -> list[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PydanticCustomError("twice", "must name each class once ({name})", {"name": twice})
    return names


class ClassOfSplit(NamedTuple):
    """A class in one split: `train`, `validation`, `test` or `UNSPLIT`."""

    split: str
    name: str


def fetch(
    origin: Origin,
    folder: Path,
    *,
    classes: Annotated[list[str], Field(min_length=2), AfterValidator(_different)] | None = None,
    most_pixels: Annotated[int, Field(gt=0)] = MOST_PIXELS,
) -> str:
    """Check every image by decoding it, and store the files unchanged in one archive.

    Args:
        origin: Has the user's folder.
        folder: Where the archive is written.
        classes: Names of the classes in class order, as a trained network has them; some may have
            no images. None for those that occur.
        most_pixels: Largest number of pixels of an image: larger ones may be an attack.

    Returns:
        Name of the user's folder.
    """
    root = origin.source
    if not root.is_dir():
        raise UserError(f"data.source: {root}: no such folder; image_folder needs {LAYOUT} there")
    in_table = label_table.has_table(root)
    if not in_table:
        _require_no_wrapper(root, classes or ())
    if in_table or origin.multiple:
        files, names = label_table.labelled_files(origin)
        places = {key: Path(*key[key.split == UNSPLIT :]) for key in map(_class_of, files)}
    else:
        places, names = _class_folders(root), []
        files = [file for key, place in places.items() for file in _files_of(root, key, place)]
        _report_groups(root, files)
    depths = archive_images(origin, folder, [file.name for file in files], most_pixels)
    kept = [file for file in files if file.name in depths]
    if not origin.multiple:
        found = Counter(map(_class_of, kept))
        counts = {key: found[key] for key in places}
        if classes is None:
            _require_classes(root, counts, places)
        else:
            _require_named_classes(root, counts, classes)
        names = classes or sorted({key.name for key in places})
    if not any(file.split in ("train", UNSPLIT) for file in kept):
        raise UserError(f"{root}: no training images are left; add some")
    absent = classes is not None and not origin.multiple
    write_index(folder, kept, depths, names, absent)
    return printable(Path(root.resolve().name))


def _class_of(file: LabelledFile) -> ClassOfSplit:
    return ClassOfSplit(file.split, str(file.label))


def _files_of(root: Path, key: ClassOfSplit, place: Path) -> Iterator[LabelledFile]:
    for path in files_below(root / place):
        name = path.relative_to(root).as_posix()
        group = group_of(path.relative_to(root / place), name)
        yield LabelledFile(name, key.split, group, key.name)


def _report_groups(root: Path, files: Sequence[LabelledFile]) -> None:
    """Print how many images lie in folders inside the classes."""
    inside = [file for file in files if file.group != file.name]
    if inside:
        n_groups = len({file.group for file in inside})
        print(
            f"{printable(root)}: {len(inside):,} images lie in {n_groups:,} folders inside the "
            f"classes, such as {printable(Path(inside[0].name).parent)}; preprocess.group: folder "
            "keeps the images of each together"
        )


def _require_no_wrapper(root: Path, classes: Sequence[str]) -> None:
    """Point to the folder with the data if the user's contains nothing else."""
    inner, inside = root, folders_in(root)
    while len(inside) == 1 and inside[0].name not in classes:
        (inner,) = inside
        inside = folders_in(inner)
    if inner != root and (inside or label_table.has_table(inner)):
        raise UserError(
            f"data.source: {printable(root)}: looks like your data lie in "
            f"{printable(inner.relative_to(root))}/: set data.source to {printable(inner)}"
        )


def _class_folders(root: Path) -> dict[ClassOfSplit, Path]:
    """The folder of each class in each split, relative to the user's."""
    splits = split_folders(root)
    if "train" not in splits or len(splits) == 1:
        # A class may be called train or test too, but classes contain images and splits folders.
        lone = next((p for p in splits.values() if all(map(Path.is_dir, visible(p)))), None)
        if lone is not None:
            found = ", ".join(path.name for path in visible(root))
            raise UserError(
                f"data.source: {printable(root)}: contains {found}; image_folder needs {LAYOUT}: "
                f"rename the other split, or set data.source to {printable(lone)} to have test "
                "images split off"
            )
        splits = {UNSPLIT: root}
    empty = [parent for parent in splits.values() if not folders_in(parent)]
    if 0 < len(empty) < len(splits):
        raise UserError(
            f"{printable(empty[0])}: has no class folders; image_folder needs {LAYOUT}: move its "
            "images into folders of their classes, or move it elsewhere if they have none"
        )
    return {
        ClassOfSplit(split, path.name): path.relative_to(root)
        for split, parent in splits.items()
        for path in folders_in(parent)
    }


def _require_classes(
    root: Path, counts: Mapping[ClassOfSplit, int], places: Mapping[ClassOfSplit, Path]
) -> None:
    """Require at least two classes, the same in all splits, each with images."""
    errors = [
        f"{printable(places[key])}: an empty class; add images or remove it"
        for key, count in counts.items()
        if count == 0
    ]
    names = {split: {key.name for key in counts if key.split == split} for split, _ in counts}
    train = names.pop("train", None) or names.pop(UNSPLIT, set())
    for split, others in names.items():
        for name in sorted(train ^ others):
            here, there = ("train", split) if name in train else (split, "train")
            errors.append(
                f"{printable(places[ClassOfSplit(here, name)])}: a class without "
                f"{SPLITS[there]} images; add some or remove it"
            )
    if len(train) < 2:
        found = ", ".join(printable(Path(name)) for name in sorted(train)) or "none"
        errors.append(
            f"classes found: {len(train)} ({found}), expected at least 2, as {LAYOUT}, {TABLE}"
        )
    if errors:
        raise UserError("\n  ".join([f"{root}: cannot be used as image_folder:", *errors]))


def _require_named_classes(
    root: Path, counts: Mapping[ClassOfSplit, int], classes: Sequence[str]
) -> None:
    """Require all classes found to be named, and images in each split."""
    errors = []
    unknown = sorted({key.name for key in counts} - set(classes))
    if unknown:
        listed = ", ".join(printable(Path(name)) for name in unknown[:MOST_LISTED])
        more = f" and {len(unknown) - MOST_LISTED:,} more" if len(unknown) > MOST_LISTED else ""
        errors.append(
            f"classes that data.options.classes does not name: {listed}{more}; add them there, or "
            f"rename them (it names {', '.join(classes[:MOST_LISTED])}"
            f"{', …' if len(classes) > MOST_LISTED else ''})"
        )
    for split in {key.split for key in counts} or {UNSPLIT}:
        if not any(n_images for key, n_images in counts.items() if key.split == split):
            where = "no images" if split == UNSPLIT else f"{split}: no images"
            errors.append(f"{where} of the classes in data.options.classes, expected {LAYOUT}")
    if errors:
        raise UserError("\n  ".join([f"{root}: cannot be used as image_folder:", *errors]))
