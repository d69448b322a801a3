"""The table `labels.csv`: classes or labels of the images in a folder.

The first column, `file`, has paths relative to the table. For one class an image, the second and
last column is `class`. For several labels an image, each further column is a label, with 1 for
images that have it and 0 for others.

The table is in the folder itself, or each split's folder has one. One table for files that are all
in the folders of splits keeps that division.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from stages.base.errors.user import UserError, reason_of
from stages.datasets.base.archive import LabelledFile, group_of
from stages.datasets.base.contract import Origin
from stages.datasets.base.layout import UNSPLIT, is_visible, printable, split_folders

TABLE = "labels.csv"
MOST_LISTED = 10
EXAMPLES = {
    False: "its first line must be file,class",
    True: "its first line must be file,<label>,<label>,… such as file,cat,dog",
}


class LabelTable(NamedTuple):
    """The labels of files.

    Attributes:
        names: Names of the labels, in the order of the columns; `class` for one class an image.
        labels: By path relative to the user's folder, with forward slashes: the class, or 0 or 1
            for each label.
    """

    names: list[str]
    labels: dict[str, str | list[int]]


def has_table(root: Path) -> bool:
    """Whether the folder or one of its splits has a table."""
    return any((folder / TABLE).is_file() for folder in (root, *split_folders(root).values()))


def labelled_files(origin: Origin) -> tuple[list[LabelledFile], list[str]]:
    """The files that the tables of the user's folder list, and the names of the columns.

    Raises:
        UserError: A table is missing or wrong, or files are missing.
    """
    root = origin.source
    splits = split_folders(root)
    table = _read_tables(root, splits, origin.multiple)
    missing = [name for name in table.labels if not (root / name).is_file()]
    if missing:
        more = f" and {len(missing) - MOST_LISTED:,} more" if len(missing) > MOST_LISTED else ""
        raise UserError(
            f"{printable(root)}: {TABLE} names files that do not exist: "
            f"{', '.join(missing[:MOST_LISTED])}{more}; add them, or remove their lines"
        )
    _report_unlisted(root, table)
    split_of = {folder.name: split for split, folder in splits.items()}
    used = {split_of.get(Path(name).parts[0], UNSPLIT) for name in table.labels}
    divided = len(used) > 1 and used.issubset(splits) and "train" in used

    def labelled(name: str) -> LabelledFile:
        path = Path(name)
        split = split_of[path.parts[0]] if divided else UNSPLIT
        inside = path.relative_to(path.parts[0]) if divided else path
        return LabelledFile(name, split, group_of(inside, name), table.labels[name])

    return list(map(labelled, table.labels)), table.names


def _read_tables(root: Path, splits: Mapping[str, Path], multiple: bool) -> LabelTable:
    """The folder's table, or the tables of its splits as one."""
    if (root / TABLE).is_file():
        return read_table(root, Path(), multiple)
    folders = [folder for folder in splits.values() if (folder / TABLE).is_file()]
    if not folders or len(folders) < len(splits):
        raise UserError(
            f"data.source: {printable(root)}: has no {TABLE}; "
            f"{'data.labels: multiple' if multiple else 'a split with one'} needs it there, or in "
            f"each of {', '.join(f.name for f in splits.values()) or 'train, test'}: "
            f"{EXAMPLES[multiple]}"
        )
    first, *others = (read_table(root, Path(folder.name), multiple) for folder in folders)
    for folder, other in zip(folders[1:], others, strict=True):
        if other.names != first.names:
            raise UserError(
                f"data.source: {printable(root)}: the labels of {folders[0].name}/{TABLE} are "
                f"{', '.join(first.names)}, those of {folder.name}/{TABLE} "
                f"{', '.join(other.names)}; they must be the same, in the same order"
            )
        first.labels.update(other.labels)
    return first


def read_table(root: Path, folder: Path, multiple: bool) -> LabelTable:
    """Read and check the table in a folder, given relative to the user's.

    Raises:
        UserError: A line is wrong; the message gives its number.
    """
    path = root / folder / TABLE
    where = printable(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [""])
            names = _checked_names(where, header, multiple)
            labels: dict[str, str | list[int]] = {}
            for cells in filter(None, lines):
                line = f"{where}: line {lines.line_num}"
                name = _checked_name(line, cells[0], folder)
                if name in labels:
                    raise UserError(f"{line}: {name} is listed twice; remove one of the lines")
                checked = _checked_labels if multiple else _checked_class
                labels[name] = checked(line, cells[1:], len(names))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise UserError(
            f"{where}: cannot be read as a table: {reason_of(error)}; save it as CSV in UTF-8"
        ) from None
    if not labels:
        raise UserError(f"{where}: lists no images; add a line for each")
    return LabelTable(names, labels)


def _checked_names(where: str, header: Sequence[str], multiple: bool) -> list[str]:
    first, *names = header
    if first == "file" and all(names) and (names == ["class"]) != multiple:
        return names
    advice = ""
    if first == "file" and names:
        advice = f", or set data.labels: {'single' if multiple else 'multiple'}"
    if not multiple:
        advice += ", or rename the table if the folders are the classes"
    raise UserError(f"{where}: {EXAMPLES[multiple]} (got {','.join(header)[:80]!r}){advice}")


def _checked_name(where: str, given: str, folder: Path) -> str:
    """The path relative to the user's folder."""
    name = (folder / given.replace("\\", "/")).as_posix()
    if not given or given.startswith("/") or ".." in Path(name).parts:
        raise UserError(f"{where}: file is {given!r}, expected a path relative to the table")
    return name


def _checked_class(where: str, values: Sequence[str], _: int) -> str:
    if len(values) != 1 or not values[0].strip():
        raise UserError(f"{where}: has {','.join(values)!r} after the file, expected one class")
    return values[0].strip()


def _checked_labels(where: str, values: Sequence[str], n_labels: int) -> list[int]:
    if len(values) != n_labels:
        raise UserError(f"{where}: has {len(values)} labels, expected {n_labels}: 0 or 1 for each")
    wrong = next((value for value in values if value.strip() not in ("0", "1")), None)
    if wrong is not None:
        raise UserError(f"{where}: a label is {wrong!r}, expected 0 or 1")
    return [int(value) for value in values]


def _report_unlisted(root: Path, table: LabelTable) -> None:
    """Print how many files of the folder no table lists."""
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    shown = (path for path in files if all(map(is_visible, path.parts)))
    unlisted = [p for p in shown if p.name != TABLE and p.as_posix() not in table.labels]
    if unlisted:
        print(
            f"{printable(root)}: left out {len(unlisted):,} files that {TABLE} does not list, such "
            f"as {printable(min(unlisted))}"
        )
