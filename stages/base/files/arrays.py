"""Arrays on the disk, which may be larger than memory."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stages.base.errors.user import UserError

AppendRows = Callable[[NDArray[Any]], None]

_DATA = Path("data")


@contextlib.contextmanager
def new_npy(path: Path, n_rows: int) -> Iterator[AppendRows]:
    """Write an array row by row; the file has the bytes that `np.save` would give it.

    Args:
        path: The new file.
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
