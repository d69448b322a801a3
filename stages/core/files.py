"""Writes results whole or not at all; the same content always gives the same bytes.

What is new is on the disk before it takes the name of what is old: a power cut, like a killed run,
leaves one or the other. Arrays may be larger than memory.
"""

import contextlib
import ctypes
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.core.memory import is_out_of_memory

if TYPE_CHECKING:  # most stages have no table, and need not wait for the import
    import pandas as pd

AppendRows = Callable[[NDArray[Any]], None]

_DATA = Path("data")
# Errors of a system call or a file system without the feature.
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # Linux


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into that becomes `path` only once the block has succeeded.

    Raises:
        UserError: A file could not be written, say on a full disk; nothing is left behind.
    """
    with _partial(path) as partial:
        new = partial / "new"
        new.mkdir(parents=True)
        yield new
        for written in (*new.rglob("*"), new):
            _flush(written)
        if path.is_dir():
            _exchange(path, new)
        else:
            new.rename(path)
        _flush(path.parent)
        _remove(partial)  # with what was in `path`


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file name to write to that becomes `path` only once the block has succeeded.

    Raises:
        UserError: The file could not be written, say on a full disk; nothing is left behind.
    """
    with _partial(path) as partial:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    partial = path.with_name(path.name + ".partial")
    try:
        _remove(partial)
        yield partial
    except OSError as error:
        if is_out_of_memory(error):  # what is written may be computed meanwhile
            raise
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


def _flush(path: Path) -> None:
    """Wait until a file, or the list of files in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:  # some network file systems flush no folder
            raise
    finally:
        os.close(descriptor)


def _exchange(path: Path, new: Path) -> None:
    """Swap two folders in one step; where the system cannot, rename one after the other."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # not Linux
        failure = errno.ENOSYS
    else:
        names = os.fsencode(new), os.fsencode(path)
        failed = renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
        failure = ctypes.get_errno() if failed else 0
    if failure in _UNSUPPORTED:
        old = path.rename(new.with_name("old"))
        try:
            new.rename(path)
        except BaseException:
            old.rename(path)
            raise
    elif failure:
        raise OSError(failure, os.strerror(failure), str(path))


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:  # rmtree's names only the inner file
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, indented, its keys sorted."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table for `dvc plots`, as a new file."""
    with new_file(path) as partial:
        write_table(partial, table)


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV: no index, six significant digits."""
    table.to_csv(
        path,
        index=False,
        float_format="%.6g",
        lineterminator="\n",
        errors="backslashreplace",  # names of files need not be UTF-8
    )


@contextlib.contextmanager
def new_npy(path: Path, n_rows: int) -> Iterator[AppendRows]:
    """Write an array row by row; the file has the bytes that `np.save` would give it.

    Args:
        path: Of the new file.
        n_rows: How many rows will be appended, all of the first ones' dtype and shape.
    """
    with path.open("wb") as file:

        def append(rows: NDArray[Any]) -> None:
            if file.tell() == 0:
                shape = (n_rows, *rows.shape[1:])
                header = {"descr": npy.dtype_to_descr(rows.dtype), "fortran_order": False}
                npy.write_array_header_1_0(file, {**header, "shape": shape})
            file.write(np.ascontiguousarray(rows).data)

        yield append


def load_npy(path: Path) -> NDArray[Any]:
    """An array of which only what is looked at is read; what is assigned to it stays in memory."""
    return np.asarray(np.load(path, mmap_mode="c"))


def concatenate_on_disk(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """As `np.concatenate`, but into a file, of which only what is looked at is in memory.

    The file has no name and goes with the array.

    Args:
        parts: At least one row together, all rows of one dtype and shape.

    Raises:
        UserError: The file cannot be written, say on a full disk.
    """
    n_rows = 0
    with contextlib.ExitStack() as stack:
        with _writing_data():
            _DATA.mkdir(exist_ok=True)
            file = stack.enter_context(tempfile.TemporaryFile(dir=_DATA))
        for part in parts:
            with _writing_data():
                file.write(np.ascontiguousarray(part).data)
            n_rows += len(part)
        with _writing_data():
            file.flush()
        return np.asarray(np.memmap(file, part.dtype, "c", shape=(n_rows, *part.shape[1:])))


@contextlib.contextmanager
def _writing_data() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{_DATA}: cannot be written: {error.strerror}; free some space or fix the "
            "permissions, then run again"
        ) from error
