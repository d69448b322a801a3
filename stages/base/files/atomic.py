"""Writes files and folders completely or not at all.

New content is flushed to disk before it replaces the old. A power cut or a killed run leaves either
the old version or the new one.
"""

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError

# Error numbers of systems and file systems that lack a feature.
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # Linux


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A new folder to write into, renamed to `path` when the block succeeds.

    Raises:
        UserError: A file could not be written, such as on a full disk; nothing is left behind.
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
        _remove(partial)  # and with it the previous content of `path`


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A new file to write to, renamed to `path` when the block succeeds.

    Raises:
        UserError: The file could not be written, such as on a full disk; nothing is left behind.
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
        if is_out_of_memory(error):  # the block may compute, too
            raise
        raise UserError(_message(path, partial, error)) from error
    finally:
        with contextlib.suppress(OSError):
            _remove(partial)


def _message(path: Path, partial: Path, error: OSError) -> str:
    """Names `path` if writing failed, else the file that the block could not read."""
    reason = error.strerror or error
    culprit = Path(error.filename) if isinstance(error.filename, str) else partial
    if partial in (culprit, *culprit.parents) or culprit in (path, *path.parents):
        return (
            f"{path}: cannot be written: {reason}; free some space or fix the permissions, "
            "then run again"
        )
    return f"{culprit}: cannot be read: {reason}; restore it or fix its permissions"


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:  # some network file systems cannot flush folders
            raise
    finally:
        os.close(descriptor)


def _exchange(path: Path, new: Path) -> None:
    """Swap two folders in one step if the system can, else with two renames."""
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
    except OSError as error:  # the error of rmtree names only the file inside
        raise OSError(error.errno, error.strerror, str(path)) from error
