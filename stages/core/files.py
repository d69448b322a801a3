"""Writes results whole or not at all; the same content always gives the same bytes."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from stages.core.errors import UserError


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into that becomes `path` only once the block has succeeded.

    Raises:
        UserError: A file could not be written, say on a full disk; nothing is left behind.
    """
    with _partial(path) as partial:
        partial.mkdir(parents=True)
        yield partial
        _replace_folder(path, partial)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file name to write to that becomes `path` only once the block has succeeded.

    Raises:
        UserError: The file could not be written, say on a full disk; nothing is left behind.
    """
    with _partial(path) as partial:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    partial = path.with_name(path.name + ".partial")
    try:
        _remove(partial)
        yield partial
    except OSError as error:
        raise UserError(_message(path, partial, error)) from error
    finally:
        with contextlib.suppress(OSError):
            _remove(partial)


def _message(path: Path, partial: Path, error: OSError) -> str:
    """Names `path` if it could not be written, else the file that could not be read meanwhile."""
    reason = error.strerror or error
    culprit = Path(error.filename) if isinstance(error.filename, str) else partial
    if partial in (culprit, *culprit.parents) or culprit in (path, *path.parents):
        return (
            f"{path}: cannot be written: {reason}; free some space or fix the permissions, "
            "then run again"
        )
    return f"{culprit}: cannot be read: {reason}; restore it or fix its permissions"


def _replace_folder(path: Path, new: Path) -> None:
    """Swap folders by renaming, so that an interrupt leaves the old one or the new one, whole."""
    old = path.with_name(path.name + ".old.partial")
    _remove(old)
    if path.is_dir():
        path.rename(old)
    new.rename(path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, indented, its keys sorted."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table for `dvc plots`: no index, six significant digits."""
    with new_file(path) as partial:
        table.to_csv(
            partial,
            index=False,
            float_format="%.6g",
            lineterminator="\n",
            errors="backslashreplace",  # names of files need not be UTF-8
        )
