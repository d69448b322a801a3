"""What counts in a user's folder: visible files, and the folders of splits."""

from collections.abc import Iterator
from pathlib import Path

from stages.base.errors.user import UserError
from stages.datasets.base.split_names import SPLIT_OF

UNSPLIT = "all"  # the only split of a folder without training and test folders

SPLITS = ("train", "validation", "test")

_LEFT_BY_SYSTEMS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"}


def is_visible(name: str) -> bool:
    """Whether a file or folder is the user's: not hidden, and not left by an operating system."""
    return not name.startswith(".") and name.lower() not in _LEFT_BY_SYSTEMS


def visible(folder: Path) -> list[Path]:
    """The visible content of a folder, sorted.

    Raises:
        UserError: The folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if is_visible(path.name))
    except OSError as error:
        raise UserError(
            f"{printable(folder)}: cannot be read: {error.strerror}; fix its permissions"
        ) from error


def folders_in(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted."""
    return [path for path in visible(folder) if path.is_dir()]


def files_below(folder: Path) -> Iterator[Path]:
    """The visible files in a folder and in the folders inside it.

    Links to folders are not followed but yielded like files.
    """
    for path in visible(folder):
        if path.is_dir() and not path.is_symlink():
            yield from files_below(path)
        else:
            yield path


def split_folders(root: Path) -> dict[str, Path]:
    """Folders of splits by split, `train`, `validation` and `test`; empty without a training one.

    Raises:
        UserError: Two folders are the same split, such as `val` and `valid`.
    """
    found: dict[str, Path] = {}
    for path in folders_in(root):
        split = SPLIT_OF.get(path.name.lower())
        if split in found:
            raise UserError(
                f"data.source: {printable(root)}: {found[split].name} and {path.name} are both the "
                f"{split} split; move the images of one into the other"
            )
        if split is not None:
            found[split] = path
    return {split: found[split] for split in SPLITS if split in found}


def printable(path: Path) -> str:
    """The path with characters that any terminal can show."""
    return str(path).encode(errors="backslashreplace").decode()
